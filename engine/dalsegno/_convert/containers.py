"""Lists, tuples, sets, dicts, and alternatives."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from dalsegno._convert.base import ANYTHING, FAILED, FileUse, Kind, Path, Report, Source, failed, shorten
from dalsegno._convert.scalars import SCALARS, Scalar

_ARRAYS = (list, tuple)
_TEXTS = (str, bytes, bytearray)
_NONE: Kind = SCALARS[type(None)]
_STRING: Kind = SCALARS[str]


def _all_hold(kind: Kind, values: Collection[object]) -> bool:
    if kind is ANYTHING:
        return True
    if isinstance(kind, Scalar) and set(map(type, values)) <= {kind.cls}:
        return True
    return all(map(kind.holds, values))


@dataclass(frozen=True, slots=True)
class Many(Kind):
    """Any number of items of one kind.

    `cls` is what is kept as it is, `build` makes one of a list, `also` are the further types that a program
    may give instead; JSON gives arrays.
    """

    item: Kind
    words: str
    cls: type[Any]
    build: Callable[[list[object]], object]
    also: tuple[type, ...] = _ARRAYS

    @property
    def expected(self) -> str:
        return self.words

    def holds(self, value: object) -> bool:
        if not isinstance(value, self.cls) or isinstance(value, _TEXTS):
            return False
        return _all_hold(self.item, value)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        also = _ARRAYS if source == "json" else self.also
        if not isinstance(value, (self.cls, *also)) or isinstance(value, _TEXTS):
            return report.refuse(path, self.words, shorten(value))
        given = cast(Collection[object], value)
        items = [self.item.take(item, source, (*path, at), report) for at, item in enumerate(given)]
        if failed(items):
            return FAILED
        try:
            return self.build(items)
        except TypeError as error:
            return report.refuse(path, self.words, f"{shorten(value)}: {error}")


@dataclass(frozen=True, slots=True)
class Fixed(Kind):
    """A tuple with a kind for each place."""

    items: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        return f"a tuple of {len(self.items)} value{'' if len(self.items) == 1 else 's'}"

    def holds(self, value: object) -> bool:
        if not isinstance(value, tuple) or len(value) != len(self.items):
            return False
        return all(kind.holds(item) for kind, item in zip(self.items, value, strict=True))

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        if not isinstance(value, _ARRAYS):
            return report.refuse(path, self.expected, shorten(value))
        if len(value) != len(self.items):
            return report.refuse(path, self.expected, f"{len(value)}: {shorten(value)}")
        pairs = enumerate(zip(self.items, value, strict=True))
        items = [kind.take(item, source, (*path, at), report) for at, (kind, item) in pairs]
        return FAILED if failed(items) else tuple(items)


@dataclass(frozen=True, slots=True)
class Table(Kind):
    """A dict of keys and values of one kind each; JSON's keys, always strings, are read as typed text."""

    key: Kind
    value: Kind
    cls: type[Any] = dict
    build: Callable[[dict[object, object]], object] = dict

    @property
    def expected(self) -> str:
        return "a dict"

    def holds(self, value: object) -> bool:
        if not isinstance(value, self.cls):
            return False
        return _all_hold(self.key, value.keys()) and _all_hold(self.value, value.values())

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        if not isinstance(value, Mapping):
            return report.refuse(path, self.expected, shorten(value))
        keys = "text" if source == "json" else source
        built: dict[object, object] = {}
        complete = True
        for name, item in value.items():
            inner = (*path, str(name))
            key, content = (
                self.key.take(name, keys, inner, report),
                self.value.take(item, source, inner, report),
            )
            if key is FAILED or content is FAILED:
                complete = False
            else:
                built[key] = content
        return self.build(built) if complete else FAILED


@dataclass(frozen=True, slots=True)
class Either(Kind):
    """One of several kinds.

    A value that is right for one of them is kept. Otherwise each is tried in the declared order and the first
    that can be made wins, except that a dict which fits two classes is refused rather than guessed.
    Typed text is a string only if it is nothing else.
    """

    members: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        words = list(dict.fromkeys(member.expected for member in self.members))
        return " or ".join(words)

    @property
    def file(self) -> FileUse:
        uses = {member.file for member in self.members}
        return "never" if "never" in uses else "bytes" if "bytes" in uses else "text"

    def holds(self, value: object) -> bool:
        return any(member.holds(value) for member in self.members)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        return self._try(self.members, value, source, path, report)

    def text(self, text: str, path: Path, report: Report) -> object:
        if _NONE in self.members and (
            text == "null" or (_STRING not in self.members and text.lower() == "none")
        ):
            return None
        others = sorted(
            (kind for kind in self.members if kind is not _NONE), key=lambda kind: kind is _STRING
        )
        return self._try(others, text, "text", path, report)

    def _try(
        self, members: Collection[Kind], value: object, source: Source, path: Path, report: Report
    ) -> object:
        found: list[object] = []
        trials: list[Report] = []
        for member in members:
            trial = Report(report.input)
            result = member.take(value, source, path, trial)
            if result is FAILED:
                if member is not _NONE:
                    trials.append(trial)
            elif not isinstance(value, Mapping):
                return result
            else:
                found.append(result)
        if len(found) == 1:
            return found[0]
        if found:
            return report.refuse(
                path, f"{self.expected}, and only one of them", f"{shorten(value)}, which fits {len(found)}"
            )
        if len(trials) != 1:
            return report.refuse(path, self.expected, shorten(value))
        where = ".".join(map(str, path))
        for problem in trials[0].problems:
            here = problem.path == where and _NONE in self.members
            wanted = f"{problem.expected} or null" if here else problem.expected
            report.problems.append(replace(problem, expected=wanted))
        return FAILED
