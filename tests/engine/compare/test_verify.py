"""What was planted is found, located and named; clean runs give no finding, and the record stays as it is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.engine.compare import faulty

import dalsegno
from dalsegno import Engine, Run, TaskEnvironment, _default, ctx, diff, durable, fingerprint, init, verify
from dalsegno._verify import Divergence, Verification, verify_run
from dalsegno.errors import ActionNotFoundError, ConfigError, UsageError
from dalsegno.maintenance import delete_run
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
Content = Callable[[], dict[bytes, bytes]]
env = TaskEnvironment("verify")
calls: list[str] = []


@pytest.fixture
def backend() -> str:
    return "asyncio"


async def recorded(engine: Engine, fault: str = "", path: str = "") -> Run[Any]:
    """A run named `run` whose middle calls a fault."""
    run = await engine.with_runcontext(name="run").run(faulty.clean, fault, path)
    await run.result.aio()
    return run


async def verified(engine: Engine, action: str = "a0", **options: Any) -> Verification:
    found = await verify_run(engine, "run", action, **options)
    assert found.reproduced == (not found.divergences)
    return found


def only(found: Verification) -> Divergence:
    [divergence] = found.divergences
    return divergence


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize(
    ("fault", "cause", "times"),
    [
        ("clock", "time", 1),
        ("moment", "time", 1),
        ("chance", "randomness", 1),
        ("identity", "randomness", 1),
        ("default", "state", 1),
        ("default", "state", 2),
        ("pickled", "opaque value", 1),
        ("branches", "randomness", 2),
    ],
)
def test_what_was_planted_is_found(play: Play, fault: str, cause: str, times: int, each: bool) -> None:
    async def story(engine: Engine) -> None:
        await recorded(engine, fault)
        found = await verified(engine, times=times, each=each)
        divergence = only(found)
        assert divergence.task == f"faulty.{fault}"
        assert divergence.cause == cause, divergence.clues
        if fault == "branches":
            assert len(divergence.came) == len(divergence.gone) == 1
        else:
            assert divergence.outputs

    play(story)


def test_a_variable(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(engine: Engine) -> None:
        monkeypatch.setenv("FLAVOUR", "sour")
        await recorded(engine, "variable")
        assert (await verified(engine)).reproduced
        monkeypatch.setenv("FLAVOUR", "sweet")
        divergence = only(await verified(engine))
        assert (divergence.task, divergence.cause) == ("faulty.variable", "environment")
        # Which one is known, unless something else that the process has loaded may read any of them.
        assert divergence.clues[0] in (
            "environment: variable FLAVOUR has another value",
            "environment: variables of the process have other values",
        )
        assert [str(place) for place in divergence.outputs] == ['o0: "sour" → "sweet"']

    play(story)


def test_a_file_outside(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "outside.txt"

    async def story(engine: Engine) -> None:
        file.write_text("before")
        await recorded(engine, "outside", str(file))
        assert (await verified(engine)).reproduced
        file.write_text("after")
        divergence = only(await verified(engine))
        assert (divergence.task, divergence.cause) == ("faulty.outside", "file")
        file.unlink()
        divergence = only(await verified(engine))
        assert (divergence.task, divergence.cause) == ("faulty.outside", "file")
        assert divergence.error is not None
        assert divergence.error[0] == ""
        assert divergence.error[1].startswith("FileNotFoundError: ")

    play(story)


def test_a_clean_run_gives_no_finding_and_no_record(play: Play, content: Content) -> None:
    async def story(engine: Engine) -> None:
        await recorded(engine)
        before = content()
        for options in ({}, {"times": 3}, {"each": True}):
            found = await verified(engine, **options)
            assert found.divergences == ()
            assert found.executed == 5 * found.times
        assert content() == before

    play(story)


@env.task
async def leaf(n: int) -> int:
    calls.append(f"leaf {n}")
    return n


@env.task(cache="auto")
async def kept(n: int) -> int:
    return await leaf(n)


@env.task
def plain(n: int) -> list[int]:
    return [n] * n


@env.task
async def many(n: int) -> Any:
    total = [await kept(each) for each in range(n)]
    return total, await plain.aio(n)


CLEAN: list[tuple[Any, tuple[Any, ...]]] = [
    (faulty.double, (3,)),
    (faulty.middle, ("", "")),
    (faulty.clean, ()),
    (faulty.clean, ("double",)),
    (leaf, (1,)),
    (kept, (2,)),
    (plain, (3,)),
    *((many, (n,)) for n in range(13)),
]


@pytest.mark.parametrize(("task", "args"), CLEAN)
def test_clean_pipelines(play: Play, task: Any, args: tuple[Any, ...]) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="run").run(task, *args)
        await run.wait.aio()
        assert (await verified(engine)).reproduced
        assert (await verified(engine, each=True)).reproduced

    play(story)


def test_calls_are_answered_from_the_record(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="run").run(many, 3)
        await run.wait.aio()
        calls.clear()
        found = await verified(engine, each=True)
        assert found.executed == 1 + 3 + 3 + 1
        assert sorted(calls) == ["leaf 0", "leaf 1", "leaf 2"]

    play(story)


def test_what_was_taken_over_is_executed_where_it_ran(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.run(many, 3)).wait.aio()
        run = await engine.with_runcontext(name="run").run(many, 3)
        await run.wait.aio()
        calls.clear()
        assert (await verified(engine)).executed == 8
        assert (await verified(engine, each=True)).executed == 8
        assert len(calls) == 6

    play(story)


def test_what_was_taken_over_from_a_run_that_is_gone(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.with_runcontext(name="first").run(many, 3)).wait.aio()
        run = await engine.with_runcontext(name="run").run(many, 3)
        await run.wait.aio()
        delete_run(store, "first", force=True)
        assert (await verified(engine)).reproduced
        assert (await verified(engine, each=True)).reproduced

    play(story)


@env.task
async def slow() -> None:
    await anyio.sleep(10)


@env.task
async def late(n: int) -> int:
    await anyio.sleep(n / 1000)
    raise ValueError("too late")


@env.task
async def race() -> int:
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(slow)
        group.start_soon(late, 5)
    return 1


@env.task(retries=2)
async def third(n: int) -> int:
    await leaf(n)
    attempt = ctx().attempt_number
    if attempt < 2:
        raise RuntimeError("again")
    return attempt


@env.task
async def large(n: int) -> list[int]:
    return [n] * n


@env.task
async def largest(n: int) -> int:
    return len(await large(n))


@env.task
async def waiting() -> tuple[float, float]:
    await durable.sleep(0.3)
    return durable.random(), durable.time()


@pytest.mark.parametrize(
    ("task", "args"), [(race, ()), (third, (1,)), (largest, (2_000_000,)), (waiting, ()), (many, (2,))]
)
def test_more_clean_pipelines(play: Play, tmp_path: Path, task: Any, args: tuple[Any, ...]) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="run").run(task, *args)
        await run.wait.aio()
        assert (await verified(engine)).divergences == ()
        assert (await verified(engine, each=True)).divergences == ()

    play(story, store=tmp_path / "store")


def test_in_trio(store: MemoryStore) -> None:
    async def main() -> None:
        async with Engine(store) as engine:
            await recorded(engine, "chance")
            assert only(await verified(engine)).cause == "randomness"
            assert only(await verified(engine, each=True)).cause == "randomness"

    anyio.run(main, backend="trio")


def test_secrets_are_asked_for(play: Play) -> None:
    async def story(engine: Engine) -> None:
        secret = {"API_TOKEN": "abcdef123456"}
        run = await engine.with_runcontext(name="run", env_vars=secret).run(leaf, 1)
        await run.wait.aio()
        with pytest.raises(UsageError, match="API_TOKEN"):
            await verified(engine)
        assert (await verified(engine, env_vars=secret)).reproduced

    play(story)


def test_with_the_default_engine(tmp_path: Path) -> None:
    init(store=tmp_path / "store")
    try:
        run = dalsegno.run(leaf, 1)
        run.wait()
        assert verify(run).reproduced
        assert verify(run.name, each=True, times=2).executed == 2
        assert diff(run.name, run).is_same
        assert fingerprint(run) == fingerprint(run.action())

        async def story() -> bool:
            return (await verify.aio(run)).reproduced

        assert asyncio.run(story())
    finally:
        _default.close()
        _default._config = None


def test_one_action(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await recorded(engine, "chance")
        names = {action.task: action.name for action in run.actions()}
        assert (await verified(engine, names["faulty.unlucky"])).reproduced
        assert (await verified(engine, names["faulty.double"], each=True)).executed == 1
        assert only(await verified(engine, names["faulty.middle"])).action == names["faulty.chance"]
        with pytest.raises(ActionNotFoundError):
            await verified(engine, "gone")

    play(story)


def test_what_is_kept_has_a_label(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await recorded(engine)
        found = await verified(engine, keep=True)
        [new] = engine.list_runs(with_labels={"dalsegno.verify": "run"})
        assert (new.name,) == found.kept

    play(story)


def test_what_cannot_be_verified(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await recorded(engine)
        with pytest.raises(UsageError, match="one in memory"):
            await verified(engine, process=True)
        with pytest.raises(ConfigError, match="times is a number from 1 up"):
            await verified(engine, times=0)

    play(story, store=MemoryStore())
