"""Runs whose bodies begin while they are being recorded, and those that must not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dalsegno import Engine, Phase, TaskEnvironment, _driver, _puts, _writer
from dalsegno import _records as records
from dalsegno._ledger import Ledger
from dalsegno._ownership import OWNERS, Tenure
from dalsegno.maintenance import check
from dalsegno.observers import Observer
from dalsegno_storage.errors import StoreBusyError, StoreError
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("early")

SEEN: list[object] = []
LOOKS: list[None] = []
STORES: list[Held] = []


class Held(MemoryStore):
    """A store whose transactions wait at a gate, or are refused; it counts those that were committed.

    `committing` is set when a commit begins, which then waits for `finish`; one that `lies` fails though it took place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.finish = threading.Event()
        self.finish.set()
        self.committing = self.busy = self.lies = False
        self.commits = 0

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        self.gate.wait(10)
        if self.busy:
            raise StoreBusyError("memory:", pid=1, waited=0.0)
        with super().write() as transaction:
            yield transaction
            self.committing = True
            self.finish.wait(10)
        self.commits += 1
        if self.lies:
            self.lies = False
            raise StoreError("nobody knows whether that was written")

    def runs(self) -> int:
        """How many runs are recorded."""
        with self.read() as reader:
            return len(list(reader.scan(*records.RUNS)))


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    # What is recorded does not depend on how many modules other tests have loaded: their code goes along with the first
    # record, however much it is, and what is worked out of it, which may take longer than it may be late, is not kept.
    monkeypatch.setattr(_puts, "PART_BYTES", 1 << 30)
    monkeypatch.setattr(Ledger, "keep_derived", lambda *_: None)
    SEEN.clear()
    STORES[:] = [Held()]
    return STORES[0]


def look() -> None:
    SEEN.append(STORES[0].runs())


@env.task
async def looks() -> None:
    look()


@env.task
def looks_in_a_thread() -> None:
    look()


@env.task(at_most_once=True)
async def looks_once() -> None:
    look()


@env.task
async def step(x: int) -> int:
    return x + 1


@env.task
async def fan(n: int) -> int:
    numbers = await asyncio.gather(*[step(x) for x in range(n)])
    STORES[0].gate.set()
    return sum(numbers)


@env.task
async def opens() -> str:
    """Opens the gate once it has been looked three times who has the runs."""
    before = len(LOOKS)
    while len(LOOKS) < before + 3:
        await anyio.lowlevel.checkpoint()
    STORES[0].gate.set()
    return "whole"


@env.task
async def sleeps() -> None:
    SEEN.append("begun")
    try:
        await anyio.sleep_forever()
    finally:
        SEEN.append("stopped")


class Silent(Observer):
    """Observes and says nothing."""


@pytest.mark.parametrize(
    ("task", "settings", "observers"),
    [
        (looks_in_a_thread, {}, ()),
        (looks_once, {}, ()),
        (looks, {"name": "r"}, ()),
        (looks, {}, (Silent(),)),
    ],
    ids=["in a thread", "at most once", "named", "observed"],
)
def test_these_begin_when_they_are_recorded(
    backend: str, held: Held, task: Any, settings: dict[str, Any], observers: tuple[Observer, ...]
) -> None:
    async def main() -> None:
        async with Engine(held, observers=observers) as engine:
            run = await engine.with_runcontext(**settings).run(task)
            await run.wait.aio()
            assert run.phase is Phase.SUCCEEDED

    anyio.run(main, backend=backend)
    assert SEEN == [1]


def test_a_body_begins_while_its_run_is_being_recorded(backend: str, held: Held) -> None:
    async def main() -> None:
        async with Engine(held) as engine:
            held.gate.clear()
            async with anyio.create_task_group() as tasks:

                @tasks.start_soon
                async def start() -> None:
                    await (await engine.run(looks)).wait.aio()

                while not SEEN:
                    await anyio.lowlevel.checkpoint()
                held.gate.set()
            assert [run.phase for run in engine.list_runs()] == [Phase.SUCCEEDED]

    anyio.run(main, backend=backend)
    assert SEEN == [0]


def test_a_run_whose_record_takes_long_is_not_given_up(
    backend: str, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Engine(held) as engine:
            tenures = engine.ledger.tenures

            def counted(ids: Iterable[int]) -> dict[int, Tenure]:
                LOOKS.append(None)
                return tenures(ids)

            monkeypatch.setattr(engine.ledger, "tenures", counted)
            held.gate.clear()
            async with anyio.create_task_group() as tasks:

                @tasks.start_soon
                async def start() -> None:
                    assert await (await engine.run(opens)).result.aio() == "whole"

    monkeypatch.setattr(_driver, "LOOK", 0.001)
    anyio.run(main, backend=backend)


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_what_a_run_does_before_it_is_recorded_is_recorded_behind_it(held: Held, durability: Any) -> None:
    async def main() -> None:
        async with Engine(held, durability=durability) as engine:
            held.gate.clear() if durability == "relaxed" else None
            run = await engine.run(fan, 40)
            assert await run.result.aio() == 820
            actions = run.actions()
            assert len(actions) == 41
            assert {action.phase for action in actions} == {Phase.SUCCEEDED}

    asyncio.run(main())
    assert check(held).is_clean
    if durability == "relaxed":
        assert held.commits <= 2


def test_a_run_that_cannot_be_recorded_is_stopped_and_leaves_nothing(backend: str, held: Held) -> None:
    async def main() -> None:
        async with Engine(held) as engine:
            held.busy = True
            with pytest.raises(StoreBusyError):
                await engine.run(sleeps)
            held.busy = False
            run = await engine.run(step, 1)
            assert await run.result.aio() == 2
            assert [each.name for each in engine.list_runs()] == [run.name]

    anyio.run(main, backend=backend)
    assert SEEN in ([], ["begun", "stopped"])
    with held.read() as reader:
        assert len(list(reader.scan(*OWNERS))) == 1
    assert check(held).is_clean


def test_runs_that_begin_together_are_recorded_together(held: Held) -> None:
    async def main() -> None:
        async with Engine(held) as engine:
            held.gate.clear()
            starts = [asyncio.ensure_future(engine.run(step, x)) for x in range(20)]
            await asyncio.sleep(0)
            held.gate.set()
            runs = await asyncio.gather(*starts)
            assert [await run.result.aio() for run in runs] == list(range(1, 21))
            assert len({run.record.id for run in runs}) == 20

    asyncio.run(main())
    assert held.commits < 20
    assert check(held).is_clean


def test_a_run_that_ended_in_the_commit_of_its_record_has_begun_though_the_commit_failed(
    backend: str, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Engine(held) as engine:
            held.lies = True
            run = await engine.run(step, 1)
            assert await run.result.aio() == 2
            assert [each.name for each in engine.list_runs()] == [run.name]

    monkeypatch.setattr(_writer, "PATIENCE", 10)
    anyio.run(main, backend=backend)
    assert held.commits == 1
    assert check(held).is_clean


def test_whoever_cancels_a_start_while_its_record_is_written_stops_the_run_and_nothing_else(
    backend: str, held: Held
) -> None:
    async def main() -> None:
        with anyio.fail_after(5):
            async with Engine(held) as engine, anyio.create_task_group() as tasks:
                held.finish.clear()
                with anyio.CancelScope() as scope:

                    @tasks.start_soon
                    async def cancel() -> None:
                        while not held.committing:
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()
                        await anyio.lowlevel.checkpoint()
                        held.finish.set()

                    await engine.run(sleeps)
                await anyio.lowlevel.checkpoint()
        async with Engine(held) as engine:
            assert [run.phase for run in engine.list_runs()] == [Phase.ABORTED]

    anyio.run(main, backend=backend)
    assert SEEN in ([], ["begun", "stopped"])
    assert check(held).is_clean
