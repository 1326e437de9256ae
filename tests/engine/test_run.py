"""Runs from start to end: what is recorded, who may create one, and how one is stopped."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno.errors import (
    ActionNotFoundError,
    EngineClosedError,
    EnvironmentMismatchError,
    InputError,
    InvalidNameError,
    RunExistsError,
    RunNotFoundError,
    UsageError,
)
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
Content = Callable[[], dict[bytes, bytes]]
env = TaskEnvironment("running")


@env.task
async def add(x: int, y: int = 1) -> int:
    """Add two numbers."""
    return x + y


@env.task
async def total(xs: list[int]) -> int:
    return sum([await add(x) for x in xs])


def test_a_run_is_recorded_whole(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(
            name="first", project="p", domain="d", labels={"k": "v"}, env_vars={"A": "b"}
        ).run(total, [1, 2])
        assert await run.result.aio() == 5
        again = engine.get_run("first", project="p", domain="d")
        assert again.record == run.record
        assert (again.name, again.project, again.domain, again.task) == ("first", "p", "d", "running.total")
        assert (dict(again.labels), dict(again.env_vars)) == ({"k": "v"}, {"A": "b"})
        assert again.phase is Phase.SUCCEEDED
        assert again.relation is None
        assert again.ended_at is not None
        assert again.started_at <= again.ended_at
        assert repr(again) == "<run first succeeded>"
        assert again.url.endswith("#p/d/first")
        assert (again.inputs(), again.outputs()) == ({"xs": [1, 2]}, (5,))
        assert again.template.name == "running.total"
        root, *children = again.actions()
        assert (root.name, root.parent, root.attempts) == ("a0", None, 1)
        assert [child.inputs() for child in children] == [{"x": 1, "y": 1}, {"x": 2, "y": 1}]
        assert [child.outputs() for child in children] == [(2,), (3,)]
        for child in children:
            assert child.parent is not None
            assert child.parent.name == "a0"
            assert child.done()
            assert child.task == "running.add"
            assert child.template.doc == "Add two numbers."
            assert child.ended_at is not None
            assert child.started_at <= child.ended_at
            assert repr(child) == f"<action {child.name} succeeded of run first>"
        assert [child.name for child in root.children] == [child.name for child in children]

    play(story)


def test_a_run_without_a_name_gets_one_of_its_own(play: Play) -> None:
    async def story(engine: Engine) -> None:
        names = {(await engine.run(add, 1)).name for _ in range(20)}
        assert len(names) == 20
        assert all(len(name) == 13 for name in names)

    play(story)


@pytest.mark.parametrize("scheme", ["lmdb", "sqlite"])
def test_a_run_is_there_for_the_next_engine_on_disk(backend: str, tmp_path: Path, scheme: str) -> None:
    place = f"{scheme}://{tmp_path / 'store'}"

    async def record() -> str:
        async with Engine(place) as engine:
            run = await engine.run(total, [1, 2, 3])
            return run.name  # the block waits for the run

    async def look(name: str) -> None:
        async with Engine(place) as engine:
            run = engine.get_run(name)
            assert run.phase is Phase.SUCCEEDED
            assert await run.result.aio() == 9
            assert len(run.actions()) == 4
            again = await engine.rerun(name)
            assert await again.result.aio() == 9

    anyio.run(look, anyio.run(record, backend=backend), backend=backend)


BAD_CALLS: list[tuple[type[Exception], str, Callable[[Any], Any]]] = [
    (InputError, "x: expected", lambda engine: engine.run(add, "one")),
    (InputError, "2 problems", lambda engine: engine.run(add, "one", z=1)),
    (InputError, "x: expected an integer, got nothing", lambda engine: engine.run(add)),
    (UsageError, "@env.task", lambda engine: engine.run(len, [1])),
    (InvalidNameError, "it is empty", lambda engine: engine.with_runcontext(name="").run(add, 1)),
    (InvalidNameError, "129 bytes", lambda engine: engine.with_runcontext(name="n" * 129).run(add, 1)),
    (InvalidNameError, "control", lambda engine: engine.with_runcontext(name="a\nb").run(add, 1)),
    (InvalidNameError, "'/'", lambda engine: engine.with_runcontext(name="a/b").run(add, 1)),
    (InvalidNameError, "label", lambda engine: engine.with_runcontext(labels={"": "x"}).run(add, 1)),
    (RunExistsError, "'taken' already exists", lambda engine: engine.with_runcontext(name="taken").run(add, 1)),
    (RunNotFoundError, "did you mean 'taken'", lambda engine: engine.rerun("takem")),
    (ActionNotFoundError, "lists those it has", lambda engine: engine.rerun("taken", "add-bbbbbbbb")),
    (InputError, "z", lambda engine: engine.rerun("taken", z=1)),
    (InputError, "x: expected an integer", lambda engine: engine.rerun("taken", x="one")),
    (UsageError, "task_template", lambda engine: engine.rerun("taken", task_template=add.function)),
    (InputError, "nothing", lambda engine: engine.rerun("taken", task_template=total)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "call"), BAD_CALLS, ids=[text for _, text, _ in BAD_CALLS])
def test_a_wrong_call_is_refused_with_its_cause_and_writes_nothing(
    play: Play, content: Content, kind: type[Exception], text: str, call: Callable[[Engine], Any]
) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.with_runcontext(name="taken").run(add, 1)).wait.aio()
        before = content()

        async def attempt() -> None:
            await call(engine)

        with pytest.raises(kind) as raised:
            await attempt()
        assert text in str(raised.value)
        assert content() == before

    play(story)


def test_one_of_two_creators_gets_the_name(play: Play, store: MemoryStore) -> None:
    outcomes: list[str] = []

    async def create(engine: Engine, x: int) -> None:
        try:
            run = await engine.with_runcontext(name="same").run(add, x)
            outcomes.append(f"created {await run.result.aio()}")
        except RunExistsError as error:
            outcomes.append(f"refused {error.name} {error.project} {error.domain}")

    async def story(engine: Engine) -> None:
        async with Engine(store) as other, anyio.create_task_group() as tasks:
            for x in (1, 1):
                tasks.start_soon(create, engine, x)
                tasks.start_soon(create, other, x)
        assert sorted(outcomes) == ["created 2"] + ["refused same default development"] * 3
        assert len(engine.list_runs()) == 1
        # elsewhere the name is free
        await (await engine.with_runcontext(name="same", domain="d").run(add, 5)).wait.aio()
        assert engine.get_run("same").outputs() == (2,)

    play(story)


def test_one_of_two_processes_alike_gets_the_name(tmp_path: Path) -> None:
    """Two engines in two threads on one folder, each with a loop and a writer of its own."""
    outcomes: list[str] = []
    together = threading.Barrier(2)

    async def create() -> None:
        async with Engine(tmp_path / "store") as engine:
            together.wait()
            try:
                await engine.with_runcontext(name="same").run(add, 1)
                outcomes.append("created")
            except RunExistsError:
                outcomes.append("refused")

    threads = [threading.Thread(target=anyio.run, args=(create,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["created", "refused"]


def test_leaving_the_block_waits_for_live_runs(backend: str, store: MemoryStore) -> None:
    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.run(total, [1, 2])
            assert not run.done()
        async with Engine(store) as engine:
            assert engine.get_run(run.name).phase is Phase.SUCCEEDED

    anyio.run(main, backend=backend)


def test_an_engine_works_inside_its_block_only(backend: str, store: MemoryStore) -> None:
    async def main() -> None:
        engine = Engine(store)
        with pytest.raises(EngineClosedError, match="async with"):
            await engine.run(add, 1)
        async with engine:
            with pytest.raises(UsageError, match="open already"):
                await engine.__aenter__()
            run = await engine.run(add, 1)
        with pytest.raises(EngineClosedError):
            engine.get_run(run.name)
        async with engine:  # and again
            assert await engine.get_run(run.name).result.aio() == 2

    anyio.run(main, backend=backend)


def test_a_store_that_was_given_stays_open(backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        store = LmdbStore(str(tmp_path / "store"))
        async with Engine(store) as engine:
            await engine.run(add, 1)
        with store.read() as reader:
            assert next(reader.scan(), None) is not None
        store.close()

    anyio.run(main, backend=backend)


# Durability


def test_relaxed_runs_record_the_same_with_fewer_commits(play: Play) -> None:
    async def story(engine: Engine) -> None:
        commits = {}
        results = {}
        for durability in ("full", "relaxed"):
            before = engine.ledger.writer.commits
            run = await engine.with_runcontext(durability=durability).run(total, list(range(100)))
            assert await run.result.aio() == 5050
            commits[durability] = engine.ledger.writer.commits - before
            results[durability] = [(action.name, action.phase, action.io()) for action in run.actions()]
        assert results["full"] == results["relaxed"]
        assert len(results["full"]) == 101
        assert commits["full"] >= 101  # the start goes with the first of what follows
        assert commits["relaxed"] < 50

    play(story)


def test_a_relaxed_run_is_acknowledged_with_all_of_it_on_disk(
    backend: str, store: MemoryStore, content: Content
) -> None:
    async def main() -> None:
        async with Engine(store, durability="relaxed") as engine:
            run = await engine.run(total, list(range(50)))
            await run.wait.aio()
            seen = content()
            assert {action.phase for action in run.actions()} == {Phase.SUCCEEDED}
        assert content() == seen

    anyio.run(main, backend=backend)


@env.task
async def fan_out(n: int) -> int:
    results = [0] * n

    async def one(i: int) -> None:
        results[i] = await add(i)

    async with anyio.create_task_group() as tasks:
        for i in range(n):
            tasks.start_soon(one, i)
    return sum(results)


def test_concurrent_actions_share_commits(play: Play) -> None:
    async def story(engine: Engine) -> None:
        before = engine.ledger.writer.commits
        run = await engine.run(fan_out, 300)
        assert await run.result.aio() == 300 * 299 // 2 + 300
        assert len(run.actions()) == 301
        assert engine.ledger.writer.commits - before < 100

    play(story)


@env.task
async def many_names() -> None:
    for x in range(3):
        await add(x)


@pytest.mark.parametrize("strict", [False, True])
def test_the_environment_of_a_rerun_is_compared(
    play: Play,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    content: Content,
    strict: bool,
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(many_names)
        await run.wait.aio()
        same = engine.with_runcontext(strict_environment=True)
        await (await same.rerun(run.name)).wait.aio()
        assert caplog.records == []
        found = ["anyio 4.0 → 5.0"]
        monkeypatch.setattr("dalsegno._codebase.differences", lambda *both: found)
        before = content()
        if strict:
            with pytest.raises(EnvironmentMismatchError, match=r"anyio 4\.0 → 5\.0"):
                await same.rerun(run.name)
            assert content() == before
        else:
            engine.codebase._compared.clear()
            for _ in range(2):
                await (await engine.rerun(run.name)).wait.aio()
            assert [record.getMessage() for record in caplog.records] == [
                "this environment is not the recorded one: anyio 4.0 → 5.0"
            ]

    play(story)
