"""The words of a module's text that may be names of what functions change; told without a syntax tree, since all modules are asked.

These are the words in front of an assignment to an attribute or an item, and of a call of a method that changes a list, a
set or a dictionary; and where such a word is a local name, those of what it stands for. Words in comments and texts count as well:
more words cost a closer look at the module, fewer would let a change go unnoticed.
"""

import re
from typing import Final

__all__ = ["CHANGING_METHODS", "assigned_words"]

CHANGING_METHODS: Final = frozenset(
    {
        "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem", "popleft",
        "remove", "reverse", "setdefault", "sort", "subtract", "update", "__setitem__", "__delitem__",
    }
)  # fmt: skip
"""Methods of the builtin containers, and those like them, that change what they are called of."""

_METHOD: Final = re.compile(rf"\.(?:{'|'.join(sorted(CHANGING_METHODS))})\(")
_OTHERS: Final = ("del ", "setattr", "delattr", "vars(")
_LOCAL: Final = re.compile(r"\n[ \t]++(?:for )?(\w++)(?: = | in )([\[(]?[^\W\d][^\n(]*)")
_TARGET: Final = re.compile(r"\n([ \t][^=\n]*+)=(?!=)")
_SPREAD: Final = "..."
"""Stands for a target over several lines, which may be anything."""

_WORD: Final = re.compile(r"[^\W\d]\w*")


def assigned_words(text: bytes) -> frozenset[str]:
    """The words that may be names of what functions of the module change."""
    plain = "\n" + text.decode("utf-8", "replace")
    parts = [each for each in map(_assigned, _TARGET.findall(plain)) if each]
    if _SPREAD in parts:
        return frozenset(_WORD.findall(plain))
    parts += [plain[plain.rfind("\n", 0, at.start()) + 1 : at.start()] for at in _METHOD.finditer(plain)]
    for other in _OTHERS:
        if other in plain:
            parts += [line for line in plain.split("\n") if other in line]
    found = {word for part in parts for word in _WORD.findall(part)} - {"self"}
    if not found:
        return frozenset()
    before, locals_ = 0, _LOCAL.findall(plain)
    while before < len(found):
        before = len(found)
        for name, value in locals_:
            if name in found:
                found.update(_WORD.findall(value))
    return frozenset(found)


def _assigned(target: str) -> str:
    """What stands before the sign in an indented line, if that is an attribute or an item, or may be the end of one."""
    if "[" not in target and "." not in target.replace("self.", "", 1) and "]" not in target:
        return ""
    opened = sum(map(target.count, "([{")) - sum(map(target.count, ")]}"))
    if opened < 0:
        return _SPREAD
    return "" if opened else target  # else it is an argument in a call
