"""Commits that fail: whether they took place is read, and what is on disk decides, not the error."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import pytest

from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno import _records as records
from dalsegno._loops import Home
from dalsegno.errors import RunExistsError
from dalsegno.maintenance import check
from dalsegno_storage.errors import StoreBusyError
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("outcomes")
executed: list[str] = []


@env.task
async def child(text: str) -> str:
    executed.append("child")
    return text + "c" * 600


@env.task
def in_a_thread(text: str) -> str:
    return leaf(text)


@env.task
def leaf(text: str) -> str:
    executed.append("leaf")
    return text * 2


@env.task
async def parent(text: str) -> str:
    executed.append("parent")
    return await child(text) + await in_a_thread.aio(text)


at_hand: dict[str, Unsure] = {}


@env.task
async def arms(text: str) -> str:
    at_hand["store"].armed = True
    return text


@env.task
async def caller(text: str) -> str:
    try:
        return await arms(text)
    except OSError as error:
        at_hand["store"].armed = False
        return str(error)


class Unsure(MemoryStore):
    """A store whose commits raise: every one when `rate` is 1, in turn with others when it is more.

    `really` says whether what was to be written is there then.
    """

    def __init__(self, *, really: bool, rate: int = 1) -> None:
        super().__init__()
        self.really, self.rate = really, rate
        self.armed = True
        self.on_write: Callable[[], None] | None = None
        self.failed = self._count = 0

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        self._count += 1
        on_write, self.on_write = self.on_write, None
        if on_write is not None:
            on_write()
        fails = self.armed and self._count % self.rate == 0
        self.failed += fails
        with super().write() as transaction:
            yield transaction
            if fails and not self.really:
                raise OSError("the disk failed")
        if fails:
            raise OSError("the disk failed")


@pytest.fixture(autouse=True)
def _nothing_executed() -> None:
    executed.clear()


@pytest.mark.parametrize("durability", ["full", "relaxed"])
@pytest.mark.parametrize("rate", [1, 2, 3])
def test_runs_go_on_when_commits_fail_that_took_place(backend: str, durability: Any, rate: int) -> None:
    store = Unsure(really=True, rate=rate)

    async def main() -> None:
        async with Engine(store, durability=durability) as engine:
            run = await engine.run(parent, "x" * 600)
            assert await run.result.aio() == "x" * 600 + "c" * 600 + "x" * 1200
            assert executed == ["parent", "child", "leaf"]
            assert {action.phase for action in run.actions()} == {Phase.SUCCEEDED}
            assert len(run.actions()) == 4
            with pytest.raises(RunExistsError):
                await engine.with_runcontext(name=run.name).run(parent, "y")
            store.armed = False  # so that closing the engine can say that everything is written

    anyio.run(main, backend=backend)
    assert store.failed > 0
    assert check(store).problems == ()


def test_a_run_whose_commit_did_not_take_place_is_not_there(backend: str) -> None:
    store = Unsure(really=False)

    async def main() -> None:
        async with Engine(store) as engine:
            with pytest.raises(OSError, match="the disk failed"):
                await engine.with_runcontext(name="a").run(parent, "x")
            assert executed == []
            store.armed = False
            run = await engine.with_runcontext(name="a").run(parent, "x")
            assert await run.result.aio() == "x" + "c" * 600 + "xx"

    anyio.run(main, backend=backend)
    assert check(store).problems == ()


def test_an_action_whose_end_is_not_written_fails_its_caller(backend: str) -> None:
    store = Unsure(really=False)
    store.armed = False

    at_hand["store"] = store

    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.with_runcontext(name="r").run(caller, "x")
            assert await run.result.aio() == "the disk failed"
            assert [action.phase for action in run.actions()][0] is Phase.SUCCEEDED

    anyio.run(main, backend=backend)
    with store.read() as reader:
        found = [records.unpack_action(1, records.seq_of(k), v) for k, v in reader.scan(*records.ACTIONS)]
    assert found[0].outputs is not None
    assert [action.phase for action in found] == [Phase.SUCCEEDED, Phase.FAILED]
    assert found[1].failure is not None
    assert found[1].failure.message == "the disk failed"


@env.task
async def large(text: str) -> bytes:
    return random.Random(text).randbytes(12 << 20)  # more than one transaction takes


@env.task
async def cancels(text: str) -> str:
    home, cancelled = Home(), threading.Event()

    def cancel() -> None:
        home.call_soon(scope.cancel)
        home.call_soon(cancelled.set)
        cancelled.wait()

    with anyio.CancelScope() as scope:
        at_hand["store"].on_write = cancel
        await (large if text == "large" else child)(text)
    return "cancelled" if scope.cancelled_caught else "not cancelled"


@env.task
def large_in_a_thread(text: str) -> bytes:
    return random.Random(text).randbytes(24 << 20)


@env.task
def calls_in_a_thread(text: str) -> int:
    return len(large_in_a_thread(text))


def test_an_action_whose_end_is_written_when_its_run_is_aborted_has_ended(backend: str) -> None:
    store = Unsure(really=True)
    store.armed = False

    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.run(calls_in_a_thread, "x")
            real, ended = engine.ledger._ahead_blocking, threading.Event()

            def ahead(puts: Any) -> None:
                if puts:
                    engine.stop(run.record.id, "enough")
                    assert ended.wait(10)
                real(puts)

            engine.ledger._ahead_blocking = ahead  # type: ignore[method-assign]
            await run.wait.aio()
            ended.set()
            assert run.phase is Phase.ABORTED
            assert {action.phase for action in run.actions()} == {Phase.ABORTED}

    anyio.run(main, backend=backend)
    assert check(store).problems == ()


@pytest.mark.parametrize(("size", "phase"), [("small", Phase.SUCCEEDED), ("large", Phase.ABORTED)])
def test_an_action_that_is_cancelled_while_its_end_is_written_has_ended(
    backend: str, size: str, phase: Phase
) -> None:
    store = at_hand["store"] = Unsure(really=True)
    store.armed = False

    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.run(cancels, size)
            assert await run.result.aio() == "cancelled"
            assert [action.phase for action in run.actions()] == [Phase.SUCCEEDED, phase]

    anyio.run(main, backend=backend)
    assert check(store).problems == ()


# A store that somebody else writes to

HOLD = """
    import sys
    from dalsegno_storage.lmdb import LmdbStore
    store = LmdbStore(sys.argv[1])
    with store.write():
        print("holding", flush=True)
        sys.stdin.readline()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped in the middle of a transaction."""
    with process(HOLD, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        holder.send_signal(signal.SIGSTOP)
        yield holder


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def test_a_store_that_is_held_is_busy_after_a_while_and_names_the_holder(
    tmp_path: Path, backend: str
) -> None:
    store = LmdbStore(tmp_path / "store", busy_timeout=0.3)

    async def main() -> None:
        async with Engine(store) as engine:
            first = await engine.run(child, "x")
            await first.wait.aio()
            with held(store.path) as holder:
                with pytest.raises(StoreBusyError, match=f"held for writing by process {holder.pid}"):
                    await engine.run(child, "y")
                assert engine.get_run(first.name).phase is Phase.SUCCEEDED  # reading goes on
                holder.send_signal(signal.SIGCONT)
            run = await engine.run(child, "y")
            assert await run.result.aio() == "y" + "c" * 600

    anyio.run(main, backend=backend)
    store.close()


def test_many_who_wait_for_a_store_that_is_held_wait_together(tmp_path: Path, backend: str) -> None:
    store = LmdbStore(tmp_path / "store", busy_timeout=0.4)
    busy: list[StoreBusyError] = []

    async def main() -> None:
        async with Engine(store) as engine:

            async def one(number: int) -> None:
                try:
                    await engine.run(child, str(number))
                except StoreBusyError as error:
                    busy.append(error)

            with held(store.path):
                started = time.monotonic()
                async with anyio.create_task_group() as tasks:
                    for number in range(10):
                        tasks.start_soon(one, number)
                # One group waits alone, since it is the first; all others are the second.
                assert time.monotonic() - started < 3

    anyio.run(main, backend=backend)
    assert len(busy) == 10
    store.close()


INTERRUPTED = """
    import asyncio, sys
    from dalsegno import Engine, TaskEnvironment
    from dalsegno_storage.lmdb import LmdbStore

    env = TaskEnvironment("interrupted")

    @env.task
    async def nothing() -> None: ...

    class Telling(LmdbStore):
        def write(self):
            print("waiting", flush=True)
            return super().write()

    async def main():
        async with Engine(Telling(sys.argv[1], busy_timeout=15)) as engine:
            await engine.run(nothing)

    asyncio.run(main())
"""


def test_an_interrupt_is_heard_while_a_store_that_is_held_is_waited_for(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store")
    with held(store.path), process(INTERRUPTED, store.path) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n"
        started = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        _, errors = waiting.communicate(timeout=30)
        assert time.monotonic() - started < 25
        assert waiting.returncode == -signal.SIGINT
        assert errors.rstrip().endswith("KeyboardInterrupt")
    with store.read() as reader:
        assert list(reader.scan(*records.RUNS)) == []
    store.close()


async def cancelled_while_held(engine: Engine, store: Gated, name: str | None = None) -> None:
    """Begin a run, and cancel that while the store is held by somebody."""
    async with anyio.create_task_group() as tasks:
        store.gate.clear()
        store.arrived.clear()
        tasks.start_soon(engine.with_runcontext(name=name).run, child, "x")
        await anyio.to_thread.run_sync(store.arrived.wait)
        tasks.cancel_scope.cancel()


class Gated(MemoryStore):
    """A store whose transactions wait at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.arrived = threading.Event(), threading.Event()
        self.gate.set()
        self.inside: Callable[[], None] = lambda: None

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        self.arrived.set()
        self.gate.wait(30)
        with super().write() as transaction:
            yield transaction
            if any(transaction.scan(*records.RUNS)):
                self.inside()


@pytest.mark.parametrize("name", [None, "r"])
def test_a_run_whose_start_is_cancelled_before_it_is_written_is_none(backend: str, name: str | None) -> None:
    store = Gated()

    async def main() -> None:
        async with Engine(store) as engine:
            await cancelled_while_held(engine, store, name)
            store.gate.set()
            assert engine.list_runs() == []
            run = await engine.run(child, "y")
            await run.wait.aio()
            assert [each.name for each in engine.list_runs()] == [run.name]

    anyio.run(main, backend=backend)
    # The body of a run whose name nobody else can have begins while its record is on its way.
    assert executed == (["child", "child"] if name is None else ["child"])


def test_a_run_whose_start_is_cancelled_while_it_is_written_is_not_left_behind(backend: str) -> None:
    store = Gated()
    writing, cancelled = threading.Event(), threading.Event()

    def inside() -> None:
        store.inside = lambda: None
        writing.set()
        cancelled.wait(30)

    async def main() -> None:
        async with Engine(store) as engine, anyio.create_task_group() as tasks:
            store.inside = inside
            tasks.start_soon(engine.run, child, "x")
            await anyio.to_thread.run_sync(writing.wait)
            tasks.cancel_scope.cancel()
            cancelled.set()
        async with Engine(store) as engine:
            (run,) = engine.list_runs()
            assert run.phase is Phase.SUCCEEDED

    anyio.run(main, backend=backend)
    assert executed == ["child"]
    assert check(store).problems == ()
