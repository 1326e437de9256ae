"""How a run is stopped: by abort, by its host, by cancellation inside; all of it is recorded."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from dalsegno import Engine, Phase, Run, TaskEnvironment
from dalsegno.errors import RunAbortedError
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("stopping")


@env.task
async def add(x: int, y: int = 1) -> int:
    return x + y


gates: list[anyio.Event] = []
blocks: list[threading.Event] = []
begun: list[threading.Event] = []


@pytest.fixture(autouse=True)
def _gates() -> Any:
    gates.clear()
    blocks[:] = [threading.Event()]
    begun[:] = [threading.Event()]
    yield
    blocks[0].set()


@env.task
async def holds(x: int) -> int:
    await gates[x].wait()
    return x


@env.task
async def holds_below(x: int) -> int:
    return await holds(x)


@env.task
def blocks_thread() -> int:
    begun[0].set()
    blocks[0].wait(30)
    return 1


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await checkpoint()


def phases(run: Run[Any]) -> list[str]:
    return [f"{action.record.short_name} {action.phase}" for action in run.actions()]


def test_abort_ends_a_run_and_all_below_it(play: Play) -> None:
    async def story(engine: Engine) -> None:
        gates[:] = [anyio.Event()]
        run = await engine.run(holds_below, 0)
        await until(lambda: len(run.actions()) == 2)
        await run.abort.aio("no longer needed")
        assert run.phase is Phase.ABORTED
        assert phases(run) == ["holds_below aborted", "holds aborted"]
        with pytest.raises(RunAbortedError, match=f"run '{run.name}' was aborted: no longer needed"):
            await run.result.aio()
        for action in run.actions():
            assert action.ended_at is not None
            with pytest.raises(RunAbortedError, match="no longer needed"):
                action.result()
        assert [other.name for other in engine.list_runs(in_phase="aborted")] == [run.name]
        assert engine.list_runs(in_phase="running") == []
        await run.abort.aio("again")  # it stays as it is
        with pytest.raises(RunAbortedError, match="no longer needed"):
            await run.result.aio()

    play(story)


def test_abort_ends_a_run_on_time_while_its_thread_lingers(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(blocks_thread)
        await until(begun[0].is_set)
        await run.abort.aio("now")
        assert run.phase is Phase.ABORTED
        record = run.action().record
        blocks[0].set()
        other = await engine.run(add, 1)
        assert await other.result.aio() == 2
        assert run.action().record == record

    play(story)


def test_an_ended_run_cannot_be_aborted(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(add, 1)
        await run.wait.aio()
        await run.abort.aio()
        assert run.phase is Phase.SUCCEEDED
        assert await run.result.aio() == 2

    play(story)


class HostError(Exception):
    pass


@pytest.mark.parametrize("error", [HostError("host"), KeyboardInterrupt("host")])
def test_an_exception_that_leaves_the_engines_block_aborts_what_is_live(
    backend: str, store: MemoryStore, error: BaseException
) -> None:
    async def leave() -> None:
        gates[:] = [anyio.Event()]
        async with Engine(store) as engine:
            run = await engine.with_runcontext(name="cut").run(holds_below, 0)
            await until(lambda: len(run.actions()) == 2)
            raise error

    async def look() -> None:
        async with Engine(store) as engine:
            run = engine.get_run("cut")
            assert phases(run) == ["holds_below aborted", "holds aborted"]
            with pytest.raises(RunAbortedError):
                await run.result.aio()

    with pytest.raises(type(error)) as raised:
        anyio.run(leave, backend=backend)
    assert raised.value is error
    anyio.run(look, backend=backend)


def test_a_host_that_is_cancelled_aborts_what_is_live(backend: str, store: MemoryStore) -> None:
    async def main() -> None:
        gates[:] = [anyio.Event()]
        with anyio.CancelScope() as scope:
            async with Engine(store) as engine:
                run = await engine.with_runcontext(name="cut").run(holds_below, 0)
                await until(lambda: len(run.actions()) == 2)
                scope.cancel()
        assert scope.cancelled_caught
        async with Engine(store) as engine:
            assert phases(engine.get_run("cut")) == ["holds_below aborted", "holds aborted"]

    anyio.run(main, backend=backend)


@env.task
async def gives_up(x: int) -> str:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(holds_below, x)
            await add(1)
            scope.cancel()
    return "gave up" if scope.cancelled_caught else "no"


@env.task
async def cancels_a_task(x: int) -> str:
    task = asyncio.ensure_future(holds_below(x))
    await add(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "gave up"
    return "no"


@env.task
async def leaves_a_thread() -> str:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(blocks_thread.aio)
            await until(begun[0].is_set)
            scope.cancel()
    return "gave up"


def test_a_cancelled_child_is_aborted_and_its_parent_goes_on(play: Play, backend: str) -> None:
    async def story(engine: Engine) -> None:
        gates[:] = [anyio.Event()]
        for task in (gives_up, cancels_a_task) if backend == "asyncio" else (gives_up,):
            run = await engine.run(task, 0)
            assert await run.result.aio() == "gave up"
            assert sorted(phases(run)[1:]) == ["add succeeded", "holds aborted", "holds_below aborted"]
        run = await engine.run(leaves_a_thread)
        assert await run.result.aio() == "gave up"
        assert phases(run) == ["leaves_a_thread succeeded", "blocks_thread aborted"]

    play(story)


@env.task
async def interrupted(below: bool) -> int:
    if below:
        return await interrupted(False)
    raise KeyboardInterrupt("stop")


def test_an_interrupt_in_a_task_aborts_its_run_and_reaches_the_host(backend: str, store: MemoryStore) -> None:
    async def main() -> None:
        async with Engine(store) as engine:
            await engine.with_runcontext(name="cut").run(interrupted, True)
            await anyio.sleep_forever()

    async def look() -> None:
        async with Engine(store) as engine:
            run = engine.get_run("cut")
            assert phases(run) == ["interrupted aborted", "interrupted aborted"]
            with pytest.raises(RunAbortedError, match="KeyboardInterrupt"):
                await run.result.aio()

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as raised:
        anyio.run(main, backend=backend)
    if isinstance(raised.value, BaseExceptionGroup):
        assert raised.value.subgroup(KeyboardInterrupt) is not None
    anyio.run(look, backend=backend)
