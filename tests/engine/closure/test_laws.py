"""Laws that hold for any program: how it is written changes nothing, what it does changes the digest."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.closure.sources import Files, reach
from tests.engine.reuse.matrix import TASKS
from tests.engine.reuse.package import FILES, SOURCES

from dalsegno.closure import ModuleFacts, closure, module_facts

ROOT = Path(__file__).parents[3]
OURS = sorted((ROOT / "engine").rglob("*.py"))
FORECAST = {
    path.removeprefix(f"{SOURCES}/"): text for path, text in FILES.items() if path.startswith(f"{SOURCES}/")
}

names = st.sampled_from(["alpha", "beta", "gamma", "delta"])
constants = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.none(),
    st.text("ab\\'\"\n", max_size=3),
    st.sampled_from([0.5, 1.5]),
)


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[str], set[str]]:
    """Statements of a module, and the names that `main` reaches: each binds one name and reads later ones."""
    statements, reads = [], {}
    order = ["alpha", "beta", "gamma", "delta"]
    for number, name in enumerate(order):
        used = draw(st.lists(st.sampled_from(order[number + 1 :]), max_size=2)) if order[number + 1 :] else []
        reads[name] = set(used)
        value = ", ".join([repr(draw(constants)), *used, f"{number}000"])
        form = draw(st.sampled_from(["def", "lambda", "class", "nested", "default"]))
        statements.append(
            {
                "def": f"def {name}(x: int) -> int:\n    '''Docs.'''\n    y: int = x\n    return ({value}), y\n",
                "lambda": f"{name} = lambda: ({value})\n",
                "class": f"class {name}:\n    '''Docs.'''\n    def run(self, z: int):\n        return ({value})\n",
                "nested": f"def {name}():\n    def inner():\n        return [({value}) for q in 'ab']\n    return inner\n",
                "default": f"def {name}(*, k=lambda: ({value})):\n    return k\n",
            }[form]
        )
    roots = draw(st.lists(st.sampled_from(order), min_size=1, max_size=2))
    statements.append(f"def main():\n    return {', '.join(roots)}, 4000\n")
    reached, waiting = set(), [*roots]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += reads[name]
    return statements, reached


@given(programs())
def test_formatting_changes_nothing(program: tuple[list[str], set[str]]) -> None:
    text = "\n".join(program[0])
    assert reach({"main.py": ast.unparse(ast.parse(text))}).digest == reach({"main.py": text}).digest


@given(programs(), st.data())
def test_order_of_definitions_changes_nothing(
    program: tuple[list[str], set[str]], data: st.DataObject
) -> None:
    statements = data.draw(st.permutations(program[0]))
    assert reach({"main.py": "\n".join(statements)}) == reach({"main.py": "\n".join(program[0])})


@given(
    programs(),
    st.integers(0, 5),
    st.sampled_from(["def new():\n    return main\n", "new = 5\n", "import new\n"]),
)
def test_unrelated_definitions_change_nothing(program: tuple[list[str], set[str]], at: int, new: str) -> None:
    statements = [*program[0][:at], new, *program[0][at:]]
    assert reach({"main.py": "\n".join(statements)}) == reach({"main.py": "\n".join(program[0])})


@given(programs(), st.integers(0, 4))
def test_a_constant_counts_if_it_is_reached(program: tuple[list[str], set[str]], number: int) -> None:
    statements, reached = program
    text = "\n".join(statements)
    assert text.count(f"{number}000") == 1
    edited = text.replace(f"{number}000", f"{number + 5}000")
    is_reached = number == 4 or ["alpha", "beta", "gamma", "delta"][number] in reached
    assert (reach({"main.py": text}).digest != reach({"main.py": edited}).digest) is is_reached


@given(programs())
def test_facts_survive_encoding(program: tuple[list[str], set[str]]) -> None:
    facts = module_facts("\n".join(program[0]).encode(), name="main", is_package=False)
    assert ModuleFacts.decode(facts.encode()) == facts
    assert facts.problem == ""


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_facts_of_anything(text: bytes) -> None:
    facts = module_facts(text, name="any.thing", is_package=False)
    assert ModuleFacts.decode(facts.encode()) == facts


@given(st.text("def x():\n =1[]{}@*.'#if", max_size=40))
@settings(max_examples=200)
def test_facts_of_almost_code(text: str) -> None:
    facts = module_facts(text.encode(), name="almost", is_package=True)
    assert ModuleFacts.decode(facts.encode()) == facts


@pytest.mark.parametrize("file", OURS[::7], ids=lambda file: file.stem)
def test_formatting_of_real_modules_changes_nothing(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    facts = module_facts(text.encode(), name="dalsegno.x", is_package=False)
    again = module_facts(ast.unparse(ast.parse(text)).encode(), name="dalsegno.x", is_package=False)
    assert facts.problem == ""
    assert [unit._replace(first=0, last=0) for unit in facts.units] == [
        unit._replace(first=0, last=0) for unit in again.units
    ]


def test_a_program_of_ours_is_reached_without_an_error() -> None:
    engine = ROOT / "engine"
    program = {file.relative_to(engine).as_posix(): file.read_bytes() for file in OURS}
    found = closure(Files(program), "dalsegno.runs", "Run")
    assert {"dalsegno.runs", "dalsegno.errors"} <= {each.module for each in found.symbols}


_PRINT = """
from tests.engine.closure.test_laws import FORECAST
from tests.engine.closure.sources import Files
from tests.engine.reuse.matrix import TASKS
from dalsegno.closure import closure
sources = Files(FORECAST)
for task in TASKS:
    found = closure(sources, "forecast.pipeline", task)
    print(found.digest.hex(), found.encode().hex())
"""


def test_equal_in_other_processes() -> None:
    printed = set()
    for seed in ("1", "2"):
        environ = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "engine", "storage")),
        }
        done = subprocess.run(
            [sys.executable, "-c", _PRINT], env=environ, cwd=ROOT, capture_output=True, text=True, check=True
        )
        printed.add(done.stdout)
    sources = Files(FORECAST)
    found = [closure(sources, "forecast.pipeline", task) for task in TASKS]
    printed.add("".join(f"{each.digest.hex()} {each.encode().hex()}\n" for each in found))
    assert len(printed) == 1


def test_order_of_modules_changes_nothing() -> None:
    backwards = dict(reversed(FORECAST.items()))
    for task in TASKS:
        assert reach(FORECAST, f"forecast.pipeline:{task}") == reach(backwards, f"forecast.pipeline:{task}")
