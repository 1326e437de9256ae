"""Random programs, random edits: what is executed is exactly what the edit concerns, and the result is a fresh run's.

A program is a chain of tasks, each of which calls some of those behind it with inputs computed from its own. The
expectation is worked out by a model of ten lines that knows nothing of code or records: a call is taken over if the
recorded run had it (task, input, and which one of equal calls of one caller) and nothing that its task can reach was
edited.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno import Engine, Phase
from dalsegno_storage.memory import MemoryStore

NAME = "reuse_tree"


class Step(NamedTuple):
    """A task: what its helper adds, and its calls as (task, what is added to the input, modulo)."""

    added: int
    calls: tuple[tuple[int, int, int], ...]


Program = tuple[Step, ...]
Call = tuple[int, int, int]
"""Task, input, and which one of equal calls of one caller."""


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Two to six tasks; the last calls nothing."""
    count = draw(st.integers(2, 6))
    steps = []
    for number in range(count):
        behind = st.integers(number + 1, count - 1)
        calls = st.tuples(behind, st.integers(0, 3), st.sampled_from([2, 5, 100]))
        some = st.lists(calls, max_size=3) if number < count - 1 else st.just([])
        steps.append(Step(draw(st.integers(0, 9)), tuple(draw(some))))
    return tuple(steps)


def source(program: Program) -> str:
    """The program as a module; the helpers stand apart from the tasks, in another order."""
    lines = ["import dalsegno", f"env = dalsegno.TaskEnvironment('{NAME}')"]
    for number, step in reversed(list(enumerate(program))):
        lines += ["@env.task", f"async def task{number}(x: int) -> int:", f"    total = helper{number}(x)"]
        lines += [
            f"    total += await task{task}((x + {more}) % {modulo})" for task, more, modulo in step.calls
        ]
        lines.append("    return total")
    for number, step in enumerate(program):
        lines += [f"def helper{number}(x):", f"    return x + ADDED{number}", f"ADDED{number} = {step.added}"]
    return "\n".join(lines) + "\n"


def calls_of(program: Program, x: int) -> Iterator[tuple[Call, tuple[Call, ...]]]:
    """Every call of a run with those above it, from the top down."""
    waiting: list[tuple[Call, tuple[Call, ...]]] = [((0, x, 0), ())]
    while waiting:
        call, above = waiting.pop()
        yield call, above
        met: Counter[tuple[int, int]] = Counter()
        for task, more, modulo in program[call[0]].calls:
            key = (task, (call[1] + more) % modulo)
            waiting.append(((*key, met[key]), (*above, call)))
            met[key] += 1


def reach(program: Program, number: int) -> set[int]:
    """The tasks whose code a task can reach."""
    found = {number}
    for task, _, _ in program[number].calls:
        found |= reach(program, task)
    return found


def expected(program: Program, x: int, edited: set[int], new_x: int) -> Counter[int]:
    """How often each task is executed when the edited program recovers."""
    recorded = {call for call, _ in calls_of(program, x)} - {(0, x, 0)}
    recorded.add((0, x, 0))

    def holds(call: Call) -> bool:
        return call in recorded and not reach(program, call[0]) & edited

    return Counter(
        call[0] for call, above in calls_of(program, new_x) if not holds(call) and not any(map(holds, above))
    )


@contextmanager
def imported(text: str) -> Iterator[ModuleType]:
    """The program, loaded from a folder of its own."""
    with TemporaryDirectory() as folder:
        (Path(folder) / f"{NAME}.py").write_text(text)
        sys.path.insert(0, folder)
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            yield __import__(NAME)
        finally:
            sys.dont_write_bytecode = before
            sys.path.remove(folder)
            sys.path_importer_cache.pop(folder, None)
            del sys.modules[NAME]


def told(value: int, program: Program) -> int:
    """What a fresh run of task 0 gives, by the model."""

    def run(number: int, x: int) -> int:
        step = program[number]
        return x + step.added + sum(run(task, (x + more) % modulo) for task, more, modulo in step.calls)

    return run(0, value)


@given(programs(), st.integers(0, 4), st.integers(0, 4), st.data())
@settings(deadline=None, max_examples=60)
def test_exactly_what_is_affected_is_executed(
    program: Program, x: int, new_x: int, data: st.DataObject
) -> None:
    edited = data.draw(st.sets(st.integers(0, len(program) - 1), max_size=2), label="edited")
    after = tuple(
        step._replace(added=step.added + 10) if number in edited else step
        for number, step in enumerate(program)
    )

    async def first(module: ModuleType) -> None:
        async with Engine(store) as engine:
            run = await engine.with_runcontext(name="first").run(module.task0, x)
            assert await run.result.aio() == told(x, program)

    async def second(module: ModuleType) -> None:
        async with Engine(store) as engine:
            run = await engine.rerun("first", task_template=module.task0, recover=True, x=new_x)
            assert await run.result.aio() == told(new_x, after)
            executed: Counter[int] = Counter()
            for action in run.actions():
                if action.phase is Phase.SUCCEEDED:
                    executed[int(action.record.short_name.removeprefix("task"))] += 1
                else:
                    assert action.phase is Phase.RECOVERED
            assert executed == expected(program, x, edited, new_x)
            check_reasons(run.why(), edited)

    store = MemoryStore()
    try:
        with imported(source(program)) as module:
            anyio.run(first, module)
        with imported(source(after)) as module:
            anyio.run(second, module)
    finally:
        store.close()


def check_reasons(answers: Any, edited: set[int]) -> None:
    """Whoever was executed on known inputs names a constant that was edited."""
    names = {f"symbol {NAME}:ADDED{number}" for number in edited}
    for answer in answers:
        if answer.verdict == "executed" and not any(
            each.kind in ("input", "call") for each in answer.differences
        ):
            assert answer.reason.partition(",")[0] in names
