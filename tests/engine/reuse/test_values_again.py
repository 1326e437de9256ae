"""Random programs that draw recorded values: whatever is executed again, everybody gets what it got the first time."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno import Engine, Phase, TaskEnvironment, durable, group, trace
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("values_again")

DRAWS: dict[str, Callable[[], object]] = {
    "now": durable.now,
    "time": durable.time,
    "uuid4": durable.uuid4,
    "random": durable.random,
    "entropy": durable.entropy,
}
"""What a program may draw."""

Program = list[Any]
"""Steps, each one of the draws, or [kind, number, program] for a call; numbers are unique in a program."""


class World:
    """What the bodies do beside what the record has of them."""

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.drawn: dict[tuple[int, int], object] = {}
        self.executed: Counter[int] = Counter()


world = World()


class BrokenError(Exception):
    """A call that is broken, or has one below it that is."""


async def play(number: int, program: Program) -> None:
    """Take the steps of a call."""
    world.executed[number] += 1
    failed = number in world.broken
    for place, step in enumerate(program):
        try:
            if isinstance(step, str):
                world.drawn[number, place] = DRAWS[step]()
            else:
                await CALLS[step[0]](*step[1:])
        except BrokenError:
            failed = True
    if failed:
        raise BrokenError(number)


@env.task
async def task(number: int, program: Program) -> None:
    await play(number, program)


@trace
async def traced(number: int, program: Program) -> None:
    await play(number, program)


@env.task
def in_a_thread(number: int, program: Program) -> None:
    draw(number, program)


@trace
def traced_plainly(number: int, program: Program) -> None:
    draw(number, program)


def draw(number: int, program: Program) -> None:
    """The same for code that is not async, which makes no calls."""
    world.executed[number] += 1
    for place, step in enumerate(program):
        if isinstance(step, str):
            world.drawn[number, place] = DRAWS[step]()
    if number in world.broken:
        raise BrokenError(number)


async def call_traced_plainly(number: int, program: Program) -> None:
    traced_plainly(number, program)


async def grouped(number: int, program: Program) -> None:
    """No action, only a heading."""
    with group(f"group {number}"):
        await play(number, program)


CALLS: dict[str, Callable[[int, Program], Any]] = {
    "task": task,
    "traced": traced,
    "in_a_thread": in_a_thread.aio,
    "traced_plainly": call_traced_plainly,
    "grouped": grouped,
}


class Case(NamedTuple):
    """A program, how many calls it has, and which are broken in the first run."""

    program: Program
    calls: int
    broken: set[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    draws = st.sampled_from([*DRAWS])
    calls = st.sampled_from([*CALLS])
    leaves = st.lists(draws, max_size=4)
    programs = st.recursive(
        leaves, lambda inner: st.lists(draws | st.tuples(calls, inner), max_size=4), max_leaves=8
    )
    count = 0

    def numbered(program: Program) -> Program:
        nonlocal count
        made: Program = []
        for step in program:
            if isinstance(step, str):
                made.append(step)
            else:
                count += 1
                made.append([step[0], count, []])
                made[-1][2] = numbered(step[1])
        return made

    program = numbered(draw(programs))
    return Case(program, count, draw(st.sets(st.integers(0, count))))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_a_recovered_run_sees_the_same_values(case: Case) -> None:
    global world
    world = World()

    async def story() -> None:
        async with Engine(MemoryStore()) as engine:
            context = engine.with_runcontext(durability="relaxed")
            world.broken = case.broken
            first = await context.run(task, 0, case.program)
            await first.wait.aio()
            drawn, executed = dict(world.drawn), Counter(world.executed)
            if case.broken & set(executed):
                assert first.phase is Phase.FAILED
            world.broken = set()
            again = await context.rerun(first.name, recover=True)
            await again.wait.aio()
            assert again.phase is Phase.SUCCEEDED
            assert world.drawn == drawn
            broken = case.broken & set(executed)
            assert {number for number in executed if world.executed[number] == 1}.isdisjoint(broken)
            values = [a for a in again.actions() if a.template.kind == "durable"]
            assert all(action.phase is Phase.RECOVERED for action in values)

    anyio.run(story)
