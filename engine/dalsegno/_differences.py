"""Where two recorded values differ, found in their views, so that nothing is loaded for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

SHORT = 60
"""Longer values are cut, in characters."""

ABSENT = object()
"""Stands for a side that has no such part."""

_CONTENT = ("fields", "items", "value", "preview")
"""Where a view keeps what is inside a value; the path leads through it without naming it."""


class ValueDifference(NamedTuple):
    """One place where two values differ; `path` is dotted, with list positions in brackets."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {short(self.old)} → {short(self.new)}"


def differences(path: str, old: Any, new: Any) -> Iterator[ValueDifference]:
    """The innermost places where two views differ, in the order of the old one."""
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and _kind(old) == _kind(new):
        for key in dict.fromkeys([*old, *new]):
            inside = path if key in _CONTENT and "$type" in old else f"{path}.{key}"
            yield from differences(inside, old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for place in range(max(len(old), len(new))):
            yield from differences(
                f"{path}[{place}]",
                old[place] if place < len(old) else ABSENT,
                new[place] if place < len(new) else ABSENT,
            )
    else:
        yield ValueDifference(path, old, new)


def short(value: Any) -> str:
    """A view on one line, cut if it is long."""
    if value is ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _kind(value: dict[str, Any]) -> tuple[Any, Any]:
    return value.get("$type"), value.get("class")
