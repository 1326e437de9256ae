"""A module is called quiet only if executing it changes nothing but its own names.

What counts as a change is what `Effects` finds when the module is read in full. That closures are the same with and
without outlines is checked by `reach`, for every program in these tests.
"""

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.closure.sources import Files, FullFiles

from dalsegno.closure import Outline
from dalsegno.closure._effects import Effects
from dalsegno.closure._order import Order
from dalsegno.closure._program import Program

LIBRARY = Path(sysconfig.get_path("stdlib"))
MODULES = [
    file
    for package in (
        "json",
        "email",
        "html",
        "http",
        "importlib",
        "logging",
        "wsgiref",
        "concurrent",
        "asyncio",
    )
    for file in sorted((LIBRARY / package).rglob("*.py"))
]

QUIET = [
    "import os",
    "import os.path as p, sys",
    "from dataclasses import dataclass, field",
    "from . import sibling",
    "X = 1",
    "Y: int = -2",
    "a, b = 1, 'two'",
    "NAMES = {'a': [1, X], **OTHER}",
    "OTHER = dict(a=1)",
    "PATTERN = re.compile('a')\nimport re",
    "log = logging.getLogger(__name__)\nimport logging",
    "def f(x, *, y=(1, 2), z=None): return g(x)",
    "async def g(): global_ = 1",
    "@property\ndef h(self): ...",
    "class A:\n    '''Doc.'''\n    n: int = 3\n    def m(self): self.x = f(1)",
    "class A: pass\nclass B(A, Generic[T]): pass\nfrom typing import Generic, TypeVar\nT = TypeVar('T')",
    "@dc.dataclass(frozen=True)\nclass D:\n    x: list[int] = dc.field(default_factory=list)\nimport dataclasses as dc",
    "class E(Exception): pass",
    "from abc import ABC, abstractmethod\nclass F(ABC):\n    @abstractmethod\n    def m(self): ...",
    "from enum import Enum\nclass G(Enum):\n    a = 1",
    "if sys.version_info > (3, 9):\n    import tomllib\nelse:\n    tomllib = None\nimport sys",
    "try:\n    import numpy\nexcept ImportError:\n    numpy = None",
    "class P:\n    @property\n    def v(self): return 1\n    @v.setter\n    def v(self, x): ...",
    "squares = [n * n for n in range(10)]",
    "pick = lambda x, y=2: f(x)",
]
LOUD = [
    "REG['a'] = f",
    "A.n = 5",
    "setattr(A, 'n', 5)",
    "register(f)",
    "made = build(f)",
    "A = []\nmade = other.build(A)\nimport other",
    "total += 1",
    "del X",
    "random.seed(1)\nimport random",
    "start = random.random()\nimport random",
    "globals()['q'] = 1",
    "@register\ndef k(): ...",
    "class H(metaclass=Meta): pass",
    "class Base:\n    def __init_subclass__(cls): REG.append(cls)",
    "class I(Base): pass",
    "for n in range(3): REG.append(n)",
    "with open('x') as y: pass",
    "eval('1')",
    "x = exec('1')",
    "names = list(map(f, [1]))",
    "ordered = sorted(NAMES, key=f)",
    "class J(A):\n    z = helper(A)\nfrom other import helper",
    "import other\nother.x = 1",
    "print(x := build())",
    "def late():\n    global print\n    print = f",
]


def made(*statements: str) -> dict[str, str]:
    return {"m.py": "\n".join(statements) + "\n"}


def changes(files: dict[str, str] | dict[str, bytes]) -> object:
    """What executing the module m changes, all of it read."""
    effects = Effects(Program(FullFiles(files)))
    return [*effects.names_of("m")], [*effects.names_of("")], {**effects.outside}


NOTHING: object = ([], [], {})


@pytest.mark.parametrize("statement", QUIET)
def test_quiet(statement: str) -> None:
    assert Program(Files(made(statement))).is_quiet("m")
    assert changes(made(statement)) == NOTHING


@pytest.mark.parametrize("statement", LOUD)
def test_loud(statement: str) -> None:
    assert not Program(Files(made(statement))).is_quiet("m")


@given(st.lists(st.sampled_from(QUIET + LOUD), max_size=8))
@settings(max_examples=300)
def test_nothing_loud_is_missed(statements: list[str]) -> None:
    if Program(Files(made(*statements))).is_quiet("m"):
        assert changes(made(*statements)) == NOTHING
        assert not set(statements) & set(LOUD)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(LIBRARY)))
def test_of_the_standard_library(file: Path) -> None:
    files = {"m.py": file.read_bytes()}
    program = Program(Files(files))
    if program.is_quiet("m"):
        assert changes(files) == NOTHING
        steps = [
            each for each in Order(Program(FullFiles(files)), Effects(program), [], [])._steps("m") if each
        ]
        assert list(dict.fromkeys(program.imports("m"))) == list(dict.fromkeys(steps))


def test_what_is_assumed_to_come_from_elsewhere_is_compared_with_the_bundle() -> None:
    text = "import logging\nlog = logging.getLogger('a')\n"
    assert Program(Files({"m.py": text})).is_quiet("m")
    assert not Program(Files({"m.py": text, "logging.py": "def getLogger(n): LOGS.append(n)\n"})).is_quiet(
        "m"
    )
    assert not Program(Files({"m.py": text, "logging.cpython-311.so": b"\x7fELF"})).is_quiet("m")
    assert Program(Files({"m.py": text, "other.py": ""})).is_quiet("m")


def test_what_cannot_be_parsed_is_not_quiet() -> None:
    outline = Files({"m.py": "def f(:\n"}).outline("m")
    assert outline.problem.startswith("SyntaxError")
    assert not outline.is_quiet
    assert Outline.decode(outline.encode()) == outline
