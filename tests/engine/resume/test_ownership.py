"""What becomes of a run at the moments when nobody or two have it: each ends up with one owner, or shows as interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import anyio
import pytest

from dalsegno import Cache, Engine, Observer, Phase, TaskEnvironment, _driver
from dalsegno import _records as records
from dalsegno.errors import CannotResumeError, RunInterruptedError, RunTakenOverError
from dalsegno.maintenance import check
from dalsegno.models import RunRecord
from dalsegno_storage.errors import DamagedRecordError, StoreBusyError
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("ownership")

BEGUN: list[str] = []
OPEN: list[anyio.Event] = []
STORE: list[Busy] = []
IMAGES: list[dict[bytes, bytes]] = []


class Busy(MemoryStore):
    """A store that somebody else holds while `held` is set."""

    held = False

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        if self.held:
            raise StoreBusyError("memory:", pid=1, waited=0.0)
        with super().write() as transaction:
            yield transaction


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Busy:
    for kept in (BEGUN, OPEN, STORE, IMAGES):
        kept.clear()
    STORE.append(Busy())
    monkeypatch.setattr(_driver, "LOOK", 0.02)
    return STORE[0]


def crash() -> None:
    """Keep what a crash at this moment would leave."""
    with STORE[0].read() as reader:
        IMAGES.append(dict(reader.scan()))


def left_by(task: Any, *args: Any, **settings: Any) -> Busy:
    """A store with what the first crash has left of a run "r" of this task."""

    async def main() -> None:
        async with Engine(STORE[0]) as engine:
            await (await engine.with_runcontext(name="r", **settings).run(task, *args)).wait.aio()

    anyio.run(main)
    STORE[0] = Busy()
    with STORE[0].write() as writer:
        for key, data in IMAGES[0].items():
            writer.put(key, data)
    IMAGES.clear()
    BEGUN.clear()
    OPEN.clear()
    return STORE[0]


def damage(store: MemoryStore, seq: int) -> None:
    """Flip a bit in the record of an action."""
    with store.write() as writer:
        for key, data in list(writer.scan(*records.ACTIONS)):
            if records.seq_of(key) == seq:
                writer.put(key, data[:-1] + bytes([data[-1] ^ 1]))


async def until(true: Callable[[], object]) -> None:
    """Let others work until something holds."""
    with anyio.fail_after(10):
        while not true():  # noqa: ASYNC110 - it is the store that is looked at
            await anyio.sleep(0.005)


def recorded() -> int:
    """How many actions the store has."""
    with STORE[0].read() as reader:
        return len(list(reader.scan(*records.ACTIONS)))


def resumed(engine: Engine) -> int:
    return engine.ledger.tenure(engine.get_run("r").record.id).resumed


async def wait() -> None:
    """Be here until the test goes on."""
    OPEN.append(anyio.Event())
    await OPEN[-1].wait()


@env.task
async def leaf(n: int) -> int:
    BEGUN.append(f"leaf {n}")
    return n


@env.task(at_most_once=True)
async def pay(n: int) -> int:
    BEGUN.append(f"pay {n}")
    return n


@env.task
async def waits() -> int:
    await wait()
    return 1


# Taking over from one who still records


def take_over_after(engine: Engine, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Have something happen after a takeover was prepared and before it takes place."""
    take_over = engine.ledger.take_over

    async def late(*args: Any, **options: Any) -> Any:
        await meanwhile()
        return await take_over(*args, **options)

    engine.ledger.take_over = late  # type: ignore[method-assign]


@env.task
async def pays() -> int:
    total = await pay(1)
    if len(OPEN) < 2:
        await wait()
    total += await pay(2)
    if len(OPEN) < 2:
        await wait()
    return total + await pay(3)


def test_what_is_recorded_until_the_takeover_is_not_done_again(backend: str, store: Busy) -> None:
    async def main() -> None:
        async with Engine(store) as first, Engine(store) as second:
            run = await first.with_runcontext(name="r").run(pays)
            await until(lambda: OPEN)

            async def meanwhile() -> None:
                OPEN[0].set()
                await until(lambda: len(OPEN) == 2)

            take_over_after(second, meanwhile)
            again = await second.resume("r", take_over=True)
            assert await again.result.aio() == 6
            with pytest.raises(RunTakenOverError):
                await run.wait.aio()
            assert BEGUN == ["pay 1", "pay 2", "pay 3"]
            assert [(action.record.seq, action.attempts) for action in again.actions()] == [
                (0, 2),
                (1, 1),
                (2, 1),
                (3, 1),
            ]

    anyio.run(main, backend=backend)


@env.task(retries=1)
async def fails_once() -> int:
    BEGUN.append("begun")
    if len(BEGUN) < 3:
        await wait()
    if len(BEGUN) == 1:
        raise ValueError("once")
    return 1


def test_an_attempt_that_failed_until_the_takeover_counts(backend: str, store: Busy) -> None:
    async def main() -> None:
        async with Engine(store) as first, Engine(store) as second:
            await first.with_runcontext(name="r").run(fails_once)
            await until(lambda: OPEN)

            async def meanwhile() -> None:
                OPEN[0].set()
                await until(lambda: second.get_run("r").attempts == 2)

            take_over_after(second, meanwhile)
            again = await second.resume("r", take_over=True)
            assert await again.result.aio() == 1
            assert [attempt.failure.message for attempt in again.action().record.failed_attempts] == [
                "once",
                "its process ended before it did",
            ]

    anyio.run(main, backend=backend)


# Runs that cannot begin, or cannot be closed


@env.task(retries=1)
async def fails_and_crashes() -> int:
    await leaf(1)
    if len(BEGUN) == 1:
        raise ValueError("once")
    crash()
    return 1


def test_a_run_that_cannot_go_on_is_interrupted_again(backend: str) -> None:
    store = left_by(fails_and_crashes)
    damage(store, 1)

    async def main() -> None:
        async with Engine(store) as engine:
            run = engine.get_run("r")
            for _ in range(2):
                with pytest.raises(DamagedRecordError):
                    await engine.resume("r")
                assert run.phase is Phase.INTERRUPTED
                assert resumed(engine) == 0
            with pytest.raises(RunInterruptedError):
                await run.wait.aio()
            with pytest.raises(DamagedRecordError):
                await run.abort.aio()
            assert run.phase is Phase.INTERRUPTED

    anyio.run(main, backend=backend)


class Cancelling(Observer):
    """Cancels the run that it is told of, before that has begun."""

    def run_started(self, run: RunRecord) -> None:
        raise asyncio.CancelledError


def test_a_run_that_cannot_begin_is_interrupted(store: Busy) -> None:
    async def main() -> None:
        async with Engine(store, observers=[Cancelling()]) as engine:
            run = await engine.with_runcontext(name="r").run(leaf, 1)
            with pytest.raises(RunInterruptedError):
                await run.wait.aio()
        async with Engine(store) as engine:
            assert await (await engine.resume("r")).result.aio() == 1

    anyio.run(main)


@env.task
async def crashes() -> int:
    await leaf(1)
    crash()
    return await leaf(2)


def test_an_abort_that_fails_leaves_the_run_to_the_next(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = left_by(crashes)

    async def main() -> None:
        async with Engine(store) as engine:
            run = engine.get_run("r")
            await engine.ledger.ask_to_stop(run.record.id, "enough")
            real = engine.ledger.end

            async def busy(*args: Any) -> RunRecord:
                store.held = True
                return await real(*args)

            monkeypatch.setattr(engine.ledger, "end", busy)
            with pytest.raises(StoreBusyError):
                await run.abort.aio()
            monkeypatch.undo()
            store.held = False
            await until(lambda: run.phase is Phase.INTERRUPTED)
            assert engine.ledger.tenure(run.record.id).stop == "enough"
            await run.abort.aio("at last")
            assert [action.phase for action in run.actions()] == [Phase.ABORTED, Phase.SUCCEEDED]

    anyio.run(main, backend=backend)
    assert check(store).is_clean


# Ends that cannot be recorded


@env.task
async def blocks() -> int:
    STORE[0].held = True
    return 1


def test_an_end_is_recorded_once_the_store_is_free(backend: str, store: Busy) -> None:
    async def main() -> None:
        async with Engine(store) as engine, Engine(store) as other:
            run = await engine.with_runcontext(name="r").run(blocks)
            for _ in range(2):
                with pytest.raises(StoreBusyError):
                    await run.wait.aio()
            with pytest.raises(CannotResumeError, match="this engine is executing it"):
                await engine.resume(run.name)
            store.held = False
            with anyio.fail_after(5):
                await other.get_run(run.name).abort.aio()
                await run.abort.aio()
            await run.wait.aio()
            assert run.phase is Phase.SUCCEEDED
            assert await run.result.aio() == 1

    anyio.run(main, backend=backend)


def test_a_run_whose_end_will_never_be_recorded_is_interrupted(
    backend: str, store: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Engine(store) as engine:

            async def damaged(*_: Any) -> RunRecord:
                raise DamagedRecordError("run")

            monkeypatch.setattr(engine.ledger, "end", damaged)
            run = await engine.with_runcontext(name="r").run(leaf, 1)
            await until(lambda: run.phase is Phase.INTERRUPTED)
            with pytest.raises(RunInterruptedError):
                await run.wait.aio()
            monkeypatch.undo()
            assert await (await engine.resume("r")).result.aio() == 1
            assert resumed(engine) == 1

    anyio.run(main, backend=backend)


# Looking while a run changes hands


def test_a_run_that_ends_while_it_is_looked_at_is_not_interrupted(backend: str, store: Busy) -> None:
    async def main() -> None:
        async with Engine(store) as other:
            with ExitStack() as until_the_end:
                async with Engine(store) as owner:
                    run = await owner.run(waits)
                    await until(lambda: OPEN)
                    before = until_the_end.enter_context(store.read())
                    record = run.record
                    OPEN[0].set()
                assert record.phase is Phase.RUNNING
                found = other.ledger.owners.standing(before, record)
                assert found.phase is Phase.SUCCEEDED
                assert found.ended_at is not None

    anyio.run(main, backend=backend)


def test_a_run_that_is_resumed_while_it_is_looked_at_is_not_interrupted(backend: str) -> None:
    store = left_by(crashes_and_waits)
    BEGUN.append("again")

    async def main() -> None:
        async with Engine(store) as engine:
            record = engine.get_run("r").record._replace(phase=Phase.RUNNING)
            with store.read() as before:
                run = await engine.resume("r")
                assert engine.ledger.owners.standing(before, record).phase is Phase.RUNNING
            await until(lambda: OPEN)
            OPEN[0].set()
            await run.wait.aio()

    anyio.run(main, backend=backend)


@env.task
async def crashes_and_waits() -> None:
    if BEGUN:
        await wait()
    crash()


# What is left when a resumed run ends


@env.task(cache=Cache(serialize=True))
async def alone(n: int) -> int:
    await leaf(n)
    if IMAGES:
        await wait()
    crash()
    return n


@env.task
async def calls_in_time(n: int) -> str:
    with anyio.move_on_after(0.1 if IMAGES else 60):
        await alone(n)
    return "done"


def test_a_call_that_is_cancelled_before_it_begins_again_is_closed(backend: str) -> None:
    store = left_by(calls_in_time, 1)
    crash()  # from now on the body waits

    async def main() -> None:
        async with Engine(store) as engine:
            rival = await engine.run(alone, 1)
            await until(lambda: OPEN)
            run = await engine.resume("r")
            assert await run.result.aio() == "done"
            assert [action.phase for action in run.actions()] == [
                Phase.SUCCEEDED,
                Phase.ABORTED,
                Phase.SUCCEEDED,
            ]
            OPEN[0].set()
            assert await rival.result.aio() == 1

    anyio.run(main, backend=backend)


@env.task
async def inner() -> int:
    await until(lambda: recorded() == 2)
    crash()
    return 1


@env.task
async def outer() -> int:
    return await inner()


def test_what_ended_a_moment_before_its_run_has_ended(backend: str) -> None:
    store = left_by(outer, durability="relaxed")

    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.resume("r")
            await run.wait.aio()
            assert [action.phase for action in run.actions()] == [Phase.SUCCEEDED] * 2

    anyio.run(main, backend=backend)
