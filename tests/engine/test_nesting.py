"""Calls of tasks in tasks: sync and async in any mixture, under asyncio and trio."""

import asyncio
import threading
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import anyio
import pytest
import trio

import dalsegno
from dalsegno import Engine, Phase, Run, TaskEnvironment
from dalsegno.errors import InputError, SyncTaskCallInAsyncContextError
from dalsegno.task import AsyncTask

Play = Callable[..., Any]
env = TaskEnvironment("nesting")


@env.task
async def alpha(plan: str) -> str:
    if not plan:
        return "a"
    rest = plan[1:]
    return "a" + (await alpha(rest) if plan[0] == "a" else await sigma.aio(rest))


@env.task
def sigma(plan: str) -> str:
    if not plan:
        return "s"
    rest = plan[1:]
    return "s" + (sigma(rest) if plan[0] == "s" else asyncio.run(alpha(rest)))


PLANS = ["".join(letters) for letters in product("as", repeat=3)] + ["asas" * 5, "s" * 12, "a" * 12]


@pytest.mark.parametrize("plan", PLANS)
def test_sync_and_async_tasks_call_each_other_to_any_depth(play: Play, plan: str) -> None:
    async def story(engine: Engine) -> None:
        for task, first in ((alpha, "a"), (sigma, "s")):
            run = await engine.run(task, plan)
            assert await run.result.aio() == first + plan
            actions = run.actions()
            assert "".join(action.record.short_name[0] for action in actions) == first + plan
            assert [action.record.parent for action in actions] == [None, *range(len(plan))]
            assert [action.outputs() for action in actions] == [
                ((first + plan)[depth:],) for depth in range(len(plan) + 1)
            ]
            assert {action.phase for action in actions} == {Phase.SUCCEEDED}

    play(story)


@env.task
def thread() -> int:
    return threading.get_ident()


@env.task
def same_thread() -> bool:
    return thread() == threading.get_ident()


@env.task
async def other_thread() -> bool:
    return await thread.aio() != threading.get_ident()


def test_a_sync_task_runs_in_a_worker_thread_and_its_sync_children_in_the_same(play: Play) -> None:
    async def story(engine: Engine) -> None:
        assert await (await engine.run(same_thread)).result.aio() is True
        assert await (await engine.run(other_thread)).result.aio() is True

    play(story)


@env.task
async def calls_a_sync_task() -> int:
    return thread()


@env.task
async def maps_without_aio() -> list[int]:
    return list(dalsegno.map(thread, []))


@pytest.mark.parametrize("task", [calls_a_sync_task, maps_without_aio])
def test_a_sync_call_in_async_code_is_refused_with_the_cure(play: Play, task: Any) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(task)
        with pytest.raises(SyncTaskCallInAsyncContextError, match=r"\.aio\("):
            await run.result.aio()
        assert len(run.actions()) == 1

    play(story)


@env.task
async def add(x: int, y: int = 10) -> int:
    return x + y


@env.task
def twice(x: int) -> int:
    return x * 2


@env.task
async def gathered(n: int) -> list[int]:
    return await asyncio.gather(*(add(i) for i in range(n)), *(twice.aio(i) for i in range(n)))


@env.task
async def task_group(n: int) -> list[int]:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(add(i)) for i in range(n)]
    return [task.result() for task in started]


@env.task
async def nursery(n: int) -> list[int]:
    results = [0] * n

    async def one(i: int) -> None:
        results[i] = await add(i) + await twice.aio(i)

    async with trio.open_nursery() as started:
        for i in range(n):
            started.start_soon(one, i)
    return results


@pytest.mark.parametrize(
    ("backend", "task", "expected", "calls"),
    [
        ("asyncio", gathered, [10, 11, 12, 13, 0, 2, 4, 6], 8),
        ("asyncio", task_group, [10, 11, 12, 13], 4),
        ("trio", nursery, [10, 13, 16, 19], 8),
    ],
)
def test_concurrent_children(play: Play, task: Any, expected: list[int], calls: int) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(task, 4)
        assert await run.result.aio() == expected
        assert [child.phase for child in run.action().children] == [Phase.SUCCEEDED] * calls

    play(story)


class Split(NamedTuple):
    low: list[int]
    high: list[int]


@env.task
def split(xs: list[int], at: int = 3) -> Split:
    return Split([x for x in xs if x < at], [x for x in xs if x >= at])


@env.task
def pair(x: int) -> tuple[int, str]:
    return x, str(x)


@env.task
def nothing() -> None:
    return None


@env.task
async def uses_outputs() -> tuple[bool, int, str]:
    named = await split.aio([1, 5], at=2)
    low, high = named
    number, text = await pair.aio(7)
    await nothing.aio()
    return isinstance(named, Split) and named.low == low == [1], high[0] + number, text


def test_defaults_and_several_outputs(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(split, [1, 2, 3])
        assert run.inputs() == {"xs": [1, 2, 3], "at": 3}
        result = await run.result.aio()
        assert result == Split([1, 2], [3])
        assert type(result) is Split
        assert run.outputs() == ([1, 2], [3])
        two = await engine.run(pair, x=1)
        assert await two.result.aio() == (1, "1")
        assert two.outputs() == (1, "1")
        none: Run[Any] = await engine.run(nothing)
        assert await none.result.aio() is None
        assert none.outputs() == ()
        used = await engine.run(uses_outputs)
        assert await used.result.aio() == (True, 12, "7")

    play(story)


@env.task
def grows(xs: list[int]) -> list[int]:
    xs.append(99)
    return xs


@env.task
async def keeps(xs: list[int]) -> list[list[int]]:
    returned = await grows.aio(xs)
    returned_again = await grows.aio(xs)
    xs.append(0)
    return [xs, returned, returned_again]


def test_values_cross_the_border_of_a_task_by_value(play: Play) -> None:
    async def story(engine: Engine) -> None:
        given = [1]
        run = await engine.run(keeps, given)
        given.append(5)
        assert await run.result.aio() == [[1, 0], [1, 99], [1, 99]]
        assert given == [1, 5]
        assert run.inputs() == {"xs": [1]}
        first, second = run.action().children
        assert first.inputs() == second.inputs() == {"xs": [1]}
        again = await engine.rerun(run.name)
        assert await again.result.aio() == [[1, 0], [1, 99], [1, 99]]

    play(story)


@env.task
async def renames() -> int:
    plus: AsyncTask[[int], int] = add.override(short_name="plus", retries=2)
    return await plus(1)


def test_override_changes_the_name_and_the_recorded_settings_of_a_call(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(renames)
        assert await run.result.aio() == 11
        (child,) = run.action().children
        assert child.name.startswith("plus-")
        assert child.template.settings.keys() == {"short_name", "retries"}
        assert child.task == "nesting.add"

    play(story)
    assert add.short_name == "add"


@env.task
async def bad_call() -> str:
    try:
        await add("x", z=1)  # type: ignore[call-arg, arg-type]  # wrong on purpose
    except InputError as error:
        return str(error)
    return "accepted"


def test_a_wrong_call_inside_a_task_is_refused_and_no_action(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(bad_call)
        message = await run.result.aio()
        assert "2 problems with the inputs of nesting.add" in message
        assert len(run.actions()) == 1

    play(story)


@env.task
async def in_a_cancel_scope() -> int:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for i in range(3):
                tasks.start_soon(add, i)
    return 3


def test_anyio_task_groups_and_scopes(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(in_a_cancel_scope)
        assert await run.result.aio() == 3
        assert sorted(child.result() for child in run.action().children) == [10, 11, 12]

    play(story)


def test_outside_a_run_tasks_are_plain_functions() -> None:
    assert twice(4) == 8
    assert asyncio.run(add(1, y=2)) == 3
    assert asyncio.run(twice.aio(5)) == 10
    assert list(dalsegno.map(twice, [1, 2])) == [2, 4]
