"""Values of classes: dataclasses, named tuples, typed dicts, pydantic models, and everything else."""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import PurePath
from typing import Any

from dalsegno._convert.base import FAILED, FileUse, Kind, Path, Report, Source, failed, shorten


class Field(typing.NamedTuple):
    """One field of a record."""

    kind: Kind
    required: bool


@dataclass(frozen=True, slots=True)
class Record(Kind):
    """A class with named fields, for which a dict may stand (for a named tuple also a sequence).

    An instance is kept with whatever its fields hold; fields are looked at only when they come in a dict.
    `cls` is None for what is a dict itself: a typed dict, or an object known from its schema only; `more` is the
    kind of values under further names, if those are allowed.
    """

    name: str
    cls: type | None
    fields: Callable[[], Mapping[str, Field]]
    build: Callable[..., object] = dict
    ordered: bool = False
    more: Kind | None = None

    @property
    def expected(self) -> str:
        return (
            f"a {self.name} or a dict of its fields" if self.cls else f"a dict of the fields of {self.name}"
        )

    def holds(self, value: object) -> bool:
        if self.cls is not None:
            return isinstance(value, self.cls)
        if not isinstance(value, dict):
            return False
        fields = self.fields()
        complete = all(name in value for name, field in fields.items() if field.required)
        return complete and all(self._holds_under(name, item) for name, item in value.items())

    def _holds_under(self, name: str, value: object) -> bool:
        field = self.fields().get(name)
        kind = field.kind if field else self.more
        return kind is not None and kind.holds(value)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        fields = self.fields()
        if self.ordered and isinstance(value, list | tuple):
            if len(value) > len(fields):
                return report.refuse(path, f"at most {len(fields)} values for {self.name}", f"{len(value)}")
            value = dict(zip(fields, value, strict=False))
        if not isinstance(value, Mapping):
            return report.refuse(path, self.expected, shorten(value))
        built = {
            name: field.kind.take(value[name], source, (*path, name), report)
            for name, field in fields.items()
            if name in value
        }
        complete = True
        for name, item in value.items():
            if name in fields:
                continue
            if self.more is None:
                words = known(str(name), fields, f"a field of {self.name}")
                complete = report.refuse((*path, str(name)), words, "an unknown name") is not FAILED
            else:
                built[str(name)] = self.more.take(item, source, (*path, str(name)), report)
        for name, field in fields.items():
            if field.required and name not in value:
                complete = report.refuse((*path, name), field.kind.expected, "nothing") is not FAILED
        if not complete or failed(built.values()):
            return FAILED
        try:
            return self.build(**built)
        except Exception as error:  # the class is the user's code
            return report.refuse(path, f"values that {self.name} accepts", f"{type(error).__name__}: {error}")


def known(name: str, names: Iterable[str], what: str) -> str:
    """What to say of an unknown name: what it should be, the known ones, and the nearest."""
    names = list(names)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{what} ({', '.join(names) or 'it has none'}{hint})"


def fields_of(cls: type, compile: Callable[[object], Kind]) -> Callable[[], Mapping[str, Field]]:
    """The fields of a dataclass, attrs class or named tuple, found when first needed (classes may be recursive)."""

    @cache
    def fields() -> Mapping[str, Field]:
        hints = hints_of(cls)
        return {
            name: Field(compile(hints.get(name, Any)), parameter.default is parameter.empty)
            for name, parameter in inspect.signature(cls).parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }

    return fields


def keys_of(cls: type, compile: Callable[[object], Kind]) -> Callable[[], Mapping[str, Field]]:
    """The keys of a typed dict, found when first needed."""

    @cache
    def fields() -> Mapping[str, Field]:
        required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
        return {name: Field(compile(hint), name in required) for name, hint in hints_of(cls).items()}

    return fields


def hints_of(cls: type) -> dict[str, object]:
    """The resolved annotations of a class; without those if one of them names what does not exist."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, AttributeError, TypeError):
        return {}


@dataclass(frozen=True, slots=True)
class Instance(Kind):
    """Any other class: instances are kept, nothing else will do.

    A class with a class method `__from_path__(path: str)` is also made from a path, as text or `PurePath`.
    """

    cls: type
    name: str

    @property
    def expected(self) -> str:
        return f"a path or a {self.name}" if self._from_path else f"a {self.name}"

    @property
    def file(self) -> FileUse:
        return "never"

    @property
    def _from_path(self) -> Callable[[str], object] | None:
        return getattr(self.cls, "__from_path__", None)

    def holds(self, value: object) -> bool:
        return isinstance(value, self.cls)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        make = self._from_path
        if make is None or not isinstance(value, str | PurePath):
            return report.refuse(path, self.expected, shorten(value))
        try:
            return make(str(value))
        except Exception as error:  # the class is the user's code
            return report.refuse(path, self.expected, f"{shorten(value)}: {error}")

    def text(self, text: str, path: Path, report: Report) -> object:
        return self.convert(text, "json", path, report)


@dataclass(frozen=True, slots=True)
class Later(Kind):
    """A kind that is compiled when first used, because it contains itself."""

    compile: Callable[[], Kind]

    @property
    def expected(self) -> str:
        return self.compile().expected

    @property
    def file(self) -> FileUse:
        return self.compile().file

    def holds(self, value: object) -> bool:
        return self.compile().holds(value)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        return self.compile().convert(value, source, path, report)

    def text(self, text: str, path: Path, report: Report) -> object:
        return self.compile().text(text, path, report)
