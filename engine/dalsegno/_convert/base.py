"""What all kinds of values have in common.

A *kind* is a compiled annotation: it knows whether a value is already right and how to make it right.

- A value that is already right is kept, the very object: never copied, never rebuilt, subclasses included.
  Only what is not right is converted, so validators with effects run once and no field of a subclass is lost.
- Three sources feed the same kinds. `python`: values of a program; only natural steps are taken (an int for a
  float, a dict for a dataclass). `json`: parsed JSON; strings may stand for dates, arrays for sets. `text`: what
  was typed on a command line; it is parsed for scalars and read as JSON for everything else.
- A kind never raises for a bad value: it reports each problem with its path and returns `FAILED`, so that one
  error can list all of them.
"""

import json
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum
from typing import Final, Literal, TypeAlias

from dalsegno.errors import InputProblem

Source: TypeAlias = Literal["python", "json", "text"]
Path: TypeAlias = tuple[str | int, ...]
FileUse: TypeAlias = Literal["text", "bytes", "never"]


class _Failed(Enum):
    FAILED = "failed"


FAILED: Final = _Failed.FAILED

_WIDTH = 60
_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = _WIDTH


def shorten(value: object) -> str:
    """A value as people may see it in an error: at most 60 characters and the name of its type."""
    text = _short.repr(value)
    if len(text) > _WIDTH:
        text = text[: _WIDTH - 3] + "..."
    return text if value is None else f"{text} ({type(value).__name__})"


def failed(values: Iterable[object]) -> bool:
    """Whether one of the values could not be converted."""
    return any(value is FAILED for value in values)


class Report:
    """Collects the problems of one input."""

    __slots__ = ("input", "problems")

    def __init__(self, input: str) -> None:
        self.input = input
        self.problems: list[InputProblem] = []

    def refuse(self, path: Path, expected: str, got: str) -> object:
        """Note a problem and return `FAILED`."""
        self.problems.append(InputProblem(self.input, ".".join(map(str, path)), expected, got))
        return FAILED


class Kind(ABC):
    """One compiled annotation; `expected` says in a person's words what it wants."""

    __slots__ = ()

    @property
    def file(self) -> FileUse:
        """What `@file` on the command line stands for: the file's text, its bytes, or nothing special."""
        return "text"

    @property
    @abstractmethod
    def expected(self) -> str:
        """What is wanted, with its article: "an integer"."""

    @abstractmethod
    def holds(self, value: object) -> bool:
        """Whether the value is right as it is and must be kept."""

    @abstractmethod
    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        """Make a value right that `holds` refused; `source` is "python" or "json"."""

    def text(self, text: str, path: Path, report: Report) -> object:
        """Make a value of what was typed; kinds without a spelling of their own read JSON."""
        try:
            value = json.loads(text)
        except ValueError as error:
            return report.refuse(path, f"{self.expected} as JSON", f"{text[:_WIDTH]!r} ({error})")
        return self.take(value, "json", path, report)

    def take(self, value: object, source: Source, path: Path, report: Report) -> object:
        """The right value, or `FAILED` with the reasons in `report`."""
        if source == "text" and isinstance(value, str):
            return self.text(value, path, report)
        if self.holds(value):
            return value
        return self.convert(value, source, path, report)


class Anything(Kind):
    """Every value is right; text is read as JSON when it is JSON, and stands for itself otherwise."""

    __slots__ = ()

    @property
    def expected(self) -> str:
        return "anything"

    def holds(self, value: object) -> bool:
        return True

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        return value

    def text(self, text: str, path: Path, report: Report) -> object:
        try:
            return json.loads(text)
        except ValueError:
            return text


ANYTHING: Final = Anything()
