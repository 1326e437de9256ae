"""What was found, for people: the source of a symbol, and what differs between two closures."""

import re
from collections.abc import Collection
from typing import Final, Literal, NamedTuple

from dalsegno.closure.closure import Closure
from dalsegno.closure.facts import module_facts

__all__ = ["Change", "changes", "reached_lines", "symbol_source"]

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line as Python counts them, which `str.splitlines` does not."""


class Change(NamedTuple):
    """One thing in which two closures differ.

    `kind` says of what, `name` which: "module:name" for a symbol, a path, a package, a variable, a module for
    the order in which modules are executed, "module:name: reason" for what is used as a whole.
    """

    kind: Literal["symbol", "file", "package", "environ", "order", "widening"]
    name: str
    what: Literal["changed", "added", "removed"]


def symbol_source(text: bytes, name: str) -> str:
    """The source of the statements that bind a name of a module, in order, with the comments in them.

    `name` is that of a symbol: "*" gives the whole text, and a name that the module does not bind "".
    """
    decoded = _decoded(text)
    if name == "*":
        return decoded
    lines = _LINE.findall(decoded)
    return "".join("".join(lines[first - 1 : last]) for first, last in _spans(text, name))


def reached_lines(text: bytes, names: Collection[str]) -> tuple[str, list[int]]:
    """A module's text, and the numbers of the lines, from 1, that bind these names of it; "*" is every line."""
    decoded = _decoded(text)
    if "*" in names:
        return decoded, [*range(1, len(_LINE.findall(decoded)) + 1)]
    found = {line for name in names for first, last in _spans(text, name) for line in range(first, last + 1)}
    return decoded, sorted(found)


def _spans(text: bytes, name: str) -> list[tuple[int, int]]:
    """The first and the last line of each statement that binds a name."""
    facts = module_facts(text, name="", is_package=False)
    spans = {
        (unit.first, unit.last): None
        for unit in facts.units
        if name in unit.names or (not unit.names and unit.label == name)
    }
    return [*spans]


def _decoded(text: bytes) -> str:
    from io import BytesIO
    from tokenize import detect_encoding  # slow to import, and only needed to show something

    try:
        encoding, _ = detect_encoding(BytesIO(text).readline)
        return text.decode(encoding)
    except (SyntaxError, UnicodeDecodeError):
        return text.decode("utf-8", "replace")


def changes(old: Closure, new: Closure) -> list[Change]:
    """What differs, symbols first, each sort of change in the order of names; nothing when the digests are equal.

    Of symbols those that both have come before new ones, and these before those that are gone.
    """
    found = _changes(
        "symbol",
        {f"{each.module}:{each.name}": each.digest for each in old.symbols},
        {f"{each.module}:{each.name}": each.digest for each in new.symbols},
    )
    found += _changes("file", dict(old.files), dict(new.files))
    found += _changes("package", dict.fromkeys(old.packages), dict.fromkeys(new.packages))
    found += _changes("environ", dict.fromkeys(old.environ), dict.fromkeys(new.environ))
    if old.order != new.order:
        found.append(Change("order", ", ".join(new.order or old.order), "changed"))
    found += _changes(
        "widening",
        {f"{each.module}:{each.name}: {each.reason}": each.to for each in old.widened},
        {f"{each.module}:{each.name}: {each.reason}": each.to for each in new.widened},
    )
    return found


def _changes(
    kind: Literal["symbol", "file", "package", "environ", "widening"],
    old: dict[str, bytes] | dict[str, str] | dict[str, None],
    new: dict[str, bytes] | dict[str, str] | dict[str, None],
) -> list[Change]:
    found = [Change(kind, name, "changed") for name in new if name in old and new[name] != old[name]]
    found += [Change(kind, name, "added") for name in new if name not in old]
    return found + [Change(kind, name, "removed") for name in old if name not in new]
