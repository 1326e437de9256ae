"""The engine inside somebody's program: beside another, in a thread, watched by observers."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from dalsegno import Engine, Observer, Phase, TaskEnvironment
from dalsegno import _records as records
from dalsegno.errors import RunNotFoundError, StoreError, UsageError
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("embedding")


@env.task
async def add(x: int, y: int = 1) -> int:
    return x + y


@env.task
def twice(x: int) -> int:
    print("twice", x)
    return 2 * x


@env.task
async def both(x: int) -> int:
    return await twice.aio(await add(x))


@env.task
async def fails(x: int) -> int:
    await add(x)
    raise ValueError(x)


def test_two_engines_on_two_stores_know_nothing_of_each_other(backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine(tmp_path / "one") as one, Engine(tmp_path / "two", project="other") as two:
            first = await one.with_runcontext(name="same").run(both, 1)
            second = await two.with_runcontext(name="same").run(both, 2)
            third = await two.with_runcontext(name="third").run(both, 3)
            assert [await run.result.aio() for run in (first, second, third)] == [4, 6, 8]
            assert (first.project, second.project) == ("default", "other")
            assert [run.name for run in one.list_runs()] == ["same"]
            assert [run.name for run in two.list_runs()] == ["third", "same"]
            assert one.get_run("same").inputs() == {"x": 1}
            with pytest.raises(RunNotFoundError):
                one.get_run("third")
            again = await one.rerun("same")
            assert await again.result.aio() == 4
            assert len(two.list_runs()) == 2

    anyio.run(main, backend=backend)


def test_two_engines_on_one_store_see_the_same_runs(backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine(tmp_path / "store") as one, Engine(tmp_path / "store") as two:
            run = await one.run(both, 1)
            seen = two.get_run(run.name)
            assert await seen.result.aio() == 4
            assert [action.name for action in seen.actions()] == [action.name for action in run.actions()]
            again = await two.rerun(run.name, x=5)
            assert await one.get_run(again.name).result.aio() == 12

    anyio.run(main, backend=backend)


def test_engines_in_threads_beside_one_in_the_hosts_loop(play: Play, tmp_path: Path) -> None:
    results: dict[int, int] = {}

    def worker(number: int) -> None:
        async def main() -> None:
            async with Engine(tmp_path / f"store{number}") as engine:
                run = await engine.run(both, number)
                results[number] = await run.result.aio()

        anyio.run(main, backend=["asyncio", "trio"][number % 2])

    async def story(engine: Engine) -> None:
        threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        run = await engine.run(both, 10)
        assert await run.result.aio() == 22
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)

    play(story)
    assert results == {0: 2, 1: 4, 2: 6, 3: 8}


def test_an_engine_is_used_in_its_own_loop_and_says_so(play: Play) -> None:
    async def story(engine: Engine) -> None:
        async def elsewhere() -> None:
            await engine.run(add, 1)

        def thread() -> None:
            with pytest.raises(UsageError, match="the event loop that opened it"):
                asyncio.run(elsewhere())

        await anyio.to_thread.run_sync(thread)
        assert engine.list_runs() == []

    play(story)


def test_records_are_read_from_any_thread(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(both, 1)
        await run.wait.aio()

        def look() -> tuple[Any, ...]:
            found = engine.get_run(run.name)
            return found.outputs(), len(found.actions()), engine.list_runs()[0].name

        assert await anyio.to_thread.run_sync(look) == ((4,), 3, run.name)

    play(story)


def test_waiting_in_another_loop_and_thread(play: Play) -> None:
    async def story(engine: Engine) -> None:
        gate = gates[0] = anyio.Event()
        run = await engine.run(holds)
        results: list[int] = []

        async def elsewhere() -> None:
            results.append(await run.result.aio())

        threads = [
            threading.Thread(target=lambda kind=kind: anyio.run(elsewhere, backend=kind))
            for kind in ("asyncio", "trio")
        ]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        assert results == [7, 7]

    play(story)


gates: dict[int, anyio.Event] = {}


@env.task
async def holds() -> int:
    await gates[0].wait()
    return 7


class Diary(Observer):
    def __init__(self) -> None:
        self.events: list[str] = []
        self.phases: list[Phase] = []

    def run_started(self, run: RunRecord) -> None:
        self.events.append(f"run {run.task} started")
        self.phases.append(run.phase)

    def run_finished(self, run: RunRecord) -> None:
        self.events.append(f"run {run.task} {run.phase}")
        self.phases.append(run.phase)

    def action_started(self, run: RunRecord, action: ActionRecord) -> None:
        self.events.append(f"{action.short_name} started")

    def action_finished(self, run: RunRecord, action: ActionRecord) -> None:
        self.events.append(f"{action.short_name} {action.phase}")

    def logged(self, run: RunRecord, action: ActionRecord, stream: str, text: str) -> None:
        if text.strip():
            self.events.append(f"{action.short_name} {stream} {text}")


def test_observers_see_every_event_in_order(play: Play) -> None:
    diary = Diary()

    async def story(engine: Engine) -> None:
        await (await engine.run(both, 1)).wait.aio()
        await (await engine.run(fails, 1)).wait.aio()

    play(story, observers=[diary])
    assert [event for event in diary.events if " stdout " not in event] == [
        "run embedding.both started",
        "both started",
        "add started",
        "add succeeded",
        "twice started",
        "twice succeeded",
        "both succeeded",
        "run embedding.both succeeded",
        "run embedding.fails started",
        "fails started",
        "add started",
        "add succeeded",
        "fails failed",
        "run embedding.fails failed",
    ]
    printed = "".join(event.removeprefix("twice stdout ") for event in diary.events if " stdout " in event)
    assert printed == "twice2"
    assert diary.phases == [Phase.RUNNING, Phase.SUCCEEDED, Phase.RUNNING, Phase.FAILED]


def test_what_is_finished_for_an_observer_is_on_disk(play: Play, store: MemoryStore) -> None:
    seen: list[tuple[str, bool]] = []

    class Checks(Observer):
        def action_finished(self, run: RunRecord, action: ActionRecord) -> None:
            with store.read() as reader:
                data = reader.get(records.action_key(action.run_id, action.seq, action.path))
            seen.append((action.short_name, data == records.pack_action(action)))

        def run_finished(self, run: RunRecord) -> None:
            with store.read() as reader:
                seen.append(("run", reader.get(records.run_key(run.id)) == records.pack_run(run)))

    async def story(engine: Engine) -> None:
        await (await engine.run(both, 1)).wait.aio()

    play(story, observers=[Checks()])
    assert seen == [("add", True), ("twice", True), ("both", True), ("run", True)]


def test_an_observer_that_fails_breaks_nothing_and_hides_nothing(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Observer):
        def __getattribute__(self, name: str) -> Any:
            def fail(*facts: object) -> None:
                raise RuntimeError(f"broken {name}")

            return fail

    diary = Diary()

    async def story(engine: Engine) -> None:
        run = await engine.run(both, 1)
        assert await run.result.aio() == 4
        assert [action.phase for action in run.actions()] == [Phase.SUCCEEDED] * 3

    play(story, observers=[Broken(), diary])
    assert diary.events[-1] == "run embedding.both succeeded"
    messages = {record.getMessage() for record in caplog.records if record.name == "dalsegno"}
    assert {
        f"an observer failed in {name}" for name in ("run_started", "action_finished", "run_finished")
    } <= (messages)


def test_what_an_observer_prints_and_logs_is_the_hosts(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    class Talks(Observer):
        def logged(self, run: RunRecord, action: ActionRecord, stream: str, text: str) -> None:
            print(f"[{action.short_name}]", text.strip())
            logging.getLogger("tests.dalsegno.observer").warning("seen")

    async def story(engine: Engine) -> None:
        run = await engine.run(both, 1)
        await run.wait.aio()
        assert "".join(line.text for line in run.logs()) == "twice 2\n"

    play(story, observers=[Talks()])
    assert "[twice] 2\n" in capsys.readouterr().out


def test_a_task_called_in_the_host_outside_of_a_run_is_the_plain_function(play: Play) -> None:
    async def story(engine: Engine) -> None:
        gates[0] = anyio.Event()
        run = await engine.run(holds)
        assert await add(1) == 2
        assert await twice.aio(2) == 4
        gates[0].set()
        await run.wait.aio()
        assert len(run.actions()) == 1

    play(story)


def test_no_threads_are_left_behind(backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine(tmp_path / "store") as engine:
            await (await engine.run(add, 1)).wait.aio()

    anyio.run(main, backend=backend)
    assert not [thread for thread in threading.enumerate() if "dalsegno" in thread.name]


def test_a_place_that_is_no_store_is_refused(backend: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no store")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")

    async def main(place: Path) -> None:
        async with Engine(place):
            pass

    for name in ("file", "folder"):
        with pytest.raises(StoreError, match=name):
            anyio.run(main, tmp_path / name, backend=backend)
    assert (tmp_path / "file").read_text() == "no store"
    assert os.listdir(tmp_path / "folder") == ["notes.txt"]  # noqa: PTH208 - names are compared


def test_the_store_is_private(backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine(tmp_path / "store") as engine:
            await engine.run(add, 1)

    anyio.run(main, backend=backend)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "store").iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_a_store_that_is_closed_under_an_engine_is_said_to_be(backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        store = LmdbStore(str(tmp_path / "store"))
        async with Engine(store) as engine:
            run = await engine.run(add, 1)
            await run.wait.aio()
            store.close()
            with pytest.raises(StoreError):
                await engine.run(add, 2)

    anyio.run(main, backend=backend)
