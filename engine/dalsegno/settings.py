"""What a caller may set for one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Literal, TypedDict, get_args

from dalsegno._redaction import Redactor, redactor
from dalsegno.errors import ConfigError, InvalidNameError
from dalsegno.models import CopyStyle
from dalsegno.names import check_name, check_text

__all__ = ["Durability", "Isolation", "RunOptions", "RunSettings"]

Durability = Literal["full", "relaxed"]
Isolation = Literal["private", "process", "environment"]

_COPY_STYLES = get_args(CopyStyle)
_DURABILITIES = (None, *get_args(Durability))
_ISOLATIONS = (None, *get_args(Isolation))


class RunOptions(TypedDict, total=False):
    """What `with_runcontext` takes: the fields of `RunSettings`, which says what they mean."""

    name: str | None
    project: str | None
    domain: str | None
    env_vars: Mapping[str, str]
    labels: Mapping[str, str]
    custom_context: Mapping[str, str]
    copy_style: CopyStyle
    root_dir: str | Path | None
    durability: Durability | None
    isolation: Isolation | None
    strict_environment: bool
    overwrite_cache: bool
    disable_run_cache: bool
    max_action_concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The settings of one run; None takes the source run's or the engine's own.

    `durability="full"` has every action on disk before its caller goes on; with "relaxed" actions follow at most
    20 ms behind and only the end of the run is waited for. `copy_style` says what code is recorded:
    "loaded_modules" the modules that the task can reach and those loaded beside them, "all" every file under the
    source roots, "none" nothing. `isolation` makes a rerun load recorded code beside the live code ("private") or
    in a process of its own ("process") even where the live code is the recorded one; "environment" is such a process with
    the recorded packages, which are installed for it and kept. With `disable_run_cache` the run
    neither takes results from the cache nor leaves any there; with `overwrite_cache` it only leaves its own.
    `max_action_concurrency` is how many bodies of the run execute at once, 0 for any number; one that waits for its
    own calls does not count.
    """

    name: str | None = None
    project: str | None = None
    domain: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    custom_context: Mapping[str, str] = field(default_factory=dict)
    copy_style: CopyStyle = "loaded_modules"
    root_dir: str | Path | None = None
    durability: Durability | None = None
    isolation: Isolation | None = None
    strict_environment: bool = False
    overwrite_cache: bool = False
    disable_run_cache: bool = False
    max_action_concurrency: int = 0

    def __post_init__(self) -> None:
        for what in ("name", "project", "domain"):
            value = getattr(self, what)
            if value is not None:
                check_name("run name" if what == "name" else what, value)
        check_labels(self.labels)
        check_texts("env_vars", self.env_vars)
        _check_unicode("env_vars", self.env_vars)
        check_texts("custom_context", self.custom_context)
        _check_unicode("custom_context", self.custom_context)
        for key, value in self.env_vars.items():
            if not key or "=" in key or "\0" in key + value:
                raise InvalidNameError("environment variable", key, "it is empty or has '=' or a zero byte")
        if not isinstance(self.root_dir, (str, PathLike, NoneType)):
            raise ConfigError(f"root_dir is a folder as text or a Path, not {type(self.root_dir).__name__}")
        _check_choice("copy_style", self.copy_style, _COPY_STYLES)
        _check_choice("durability", self.durability, _DURABILITIES)
        if self.overwrite_cache and self.disable_run_cache:
            raise ConfigError("overwrite_cache and disable_run_cache exclude each other; choose one")
        checked_limit("max_action_concurrency", self.max_action_concurrency)
        _check_choice("isolation", self.isolation, _ISOLATIONS)


def check_labels(labels: Mapping[str, str]) -> None:
    """Labels have short printable texts for keys and values, and no '=' in a key."""
    check_texts("labels", labels)
    for key, value in labels.items():
        check_text("label", key)
        if "=" in key or not key:
            raise InvalidNameError("label", key, "it is empty or has a '='")
        check_text(f"value of label {key!r},", value)


def checked_redactor(setting: object) -> Redactor:
    """The redactor that an engine's setting means; ConfigError for one that means nothing."""
    try:
        return redactor(setting)
    except TypeError as error:
        raise ConfigError(str(error)) from None


def checked_limit(what: str, limit: object) -> int:
    """A number from 0 up; ConfigError otherwise."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise ConfigError(f"{what} is a number from 0 up, not {limit!r}")
    return limit


def check_texts(what: str, texts: Mapping[str, str]) -> None:
    """A mapping from text to text; ConfigError otherwise."""
    if not isinstance(texts, Mapping):
        raise ConfigError(f"{what} is a mapping from text to text, not {type(texts).__name__}")
    for key, value in texts.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ConfigError(f"{what} maps text to text, not {key!r} to {value!r}; write the value as text")


def _check_unicode(what: str, texts: Mapping[str, str]) -> None:
    for key, value in texts.items():
        try:
            (key + value).encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"{what} maps {key!r} to {value!r}, but is recorded as UTF-8, which cannot say lone surrogates; "
                "write bytes that are no text in another way, such as hexadecimal"
            ) from None


def _check_choice(what: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ConfigError(f"{what} is one of {known}, not {value!r}")
