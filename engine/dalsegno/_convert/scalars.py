"""Single values: numbers, strings, times, identifiers, paths."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from operator import index
from pathlib import Path as FilePath
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from uuid import UUID

from dalsegno._convert import times
from dalsegno._convert.base import FileUse, Kind, Path, Report, Source, shorten

Step = Callable[[object], object]
"""Makes a value right or raises one of `_WRONG`."""
_WRONG = (ValueError, TypeError, ArithmeticError, LookupError)

_TRUTH = {"true": True, "yes": True, "on": True, "1": True}
_TRUTH |= {"false": False, "no": False, "off": False, "0": False}


def _refuse(value: object) -> object:
    raise ValueError


@dataclass(frozen=True, slots=True)
class Scalar(Kind):
    """A value without parts; `but` names a subclass that is something else (a bool is no integer)."""

    cls: type
    words: str
    read: Callable[[str], object]
    python: Step = _refuse
    json: Step = _refuse
    but: type | tuple[type, ...] = ()

    @property
    def expected(self) -> str:
        return self.words

    @property
    def file(self) -> FileUse:
        if self.cls is bytes:
            return "bytes"
        return "never" if issubclass(self.cls, PurePath) else "text"

    def holds(self, value: object) -> bool:
        return type(value) is self.cls or (isinstance(value, self.cls) and not isinstance(value, self.but))

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        step = self.python if source == "python" else self.json
        try:
            return step(value)
        except _WRONG:
            return report.refuse(path, self.words, shorten(value))

    def text(self, text: str, path: Path, report: Report) -> object:
        try:
            return self.read(text)
        except _WRONG:
            return report.refuse(path, self.words, f"{text[:60]!r}")


def _string(read: Callable[[str], object]) -> Step:
    """A step that takes strings only."""
    return lambda value: read(value) if isinstance(value, str) else _refuse(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError
    return index(value)


def _whole_json(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else _whole(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def _truth(value: object) -> object:
    """numpy's own truth value, which is no bool."""
    kind = type(value)
    return (
        bool(value) if kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_") else _refuse(value)
    )


def _decimal(value: object) -> object:
    return Decimal(_whole(value))


def _decimal_json(value: object) -> object:
    return Decimal(str(value)) if isinstance(value, str | float) else _decimal(value)


def _span(value: object) -> object:
    return times.duration(value) if isinstance(value, str) else timedelta(seconds=_real(value))


def _none(text: str) -> object:
    return None if text.strip().lower() in ("null", "none") else _refuse(text)


def _path(cls: type[PurePath]) -> Scalar:
    def step(value: object) -> object:
        return cls(value) if isinstance(value, str | PurePath) else _refuse(value)

    return Scalar(cls, "a path", cls, step, step)


def _scalars() -> dict[type, Scalar]:
    integer = Scalar(int, "an integer", lambda text: int(text.strip()), _whole, _whole_json, but=bool)
    kinds = [
        integer,
        Scalar(float, "a number", lambda text: float(text.strip()), _real, _real),
        Scalar(bool, "true or false", lambda text: _TRUTH[text.strip().lower()], _truth),
        Scalar(str, "a string", str),
        Scalar(bytes, "bytes", str.encode, json=_string(str.encode)),
        Scalar(complex, "a complex number", complex, lambda value: complex(_real(value)), _string(complex)),
        Scalar(type(None), "null", _none),
        Scalar(datetime, "a date and time", times.moment, json=_string(datetime.fromisoformat)),
        Scalar(date, "a date", times.day, json=_string(date.fromisoformat), but=datetime),
        Scalar(
            time,
            "a time of day",
            lambda text: time.fromisoformat(text.strip()),
            json=_string(time.fromisoformat),
        ),
        Scalar(timedelta, "a duration", times.duration, json=_span),
        Scalar(Decimal, "a decimal number", Decimal, _decimal, _decimal_json),
        Scalar(UUID, "a UUID", UUID, json=_string(UUID)),
        *map(_path, (FilePath, PosixPath, WindowsPath, PurePath, PurePosixPath, PureWindowsPath)),
    ]
    return {kind.cls: kind for kind in kinds}


SCALARS = _scalars()
"""The kind of each type that needs no further description."""
