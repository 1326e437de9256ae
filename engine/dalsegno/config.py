"""Where the store is and which project and domain runs belong to, when the caller does not say.

The first that says something wins: the argument or `--store`, the variable `DALSEGNO_STORE`, `[tool.dalsegno]` in
the nearest `pyproject.toml` upwards, the nearest `.dalsegno` folder upwards. Otherwise a `.dalsegno` folder is made
beside the nearest `pyproject.toml` or `.git` upwards, else in the current folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dalsegno.errors import ConfigError

__all__ = ["Config", "find_config", "read_config"]

FOLDER = ".dalsegno"
VARIABLE = "DALSEGNO_STORE"
KEYS = ("store", "project", "domain")


@dataclass(frozen=True, slots=True)
class Config:
    """`store` is a path or URL."""

    store: str
    project: str = "default"
    domain: str = "development"


def find_config(
    *, store: str | Path | None = None, start: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Config:
    """The configuration for code that runs in folder `start`, the current one by default."""
    start = (start or Path.cwd()).absolute()
    settings: dict[str, str] = {}
    for folder in _upwards(start):
        file = folder / "pyproject.toml"
        if file.is_file():
            settings = _settings(file)
            break
    place = str(store) if store is not None else environ.get(VARIABLE) or settings.get("store")
    settings["store"] = _absolute(place) if place else str(_default_place(start))
    return Config(**settings)


def read_config(path: str | Path) -> Config:
    """The configuration in a TOML file: its `[tool.dalsegno]` table, or the file itself when it has none."""
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"there is no configuration file {str(file)!r}")
    settings = _settings(file)
    if "store" not in settings:
        settings["store"] = find_config(start=file.absolute().parent).store
    return Config(**settings)


def _settings(file: Path) -> dict[str, str]:
    import tomllib  # costs as much as all the rest of this module

    try:
        document: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}") from error
    tools = document.get("tool")
    table = tools.get("dalsegno") if isinstance(tools, dict) else None
    if table is None:
        table = {} if file.name == "pyproject.toml" else {k: v for k, v in document.items() if k != "tool"}
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: tool.dalsegno is a table of {', '.join(KEYS)}, not {table!r}")
    settings: dict[str, str] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise ConfigError(f"{file} has the unknown setting {key!r}; there are {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise ConfigError(f"{file}: {key} is text, not {value!r}")
        settings[key] = value
    place = settings.get("store")
    if place and "://" not in place and not place.endswith(":"):
        settings["store"] = str(file.absolute().parent / place)
    return settings


def _absolute(place: str) -> str:
    """A path that stays right when the program changes its folder; URLs are left as they are."""
    return place if ":" in place else str(Path(place).expanduser().absolute())


def _default_place(start: Path) -> Path:
    for folder in _upwards(start):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    for folder in _upwards(start):
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder / FOLDER
    return start / FOLDER


def _upwards(start: Path) -> Iterator[Path]:
    yield start
    yield from start.parents
