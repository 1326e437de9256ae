"""The likeliest cause is told from the values first, then from what the code reaches."""

from typing import Any

import pytest

from dalsegno._causes import UNKNOWN, likely
from dalsegno._places import Place, places
from dalsegno._reproduce import Evidence
from dalsegno._suspects import Suspect, _imported, _in, _parsed
from dalsegno.codec import encode

NOW = 1_800_000_000 * 10**9
LATER = NOW + 3600 * 10**9


def evidence(old: Any = None, new: Any = None, *causes: str, **facts: Any) -> Evidence:
    """Two executions an hour apart with these results, of code with things that may be these causes."""
    found = tuple(places("o0", encode(old).data, encode(new).data))
    return Evidence(
        "a0",
        "some.task",
        NOW,
        found,
        began=(NOW, LATER),
        ended=(NOW + 10**9, LATER + 10**9),
        suspects=tuple(Suspect(cause, "something", "some:where") for cause in causes),
        **facts,
    )


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (evidence(1, 2), UNKNOWN),
        (evidence(1, 2, "file"), "file"),
        (evidence(1, 2, "environment", "randomness"), "randomness"),
        (evidence(1.0, 2.0, "time", "randomness", variables=("HOME",)), "environment"),
        (evidence(1.0, 2.0, "time", variables=("*",)), "environment"),
        (evidence(NOW / 1e9, LATER / 1e9, variables=("*",)), "time"),
        (evidence(1, 2, packages=("numpy",)), "packages"),
        (evidence(1, 2, "randomness", packages=("numpy",)), "packages"),
        (evidence(NOW / 1e9, LATER / 1e9, "randomness"), "time"),
        (evidence([NOW // 10**6], [LATER // 10**6], "randomness"), "time"),
        (evidence(0.25, 0.5, "time", "randomness", "randomness"), "time"),
        (evidence(0.1 + 0.2, 0.3, "set order", "randomness"), "float order"),
        (evidence([1, 2, 3], [3, 1, 2], "randomness", "set order"), "set order"),
        (evidence(lambda: 1, lambda: 2, "randomness"), "opaque value"),
        (evidence(1, 2, "state"), "state"),
    ],
)
def test_the_likeliest(found: Evidence, cause: str) -> None:
    assert likely(found, seeded=False)[0] == cause


def test_another_hash_seed_speaks_for_sets() -> None:
    found = evidence("a", "b", "set order", "randomness")
    assert likely(found, seeded=False)[0] == "randomness"
    assert likely(found, seeded=True)[0] == "set order"


def test_an_error_about_a_file() -> None:
    found = evidence(1, 1, "randomness", error=("", "FileNotFoundError: gone"))
    assert likely(found, seeded=False) == (
        "file",
        ("file: FileNotFoundError: gone", "randomness: something in some:where"),
    )


def test_arrays_that_differ_in_the_last_digits() -> None:
    facts = {"dtype": "<f8", "shape": [9]}
    small = evidence()._replace(outputs=(Place("o0", "array", facts, facts, 3, 9, 1e-15),))
    assert likely(small, seeded=False)[0] == "float order"
    large = evidence()._replace(outputs=(Place("o0", "array", facts, facts, 3, 9, 0.5),))
    assert likely(large, seeded=False)[0] == UNKNOWN


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import time as t\ndef f(): return t.time_ns()", [("time", "time.time_ns")]),
        (
            "from datetime import datetime\ndef f(): return datetime.now()",
            [("time", "datetime.datetime.now")],
        ),
        ("import random\ndef f(): return random.random()", [("randomness", "random.random")]),
        ("import numpy as np\ndef f(): return np.random.rand()", [("randomness", "numpy.random.rand")]),
        ("import os\ndef f(): return os.environ['A']", [("environment", "os.environ")]),
        ("def f(x): return list({*x})", [("set order", "a set")]),
        ("def f(p): return open(p).read()", [("file", "open")]),
        ("import os\ndef f(p): return os.path.getsize(p)", [("file", "os.path.getsize")]),
        ("def f(p): return p.read_text()", [("file", ".read_text()")]),
        ("def f(x, seen=[]): return len(seen)", [("state", "the default []")]),
        ("def f(x, seen=dict()): return len(seen)", [("state", "the default dict()")]),
        ("def f(x): CACHE[x] = 1", [("state", "the global CACHE")]),
        ("def f(x): CACHE.append(x)", [("state", "the global CACHE")]),
        ("def f(x):\n    found = []\n    found.append(x)", []),
        ("def f(x):\n    x.append(1)", []),
        ("def f(x): registry.seen.append(x)", [("state", "the global registry.seen")]),
        ("def f(x): Counter.count += 1", [("state", "the global Counter.count")]),
        ("def f(x):\n    x.count += 1\n    x.items[0] = 1", []),
        ("class C:\n    seen = []\n    def f(self, x): self.seen.append(x)", [("state", "C.seen")]),
        (
            "class C:\n    seen: dict = dict()\n    @classmethod\n    def f(cls, x): cls.seen[x] = 1",
            [("state", "C.seen")],
        ),
        (
            "class C:\n    seen = []\n    def f(self, x):\n        self.seen = []\n        self.seen.append(x)",
            [],
        ),
        ("class C:\n    def f(self, x): self.seen.append(x)", []),
        (
            "from datetime import datetime\ndef f(x): return datetime.fromtimestamp(x)",
            [("environment", "datetime.datetime.fromtimestamp")],
        ),
        (
            "from datetime import UTC, datetime\ndef f(x): return datetime.fromtimestamp(x, UTC)",
            [],
        ),
        (
            "from datetime import UTC, datetime\ndef f(x): return datetime.fromtimestamp(x, tz=UTC)",
            [],
        ),
        ("class C:\n    n = 0\n    @classmethod\n    def f(cls): cls.n += 1", [("state", "C.n")]),
        ("class C:\n    n = 0\n    def f(self): type(self).n += 1", [("state", "C.n")]),
        ("class C:\n    def f(self):\n        def g(x): self.seen.append(x)\n        g(1)", []),
        ("def f(x):\n    found = []\n    def g(y): found.append(y)\n    g(x)", []),
        ("def f():\n    try: g()\n    except KeyError as e: e.x = 1", []),
        ("def f(x):\n    match x:\n        case [a, *b]: b.append(a)", []),
        ("import numpy as np\ndef f(x): return np.append(x, 1)", []),
        ("from some import seen\ndef f(x): seen.append(x)", [("state", "the global seen")]),
        ("def f(x): return x.astimezone()", [("environment", ".astimezone()")]),
        ("def f(x, zone): return x.astimezone(zone)", []),
        ("from dalsegno import durable\ndef f(): return durable.time()", []),
        ("def f(:", []),
    ],
)
def test_what_code_reaches(line: str, found: list[tuple[str, str]]) -> None:
    tree = _parsed(line)
    assert list(dict.fromkeys(_in(tree, _imported(tree, "")))) == found
