"""A table of small programs and edits: what is reached, and what changes nothing."""

import sys
from typing import NamedTuple

import pytest
from tests.engine.closure.sources import files, reach


class Case(NamedTuple):
    name: str
    program: str
    old: str
    new: str
    changed: bool


CASES: list[Case] = []


def _program(text: str, *edits: tuple[str, str, str, bool]) -> None:
    CASES.extend(Case(name, text, old, new, changed) for name, old, new, changed in edits)


def _edited(case: Case) -> dict[str, str]:
    program = files(case.program)
    holders = [path for path, text in program.items() if case.old in text]
    assert len(holders) == 1, (case.name, holders)
    assert program[holders[0]].count(case.old) == 1, case.name
    program[holders[0]] = program[holders[0]].replace(case.old, case.new)
    return program


_program(
    """
    # file: main.py
    \"\"\"Module text.\"\"\"
    import math
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from collections.abc import Sequence

    LIMIT = 10
    NAMES = ["a", "b"]
    UNUSED = 3
    RATE: float = 0.5

    def helper(value: int, top: int = LIMIT) -> int:
        \"\"\"Help.\"\"\"
        total: int = value + 1  # sum
        return total * top

    def other():
        return UNUSED

    def main(values: "Sequence[int]") -> list:
        scaled = [helper(value) * RATE for value in values]
        return scaled + NAMES + [math.floor(2.5)]
    """,
    ("body of the root", "scaled + NAMES", "NAMES + scaled", True),
    ("body of a helper", "value + 1", "value + 2", True),
    ("default by constant", "LIMIT = 10", "LIMIT = 11", True),
    ("mutable constant", '["a", "b"]', '["a", "c"]', True),
    ("constant with annotation", "0.5", "0.6", True),
    ("type of a constant", "LIMIT = 10", "LIMIT = 10.0", True),
    ("other function of the standard library", "math.floor", "math.ceil", True),
    ("name of a local", "total: int = value + 1  # sum\n    return total", "t: int = value + 1\n    return t", True),
    ("module's text", '"""Module text."""', '"""Other."""', False),
    ("docstring", '    """Help."""\n', "", False),
    ("comment", "# sum", "# the sum", False),
    ("annotation of a local", "total: int", "total: float", False),
    ("annotation dropped", "total: int =", "total =", False),
    ("annotation of a parameter", "value: int, top: int", "value, top: float", False),
    ("annotation of a result", ") -> int:", ") -> float:", False),
    ("annotation in quotes", '"Sequence[int]"', '"Sequence[float]"', False),
    ("annotation of a constant", "RATE: float", "RATE: int", False),
    ("import for checkers", "import Sequence", "import Iterable, Sequence", False),
    ("unrelated constant", "UNUSED = 3", "UNUSED = 4", False),
    ("unrelated function", "return UNUSED", "return UNUSED + 1", False),
    ("new function", "def other", "def new():\n    return 1\n\ndef other", False),
    ("new import", "import math\n", "import json\nimport math\n", False),
    ("moved line", "UNUSED = 3\nRATE: float = 0.5\n", "RATE: float = 0.5\nUNUSED = 3\n", False),
    ("number spelled otherwise", "LIMIT = 10", "LIMIT = 0xA", False),
    ("quotes", '["a", "b"]', "['a', 'b']", False),
    ("parentheses", "total * top", "(total) * (top)", False),
    ("split text", '["a", "b"]', '["a", "" "b"]', False),
    ("lines", "[helper(value) * RATE for value in values]", "[\n        helper(value) * RATE\n        for value in values\n    ]", False),
    ("pass", "    return UNUSED", "    pass\n    return UNUSED", False),
    ("semicolon", "LIMIT = 10\n", "LIMIT = 10;\n", False),
)  # fmt: skip

_program(
    """
    # file: main.py
    from dataclasses import dataclass, field
    from enum import Enum
    from functools import partial, lru_cache
    from typing import NamedTuple, TypedDict

    STEP = 1

    class Color(Enum):
        RED = 1
        BLUE = 2

        def hot(self):
            return self is Color.RED

    class Base:
        scale = 2
        def run(self):
            return self.step() * STEP

    class Mixin:
        def step(self):
            return 3

    class Model(Mixin, Base):
        @property
        def size(self):
            return 4
        @staticmethod
        def fixed():
            return 5

    @dataclass
    class Config:
        '''A config.'''
        rate: float = 0.5
        names: list = field(default_factory=list)

    class Row(NamedTuple):
        name: str

    class Info(TypedDict):
        name: str

    def raw(x, y):
        return x + y

    bound = partial(raw, y=2)

    @lru_cache(maxsize=4)
    def cached():
        return 6

    Numbers = list[int]

    def outer():
        count = 0
        def inner():
            nonlocal count
            count += 7
            return count
        return inner

    smooth = lambda value: value * 8
    first, second = 1, 2

    def main():
        return Model().run(), Model.fixed(), Config(), Row("a"), bound(1), cached(), Numbers(), outer()(), smooth(1), Color.RED, first, Info
    """,
    ("method of a base", "self.step() * STEP", "self.step() + STEP", True),
    ("constant of a base's method", "STEP = 1", "STEP = 2", True),
    ("method of a mixin", "return 3", "return 33", True),
    ("property", "return 4", "return 44", True),
    ("static method", "return 5", "return 55", True),
    ("class attribute", "scale = 2", "scale = 3", True),
    ("order of bases", "(Mixin, Base)", "(Base, Mixin)", True),
    ("base goes", "(Mixin, Base)", "(Base)", True),
    ("enum member", "BLUE = 2", "BLUE = 3", True),
    ("method of an enum", "self is Color.RED", "self is Color.BLUE", True),
    ("dataclass default", "rate: float = 0.5", "rate: float = 0.6", True),
    ("dataclass annotation", "rate: float", "rate: int", True),
    ("dataclass field", "default_factory=list", "default_factory=dict", True),
    ("dataclass option", "@dataclass", "@dataclass(frozen=True)", True),
    ("named tuple annotation", "class Row(NamedTuple):\n    name: str", "class Row(NamedTuple):\n    name: int", True),
    ("typed dict annotation", "class Info(TypedDict):\n    name: str", "class Info(TypedDict):\n    name: int", True),
    ("partial", "y=2", "y=3", True),
    ("function of a partial", "x + y", "x - y", True),
    ("argument of a decorator", "maxsize=4", "maxsize=5", True),
    ("decorated function", "return 6", "return 66", True),
    ("type alias used", "list[int]", "tuple[int]", True),
    ("nested function", "count += 7", "count += 77", True),
    ("lambda", "value * 8", "value * 9", True),
    ("one of two names", "1, 2\n\ndef main", "1, 3\n\ndef main", True),
    ("docstring of a class", "    '''A config.'''\n", "", False),
    ("text below a field", "rate: float = 0.5", "rate: float = 0.5\n    'The rate.'", False),
)  # fmt: skip

_program(
    """
    # file: main.py
    import pkg.deep.leaf
    import pkg.deep.leaf as short
    from pkg import public as shown, moved
    from pkg.stars import *
    from pkg import late
    import pkg.tools
    import helper

    def main():
        from pkg.lazy import inside as own
        return shown(), moved(), STAR, late.first(), pkg.deep.leaf.value, short.LIST, own(), pkg.tools.run(), helper

    # file: helper.py
    BARE = 1

    # file: pkg/__init__.py
    from .impl import public
    from .impl import original as moved
    VERSION = 1

    # file: pkg/impl.py
    INNER = 1
    def public():
        return INNER
    def original():
        return 2
    def hidden():
        return 3

    # file: pkg/stars.py
    from pkg.more import *
    __all__ = ["STAR", "FAR"]
    STAR = 1
    NO_STAR = 2

    # file: pkg/more.py
    FAR = 3

    # file: pkg/late.py
    def first():
        return 1
    def second():
        return 2

    # file: pkg/deep/__init__.py
    DEEP = 1

    # file: pkg/deep/leaf.py
    value = 1
    LIST = []
    other = 5

    # file: pkg/lazy.py
    def inside():
        return 4
    def outside():
        return 6

    # file: pkg/tools.py
    from .late import second as run
    """,
    ("re-export", "INNER = 1", "INNER = 9", True),
    ("renamed re-export", "return 2\ndef hidden", "return 9\ndef hidden", True),
    ("re-export of another", "original as moved", "hidden as moved", True),
    ("alias of another", "public as shown, moved", "moved as shown, public as moved", True),
    ("star import", "STAR = 1", "STAR = 9", True),
    ("module attribute", "return 1\ndef second", "return 9\ndef second", True),
    ("deep module", "value = 1", "value = 9", True),
    ("deep module by another name", "LIST = []", "LIST = [1]", True),
    ("import in a function", "return 4", "return 9", True),
    ("import in a module that is imported", "def second():\n    return 2", "def second():\n    return 9", True),
    ("module that is passed on", "BARE = 1", "BARE = 9", True),
    ("unused of a package", "VERSION = 1", "VERSION = 2", False),
    ("unused re-export", "def hidden():\n    return 3", "def hidden():\n    return 9", False),
    ("unused star", "FAR = 3", "FAR = 9", False),
    ("unused name beside a star", "NO_STAR = 2", "NO_STAR = 9", False),
    ("unused in a deep module", "other = 5", "other = 9", False),
    ("unused in a lazy module", "return 6", "return 9", False),
    ("exports of a module", '["STAR", "FAR"]', '["STAR"]', False),
    ("imports sorted", "import pkg.tools\nimport helper\n", "import helper\nimport pkg.tools\n", False),
    ("import split", "from pkg import public as shown, moved", "from pkg import moved\nfrom pkg import public as shown", False),
)  # fmt: skip

_program(
    """
    # file: main.py
    import os, sys
    try:
        import fast
    except ImportError:
        import slow as fast

    if sys.platform == "win32":
        SEPARATOR = ";"
    else:
        SEPARATOR = ":"

    COUNT = 1
    COUNT += 2

    def set_level():
        global LEVEL
        LEVEL = 5

    LEVEL = 1

    for LETTER in "abc":
        pass

    with open(os.devnull) as STREAM:
        LINES = STREAM.read()

    match COUNT:
        case {"a": FOUND, **REST}:
            pass
        case _:
            FOUND = 3

    if (SIZE := len(SEPARATOR)) > 1:
        BIG = True

    EXTRA = 1
    del EXTRA
    EXTRA = 2

    value = 100

    def main(rows):
        value = 1
        comprehended = [FAR for FAR in rows]
        def nested(LEVEL=LEVEL):
            return value
        return fast.go(), SEPARATOR, COUNT, LETTER, LINES, FOUND, SIZE, EXTRA, nested(), comprehended

    FAR = 1

    # file: slow.py
    def go():
        return 1
    """,
    ("alternative of an import", "return 1", "return 9", True),
    ("branch not taken here", '";"', '"|"', True),
    ("augmented", "COUNT += 2", "COUNT += 3", True),
    ("global set in a function", "LEVEL = 5", "LEVEL = 6", True),
    ("loop", '"abc"', '"abd"', True),
    ("with", "STREAM.read()", "STREAM.readline()", True),
    ("match", "FOUND = 3", "FOUND = 4", True),
    ("walrus", "len(SEPARATOR)", "len(SEPARATOR) + 1", True),
    ("after del", "EXTRA = 2", "EXTRA = 3", True),
    ("hidden by a local", "value = 100", "value = 200", False),
    ("hidden by a comprehension", "FAR = 1", "FAR = 2", False),
)  # fmt: skip

_program(
    """
    # file: main.py
    def plain():
        '''Plain text.'''
    def shown():
        '''Shown text.'''
    def typed(x: int):
        pass
    def main():
        return shown.__doc__, plain()
    """,
    ("docstring that is read", "Shown text", "Shown", True),
    ("docstring that is not read", "Plain text", "Plain", False),
    ("annotation beside it", "x: int", "x: str", False),
)

_program(
    """
    # file: main.py
    import inspect
    from typing import get_type_hints
    import helper
    def main():
        return get_type_hints(helper.typed)
    # file: helper.py
    from types_of import Kind
    def typed(x: Kind):
        '''Docs.'''
    # file: types_of.py
    class Kind:
        size: int = 1
    """,
    ("annotation that is read", "x: Kind", "x: int", True),
    ("class in an annotation that is read", "size: int = 1", "size: int = 2", True),
    ("docstring beside it", "'''Docs.'''", "'''Other.'''", False),
)

_program(
    """
    # file: main.py
    import inspect
    import helper
    def main():
        return inspect.getsource(helper.f)
    # file: helper.py
    def f():
        return 1  # comment
    """,
    ("source that is read", "# comment", "# other", True),
)

_program(
    """
    # file: main.py
    from tools import run
    def main():
        return run("x")
    # file: tools.py
    import agents
    @agents.tool
    def run(name):
        '''For the model to read.'''
        return name
    class Sign(agents.Signature):
        '''Sign.'''
    """,
    ("docstring for another package", "For the model", "For a model", True),
    ("unused class for another package", "'''Sign.'''", "'''S.'''", False),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_edit(case: Case) -> None:
    before, after = reach(files(case.program)), reach(_edited(case))
    assert (before.digest != after.digest) is case.changed


def test_names_are_listed() -> None:
    found = reach({"main.py": "import os\nX = 1\nY = X\nZ = 2\ndef main():\n    return Y, os.sep\n"})
    assert [(each.module, each.name) for each in found.symbols] == [
        ("main", "X"),
        ("main", "Y"),
        ("main", "main"),
        ("main", "os"),
    ]
    assert found.widened == ()


def test_packages_are_those_that_are_used() -> None:
    text = "import numpy as np\nimport pandas\nimport json\nimport dalsegno\ndef main():\n    import scipy.stats\n    return np.x, json, dalsegno\n"
    assert reach({"main.py": text}).packages == ("numpy", "scipy")


def test_the_root_counts() -> None:
    text = "def one():\n    return 1\nmain = one\n"
    program = {"main.py": text, "copy.py": text}
    roots = ("main:main", "copy:main", "main:one")
    assert len({reach(program, root).digest for root in roots}) == 3


def test_all_of_a_module_as_root() -> None:
    program = {"main.py": "X = 1\ndef main():\n    return 2\n"}
    before = reach(program, "main:*")
    assert ("main", "*") in {(each.module, each.name) for each in before.symbols}
    assert before.digest != reach({"main.py": program["main.py"].replace("1", "3")}, "main:*").digest


def test_star_imports_in_another_order() -> None:
    program = files("""
        # file: main.py
        from a import *
        from b import *
        def main():
            return X
        # file: a.py
        X = 1
        # file: b.py
        X = 2
    """)
    swapped = {**program, "main.py": "from b import *\nfrom a import *\ndef main():\n    return X\n"}
    assert reach(program).digest != reach(swapped).digest


def test_names_bound_twice_in_another_order() -> None:
    texts = ["X = 1\nX = 2\n", "X = 2\nX = 1\n"]
    digests = {reach({"main.py": text + "def main():\n    return X\n"}).digest for text in texts}
    assert len(digests) == 2


def test_a_new_name_hides_a_builtin() -> None:
    text = "def main():\n    return round(1)\n"
    assert (
        reach({"main.py": text}).digest != reach({"main.py": "def round(x):\n    return 2\n" + text}).digest
    )


@pytest.mark.parametrize("setting", ["", "from __future__ import annotations\n"])
def test_postponed_annotations_count_where_annotations_do(setting: str) -> None:
    plain = "def main(x: int):\n    return x\n"
    decorated = "import functools\n@functools.wraps\ndef main(x: int):\n    return x\n"
    assert (reach({"main.py": plain}) == reach({"main.py": setting + plain})) is True
    same = reach({"main.py": decorated}).digest == reach({"main.py": setting + decorated}).digest
    assert same is (setting == "")


def test_deeper_packages_and_modules_of_one_name() -> None:
    program = files("""
        # file: main.py
        from pkg import thing
        def main():
            return thing()
        # file: pkg/__init__.py
        from .thing import thing
        # file: pkg/thing.py
        def thing():
            return 1
        def unused():
            return 2
    """)
    edited = {**program, "pkg/thing.py": program["pkg/thing.py"].replace("2", "3")}
    assert reach(program).widened == ()
    assert reach(program).digest == reach(edited).digest


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is new in 3.12")
@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("list[T] | Other", "set[T] | Other", True),
        ("Other = int", "Other = str", True),
        ("T: Bound", "T: Unused", True),  # a bound can be asked for
        ("Unused = 1", "Unused = 2", False),
        ("value: T", "value: int", False),
        ("T = 9", "T = 8", False),
    ],
)
def test_type_parameters(old: str, new: str, changed: bool) -> None:
    text = (
        "Other = int\nBound = 1\nUnused = 1\nT = 9\n"
        "type Alias[T] = list[T] | Other\n"
        "def helper[T: Bound](value: T) -> T:\n    return value\n"
        "class Box[T]:\n    x: T\n    def get(self) -> T:\n        return self.x\n"
        "def main():\n    return helper(1), Box[int](), Alias\n"
    )
    assert text.count(old) == 1
    before, after = reach({"main.py": text}), reach({"main.py": text.replace(old, new)})
    assert (before.digest != after.digest) is changed


def test_an_import_of_a_submodule_by_another_name_may_bring_a_name_of_the_package() -> None:
    program = {
        "main.py": "import pkg.leaf as short\ndef main():\n    return short(1)\n",
        "pkg/__init__.py": "from pkg.other import leaf\n",
        "pkg/leaf.py": "A = 1\n",
        "pkg/other.py": "def leaf(n):\n    return 5\n",
    }
    edited = {**program, "pkg/other.py": "def leaf(n):\n    return 6\n"}
    assert reach(program).digest != reach(edited).digest


OVERLOADS = """
    # file: main.py
    from typing import Any, overload
    import typing as t
    from lib import read
    @overload
    def f(x: int) -> int: ...
    @t.overload
    def f(x: str, *, y: int = 0) -> str: ...
    def f(x: Any, y: int = 0) -> Any:
        return read(x)
    class C:
        @overload
        @staticmethod
        def m(x: int) -> int: ...
        @overload
        def m(x: str) -> str: ...
        @staticmethod
        def m(x: Any) -> Any: return x
    def main(): return f(1), C.m(1)
    # file: lib.py
    from typing import get_overloads
    def read(x): return x
"""


@pytest.mark.parametrize(
    ("old", "new", "matters"),
    [
        ("f(x: int) -> int", "f(x: float) -> Missing", False),
        ("f(x: str, *, y: int = 0) -> str", "f(x: bytes, *, y: float = 0) -> bytes", False),
        ("def m(x: int) -> int", "def m(x: float) -> float", False),
        ("m(x: str) -> str", "m(x: bytes) -> bytes", False),
        ("y: int = 0) -> str", "y: int = 1) -> str", True),
        ("def m(x: Any) -> Any: return x", "def m(x: Any) -> Any: return [x]", True),
    ],
)
def test_annotations_of_overloads_do_not_matter(old: str, new: str, matters: bool) -> None:
    assert (reach(files(OVERLOADS.replace(old, new))).digest != reach(files(OVERLOADS)).digest) is matters


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def read(x): return x", "def read(x): return get_overloads(x)"),
        ("import typing as t", "import typing as t\n    def overload(f): return f.__annotations__"),
        ("import Any, overload", "import Any\n    from multimethod import overload"),
    ],
)
def test_annotations_of_overloads_matter_to_those_who_read_them(old: str, new: str) -> None:
    text = OVERLOADS.replace(old, new)
    other = text.replace("f(x: int) -> int", "f(x: float) -> float")
    assert reach(files(text)).digest != reach(files(other)).digest
