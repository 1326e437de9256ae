"""Source text as coloured lines; the colours are those of Python's words, and what is no Python stays plain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from dalsegno.ui.pages._components import Line

Pieces = list[tuple[str, str]]

LINES = 5000
"""Of longer files so many lines are shown."""

COLOURED = 200_000
"""Files of more characters stay plain: telling the words of each apart takes 20 µs."""


def code_lines(text: str, path: str = "x.py", *, first: int = 1, inside: Collection[int] = ()) -> list[Line]:
    """The lines of a source text; `first` is the number of its first line, `inside` are the numbers to be marked."""
    is_python = PurePosixPath(path).suffix in (".py", ".pyi") and len(text) <= COLOURED
    pieces = _python(text) if is_python else _plain(text)
    found: list[Line] = []
    for number, line in enumerate(pieces, first):
        if number - first == LINES:
            found.append(("", "hunk", [("", f"… {text.count(chr(10)) + 1 - LINES:,} more lines")]))
            break
        found.append((str(number), "in" if number in inside else "", line))
    return found


def only_marked(lines: Iterable[Line]) -> list[Line]:
    """The marked lines, no longer marked, with a sign where others are left out between them."""
    found: list[Line] = []
    between: list[Line] = []
    for line in lines:
        number, mark, pieces = line
        if mark != "in":
            between.append(line)
            continue
        if found:
            blank = not any(text.strip() for _, _, left in between for _, text in left)
            found += between if blank else [("", "gap", [("", "⋯")])]
        between = []
        found.append((number, "", pieces))
    return found


def diff_lines(text: str) -> list[Line]:
    """The lines of a diff, unified or as `ndiff` writes it."""
    found: list[Line] = []
    for line in text.splitlines():
        if line.startswith(("---", "+++", "@@")):
            found.append(("", "hunk", [("", line)]))
        elif line.startswith(("+", "-")):
            found.append((line[0], "add" if line[0] == "+" else "del", [("", line[1:])]))
        elif not line.startswith("?"):
            found.append(("", "", [("", line[1:] if line.startswith(" ") else line)]))
    return found


def _plain(text: str) -> Iterator[Pieces]:
    for line in text.splitlines():
        yield [("", line)]


def _python(text: str) -> Iterator[Pieces]:
    from pygments.lexers.python import PythonLexer

    line: Pieces = []
    for kind, content in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        colour = _colour(str(kind).split(".")[1:])
        for at, piece in enumerate(content.split("\n")):
            if at:
                yield line
                line = []
            if piece:
                line.append((colour, piece))
    if line:
        yield line


def _colour(kind: Iterable[str]) -> str:
    match [*kind]:
        case ["Keyword", *_] | ["Operator", "Word"]:
            return "k"
        case ["Literal", "String", "Doc"] | ["Comment", *_]:
            return "c"
        case ["Literal", "String", *_]:
            return "s"
        case ["Literal", "Number", *_]:
            return "m"
        case ["Name", "Function" | "Class" | "Decorator", *_]:
            return "n"
    return ""
