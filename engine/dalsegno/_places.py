"""Where two recorded values differ, found in their bytes, so that nothing is imported or unpickled for it.

Mappings are compared by key and sets by member. Of two lists what they begin and end with in common is left out, and what
is between is compared one by one; equal members in another order are one difference. Arrays are compared by type and shape,
then element by element; frames and tables column by column.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from dalsegno._contents import content_places
from dalsegno._differences import ABSENT, short
from dalsegno.codec import Content, exact_view

__all__ = ["Place", "places"]

_INSIDE = ("fields", "items", "value", "parts", "data")
"""Where a view keeps what is inside a value; the path leads through it without naming it."""

_SHOWN = 20
"""So many members are given of what has the same in another order."""


class Place(NamedTuple):
    """One place in which two values differ.

    `path` is dotted, with list positions and other keys in brackets. `kind` is "value", "added", "removed", "order" (the same
    members, or keys, in another order), "array", "table" or "opaque" (pickled, so that nobody knows whether they are equal).
    `old` and `new` are views, those of arrays and tables without elements. For arrays and columns of equal shape `differing` of
    `size` elements differ, and `largest` is the largest difference between two of them, None where that has no meaning.
    """

    path: str
    kind: str
    old: Any = None
    new: Any = None
    differing: int = 1
    size: int = 1
    largest: float | None = None

    def __str__(self) -> str:
        if self.kind == "added":
            return f"{self.path}: added {short(self.new)}"
        if self.kind == "removed":
            return f"{self.path}: removed {short(self.old)}"
        if self.kind == "order":
            return f"{self.path}: the same in another order, {short(self.old)} → {short(self.new)}"
        if self.size > 1 or self.largest is not None:
            most = "" if self.largest is None else f", by at most {self.largest:.6g}"
            return f"{self.path}: {self.differing:,} of {self.size:,} elements differ{most}"
        return f"{self.path}: {short(self.old)} → {short(self.new)}"


def places(path: str, old: bytes | None, new: bytes | None) -> Iterator[Place]:
    """The innermost places where two encoded values differ, in the order of the old one; at least one if they do."""
    if old == new:
        return
    if old is None or new is None:
        if new is not None:
            yield Place(path, "added", None, exact_view(new))
        elif old is not None:
            yield Place(path, "removed", exact_view(old), None)
        return
    found = False
    for place in _between(path, exact_view(old), exact_view(new)):
        found = True
        yield place
    if not found:
        yield Place(path, "value", "a value", "another one that looks the same")


def _between(path: str, old: Any, new: Any) -> Iterator[Place]:
    if old is ABSENT:
        yield Place(path, "added", None, new)
    elif new is ABSENT:
        yield Place(path, "removed", old, None)
    elif isinstance(old, Content) and isinstance(new, Content) and old.kind == new.kind:
        for found in content_places(old, new):
            yield Place(path + found.path, found.kind, found.old, found.new, *found[4:])
    elif isinstance(old, dict) and isinstance(new, dict) and _kind(old) == _kind(new):
        yield from _in_dicts(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _in_lists(path, old, new)
    elif not _same(old, new):
        yield Place(path, "value", old, new)


def _in_dicts(path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Place]:
    kind = old.get("$type")
    if kind in ("set", "frozenset"):
        yield from _in_sets(path, old["items"], new["items"])
        return
    if kind == "pandas.DataFrame":
        old, new = _by_column(old), _by_column(new)
    elif kind == "dict":
        old, new = _by_key(old), _by_key(new)
    before = len(old)
    for key in dict.fromkeys([*old, *new]):
        if kind is not None and key in _INSIDE:
            inside = path
        elif key.startswith("["):
            inside = path + key
        else:
            inside = f"{path}.{key}"
        yield from _between(inside, old.get(key, ABSENT), new.get(key, ABSENT))
    if kind in (None, "dict") and before == len(new) and [*old] != [*new] and {*old} == {*new}:
        yield Place(path, "order", [*old][:_SHOWN], [*new][:_SHOWN])


def _in_sets(path: str, old: list[Any], new: list[Any]) -> Iterator[Place]:
    before, after = ({_frozen(member): member for member in side} for side in (old, new))
    for key, member in before.items():
        if key not in after:
            yield Place(path, "removed", member, None)
    for key, member in after.items():
        if key not in before:
            yield Place(path, "added", None, member)


def _in_lists(path: str, old: list[Any], new: list[Any]) -> Iterator[Place]:
    before, after = [_frozen(each) for each in old], [_frozen(each) for each in new]
    if before == after:
        return
    if len(before) == len(after) and sorted(before) == sorted(after):
        yield Place(path, "order", old[:_SHOWN], new[:_SHOWN])
        return
    shorter = min(len(old), len(new))
    first = next((place for place in range(shorter) if before[place] != after[place]), shorter)
    last = 0
    while last < shorter - first and before[-1 - last] == after[-1 - last]:
        last += 1
    olds, news = len(old) - last, len(new) - last
    for place in range(first, max(olds, news)):
        yield from _between(
            f"{path}[{place}]",
            old[place] if place < olds else ABSENT,
            new[place] if place < news else ABSENT,
        )


def _by_key(shown: dict[str, Any]) -> dict[str, Any]:
    """The view of a dict whose keys are not all texts, by its keys."""
    return {f"[{short(key)}]": value for key, value in shown["items"]}


def _by_column(shown: dict[str, Any]) -> dict[str, Any]:
    """The view of a frame, with the columns by their labels where these are texts that differ."""
    columns = shown["data"]
    labels = _labels(shown["columns"], len(columns))
    if labels is None:
        return {**shown, "data": list(columns)}
    named = {f"[{json.dumps(label)}]": column for label, column in zip(labels, columns, strict=True)}
    return {"index": shown["index"], **named}


def _labels(shown: Any, count: int) -> list[str] | None:
    if isinstance(shown, list):
        if len(shown) == count and all(isinstance(label, str) for label in shown):
            return shown if len({*shown}) == count else None
        return next((found for each in shown if (found := _labels(each, count)) is not None), None)
    if isinstance(shown, dict):
        return _labels([*shown.values()], count) if count else None
    return None


def _kind(shown: dict[str, Any]) -> tuple[Any, Any]:
    return shown.get("$type"), shown.get("class")


def _same(old: Any, new: Any) -> bool:
    return type(old) is type(new) and bool(old == new) and repr(old) == repr(new)


def _frozen(shown: Any) -> str:
    """A text that two views have in common if they are the same."""
    if isinstance(shown, Content):
        from hashlib import sha256

        return f"{dict(shown)!r} {sha256(shown.content).hexdigest()}"
    if isinstance(shown, dict):
        return "{" + ", ".join(f"{key!r}: {_frozen(value)}" for key, value in shown.items()) + "}"
    if isinstance(shown, list):
        return "[" + ", ".join(map(_frozen, shown)) + "]"
    return repr(shown)
