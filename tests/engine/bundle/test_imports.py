"""What code imports, from text and from bytecode."""

import pytest

from dalsegno.bundle._computed import meant
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
        assert scan(text) == Scan(parses=False)


IMPORTS = """
from importlib import import_module, import_module as imported
from importlib.util import spec_from_file_location
"""


@pytest.mark.parametrize(
    ("text", "kind", "module"),
    [
        ("import_module(x)", "any", ""),
        ("importlib.import_module(name=x)", "any", ""),
        ("map(importlib.import_module, xs)", "any", ""),
        ("imported(x)", "any", ""),
        ("import_module(f'{x}.part')", "any", ""),
        ("import_module(f'a.b.{x}.c')", "below", "a.b"),
        ("import_module('a.b.' + x)", "below", "a.b"),
        ("import_module('a.b.%s' % x)", "below", "a.b"),
        ("import_module('a.b.{}'.format(x))", "below", "a.b"),
        ("import_module('.'.join(['a', 'b', x]))", "below", "a.b"),
        ("import_module(f'a_{x}')", "below", ""),
        ("import_module('.' + x, __package__)", "below", "p.q"),
        ("import_module('.' + x, package=__name__)", "below", "p.q.r"),
        ("import_module(f'..b.{x}', 'p.q')", "below", "p.b"),
        ("import_module(f'.{x}', anything)", "below", "p.q"),
        ("import_module(__name__ + '.s')", "exact", "p.q.r.s"),
        ("import_module(f'{__package__}.{x}')", "below", "p.q"),
        ("import_module(__name__.rpartition('.')[0] + x)", "own", ""),
        ("__import__(x)", "any", ""),
        ("__import__('a.b', fromlist=[x])", "below", "a.b"),
        ("importlib.util.find_spec('a.b')", "exact", "a.b"),
        ("pkgutil.resolve_name('a.b:c')", "exact", "a.b"),
        ("pkgutil.iter_modules(__path__)", "own", ""),
        ("pkgutil.walk_packages(a.__path__, 'a.')", "imported", ""),
        ("pkgutil.iter_modules([folder])", "any", ""),
        ("exec(f'from a.b.{x} import c')", "below", "a.b"),
        ("exec('import a.b')", "exact", "a.b"),
        ("exec(f'import {x}')", "any", ""),
        ("builtins.eval('__import__(\"a\")' + x)", "any", ""),
        ("runpy.run_path(x)", "own", ""),
        ("import lazy_loader as lazy", "own", ""),
        ("spec_from_file_location('a', x)", "own", ""),
    ],
)
def test_what_is_known_of_computed_names(text: str, kind: str, module: str) -> None:
    [found] = scan(f"{IMPORTS}\n{text}".encode()).computed
    assert (found.kind, meant(found, "p.q.r", "p.q")) == (kind, module)


@pytest.mark.parametrize(
    "text",
    [
        "importlib.import_module('a.b')",
        "importlib.import_module('.b', __package__)",
        "__import__('a')",
        "eval('1 + 1')",
        "exec(x)",
        "lambda: eval",
        "frame.eval(x)",
        "text.locate(x)",
        "'import_module(x)'",
    ],
)
def test_what_computes_no_names(text: str) -> None:
    assert scan(text.encode()).computed == ()
