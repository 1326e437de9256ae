"""One of a few: enum members and literals."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dalsegno._convert.base import Kind, Path, Report, Source, shorten


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return shown if len(names) == 1 else f"one of {shown}"


def _same(left: object, right: object) -> bool:
    return type(left) is type(right) and left == right


@dataclass(frozen=True, slots=True)
class Member(Kind):
    """A member of an enum, its name, or its value; where a name is another member's value the name wins."""

    cls: type[Enum]

    @property
    def expected(self) -> str:
        return f"{_listed(list(self.cls.__members__))} ({self.cls.__name__})"

    def holds(self, value: object) -> bool:
        return isinstance(value, self.cls)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        if isinstance(value, str) and value in self.cls.__members__:
            return self.cls[value]
        try:
            member = self.cls(value)
        except Exception:  # `_missing_` is the user's code
            return report.refuse(path, self.expected, shorten(value))
        if isinstance(value, bool) != isinstance(member.value, bool):
            return report.refuse(path, self.expected, shorten(value))
        return member

    def text(self, text: str, path: Path, report: Report) -> object:
        members = self.cls.__members__
        for member in (members.get(text), *(m for m in members.values() if str(m.value) == text)):
            if member is not None:
                return member
        return self.convert(text, "json", path, report)


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of the values of a `Literal` or of a recorded list."""

    values: tuple[object, ...]

    @property
    def expected(self) -> str:
        return _listed([repr(value.name if isinstance(value, Enum) else value) for value in self.values])

    def holds(self, value: object) -> bool:
        return any(_same(value, choice) for choice in self.values)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        for choice in self.values:
            if isinstance(choice, Enum) and (_same(value, choice.name) or _same(value, choice.value)):
                return choice
        return report.refuse(path, self.expected, shorten(value))

    def text(self, text: str, path: Path, report: Report) -> object:
        return (
            self._spelled().get(text) if text in self._spelled() else self.convert(text, "json", path, report)
        )

    def _spelled(self) -> Mapping[str, object]:
        spelled: dict[str, object] = {}
        for choice in self.values:
            spelled.setdefault(choice.name if isinstance(choice, Enum) else _spell(choice), choice)
        return spelled


def _spell(choice: object) -> str:
    if isinstance(choice, bool):
        return str(choice).lower()
    return "null" if choice is None else str(choice)
