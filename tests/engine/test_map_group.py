"""`map`, `group` and `ctx` inside tasks."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import dalsegno
from dalsegno import Engine, TaskEnvironment, ctx, group

Play = Callable[..., Any]
env = TaskEnvironment("map_group")


@env.task
async def add(x: int, y: int = 10) -> int:
    return x + y


@env.task
def twice(x: int) -> int:
    return x * 2


@env.task
async def maps_async(xs: list[int], ys: list[int]) -> list[int]:
    return [result async for result in dalsegno.map.aio(add, xs, ys, concurrency=2)]


@env.task
def maps_sync(xs: list[int], ys: list[int]) -> list[int]:
    return list(dalsegno.map(add, xs, ys, group_name="sums"))


@env.task
def maps_a_sync_task(xs: list[int]) -> list[int]:
    return list(dalsegno.map(twice, xs))


def test_map_gives_results_in_order_and_records_each_call_in_a_group(play: Play) -> None:
    async def story(engine: Engine) -> None:
        cases: list[tuple[Any, tuple[list[int], ...], list[int], str]] = [
            (maps_async, ([1, 2, 3], [10, 20, 30]), [11, 22, 33], "add"),
            (maps_sync, ([1, 2, 3], [10, 20]), [11, 22], "sums"),
            (maps_a_sync_task, ([4, 5],), [8, 10], "twice"),
        ]
        for task, args, expected, where in cases:
            run = await engine.run(task, *args)
            assert await run.result.aio() == expected
            children = run.action().children
            assert sorted(child.result() for child in children) == expected
            assert {child.group for child in children} == {where}

    play(story)


@env.task
async def fails_on(x: int, bad: int) -> int:
    if x >= bad:
        raise ValueError(f"no {x}")
    return x


@env.task
async def maps_with_failures(raising: bool) -> list[str]:
    results = dalsegno.map.aio(fails_on, [1, 2, 3], [2, 2, 2], return_exceptions=not raising)
    return [repr(result) async for result in results]


def test_map_gives_exceptions_or_raises_the_first_in_order(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(maps_with_failures, False)
        assert await run.result.aio() == ["1", "ValueError('no 2')", "ValueError('no 3')"]
        run = await engine.run(maps_with_failures, raising=True)
        with pytest.raises(ValueError, match="no 2"):
            await run.result.aio()

    play(story)


@env.task
async def in_groups() -> list[str]:
    keys = []
    with group("outer"):
        keys.append(ctx().group_data)
        await add(1)
        with group("inner"):
            keys.append(ctx().group_data)
            await add(1)
            await sees_group()
    await add(1)
    return [*keys, ctx().group_data]


@env.task
async def sees_group() -> str:
    await add(1)
    return ctx().group_data


def test_groups_nest_are_recorded_and_part_of_the_key_and_end_at_a_task(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(in_groups)
        assert await run.result.aio() == ["outer", "outer/inner", ""]
        first, second, seeing, third = run.action().children
        assert [first.group, second.group, third.group] == ["outer", "outer/inner", ""]
        assert len({first.key, second.key, third.key}) == 3
        assert len({first.name, second.name, third.name}) == 3
        assert seeing.result() == ""
        (below,) = seeing.children
        assert below.group == ""
        assert below.key == third.key  # the same call below another parent

    play(story)


@env.task
def sees_context() -> dict[str, object]:
    here = ctx()
    assert here.action is not None
    return {
        "names": [here.action.name, here.action.run_name, here.action.project, here.action.domain],
        "attempt": here.attempt_number,
        "mode": here.mode,
        "custom": dict(here.custom_context),
        "labels": dict(here.labels),
        "env": dict(here.env_vars),
        "true": bool(here),
        "start": here.run_start_time,
    }


@env.task
async def context_below() -> list[dict[str, object]]:
    return [await sees_context.aio()]


def test_ctx_shows_the_action_its_run_and_what_the_run_was_given(play: Play) -> None:
    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(
            name="n", custom_context={"user": "ann"}, labels={"team": "x"}, env_vars={"A": "1"}
        )
        run = await context.run(context_below)
        (seen,) = await run.result.aio()
        (child,) = run.action().children
        assert seen == {
            "names": [child.name, "n", "default", "development"],
            "attempt": 0,
            "mode": "local",
            "custom": {"user": "ann"},
            "labels": {"team": "x"},
            "env": {"A": "1"},
            "true": True,
            "start": run.record.started_at,
        }

    assert not ctx()
    assert ctx().action is None
    play(story)


@env.task
def leaf_thread(x: int) -> int:
    return x


@env.task
def maps_in_a_thread(x: int) -> int:
    return sum(dalsegno.map(leaf_thread, [x] * 3))


@env.task
async def many_threads(n: int) -> int:
    return sum([result async for result in dalsegno.map.aio(maps_in_a_thread, range(n))])


def test_more_waiting_threads_than_an_engine_has_do_not_block_each_other(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(many_threads, 150)
        with anyio.fail_after(60):
            assert await run.result.aio() == 3 * sum(range(150))
        assert len(run.actions()) == 1 + 150 * 4

    play(story)
