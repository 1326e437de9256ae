"""Changes at import that go by another name than the one that a task uses: each must count for the task."""

import pytest
from tests.engine.closure.sources import files, reach

PROGRAM = """
    # file: main.py
    import dalsegno
    import effects
    from state import C, D, q, cfg, L, O, OTHER

    env = dalsegno.TaskEnvironment("x")

    @env.task
    def a():
        return {a}

    @env.task
    def b():
        return OTHER

    # file: state.py
    import functools
    class C:
        N = 1
    class Q:
        N = 1
    q = Q()
    D = {{"a": C}}
    O = object
    L = []
    @functools.lru_cache
    def cfg():
        return {{}}
    OTHER = 3

    # file: effects.py
    import decimal, logging, locale, functools
    import state
    from state import C, D, q, cfg, L, OTHER
    {effect}
"""

CASES = [
    ("a class by another name", "C.N", "B = C\nB.N = 5"),
    ("a class by two other names", "C.N", "B = C\nA = B\nA.N = 5"),
    ("a class in a dictionary", "C.N", "D['a'].N = 5"),
    ("a class in a dictionary of its own", "C.N", "E = {'a': C}\nE['a'].N = 5"),
    ("classes gone through", "C.N", "for each in (C, int):\n    each.N = 5"),
    ("classes gone through in a list", "C.N", "ALL = [C]\nfor each in ALL:\n    setattr(each, 'N', 5)"),
    ("a local name", "C.N", "def go():\n    m = C\n    m.N = 5\ngo()"),
    ("a local name of an object", "q.N", "def go():\n    m = state.q\n    m.N = 5\ngo()"),
    ("a local name in a loop", "C.N", "def go():\n    for m in [C]:\n        m.N = 5\ngo()"),
    ("a decorator that sets an attribute of another", "C.N", "def deco(f):\n    C.N = 5\n    return f\n@deco\ndef g(): ..."),
    ("what a cached function gave", "cfg()", "cfg().update(n=5)"),
    ("an item of what a cached function gave", "cfg()", "cfg()['n'] = 5"),
    ("a name for what a cached function gave", "cfg()", "m = cfg()\nm['n'] = 5"),
    ("an unbound method", "L", "def go():\n    list.append(L, 5)\ngo()"),
    ("an unbound method at once", "L", "done = list.append(L, 5)"),
    ("object.__setattr__", "q.N", "def go():\n    object.__setattr__(q, 'N', 5)\ngo()"),
    ("type.__setattr__", "C.N", "def go():\n    type.__setattr__(C, 'N', 5)\ngo()"),
    ("the dictionary of an object", "q.N", "q.__dict__.update(N=5)"),
    ("an item of the dictionary of an object", "q.N", "q.__dict__['N'] = 5"),
    ("vars of an object", "q.N", "vars(q).update(N=5)"),
    ("an item of vars", "q.N", "vars(q)['N'] = 5"),
    ("vars in a function", "q.N", "def go():\n    vars(q).update(N=5)\ngo()"),
    ("the dictionary of a class in a function", "q.N", "def go():\n    q.__dict__.update(N=5)\ngo()"),
    ("state of another package", "OTHER", "context = decimal.getcontext()\ncontext.prec = 5"),
    ("state of another package, at once", "OTHER", "decimal.getcontext().prec = 5"),
    ("state of another package that is returned", "OTHER", "old = locale.setlocale(locale.LC_ALL, '5')"),
    ("names of levels", "OTHER", "logging.addLevelName(5, '5')"),
    ("a block that is entered", "C.N", "class W:\n    def __enter__(self): C.N = 5\n    def __exit__(self, *a): ...\nw = W()\nwith w: pass"),
    ("an object that is gone through", "C.N", "class W:\n    def __iter__(self):\n        C.N = 5\n        return iter(())\nw = W()\nfor _ in w: pass"),
    ("attributes of a function that is wrapped", "C.N", "def deco(k):\n    k.N = 5\n    return k\ndeco(C)"),
    ("a decorator that extends a class", "C.N", "def deco(k):\n    def inner(f):\n        setattr(k, 'N', 5)\n        return f\n    return inner\n@deco(C)\ndef g(): ..."),
    ("partial", "C.N", "def put(k, n): k.N = n\nfunctools.partial(put, C)(5)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "used", "effect"), CASES, ids=[name for name, _, _ in CASES])
def test_it_counts(name: str, used: str, effect: str) -> None:
    program = files(PROGRAM.format(a=used, effect=effect.replace("\n", "\n    ")))
    before = program["effects.py"]
    assert before.count("5") >= 1
    edited = {**program, "effects.py": before.replace("5", "6")}
    assert reach(program, "main:a").digest != reach(edited, "main:a").digest
