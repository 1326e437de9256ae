"""Digests of functions without source in the bundle."""

import ast
import contextlib
import os
import pickle
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import codec
from dalsegno.closure.values import Static, ValueClosure, function_digest
from dalsegno.task import Task

USER = "made_up_helpers"


def importable(thing: object) -> tuple[str, str] | None:
    """By identity, as the engine does it; what a test types in is in no module."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    found: object = sys.modules.get(module) if isinstance(module, str) else None
    for part in str(name).split("."):
        found = getattr(found, part, None)
    return (str(module), str(name)) if found is thing and module != "__main__" else None


def is_user(module: str) -> bool:
    return module in (USER, __name__)


def static(module: str, name: str) -> Static:
    """A helper's digest, as the text of its module would give it; tests put it there, and what else it reaches."""
    home = sys.modules.get(module)
    digest = f"{module}.{name}:{getattr(home, '__version__', '')}".encode()
    return Static(digest, [(module, name), *getattr(home, "__reached__", ())])


def encode(value: object) -> tuple[bytes, bool]:
    encoded = codec.encode(value)
    return encoded.data, encoded.opaque


def unwrap(thing: object) -> object:
    return thing.function if isinstance(thing, Task) else thing


def typed(text: str, *, file: str = "<cell 1>", name: str = "f", **names: object) -> Any:
    """What `name` is once a text was executed as in a notebook."""
    namespace: dict[str, Any] = {"__name__": "typed", **names}
    exec(compile(textwrap.dedent(text), file, "exec"), namespace)
    return namespace[name]


def closure(function: object) -> ValueClosure:
    return function_digest(
        function, importable=importable, is_user=is_user, static=static, encode=encode, unwrap=unwrap
    )


def digest(text: str, **names: Any) -> bytes:
    found = closure(typed(text, **names))
    assert not found.opaque, found.widened
    return found.digest


PLAIN = "def f(x):\n    y = x + 1\n    return y * 2\n"

SAME = {
    "the same text": PLAIN,
    "moved down": "\n\n\n# why\n" + PLAIN,
    "a comment": "def f(x):  # f\n    # one more\n    y = x + 1\n    return y * 2\n",
    "a docstring": 'def f(x):\n    """Doubles."""\n    y = x + 1\n    return y * 2\n',
    "other lines": "def f(\n    x,\n):\n    y = (\n        x\n        + 1\n    )\n    return (\n        y\n        *\n        2\n    )\n",
    "another name of a local variable": "def f(x):\n    z = x + 1\n    return z * 2\n",
    "more in the namespace": "import os, random\nunused = open\n" + PLAIN,
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_does_not_matter(text: str) -> None:
    assert digest(text) == digest(PLAIN)
    assert digest(text, file="elsewhere.py") == digest(PLAIN)


@pytest.mark.parametrize("name", ["AsyncExitStack", "closing", "nullcontext", "redirect_stdout"])
def test_how_a_text_is_laid_out_does_not_matter(name: str) -> None:
    text = Path(str(contextlib.__file__)).read_text(encoding="utf-8")
    plain = ast.parse(text)
    for node in ast.walk(plain):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) and node.body[1:]:
            del node.body[0]
    assert digest(ast.unparse(plain), name=name) == digest(text, name=name)


def test_the_docstring_of_something_inside_does_not_matter() -> None:
    text = """
    def f(x):
        class Inner:
            '''One.'''
            def method(self):
                '''Two.'''
                self.attribute = x
                return x
        def helper():
            '''Three.'''
            return Inner().method()
        return helper()
    """
    other = "\n\n" + text.replace("One.", "Two.").replace("'''Two.'''", "'''Three'''; pass")
    assert digest(other) == digest(text)
    assert digest(text.replace("'''Three.'''", "")) == digest(text)


def test_running_a_function_does_not_matter() -> None:
    function = typed("def f(n):\n    t = 0\n    for i in range(n):\n        t += i * 2\n    return t\n")
    before = closure(function)
    function(5000)
    assert closure(function) == before


DIFFERENT = {
    "constant": ("def f(x): return x + 1", "def f(x): return x + 2"),
    "the type of a constant": ("def f(x): return x + 1", "def f(x): return x + 1.0"),
    "the sign of zero": ("def f(): return 0.0", "def f(): return -0.0"),
    "operator": ("def f(x): return x < 1", "def f(x): return x <= 1"),
    "default": ("def f(x=1): return x", "def f(x=2): return x"),
    "keyword default": ("def f(*, x=1): return x", "def f(*, x=2): return x"),
    "parameter": ("def f(x): return x", "def f(y): return y"),
    "kind of parameter": ("def f(x): return x", "def f(*x): return x"),
    "method of another builtin": ("g = str.upper\ndef f(): return g", "g = bytes.upper\ndef f(): return g"),
    "the type of an item": ("v = [len, 1]\ndef f(): return v", "v = [len, True]\ndef f(): return v"),
    "kind of container": ("v = [len]\ndef f(): return v", "v = (len,)\ndef f(): return v"),
    "global that hides a builtin": ("def f(): return len(0)", "def len(x): return x\ndef f(): return len(0)"),
    "attribute": ("def f(x): return x.a", "def f(x): return x.b"),
    "branch": ("def f(x):\n while x: x = g()", "def f(x):\n if x: x = g()"),
    "handler": (
        "def f(x):\n try:\n  x()\n  x.a()\n except Exception: pass",
        "def f(x):\n x()\n try:\n  x.a()\n except Exception: pass",
    ),
    "async": ("def f(x): return x", "async def f(x): return x"),
    "local names that are looked at": (
        "def f():\n a = 1\n return locals()",
        "def f():\n b = 1\n return locals()",
    ),
    "annotation of the root": ("def f(x: int): return x", "def f(x: float): return x"),
    "annotation in quotes": (
        "class A: a = 1\ndef f(x: 'A'): return x",
        "class A: a = 2\ndef f(x: 'A'): return x",
    ),
    "docstring that is looked at": (
        "def f():\n '''One.'''\n return f.__doc__",
        "def f():\n '''Two.'''\n return f.__doc__",
    ),
    "attribute of the function": ("def f(): pass\nf.a = 1", "def f(): pass\nf.a = 2"),
    "local import": ("def f():\n import json\n return json", "def f():\n import math\n return math"),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_matters(one: str, other: str) -> None:
    assert digest(one) != digest(other)


REACHED = {
    "global": "v = 1\ndef f(): return v",
    "global in a list": "v = [{'a': (0, 1)}]\ndef f(): return v",
    "global in a set": "v = {'a', 'b', 1}\ndef f(): return v",
    "helper": "def g(): return 1\ndef f(): return g()",
    "helper of a helper": "def h(): return 1\ndef g(): return h()\ndef f(): return g()",
    "helper as default": "def g(): return 1\ndef f(h=g): return h()",
    "helper in a dict": "def g(): return 1\nd = {'g': [g]}\ndef f(): return d['g'][0]()",
    "cell": "def o(v):\n def f(): return v\n return f\nf = o(1)",
    "helper in a cell": "def o(v):\n def f(): return v()\n return f\ndef g(): return 1\nf = o(g)",
    "nested function": "def f():\n def g(): return 1\n return g()",
    "global of a nested function": "v = 1\ndef f():\n def g():\n  def h(): return v\n  return h()\n return g()",
    "comprehension": "v = 1\ndef f(x): return [v for _ in x]",
    "generator": "v = 1\ndef f(x): return sum(v for _ in x)",
    "lambda": "g = lambda: 1\ndef f(): return g()",
    "lambda of a global": "v = 1\ndef f(): return (lambda: v)()",
    "class attribute": "class C:\n a = 1\ndef f(): return C.a",
    "method": "class C:\n def m(self): return 1\ndef f(): return C().m()",
    "inherited method": "class B:\n def m(self): return 1\nclass C(B): pass\ndef f(): return C().m()",
    "metaclass": "class M(type):\n def m(cls): return 1\nclass C(metaclass=M): pass\ndef f(): return C.m()",
    "property": "class C:\n @property\n def m(self): return 1\ndef f(): return C().m",
    "static method": "class C:\n @staticmethod\n def m(): return 1\ndef f(): return C.m()",
    "class method": "class C:\n @classmethod\n def m(cls): return 1\ndef f(): return C.m()",
    "class in a function": "def f():\n class C:\n  def m(self): return 1\n return C().m()",
    "class body in a function": "v = 1\ndef f():\n class C:\n  a = v\n return C.a",
    "instance": "class C:\n def __init__(self, a): self.a = a\nc = C(1)\ndef f(): return c.a",
    "slots": "class C:\n __slots__ = ('a',)\nc = C()\nc.a = 1\ndef f(): return c.a",
    "class of an instance": "class C:\n def m(self): return 1\nc = C()\ndef f(): return c.m()",
    "bound method": "class C:\n def m(self): return 1\ng = C().m\ndef f(): return g()",
    "partial": "from functools import partial\ndef g(x): return x\nh = partial(g, 1)\ndef f(): return h()",
    "function of a partial": "from functools import partial\ndef g(x): return 1\nh = partial(g, 0)\ndef f(): return h()",
    "decorated": (
        "from functools import wraps\ndef d(g):\n @wraps(g)\n def w(*a): return g(*a)\n return w\n"
        "@d\ndef g(): return 1\ndef f(): return g()"
    ),
    "decorator": (
        "from functools import wraps\ndef d(g):\n @wraps(g)\n def w(*a): return g(*a) + 1\n return w\n"
        "@d\ndef g(): return 0\ndef f(): return g()"
    ),
    "cache": "from functools import cache\n@cache\ndef g(): return 1\ndef f(): return g()",
    "context manager": (
        "from contextlib import contextmanager\n@contextmanager\ndef g(): yield 1\ndef f():\n with g() as x: return x"
    ),
    "single dispatch": (
        "from functools import singledispatch\n@singledispatch\ndef g(x): return 0\n"
        "@g.register(int)\ndef _(x): return 1\ndef f(x): return g(x)"
    ),
    "cached property": (
        "from functools import cached_property\nclass C:\n @cached_property\n def m(self): return 1\ndef f(): return C().m"
    ),
    "dataclass default": (
        "from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass C:\n a: int = 1\n"
        " b: list = field(default_factory=list)\ndef f(): return C()"
    ),
    "dataclass instance": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n a: int\nc = C(1)\ndef f(): return c"
    ),
    "enum": "from enum import Enum\nclass E(Enum):\n A = 1\n B = 'b'\ndef f(): return E.A",
    "enum member": "from enum import Enum\nclass E(Enum):\n A = 1\n B = 'b'\nm = E.B\ndef f(): return m",
    "hidden part of an enum member": (
        "from enum import Enum\nclass E(Enum):\n def __new__(cls, a, b):\n  made = object.__new__(cls)\n"
        "  made._value_, made._b = a, b\n  return made\n A = 0, 1\ndef f(): return E.A"
    ),
    "simple namespace": "from types import SimpleNamespace\nv = SimpleNamespace(a=[len, 1])\ndef f(): return v",
    "new type": "from typing import NewType\nclass A: a = 1\nv = NewType('N', A)\ndef f(): return v",
    "named tuple": "from typing import NamedTuple\nclass N(NamedTuple):\n a: int = 1\ndef f(): return N()",
    "typed dict": "from typing import Literal, TypedDict\nclass N(TypedDict):\n a: Literal[1]\ndef f(): return N()",
    "ordered dict": "from collections import OrderedDict\nv = OrderedDict(a=1)\ndef f(): return v",
    "default dict": "from collections import defaultdict\nv = defaultdict(lambda: 1)\ndef f(): return v",
    "deque": "from collections import deque\nv = deque([1], maxlen=3)\ndef f(): return v",
    "generic": "class A: a = 1\nv = list[A]\ndef f(): return v",
    "union": "class A: a = 1\nv = A | None\ndef f(): return v",
    "annotated": "from typing import Annotated\nv = Annotated[int, 1]\ndef f(): return v",
    "pattern": "import re\nv = re.compile('1')\ndef f(): return v",
    "item getter": "from operator import itemgetter\nv = itemgetter(1)\ndef f(): return v",
    "recursion": "def f(n): return f(n - 1) if n else 1",
    "mutual recursion": "def g(n): return f(n - 1) if n else 1\ndef f(n): return g(n)",
    "class that refers to itself": "class C:\n a = 1\nC.other = [C]\ndef f(): return C.other",
    "super": "class B: pass\nclass C(B):\n def m(self):\n  super().__init__()\n  return 1\ndef f(): return C().m()",
    "dict that holds the function": "def f(): return d['b']\nd = {'f': f, 'b': 1}",
    "list that holds itself": "v = [1]\nv.append(v)\ndef f(): return v",
    "protocol and generic": (
        "from typing import Generic, Protocol, TypeVar\nT = TypeVar('T')\nclass P(Protocol):\n def m(self) -> int: ...\n"
        "class C(Generic[T]):\n a = 1\ndef f(): return C[int], P"
    ),
    "abstract class": (
        "from abc import ABC, abstractmethod\nclass B(ABC):\n @abstractmethod\n def m(self): ...\n"
        "class C(B):\n def m(self): return 1\nc = C()\ndef f(): return c.m()"
    ),
    "pydantic": (
        "from pydantic import BaseModel, Field, field_validator\nclass M(BaseModel):\n a: int = Field(1, ge=0)\n"
        " @field_validator('a')\n @classmethod\n def check(cls, v): return v\ndef f(): return M()"
    ),
}


@pytest.mark.parametrize("text", REACHED.values(), ids=REACHED)
def test_what_is_reached(text: str) -> None:
    """The last 1 of the text is what the function depends on."""
    before, _, after = text.rpartition("1")
    assert digest(text) == digest("\n" + text, file="other.py")
    assert digest(text) != digest(f"{before}2{after}")


UNPICKLABLE = {"cache", "cached property", "class body in a function", "new type", "single dispatch"}
"""What cloudpickle refuses, some of it on some versions of Python, or does not copy."""


@pytest.mark.parametrize("name", sorted(REACHED.keys() - UNPICKLABLE))
def test_functions_keep_their_digest_when_they_are_pickled_by_value(name: str) -> None:
    function = typed(REACHED[name])
    again = pickle.loads(cloudpickle.dumps(function))
    assert again is not function
    assert closure(again) == closure(function)


def test_what_is_not_reached_does_not_matter() -> None:
    text = "class C:\n a = 1\nv = 1\ndef g(): return 1\ndef f(x): return x.v + x.g()"
    assert digest(text) == digest(text.replace("1", "2"))


def test_annotations_of_plain_helpers_matter_when_something_looks_at_them() -> None:
    text = "def g(x: int) -> int:\n y: int = x\n return y\ndef f(): return g(0)\n"
    assert digest(text) == digest(text.replace(": int", ": float"))
    text += "from typing import get_type_hints\ndef h(): return get_type_hints(g)\n"
    assert digest(text, name="h") != digest(text.replace(": int", ": float"), name="h")


def test_docstrings_of_helpers_matter_when_something_looks_at_them() -> None:
    text = "class C:\n 'one'\n def m(self):\n  'two'\ndef f(): return C().m(), C.__doc__"
    assert digest(text) != digest(text.replace("one", "three"))
    assert digest(text) != digest(text.replace("two", "three"))


SEEDED = """
class C:
    names = {"a", "b", "c", "d", "e", (1, "f")}
    def m(self, x):
        self.a, self.b, self.c, self.d = x
        return x in {"a", "b", "c", "d", "e"}
mixed = {C, len, "x", "y", frozenset({"p", "q", "r"}), frozenset({"s", "t", C})}
def f(x): return C().m(x), mixed, {"u", "v", "w"}, x in ("k", {"l"})
mixed.add(f)
"""


def test_hash_seeds_and_processes_do_not_matter() -> None:
    program = "import test_values as t; print(t.digest(t.SEEDED).hex())"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    digests = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert digests == [digest(SEEDED).hex()] * 2


def test_the_order_of_a_dict_matters_and_that_of_a_set_does_not() -> None:
    text = "class A: pass\nclass B: x = 1\nv = {}\ndef f(): return v"
    assert digest(text.replace("{}", "{1: A, 2: B}")) != digest(text.replace("{}", "{2: B, 1: A}"))
    assert digest(text.replace("{}", "{A, B}")) == digest(text.replace("{}", "{B, A}"))


def test_it_does_not_matter_whether_equal_things_are_the_same_thing() -> None:
    text = "def g(): return 0\nv = [g]\nw = v\ndef f(): return v, w"
    assert digest(text) == digest(text.replace("w = v", "w = [g]"))


@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=6, max_size=6), st.permutations(range(6)))
def test_a_graph_has_the_same_digest_however_it_was_built(edges: list[list[int]], order: list[int]) -> None:
    def built(sequence: list[int]) -> ValueClosure:
        made: dict[int, list[Any]] = {number: [] for number in sequence}
        for number in sequence:
            made[number] += [number, *(made[edge] for edge in edges[number])]
        return closure(typed("def f(): return v", v=made[0]))

    assert built(order) == built(sorted(order))


def ring(numbers: list[int]) -> bytes:
    """The digest of a function that captures lists, each with a number and the next list, the last with the first."""
    made: list[list[Any]] = [[number] for number in numbers]
    for one, other in zip(made, [*made[1:], made[0]], strict=True):
        one.append(other)
    return closure(typed("def f(): return v", v=made[0])).digest


@given(st.lists(st.integers(0, 1), min_size=1, max_size=8), st.integers(0, 7))
def test_rings_that_differ_anywhere_have_different_digests(numbers: list[int], place: int) -> None:
    changed = list(numbers)
    changed[place % len(numbers)] ^= 1
    assert ring(numbers) != ring(changed)
    assert ring(numbers) == ring([*numbers, *numbers])  # one that goes round it cannot tell
    assert ring(numbers) != ring([*numbers, 2])


def test_depth_and_size_are_no_limit() -> None:
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    assert not closure(typed("def f(): return v", v=deep)).opaque
    many = "".join(f"def g{n}(): return g{(n + 1) % 300}() or g{(n * 7) % 300}()\n" for n in range(300))
    assert digest(many + "def f(): return g0()") != digest(many + "def f(): return g1()")


def test_what_no_codec_takes_is_opaque() -> None:
    found = closure(typed("class C: pass\nv = iter('ab')\ndef f(): return C, [v]\nC.a = [1, {1: v}]"))
    assert found.opaque
    assert sorted(what for what, _ in found.widened) in (["v in f"], ["a of C"])
    assert {reason for _, reason in found.widened} == {"builtins.str_ascii_iterator has no canonical bytes"}


def test_a_codec_that_fails_makes_a_value_opaque() -> None:
    def fails(value: object) -> tuple[bytes, bool]:
        raise RuntimeError("no")

    function = typed("def f(): return v", v=range(3))
    found = function_digest(function, importable=importable, is_user=is_user, static=static, encode=fails)
    assert (found.opaque, found.widened) == (True, (("v in f", "builtins.range cannot be encoded: no"),))


def test_locks_and_sentinels_have_no_value_and_loggers_a_name() -> None:
    text = (
        "import logging, threading\nlock = threading.Lock()\nlog = logging.getLogger('a')\nnone = object()\n"
        "def f(x=none):\n with lock: log.info(x)"
    )
    assert digest(text) == digest(text)
    assert digest(text) != digest(text.replace("'a'", "'b'"))


DYNAMIC = {
    "def f(): return eval('v')": "eval",
    "def f(): exec('v = 1')": "exec",
    "def f(x): return __import__(x)": "__import__",
    "import importlib\ndef f(x): return importlib.import_module(x)": "import_module",
    "def f():\n def g(x):\n  return x.__subclasses__()\n return g": "__subclasses__",
    "import sys\ndef f(x): return sys.modules[x]": "sys.modules",
    "def f():\n import sys as s\n return s.modules": "sys.modules",
}


@pytest.mark.parametrize("text", DYNAMIC)
def test_what_can_reach_anything_is_opaque(text: str) -> None:
    found = closure(typed(text))
    assert found.opaque
    assert found.widened == (("f", f"{DYNAMIC[text]} can reach anything"),)


def test_source_text_that_is_looked_at_is_opaque() -> None:
    found = closure(typed("import inspect\ndef g(): return inspect.getsource(f)\ndef f(): return g()"))
    assert (found.opaque, found.widened) == (True, (("g", "getsource can reach anything"),))


def test_methods_that_are_called_like_builtins_reach_nothing() -> None:
    assert digest("import re\ndef f(frame): return frame.eval('x'), re.compile('x')")


def test_globals_are_all_read_by_globals() -> None:
    text = "v = 1\ndef f(x): return globals()[x]"
    found = closure(typed(text))
    assert (found.opaque, found.widened) == (False, (("f", "globals() reads any global"),))
    assert digest(text) != digest(text.replace("1", "2"))


def test_a_path_to_its_own_file_is_opaque() -> None:
    found = closure(typed("def f(): return open(__file__)", __file__="x.py"))
    assert found.opaque
    assert found.widened == (("f", "__file__ leads to files that are not looked into"),)


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef f(): return os.environ['A']",
        "import os as o\ndef f(): return o.getenv('A')",
        "from os import environ as e\ndef f(): return e.get('A')",
        "from os import getenv as g\ndef f(): return g('A')",
        "def f():\n from os import environ as e\n return e",
        "import os\nclass C:\n def m(self): return os.environ\ndef f(): return C()",
        "import os\nv = [os.environ]\ndef f(): return v",
    ],
)
def test_the_environment_is_noticed(text: str) -> None:
    found = closure(typed(text))
    assert (found.environ, found.opaque) == (("*",), False)


def test_other_uses_of_os_do_not_read_the_environment() -> None:
    assert closure(typed("import os\ndef f(): return os.getcwd()")).environ == ()


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("import numpy as np\ndef f(x): return np.linalg.norm(x)", ("numpy",)),
        ("from numpy import sin\ndef f(x): return sin(x)", ("numpy",)),
        ("from numpy import ndarray\ndef f(x): return isinstance(x, ndarray)", ("numpy",)),
        ("import numpy as np\nv = np.arange(3)\ndef f(): return v", ("numpy",)),
        ("def f():\n import numpy.linalg\n from msgpack import packb\n return packb", ("msgpack", "numpy")),
        ("import json, os.path\ndef f(): return json.dumps(os.path.join('a'))", ()),
        ("from dalsegno import names\ndef f(): return names", ()),
        ("import os.path\ng = [].append\ndef f(): return len, os.path, isinstance, str.upper, g", ()),
    ],
)
def test_packages(text: str, packages: tuple[str, ...]) -> None:
    found = closure(typed(text))
    assert (found.packages, found.opaque, found.statics) == (packages, False, ())


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of the user's, whose text is in the bundle."""
    module = types.ModuleType(USER)
    text = "import json\nclass C: pass\ndef g(): return json\nSCALE = 3\n__version__ = 'one'\nSTATE = [g]"
    exec(text, vars(module))
    monkeypatch.setitem(sys.modules, USER, module)
    return module


STATICS = {
    "def f(): return helpers.g()": ("g",),
    "def f(): return helpers.C().m, helpers.SCALE": ("C", "SCALE"),
    "def f(): return helpers": ("*", "g"),
    "g = helpers.g\ndef f(): return [g]": ("g",),
    "c = helpers.C()\nc.x = 1\ndef f(): return c": ("C",),
    "class D(helpers.C): pass\ndef f(): return D": ("C",),
    f"def f():\n from {USER} import g, C\n return g, C": ("C", "g"),
    f"def f():\n import {USER}\n return {USER}": ("*", "g"),
    "def f(x: helpers.C): return x": ("C",),
    "def f(): return helpers.json.dumps": (),
    "def f(): return helpers.STATE": ("STATE", "g"),
}


@pytest.mark.parametrize("text", STATICS)
def test_what_is_in_a_module_of_the_users_goes_by_its_text(text: str, helpers: types.ModuleType) -> None:
    found = closure(typed(text, helpers=helpers))
    assert not found.opaque
    assert found.statics == tuple((USER, name) for name in STATICS[text])
    vars(helpers)["__version__"] = "two"
    assert (closure(typed(text, helpers=helpers)).digest != found.digest) is bool(STATICS[text])


SET = {
    "a number": "SCALE = 4",
    "a number of another type": "SCALE = 3.0",
    "an item": "STATE.append(1)",
    "another item": "STATE[0] = len",
    "something behind a name": "settings['deep']['x'] = 2",
    "an attribute": "thing.rate = 2",
    "an attribute of a class": "C.rate = 2",
    "an attribute of a function": "g.rate = 2",
    "something else for a function": "g = lambda: 2",
    "something else for a class": "C = type('C', (), {'n': 2})",
    "what a function returns": "from json import dumps as g",
    "something new": "extra = 1",
}


@pytest.mark.parametrize("text", ["def f(): return helpers", "def f(): return helpers.main()"])
@pytest.mark.parametrize("change", SET.values(), ids=SET)
def test_what_is_set_in_a_module_of_the_users_matters(
    helpers: types.ModuleType, text: str, change: str
) -> None:
    more = "settings = {'deep': {'x': 1}}\nthing = C()\nthing.rate = 1\ndef main(): pass"
    exec(more, vars(helpers))
    if "main" in text:  # by way of what its text says that it reaches
        names = ("C", "g", "SCALE", "STATE", "settings", "thing", "extra", "not_there")
        vars(helpers)["__reached__"] = [(USER, name) for name in names]
    before = digest(text, helpers=helpers)
    assert digest(text, helpers=helpers) == before
    exec(change, vars(helpers))
    assert digest(text, helpers=helpers) != before


def test_what_has_no_bytes_in_a_module_of_the_users_is_opaque(helpers: types.ModuleType) -> None:
    text = "def f(): return helpers.SCALE"
    vars(helpers)["__reached__"] = [(USER, "hidden")]
    assert not closure(typed(text, helpers=helpers)).opaque
    vars(helpers)["hidden"] = (number for number in [1])
    found = closure(typed(text, helpers=helpers))
    assert found.opaque
    assert [what for what, _ in found.widened] == [f"{USER}.hidden"]


@pytest.mark.parametrize(
    "text",
    [
        "import enum\nclass C(enum.Enum):\n A = 1\ndef g(): return C.A",
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass C:\n n: int = 1\ndef g(): return C()",
        "import pydantic\nclass C(pydantic.BaseModel):\n n: int = 1\ndef g(): return C()",
        "import functools\n@functools.lru_cache\ndef g(): return 1\nclass C: pass",
        "import functools\n@functools.singledispatch\ndef g(x): return 1\n@g.register\ndef h(x: int): return 2\nclass C: pass",
        "from __future__ import annotations\nimport asyncio, concurrent.futures as c\nlock = asyncio.Lock()\n"
        "pool = c.ThreadPoolExecutor()\nclass C: pass\ndef g(): pass",
        "import logging, re, threading\nlog = logging.getLogger('x')\nlock = threading.Lock()\nclass C: pass\ndef g(): log.info(C)",
        "import abc, typing\nT = typing.TypeVar('T')\nclass C(abc.ABC, typing.Generic[T]):\n @property\n def n(self): return 1\ndef g(): pass",
        "from dalsegno import TaskEnvironment\nenv = TaskEnvironment('e')\n@env.task\ndef g() -> int: return 1\nclass C: pass",
    ],
)
def test_what_modules_usually_hold_is_not_opaque(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    found = []
    for _ in range(2):
        module = types.ModuleType(USER)
        monkeypatch.setitem(sys.modules, USER, module)
        exec(text, vars(module))
        found.append(digest("def f(): return helpers", helpers=module))
        if "lru_cache" in text:
            vars(module)["g"]()
    assert found[0] == found[1]


def test_relative_imports_start_from_the_package(helpers: types.ModuleType) -> None:
    found = closure(typed("def f():\n from . import g\n return g", __package__=USER))
    assert found.statics == ((USER, "g"),)


TASKS = """
from dalsegno.task import TaskEnvironment
env = TaskEnvironment("e", description="one")
@env.task
def g(x: int) -> int:
    return x + 1
@env.task(short_name="other")
def f(x: int) -> int:
    return g(x) + f(x)
"""


def test_tasks_that_tasks_call() -> None:
    assert digest(TASKS) == digest(TASKS.replace('"one"', '"two"'))
    assert digest(TASKS) == digest(TASKS.replace('"other"', '"third"'))
    assert digest(TASKS) != digest(TASKS.replace("x + 1", "x + 2"))
    assert digest(TASKS) != digest(TASKS.replace("g(x: int) -> int", "g(x: int) -> float"))
    assert closure(typed(TASKS)) == closure(typed(TASKS).function)


def test_a_bound_method_can_be_the_root() -> None:
    text = "class C:\n def m(self): return 1\nf = C().m"
    assert digest(text) != digest(text.replace("1", "2"))


def in_a_module() -> int:
    return 1


def test_the_root_is_digested_by_value_even_if_it_can_be_had_by_name() -> None:
    text = "def in_a_module() -> int:\n return {}"
    assert importable(in_a_module) == (__name__, "in_a_module")
    assert closure(in_a_module).digest == digest(text.format(1), name="in_a_module")
    assert closure(in_a_module).digest != digest(text.format(2), name="in_a_module")
