"""Limits on how many bodies execute at once: never more, never a deadlock, and nothing lost by who gives up waiting."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno import Cache, Engine, Phase, TaskEnvironment, Timeout, durable, trace
from dalsegno._slots import Limit, Slots
from dalsegno.errors import ConfigError, TaskDefinitionError

Play = Callable[..., Any]
env = TaskEnvironment("concurrency")
two = TaskEnvironment("two_at_once", max_concurrency=2)

_lock = threading.Lock()


class Watch:
    """Counts who is in a block at once."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0

    @contextmanager
    def here(self) -> Iterator[None]:
        with _lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with _lock:
                self.now -= 1


watch = Watch()


@pytest.fixture(autouse=True)
def fresh() -> None:
    watch.__init__()  # type: ignore[misc]  # the same object, which the tasks know


@env.task
async def leaf(x: int) -> int:
    with watch.here():
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
    return x


@env.task
def sync_leaf(x: int) -> int:
    with watch.here():
        time.sleep(0.001)
    return x


@env.task
async def tree(depth: int, width: int) -> int:
    with watch.here():
        await anyio.lowlevel.checkpoint()
    if not depth:
        return 1
    found: list[int] = []

    async def one(number: int) -> None:
        found.append(await tree(depth - 1, width) if number % 2 else await sync_tree.aio(depth - 1, width))

    async with anyio.create_task_group() as group:
        for number in range(width):
            group.start_soon(one, number)
    await leaf(depth)
    return 1 + sum(found)


@env.task
def sync_tree(depth: int, width: int) -> int:
    with watch.here():
        time.sleep(0)
    return 1 + sum(sync_tree(depth - 1, width) + sync_leaf(0) for _ in range(width if depth else 0))


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_bodies_execute_at_once_and_waiting_parents_do_not_count(play: Play, most: int) -> None:
    async def story(engine: Engine) -> int:
        run = await engine.with_runcontext(max_action_concurrency=most).run(tree, 3, 3)
        result: int = await run.result.aio()
        return result

    assert play(story) == 40
    assert watch.most <= most
    assert watch.now == 0


def test_without_a_limit_they_all_execute_at_once(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.run(fan, 20)).result.aio()

    play(story)
    assert watch.most == 20


@env.task
async def fan(n: int) -> int:
    async with anyio.create_task_group() as group:
        for number in range(n):
            group.start_soon(leaf, number)
    return n


@two.task
async def of_two(x: int) -> int:
    with watch.here():
        await anyio.sleep(0.001)
    return x


@two.task
def sync_of_two(x: int) -> int:
    with watch.here():
        time.sleep(0.001)
    return x


@env.task
async def both(n: int) -> int:
    async with anyio.create_task_group() as group:
        for number in range(n):
            group.start_soon(of_two, number)
            group.start_soon(sync_of_two.aio, number)
            group.start_soon(plain, number)
    return n


@env.task
async def plain(x: int) -> int:
    return x


def test_an_environment_has_its_limit_in_all_runs_of_an_engine(play: Play) -> None:
    async def story(engine: Engine) -> None:
        runs = [await engine.run(both, 10) for _ in range(3)]
        runs.append(await engine.with_runcontext(max_action_concurrency=1).run(both, 10))
        for run in runs:
            await run.result.aio()

    play(story)
    assert watch.most == 2
    assert watch.total == 80


@two.task
async def deep(n: int) -> int:
    return 1 + await deep(n - 1) if n else 0


@two.task
def sync_deep(n: int) -> int:
    return 1 + sync_deep(n - 1) if n else 0


def test_tasks_that_call_themselves_go_deeper_than_their_limit(play: Play) -> None:
    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(max_action_concurrency=1)
        assert await (await context.run(deep, 20)).result.aio() == 20
        assert await (await context.run(sync_deep, 20)).result.aio() == 20

    play(story)


@two.task
async def starts_a_run(engine_number: int) -> int:
    run = await engines[engine_number].run(of_two, 1)
    return await run.result.aio()


engines: list[Engine] = []


def test_a_run_that_a_task_waits_for_has_limits_of_its_own(play: Play) -> None:
    async def story(engine: Engine) -> None:
        engines[:] = [engine]
        runs = [await engine.run(starts_a_run, 0) for _ in range(4)]
        assert [await run.result.aio() for run in runs] == [1] * 4

    play(story)


@env.task(cache=Cache("auto", serialize=True))
async def serialized(x: int) -> int:
    return await leaf(x)


@env.task
async def calls_serialized(n: int) -> int:
    async with anyio.create_task_group() as group:
        for number in range(n):
            group.start_soon(serialized, number % 2)
            group.start_soon(leaf, number)
    return n


def test_waiting_for_the_turn_of_a_cached_call_holds_no_slot(play: Play) -> None:
    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(max_action_concurrency=1)
        runs = [await context.run(calls_serialized, 6) for _ in range(2)]
        for run in runs:
            await run.result.aio()

    play(story)
    assert watch.now == 0


@trace
async def helper(n: int) -> int:
    with watch.here():
        return await leaf(n)


@env.task
async def with_helpers(n: int) -> int:
    async with anyio.create_task_group() as group:
        for number in range(n):
            group.start_soon(helper, number)
    durable.now()
    await durable.sleep(0)
    return n


def test_traced_functions_belong_to_the_body_that_calls_them(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(max_action_concurrency=1).run(with_helpers, 5)
        assert await run.result.aio() == 5

    play(story)


def test_what_is_taken_over_waits_for_no_slot(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(fan, 10)
        await first.result.aio()
        again = await engine.with_runcontext(max_action_concurrency=1).rerun(
            first.name, recover=True, force_rerun_actions=["a0"]
        )
        await again.wait.aio()
        watch.__init__()  # type: ignore[misc]  # the same object, which the tasks know
        again = await engine.with_runcontext(max_action_concurrency=1).rerun(first.name, recover=True)
        assert await again.result.aio() == 10
        assert watch.total == 0

    play(story)


@env.task(timeout=Timeout(max_queued_time=0.05))
async def impatient(x: int) -> int:
    return x


@env.task(timeout=Timeout(max_queued_time=0.05))
def sync_impatient(x: int) -> int:
    return x


@env.task
async def holds(kind: str) -> str:
    async def other() -> None:
        try:
            await (impatient(1) if kind == "async" else sync_impatient.aio(1))
        except TimeoutError as error:
            told.append(str(error))
        finally:
            go_on[0].set()

    async with anyio.create_task_group() as group:
        group.start_soon(holder)
        await started[0].wait()
        group.start_soon(other)
    await (impatient(2) if kind == "async" else sync_impatient.aio(2))
    return "over"


@env.task
async def holder() -> None:
    started[0].set()
    await go_on[0].wait()


started: list[anyio.Event] = []
go_on: list[anyio.Event] = []
told: list[str] = []


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_waiting_for_a_slot_is_queued_time(play: Play, kind: str) -> None:
    async def story(engine: Engine) -> None:
        started[:], go_on[:], told[:] = [anyio.Event()], [anyio.Event()], []
        run = await engine.with_runcontext(max_action_concurrency=1).run(holds, kind)
        assert await run.result.aio() == "over"
        phases = sorted(action.phase for action in run.actions())
        assert phases == [Phase.SUCCEEDED, Phase.SUCCEEDED, Phase.SUCCEEDED, Phase.TIMED_OUT]

    play(story)
    assert "max_queued_time" in told[0]


@env.task
async def gives_up(sync: bool) -> int:
    async with anyio.create_task_group() as group:
        group.start_soon(holder)
        await started[0].wait()
        with anyio.move_on_after(0.02):
            await (sync_leaf.aio(1) if sync else leaf(1))
        go_on[0].set()
    return await leaf(2) + await sync_leaf.aio(3)


@pytest.mark.parametrize("sync", [False, True])
def test_who_gives_up_waiting_gives_nothing_away_and_executes_nothing(play: Play, sync: bool) -> None:
    async def story(engine: Engine) -> None:
        started[:], go_on[:] = [anyio.Event()], [anyio.Event()]
        run = await engine.with_runcontext(max_action_concurrency=1).run(gives_up, sync)
        assert await run.result.aio() == 5
        assert [action.phase for action in run.actions()].count(Phase.ABORTED) == 1

    play(story)
    assert watch.total == 2
    assert watch.most == 1


def test_a_run_that_is_aborted_leaves_no_slot_taken(play: Play) -> None:
    async def story(engine: Engine) -> None:
        started[:], go_on[:] = [anyio.Event()], [anyio.Event()]
        run = await engine.with_runcontext(max_action_concurrency=1).run(waits_with_others, 10)
        await started[0].wait()
        await run.abort.aio("enough")
        assert engine._driver is not None
        assert engine._driver._slots._waiting == {}
        await anyio.sleep(0.05)
        assert not engine._driver._slots._taken

    play(story)


@env.task
async def waits_with_others(n: int) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(holder)
        for number in range(n):
            group.start_soon(leaf, number)
            group.start_soon(sync_leaf.aio, number)


@pytest.mark.parametrize("wrong", [-1, True, "2", 1.5])
def test_a_limit_that_cannot_be_meant_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="max_action_concurrency"):
        Engine("memory:").with_runcontext(max_action_concurrency=wrong)
    with pytest.raises(TaskDefinitionError, match="max_concurrency of x"):
        TaskEnvironment("x", max_concurrency=wrong)


# The slots themselves


def limits(*names: str, most: int = 2) -> tuple[Limit, ...]:
    return tuple(Limit(("test", name), most) for name in names)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from("abc"), min_size=1),
            st.integers(0, 4),
            st.one_of(st.none(), st.integers(0, 4)),
        ),
        max_size=25,
    )
)
def test_slots_are_never_overdrawn_and_never_lost(plans: list[tuple[set[str], int, int | None]]) -> None:
    slots = Slots()
    used = dict.fromkeys("abc", 0)

    async def one(names: set[str], steps: int, cancelled_after: int | None) -> None:
        wanted = limits(*sorted(names))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                if cancelled_after is not None:
                    group.start_soon(cancel, scope, cancelled_after)
                await slots.take(wanted)
                try:
                    for name in names:
                        used[name] += 1
                        assert used[name] <= 2
                    for _ in range(steps):
                        await anyio.lowlevel.checkpoint()
                finally:
                    for name in names:
                        used[name] -= 1
                    slots.give(wanted)

    async def cancel(scope: anyio.CancelScope, after: int) -> None:
        for _ in range(after):
            await anyio.lowlevel.checkpoint()
        scope.cancel()

    async def main() -> None:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for plan in plans:
                    group.start_soon(one, *plan)

    anyio.run(main)
    assert not slots._waiting
    assert not slots._taken


def test_who_came_first_goes_first_and_nobody_waits_for_slots_of_others() -> None:
    async def main() -> list[str]:
        slots, order = Slots(), list[str]()

        async def one(name: str, *names: str) -> None:
            await slots.take(limits(*names, most=1))
            order.append(name)

        assert slots.take_now(limits("a", most=1))
        tasks = [
            asyncio.ensure_future(one(*plan))
            for plan in (("1", "a", "b"), ("2", "a"), ("3", "c"), ("4", "b"))
        ]
        await asyncio.sleep(0.01)
        assert order == ["3", "4"]
        slots.give(limits("b", most=1))
        await asyncio.sleep(0.01)
        assert order == ["3", "4"]
        slots.give(limits("a", most=1))
        await asyncio.sleep(0.01)
        assert order == ["3", "4", "1"]
        slots.give(limits("a", "b", most=1))
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(main()) == ["3", "4", "1", "2"]


def test_tens_of_thousands_may_wait() -> None:
    async def main() -> float:
        slots, wanted = Slots(), limits("a", most=8)

        async def one() -> None:
            await slots.take(wanted)
            slots.give(wanted)

        assert all(slots.take_now(wanted) for _ in range(8))
        tasks = [asyncio.ensure_future(one()) for _ in range(20_000)]
        await asyncio.sleep(0)
        start = time.perf_counter()
        for _ in range(8):
            slots.give(wanted)
        await asyncio.gather(*tasks)
        return time.perf_counter() - start

    assert asyncio.run(main()) < 4
