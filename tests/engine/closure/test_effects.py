"""What happens at import and changes what others hold: it is never missed, and ties together no more than it must."""

from typing import NamedTuple

import pytest
from tests.engine.closure.sources import files, reach


class Case(NamedTuple):
    """An edit of a program, and the tasks `a` and `b` that it concerns."""

    name: str
    program: str
    old: str
    new: str
    concerns: str


TASKS = """
    # file: main.py
    import dalsegno
    import effects
    from state import REG, CONFIG, Model, plain, OTHER, patched, register, IDS, show, made, counter

    env = dalsegno.TaskEnvironment("x")

    @env.task
    def a():
        {a}

    @env.task
    def b():
        return OTHER

    # file: state.py
    import itertools
    from functools import singledispatch, wraps
    REG = {{}}
    ALIAS = REG
    CONFIG = ["x"]
    OTHER = [1]
    IDS = itertools.count()
    class Model:
        level = 1
        found = []
        @classmethod
        def add(cls, f):
            cls.found.append(f)
            return f
    class Plain:
        @classmethod
        def bump(cls):
            cls.level = 2
    class Hooked:
        def __init_subclass__(cls):
            REG[cls.__name__] = cls
    class Meta(type):
        def __new__(mcs, *args):
            made = super().__new__(mcs, *args)
            REG[args[0]] = made
            return made
    class WithMeta(metaclass=Meta):
        pass
    def plain():
        return 1
    def patched():
        return 1
    def register(name):
        def inner(f):
            REG[name] = f
            return f
        return inner
    def run_now(f):
        f()
        return f
    def wrapping(f):
        @wraps(f)
        def inner(*args):
            return f(*args) if CONFIG else None
        return inner
    def setup():
        import state
        state.patched = lambda: 2
    def counter(found=[]):
        found.append(1)
        return found
    def counted():
        counted.calls = 1
    def made():
        return counted.calls
    @singledispatch
    def show(x):
        return x

    # file: effects.py
    import os, random, sys, warnings, logging
    import state
    from state import register, REG, ALIAS, CONFIG, Model, plain, Plain, Hooked, WithMeta, run_now, wrapping, setup, IDS
    from state import show, counter, counted, patched
    EXTRA = 1
    {effect}
"""

CASES = [
    Case(name, TASKS.format(a=f"return {a}", effect=effect.replace("\n", "\n    ")), old, new, concerns)
    for name, a, effect, old, new, concerns in [
        ("registration by decorator", "REG", '@register("x")\ndef f():\n    return 5', "return 5", "return 6", "a"),
        ("registration, other name", "REG", '@register("x")\ndef f():\n    return 5', '("x")\ndef', '("y")\ndef', "a"),
        ("what a registered function reaches", "REG", '@register("x")\ndef f():\n    return EXTRA', "EXTRA = 1", "EXTRA = 2", "a"),
        ("item assignment", "REG", 'REG["x"] = EXTRA', "EXTRA = 1", "EXTRA = 2", "a"),
        ("item assignment by an alias", "REG", 'ALIAS["x"] = 5', "= 5", "= 6", "a"),
        ("item assignment by the module", "REG", 'state.REG["x"] = 5', "= 5", "= 6", "a"),
        ("item of an item", "REG", 'REG["x"]["y"] = 5', "= 5", "= 6", "a"),
        ("attribute of an item", "REG", 'REG["x"].y = 5', "= 5", "= 6", "a"),
        ("deletion", "REG", 'del REG["x"]', '"x"]', '"y"]', "a"),
        ("augmented item", "REG", 'REG["x"] += 5', "+= 5", "+= 6", "a"),
        ("method call", "REG", "REG.update(x=5)", "x=5", "x=6", "a"),
        ("method call with a function", "REG", 'REG.setdefault("x", lambda: 5)', ": 5", ": 6", "a"),
        ("method of an item", "REG", 'REG["x"].append(5)', "(5)", "(6)", "a"),
        ("given to a function of another package", "REG", "X = np.fill(REG, 5)", ", 5", ", 6", "a"),
        ("loop", "REG", 'for x in "ab":\n    REG[x] = 5', "= 5", "= 6", "a"),
        ("condition", "REG", 'if sys.platform == "linux":\n    REG["x"] = 5', "= 5", "= 6", "a"),
        ("try", "REG", 'try:\n    REG["x"] = 5\nexcept KeyError:\n    pass', "= 5", "= 6", "a"),
        ("in a class body", "REG", 'class C:\n    REG["x"] = 5', "= 5", "= 6", "a"),
        ("in a comprehension", "REG", "[REG.pop(x) for x in (5,)]", "(5,)", "(6,)", "a"),
        ("map", "REG", "X = list(map(lambda x: REG.pop(x), [5]))", "[5]", "[6]", "a"),
        ("map of a function", "REG", 'X = list(map(register("x"), [plain, 5]))', "5]", "6]", "a"),
        ("constant list is extended", "CONFIG", "CONFIG.append(5)", "(5)", "(6)", "a"),
        ("constant list is added to", "CONFIG", "CONFIG += [5]\nstate.CONFIG.extend(CONFIG)", "[5]", "[6]", "a"),
        ("class attribute", "Model", "Model.level = 5", "= 5", "= 6", "a"),
        ("class registers", "Model()", "@Model.add\ndef f():\n    return 5", "return 5", "return 6", "a"),
        ("class changes itself", "Model", "Model.found.append(5)", "(5)", "(6)", "a"),
        ("replaced function", "patched()", "state.patched = lambda: 5", ": 5", ": 6", "a"),
        ("replaced in the module that uses it", "plain()", "import main\nmain.plain = lambda: 5", ": 5", ": 6", "a"),
        ("replaced by setattr", "patched()", 'setattr(state, "patched", lambda: 5)', ": 5", ": 6", "a"),
        ("replaced by a function that is called", "patched()", "EXTRA2 = 5\nsetup()", "state.patched = lambda: 2", "state.patched = lambda: 3", "a"),
        ("replaced with a computed name", "patched()", 'setattr(state, "pat" + "ched", lambda: 5)', ": 5", ": 6", "ab"),
        ("attribute of a function", "plain.kind", "plain.kind = 5", "= 5", "= 6", "a"),
        ("function that changes itself", "made()", "counted()\nEXTRA3 = 1", "counted.calls = 1", "counted.calls = 2", "a"),
        ("default that changes", "counter()", "counter()", "counter()", "counter(); counter()", "a"),
        ("iterator", "next(IDS)", "FIRST = next(IDS)", "next(IDS)", "next(IDS), next(IDS)", "a"),
        ("subclass with a hook", "REG", "class Sub(Hooked):\n    x = 5", "x = 5", "x = 6", "a"),
        ("subclass of a subclass with a hook", "REG", "class Sub(Hooked):\n    x = 5\nclass SubSub(Sub):\n    y = 7", "y = 7", "y = 8", "a"),
        ("metaclass", "REG", "class Sub(WithMeta):\n    x = 5", "x = 5", "x = 6", "a"),
        ("singledispatch", "show(1)", "@show.register\ndef _(x: int):\n    return 5", "return 5", "return 6", "a"),
        ("function called by a decorator", "CONFIG", "@run_now\ndef f():\n    CONFIG.append(5)", "(5)", "(6)", "a"),
        ("seed", "REG", "random.seed(5)", "(5)", "(6)", "ab"),
        ("seed in a function that is called", "REG", "def go():\n    random.seed(5)\ngo()", "(5)", "(6)", "ab"),
        ("seed in a function that a constant calls", "REG", "def go():\n    random.seed(5)\nX = go()", "(5)", "(6)", "ab"),
        ("variable is set", "REG", 'os.environ["X"] = "5"', '"5"', '"6"', "ab"),
        ("path is extended", "REG", 'sys.path.insert(0, "5")', '"5"', '"6"', "ab"),
        ("package is changed", "REG", "import pandas\npandas.options.mode = 5", "= 5", "= 6", "ab"),
        ("package is called", "REG", "import pandas\npandas.set_option(5)", "(5)", "(6)", "ab"),
        ("warnings", "REG", 'warnings.filterwarnings("5")', '"5"', '"6"', "ab"),
        ("unknown call", "REG", "(lambda: 5)()", ": 5", ": 6", "ab"),
        ("logging", "REG", "logging.basicConfig(level=5)", "=5", "=6", ""),
        ("logger", "REG", 'log = logging.getLogger("5")\nlog.debug("5")', 'debug("5")', 'debug("6")', ""),
        ("print", "REG", 'print("5")', '"5"', '"6"', ""),
        ("unrelated constant", "REG", "X = len(REG) + 5", "+ 5", "+ 6", ""),
        ("unrelated state", "REG", "MORE = []\nMORE.append(5)", "(5)", "(6)", ""),
        ("wrapping decorator", "REG", "@wrapping\ndef f():\n    return REG, 5", ", 5", ", 6", ""),
        ("script", "REG", 'if __name__ == "__main__":\n    REG.update(x=5)', "x=5", "x=6", ""),
        ("assignment in a script", "REG", 'if __name__ == "__main__":\n    REG["x"] = 5', "= 5", "= 6", "a"),
        ("function that is not called", "REG", "def f():\n    REG.clear()\n    random.seed(5)", "(5)", "(6)", "a"),
    ]
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_effect(case: Case) -> None:
    before = files(case.program)
    holder = next(path for path in ("effects.py", "state.py") if case.old in before[path])
    assert before[holder].count(case.old) == 1, holder
    after = {**before, holder: before[holder].replace(case.old, case.new)}
    changed = [
        task for task in "ab" if reach(before, f"main:{task}").digest != reach(after, f"main:{task}").digest
    ]
    assert "".join(changed) == case.concerns


def test_effects_have_names() -> None:
    program = files("""
        # file: main.py
        import random
        REG = {}
        random.seed(1)
        REG["a"] = 1
        REG["a"] = 1
        def main():
            return REG
    """)
    names = [each.name for each in reach(program).symbols]
    assert names == [
        "<REG['a'] = 1>",
        "<REG['a'] = 1> 2",
        "<random.seed(1)>",
        "REG",
        "main",
        "random",
        "<order>",
    ]


def test_tasks_do_not_know_each_other() -> None:
    program = files("""
        # file: main.py
        from flyte import TaskEnvironment
        from helpers import timed
        env = TaskEnvironment("x")
        other = env.clone_with("y")
        STATE = {}
        @env.task
        @timed
        def one():
            return STATE, 1
        @other.task(retries=2)
        @timed
        def two():
            return STATE, 2
        # file: helpers.py
        import functools, time, logging
        log = logging.getLogger(__name__)
        def timed(function):
            @functools.wraps(function)
            def inner(*args):
                log.info("timed")
                return function(*args)
            return inner
    """)
    edited = {**program, "main.py": program["main.py"].replace("STATE, 2", "STATE, 3")}
    assert reach(program, "main:one").digest == reach(edited, "main:one").digest
    assert reach(program, "main:two").digest != reach(edited, "main:two").digest


ORDERED = """
    # file: main.py
    import one
    import two
    import three
    from state import REG
    def main():
        return REG
    def other():
        return 1
    # file: state.py
    REG = []
    # file: one.py
    from state import REG
    REG.append(1)
    # file: two.py
    from state import REG
    REG.append(2)
    REG.append(3)
    # file: three.py
    SIZE = 1
"""


@pytest.mark.parametrize(
    ("path", "old", "new", "changed"),
    [
        ("main.py", "import one\nimport two\n", "import two\nimport one\n", True),
        ("main.py", "import two\nimport three\n", "import three\nimport two\n", False),
        ("main.py", "import one\n", "", True),
        ("two.py", "REG.append(2)\nREG.append(3)", "REG.append(3)\nREG.append(2)", True),
        ("one.py", "from state import REG\n", "import two\nfrom state import REG\n", True),
    ],
)
def test_order(path: str, old: str, new: str, changed: bool) -> None:
    before = files(ORDERED)
    after = {**before, path: before[path].replace(old, new)}
    assert before != after
    assert (reach(before).digest != reach(after).digest) is changed
    assert reach(before, "main:other").digest == reach(after, "main:other").digest


@pytest.mark.parametrize(
    "lines",
    [
        ("SIZE = len(REG)", "REG.append(1)"),
        ("REG = [*REG, 0]", "REG.append(1)"),
        ("random.seed(1)", "SIZE = random.random()"),
    ],
)
def test_reading_before_or_after_an_effect(lines: tuple[str, str]) -> None:
    begin, end = "import random\nREG = []\n", "\ndef main():\n    return REG, SIZE\nSIZE: int\n"
    digests = {reach({"main.py": begin + "\n".join(order) + end}).digest for order in (lines, lines[::-1])}
    assert len(digests) == 2


def test_many_effects_and_helpers_end() -> None:
    text = "REG = {}\ndef register(f):\n    REG[f.__name__] = f\n    return f\n"
    for number in range(300):
        text += f"@register\ndef f{number}():\n    return f{(number * 7) % 300}()\n"
    found = reach({"main.py": text + "def main():\n    return REG\n"})
    assert len(found.symbols) == 304


RANDOM = """
    # file: main.py
    import noise, random
    def drawing():
        return random.random()
    def holding():
        return noise.SECOND
    def other():
        return 1
    # file: noise.py
    import random
    {seed}
    def draw():
        return random.random()
    FIRST = draw()
    SECOND = random.random()
"""


@pytest.mark.parametrize(
    ("seed", "concerned"), [("random.seed(1)", {"drawing", "holding"}), ("COUNT = 1", set())]
)
def test_draws_at_import_after_a_seed(seed: str, concerned: set[str]) -> None:
    before = files(RANDOM.format(seed=seed))
    after = {**before, "noise.py": before["noise.py"].replace("FIRST = draw()", "FIRST = draw() + draw()")}
    changed = {
        task
        for task in ("drawing", "holding", "other")
        if reach(before, f"main:{task}").digest != reach(after, f"main:{task}").digest
    }
    assert changed == concerned


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("from reg import REG\nimport tools as t\ndef main():\n    try:\n        import fast as m\n    except ImportError:\n        import slow as m\n    return m.go()\n", "slow"),
        ("class C:\n    import slow as s\ndef main():\n    return C.s.go()\n", "slow"),
        ("def main():\n    import slow\n    return vars(slow)\n", "slow"),
        ("def pick():\n    import slow\n    return slow\ndef main():\n    return pick().go()\n", "slow"),
        ("def load():\n    global slow\n    import slow\ndef main():\n    return slow.go()\n", "slow"),
        ("import slow\ndef main():\n    return globals()['slow'].go()\n", "slow"),
        ("def main():\n    import runpy\n    return runpy.run_path('slow.py')\n", "slow"),
        ("def main():\n    return start('python', 'tools/slow.py')\ndef start(*a):\n    return a\n", "slow"),
    ],
)  # fmt: skip
def test_modules_in_disguise(text: str, old: str) -> None:
    program = {
        "main.py": text,
        "slow.py": "def go():\n    return 1\n",
        "fast.py": "def go():\n    return 1\n",
    }
    edited = {**program, f"{old}.py": "def go():\n    return 2\n"}
    assert reach(program).digest != reach(edited).digest


@pytest.mark.parametrize(
    "effect",
    [
        'globals()["X"] = 5',
        'globals().update({"X": 5})',
        'exec("X = 5")',
        'X2 = eval("X.append(5)")',
        "X >> 5",
        "import sys\nsys.modules[__name__].X = 5",
        "_ = np.random.seed(5)",
        "done = dotenv.load_dotenv(5)",
        "@pd.register_accessor('x')\nclass A:\n    y = 5",
        "for each in 'ab':\n    vars()[each] = 5",
    ],
)
def test_effects_in_disguise(effect: str) -> None:
    text = f"import dotenv, numpy as np, pandas as pd\nX = []\n{effect}\ndef main():\n    return X\n"
    assert reach({"main.py": text}).digest != reach({"main.py": text.replace("5", "6")}).digest


@pytest.mark.parametrize(
    ("base", "concerned"),
    [
        ("class Base(sqlalchemy.DeclarativeBase):\n    pass", True),
        ("Base = sqlalchemy.declarative_base()", True),
        ("class Meta(type):\n    pass\nclass Meta2(Meta):\n    def __init__(cls, *a):\n        SEEN.append(cls)\nclass Base(metaclass=Meta2):\n    pass", True),
        ("class Base:\n    pass", False),
        ("import pydantic\nclass Base(pydantic.BaseModel):\n    pass", False),
        ("import abc\nclass Base(abc.ABC):\n    pass", False),
        ("import enum\nclass Base(enum.Enum):\n    pass", False),
        ("Base = collections.namedtuple('Base', 'x')", False),
    ],
)  # fmt: skip
def test_classes_that_register_with_their_base(base: str, concerned: bool) -> None:
    text = f"import sqlalchemy, collections\nSEEN = []\n{base}\nclass User(Base):\n    y = 5\ndef main():\n    return Base, SEEN\n"
    before, after = reach({"main.py": text}), reach({"main.py": text.replace("5", "6")})
    assert (before.digest != after.digest) is concerned


@pytest.mark.parametrize(
    ("given", "call", "concerned"),
    [
        ("class K:\n    x = 1", "put(K, 5)", True),
        ("def k():\n    pass", "put(k, 5)", True),
        ("def k():\n    pass", "put_by_name(k, 5)", True),
        ("def k():\n    pass", "show(k, 5)", False),
        ("import mod as k", "put(k, 5)", True),
        ("import mod as k", "done = ext.load(k, 5)", True),
        ("k = []", "list.append(k, 5)", True),
        ("k = []", "show(k, 5)", True),
    ],
)
def test_what_is_given_to_a_function(given: str, call: str, concerned: bool) -> None:
    name = "K" if "class" in given else "k"
    text = (
        f"import ext\n{given}\ndef put(c, v):\n    c.x = v\ndef put_by_name(c, v):\n    setattr(c, v, v)\n"
        f"def show(c, v):\n    return v\n{call}\ndef main():\n    return {name}.x\n"
    )
    program = {"main.py": text, "mod.py": "x = 1\n"}
    edited = {**program, "main.py": text.replace("5", "6")}
    assert (reach(program).digest != reach(edited).digest) is concerned


def test_a_decorator_that_marks_functions_ties_nothing_together() -> None:
    text = (
        "def mark(f):\n    f.marked = True\n    return f\n"
        "@mark\ndef one():\n    return 1\n@mark\ndef two():\n    return 2\n"
    )
    edited = text.replace("return 2", "return 3")
    assert reach({"main.py": text}, "main:one").digest == reach({"main.py": edited}, "main:one").digest
