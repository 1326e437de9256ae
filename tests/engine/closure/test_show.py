"""Closures for people: the source of a symbol, what differs, and the encoding."""

import ast

import pytest
from tests.engine.closure.sources import files, reach

from dalsegno.closure import Change, Closure, changes, reached_lines, symbol_source
from dalsegno.errors import DecodeError

TEXT = b'''\
"""A module."""
import random
from a import (
    one,
    two,
)

random.seed(1)


@decorated  # first
@again(
    1,
)
def f(x):
    # a comment
    return x


X = 1; Y = 2
X += 1
if one:
    Z = 1
else:
    Z = 2
'''


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f", "@decorated  # first\n@again(\n    1,\n)\ndef f(x):\n    # a comment\n    return x\n"),
        ("X", "X = 1; Y = 2\nX += 1\n"),
        ("Z", "if one:\n    Z = 1\nelse:\n    Z = 2\n"),
        ("two", "from a import (\n    one,\n    two,\n)\n"),
        ("<random.seed(1)>", "random.seed(1)\n"),
        ("*", TEXT.decode()),
        ("missing", ""),
        ("<order>", ""),
        ("__doc__", '"""A module."""\n'),
    ],
)
def test_source(name: str, expected: str) -> None:
    assert symbol_source(TEXT, name) == expected


def test_lines_of_several_names() -> None:
    assert reached_lines(TEXT, ["f", "X"]) == (TEXT.decode(), [11, 12, 13, 14, 15, 16, 17, 20, 21])
    assert reached_lines(TEXT, ["two", "one"])[1] == [3, 4, 5, 6]
    assert reached_lines(TEXT, ["X", "*"])[1] == [*range(1, 26)]
    assert reached_lines(TEXT, ["missing"])[1] == []
    assert reached_lines(b"def f(:\n", ["f", "*"]) == ("def f(:\n", [1])


def test_source_of_what_cannot_be_read() -> None:
    assert symbol_source(b"def f(:\n", "f") == ""
    assert symbol_source(b"def f(:\n", "*") == "def f(:\n"
    assert symbol_source(b"", "f") == ""
    assert symbol_source("# coding: latin-1\nX = 'é'\n".encode("latin-1"), "X") == "X = 'é'\n"


def test_source_with_other_line_ends() -> None:
    assert symbol_source(b"X = 'a\x0cb'\r\nY = 2\r\n", "Y") == "Y = 2\r\n"


PROGRAM = """
    # file: main.py
    import os
    import numpy
    import lib
    def main():
        return lib.one(), numpy, os.environ["A"], open("a.csv")
    # file: lib.py
    def one():
        return 1
    # file: a.csv
    1
"""


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("lib.py", "return 1", "return 2", [Change("symbol", "lib:one", "changed")]),
        (
            "lib.py",
            "return 1",
            "return X\nX = 1",
            [Change("symbol", "lib:one", "changed"), Change("symbol", "lib:X", "added")],
        ),
        ("lib.py", "return 1", "return 1 # one", []),
        ("a.csv", "1", "2", [Change("file", "a.csv", "changed")]),
        (
            "main.py",
            "numpy, os",
            "os",
            [
                Change("symbol", "main:main", "changed"),
                Change("symbol", "main:numpy", "removed"),
                Change("package", "numpy", "removed"),
            ],
        ),
        (
            "main.py",
            '"A"',
            '"B"',
            [
                Change("symbol", "main:main", "changed"),
                Change("environ", "B", "added"),
                Change("environ", "A", "removed"),
            ],
        ),
    ],
)
def test_changes(path: str, old: str, new: str, expected: list[Change]) -> None:
    program = files(PROGRAM)
    edited = {**program, path: program[path].replace(old, new)}
    found = changes(reach(program), reach(edited))
    assert [each for each in found if not each.name.endswith(":*")] == expected


def test_order_is_a_change() -> None:
    program = {
        "main.py": "import a, b, s\ndef main():\n    return s.REG\n",
        "a.py": "import s\ns.REG.append(1)\n",
        "b.py": "import s\ns.REG.append(2)\n",
        "s.py": "REG = []\n",
    }
    other = {**program, "main.py": program["main.py"].replace("a, b", "b, a")}
    assert changes(reach(program), reach(other)) == [Change("order", "b, a", "changed")]


def test_encoding() -> None:
    found = reach(files(PROGRAM))
    assert Closure.decode(found.encode()) == found
    assert Closure.decode(found.encode()).digest == found.digest
    assert Closure.decode(Closure("m", "q").encode()) == Closure("m", "q")
    for bad in (b"", b"\x01", found.encode()[:-1], b"\x99\x63" + found.encode()[2:]):
        with pytest.raises(DecodeError):
            Closure.decode(bad)


def test_a_parse_that_another_thread_spoilt_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    right, tries = ast.parse, 0

    def spoilt(text: bytes) -> ast.Module:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise SystemError("AST constructor recursion depth mismatch (before=1, after=2)")
        return right(text)

    monkeypatch.setattr(ast, "parse", spoilt)
    assert symbol_source(b"LIMIT = 3\nOTHER = 4\n", "LIMIT") == "LIMIT = 3\n"
    assert tries == 4
