"""What code imports, from text and from bytecode."""

from dalsegno.bundle._imports import Import, Scan, absolute_names, code_imports, scan

TEXT = """
import a.b as c, d
from e import f, g
from . import h
from ..i.j import *
def k():
    import l
    async def m():
        from n.o import p
"""
EXPECTED = {
    Import("a.b"),
    Import("d"),
    Import("e", ("f", "g")),
    Import("", ("h",), 1),
    Import("i.j", ("*",), 2),
    Import("l"),
    Import("n.o", ("p",)),
}


def test_text_and_bytecode_agree() -> None:
    assert set(scan(TEXT.encode()).imports) == EXPECTED
    assert set(code_imports(compile(TEXT, "x", "exec"))) == EXPECTED


def test_names_are_made_absolute() -> None:
    assert list(absolute_names(Import("a.b", ("c",)), "p.q")) == ["a", "a.b", "a.b.c"]
    assert list(absolute_names(Import("", ("h",), 1), "p.q")) == ["p", "p.q", "p.q.h"]
    assert list(absolute_names(Import("i", ("*",), 2), "p.q")) == ["p", "p.i"]
    assert list(absolute_names(Import("i", ("x",), 3), "p.q")) == []


def test_text_that_cannot_be_parsed_imports_nothing() -> None:
    for text in (b"def (:", b"\0", b"# coding: nonsense\nimport a", b"(" * 10_000):
        assert scan(text) == Scan()
