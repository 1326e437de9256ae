"""What dalsegno's own names mean in the code of tasks: nothing that widens, and nothing that changes anything."""

import pytest
from tests.engine.closure.sources import files, reach

PROGRAM = """
# file: main.py
import random
from dalsegno import TaskEnvironment, durable, trace
from helpers import fetch

env = TaskEnvironment("own")
DEFAULT = random.random()

@env.task
async def main(item: str):
    await durable.sleep(1)
    await durable.sleep.aio(2)
    return [durable.now(), durable.time(), durable.uuid4(), fetch(item), durable.entropy()]

@env.task
async def other(item: str):
    return random.random() + durable.random()

@trace
def unrelated():
    return DEFAULT
# file: helpers.py
import dalsegno
from dalsegno.durable import random as chance

RATE = 3

@dalsegno.trace
async def fetch(item, more=1):
    return chance() * RATE + more

def not_reached():
    return 1
"""


def test_a_traced_function_belongs_to_the_code_of_its_caller() -> None:
    found = reach(files(PROGRAM))
    assert {f"{symbol.module}:{symbol.name}" for symbol in found.symbols} >= {
        "main:main",
        "helpers:fetch",
        "helpers:RATE",
    }
    assert not {symbol.name for symbol in found.symbols} & {"unrelated", "DEFAULT", "not_reached", "other"}
    assert found.widened == ()
    assert found.packages == ()
    assert found.environ == ()


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("return chance() * RATE + more", "return chance() * RATE - more", True),
        ("RATE = 3", "RATE = 4", True),
        ("more=1", "more=2", True),
        ("durable.sleep(1)", "durable.sleep(3)", True),
        ("return DEFAULT", "return 5", False),
        ("random.random() + durable", "durable", False),
        ("    return 1\n", "    return 2\n", False),
    ],
)
def test_what_of_it_matters(old: str, new: str, changed: bool) -> None:
    assert PROGRAM.count(old) == 1, old
    edited = PROGRAM.replace(old, new)
    assert (reach(files(PROGRAM)).digest != reach(files(edited)).digest) is changed


def test_a_traced_function_has_code_of_its_own() -> None:
    found = reach(files(PROGRAM), "helpers:fetch")
    assert {symbol.name for symbol in found.symbols} >= {"fetch", "RATE"}
    assert "main" not in {symbol.module for symbol in found.symbols}
