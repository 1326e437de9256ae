"""What keeps runs apart from each other and records whole when something goes wrong in one of them."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

import dalsegno
from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno._writer import Writer
from dalsegno.errors import RunAbortedError, RunExistsError, StoreFullError
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.protocol import Writer as Transaction

Play = Callable[..., Any]
env = TaskEnvironment("whole")


@env.task
async def one(x: int) -> int:
    return x


@env.task
async def two(x: int) -> int:
    return 2 * x


def test_a_start_that_is_refused_does_not_lose_the_template(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.with_runcontext(name="taken").run(one, 1)).wait.aio()
        with pytest.raises(RunExistsError):
            await engine.with_runcontext(name="taken").run(two, 1)
        run = await engine.run(two, 4)
        assert await run.result.aio() == 8
        assert run.template.name == "whole.two"
        assert await (await engine.rerun(run.name)).result.aio() == 8

    play(story)


class FullStore:
    """A store in memory that takes nothing while `full`."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.full = False
        self.read = self._store.read
        self.close = self._store.close

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        if self.full:
            raise StoreFullError("memory:", "full for the test")
        with self._store.write() as transaction:
            yield transaction


def test_what_rests_on_a_lazy_put_that_the_store_refuses_fails_with_it_and_works_later() -> None:
    store = FullStore()
    writer = Writer(store)
    store.full = True
    writer.put_lazily(b"object", lambda _: b"content")
    with pytest.raises(StoreFullError):
        writer.commit_blocking(lambda transaction: transaction.put(b"record", b"refers"))
    store.full = False
    writer.commit_blocking(lambda transaction: transaction.put(b"record", b"refers"))
    writer.close()
    with store.read() as reader:
        assert (reader.get(b"object"), reader.get(b"record")) == (b"content", b"refers")


def test_closing_on_a_store_that_takes_nothing_ends_and_says_so() -> None:
    store = FullStore()
    writer = Writer(store)
    store.full = True
    writer.put_lazily(b"object", lambda _: b"content")
    with pytest.raises(StoreFullError):
        writer.close()


def test_a_lazy_put_that_cannot_be_made_is_dropped_and_harms_nobody() -> None:
    def broken(_: Transaction) -> bytes:
        raise ValueError("not to be made")

    store = MemoryStore()
    writer = Writer(store)
    writer.put_lazily(b"a", broken)
    writer.put_lazily(b"b", lambda _: b"content")
    writer.commit_blocking(lambda transaction: transaction.put(b"c", b"record"))
    writer.close()
    with store.read() as reader:
        assert [key for key, _ in reader.scan()] == [b"b", b"c"]


class Halt(BaseException):
    """Neither an Exception nor a cancellation."""


@env.task
async def lets_out(what: str) -> None:
    if what == "halt":
        raise Halt("now")
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(("what", "phase"), [("halt", Phase.FAILED), ("cancelled", Phase.ABORTED)])
def test_what_one_task_lets_out_stops_no_other_run(what: str, phase: Phase) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        @env.task
        async def bystander() -> int:
            await gate.wait()
            return 1

        async with Engine(MemoryStore()) as engine:
            other = await engine.run(bystander)
            run = await engine.run(lets_out, what)
            await run.wait.aio()
            assert run.phase is phase
            gate.set()
            assert await other.result.aio() == 1

    asyncio.run(main())


@env.task
async def cancels_itself(x: int) -> int:
    if x == 1:
        raise asyncio.CancelledError
    return x


@env.task
async def maps() -> list[str]:
    return [type(each).__name__ async for each in dalsegno.map.aio(cancels_itself, range(3))]


def test_a_call_of_map_that_is_stopped_never_passes_for_a_result() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            run = await engine.run(maps)
            assert await run.result.aio() == ["int", "RunAbortedError", "int"]

    asyncio.run(main())


@env.task
async def goes_round(x: list[Any]) -> list[Any]:
    x.append(x)
    return x


def test_a_value_that_contains_itself_comes_back(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(goes_round, [1])
        result = await run.result.aio()
        assert result[0] == 1
        assert result[1] is result
        again = await engine.rerun(run.name, inputs={"x": result})
        assert len(await again.result.aio()) == 3

    play(story)


opened = threading.Event()


@env.task
async def hangs(x: int) -> int:
    opened.set()
    await anyio.sleep_forever()
    return x


@env.task
def maps_in_a_thread() -> list[Any]:
    return list(dalsegno.map(hangs, range(3)))


def test_an_abort_stops_what_a_sync_task_started_through_map(play: Play) -> None:
    async def story(engine: Engine) -> None:
        opened.clear()
        run = await engine.run(maps_in_a_thread)
        await anyio.to_thread.run_sync(opened.wait)
        await run.abort.aio("enough")
        assert {action.phase for action in run.actions()} == {Phase.ABORTED}
        with pytest.raises(RunAbortedError, match="enough"):
            await run.result.aio()

    play(story)


left: list[asyncio.Task[int]] = []
began: list[asyncio.Event] = []


@env.task
async def says_that_it_began() -> int:
    began[0].set()
    await anyio.sleep_forever()
    return 1


@env.task
async def forgets() -> int:
    left.append(asyncio.create_task(says_that_it_began()))
    await began[0].wait()
    return 1


def test_an_action_that_nobody_awaited_closes_with_its_run() -> None:
    async def main() -> None:
        began[:] = [asyncio.Event()]
        async with Engine(MemoryStore()) as engine:
            run = await engine.run(forgets)
            assert await run.result.aio() == 1
            assert [action.phase for action in run.actions()] == [Phase.SUCCEEDED, Phase.ABORTED]
            failure = run.actions()[1].failure
            assert failure is not None
            assert failure.message == "its run ended before it did"
            left[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await left[0]
            assert [action.phase for action in run.actions()] == [Phase.SUCCEEDED, Phase.ABORTED]

    asyncio.run(main())


KEPT: list[int] = []


@env.task
async def hands_out_its_own() -> list[int]:
    return KEPT


@env.task
async def changes_what_it_got() -> list[int]:
    (await hands_out_its_own()).append(1)
    return await hands_out_its_own()


def test_a_caller_that_changes_a_result_changes_nothing_of_the_child(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(changes_what_it_got)
        assert await run.result.aio() == []

    play(story)


def test_a_notice_that_finds_the_writer_closed_keeps_nobody_waiting() -> None:
    """As when a body lasts until its engine is being closed, while others still wait for the thread."""

    async def main() -> bytes | None:
        store = MemoryStore()
        writer, closed = Writer(store), Writer(MemoryStore())
        closed.close()
        writer.notice(lambda: closed.put_lazily_once(b"running", lambda _: b"late"))
        with anyio.fail_after(10):
            await writer.commit(lambda transaction: transaction.put(b"record", b"content"))
        writer.close()
        with store.read() as reader:
            return reader.get(b"record")

    assert anyio.run(main) == b"content"
