"""The cache: equal calls of any earlier run stand for each other, as far as the task's setting says."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from dalsegno import Cache, Engine, Phase, TaskEnvironment
from dalsegno._cache import Turn
from dalsegno.errors import ConfigError, TaskDefinitionError
from dalsegno_storage.errors import StoreError

Play = Callable[..., Any]
env = TaskEnvironment("cache")
cached_env = TaskEnvironment("cached", cache="auto")

bodies: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    bodies.clear()


@pytest.fixture
def backend() -> str:
    return "asyncio"


@env.task(cache="auto")
async def square(n: int) -> int:
    bodies.append(f"square {n}")
    if n < 0:
        raise ValueError("negative")
    return n * n


@env.task(cache=Cache(ignored_inputs=("label",)))
def labelled(n: int, label: str) -> str:
    bodies.append(label)
    return f"{label} {n}"


@env.task(cache=Cache(max_age=timedelta(hours=1)))
async def aging(n: int) -> int:
    bodies.append("aging")
    return n


@env.task(cache=Cache("override", version_override="v1"))
async def versioned(n: int) -> int:
    bodies.append("versioned")
    return n


@cached_env.task
async def by_its_environment(n: int) -> int:
    bodies.append("by_its_environment")
    return n


@cached_env.task(cache="disable")
async def not_cached(n: int) -> int:
    bodies.append("not_cached")
    return n


@env.task(cache=Cache(serialize=True))
async def slow(n: int) -> int:
    bodies.append("slow")
    await asyncio.sleep(0)
    await released.wait()
    return n


@env.task(cache=Cache(serialize=True))
def slow_in_thread(n: int) -> int:
    bodies.append("slow_in_thread")
    return n


@env.task
async def squares(numbers: list[int]) -> list[int]:
    bodies.append("squares")
    return [await square(n) for n in numbers]


@env.task
async def at_once(n: int, times: int) -> list[int]:
    calls = [slow(n) for _ in range(times)]
    threads = [slow_in_thread.aio(n) for _ in range(times)]
    return list(await asyncio.gather(*calls, *threads))


released = asyncio.Event()


def test_a_call_of_an_earlier_run_stands_for_an_equal_one(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(squares, [1, 2])
        assert await first.result.aio() == [1, 4]
        second = await engine.run(squares, [2, 3, 2])
        assert await second.result.aio() == [4, 9, 4]
        assert bodies == ["squares", "square 1", "square 2", "squares", "square 3"]
        _, hit, new, again = second.actions()
        assert [each.phase for each in (hit, new, again)] == [
            Phase.RECOVERED,
            Phase.SUCCEEDED,
            Phase.RECOVERED,
        ]
        origin = hit.origin
        assert origin is not None
        assert (origin.run.name, origin.inputs()) == (first.name, {"n": 2})
        assert hit.record.origin is not None
        assert hit.record.origin.kind == "cache"

    play(story)


def test_a_root_is_taken_from_the_cache_by_a_run_and_executed_by_a_rerun(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(square, 3)
        await first.wait.aio()
        second = await engine.run(square, 3)
        assert second.done()
        assert await second.result.aio() == 9
        assert second.action().phase is Phase.RECOVERED
        third = await engine.rerun(first.name)
        assert await third.result.aio() == 9
        assert bodies == ["square 3", "square 3"]

    play(story)


def test_failures_are_not_cached(play: Play) -> None:
    async def story(engine: Engine) -> None:
        for _ in range(2):
            await (await engine.run(square, -1)).wait.aio()
        assert bodies == ["square -1", "square -1"]

    play(story)


def test_ignored_inputs_do_not_count(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.run(labelled, 1, "one")).wait.aio()
        second = await engine.run(labelled, 1, "other")
        assert await second.result.aio() == "one 1"
        third = await engine.run(labelled, 2, "two")
        assert await third.result.aio() == "two 2"
        assert bodies == ["one", "two"]

    play(story)


def test_results_age(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    from dalsegno import _cache

    async def story(engine: Engine) -> None:
        await (await engine.run(aging, 1)).wait.aio()
        await (await engine.run(aging, 1)).wait.aio()
        assert bodies == ["aging"]
        later = time.time_ns() + 3601 * 1_000_000_000

        class Clock:
            time_ns = staticmethod(lambda: later)

        monkeypatch.setattr(_cache, "time", Clock)
        await (await engine.run(aging, 1)).wait.aio()
        assert bodies == ["aging", "aging"]

    play(story)


def test_salt_and_version_tell_calls_apart(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.run(square, 1)).wait.aio()
        await (await engine.run(square.override(cache=Cache(salt="x")), 1)).wait.aio()
        assert len(bodies) == 2
        bodies.clear()
        await (await engine.run(versioned, 1)).wait.aio()
        await (await engine.run(versioned, 1)).wait.aio()
        other = versioned.override(cache=Cache("override", version_override="v2"))
        await (await engine.run(other, 1)).wait.aio()
        assert len(bodies) == 2

    play(story)


def test_the_setting_of_the_environment_holds_for_tasks_without_one(play: Play) -> None:
    async def story(engine: Engine) -> None:
        for task in (by_its_environment, by_its_environment, not_cached, not_cached):
            await (await engine.run(task, 1)).wait.aio()
        assert bodies == ["by_its_environment", "not_cached", "not_cached"]

    play(story)


def test_a_run_may_leave_the_cache_alone_or_renew_it(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.with_runcontext(disable_run_cache=True).run(square, 1)).wait.aio()
        first = await engine.run(square, 1)
        await first.wait.aio()
        assert len(bodies) == 2
        await (await engine.with_runcontext(disable_run_cache=True).run(square, 1)).wait.aio()
        assert len(bodies) == 3
        renewed = await engine.with_runcontext(overwrite_cache=True).run(square, 1)
        await renewed.wait.aio()
        assert len(bodies) == 4
        last = await engine.run(square, 1)
        origin = last.action().origin
        assert origin is not None
        assert origin.run.name == renewed.name
        with pytest.raises(ConfigError, match="exclude each other"):
            engine.with_runcontext(disable_run_cache=True, overwrite_cache=True)

    play(story)


def test_equal_calls_at_once_are_executed_once(play: Play) -> None:
    async def story(engine: Engine) -> None:
        global released
        released = asyncio.Event()
        runs = [await engine.run(at_once, 5, 4) for _ in range(3)]
        released.set()
        assert [await run.result.aio() for run in runs] == [[5] * 8] * 3
        assert sorted(bodies) == ["slow", "slow_in_thread"]

    play(story)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("always", 'the behavior of a cache is "auto", "override" or "disable", not \'always\''),
        (3, 'cache is "auto", "disable" or a Cache, not 3'),
        (Cache("override"), 'with behavior "override" has a version_override'),
        (Cache(version_override="1"), 'with behavior "override" has a version_override'),
        (Cache(max_age=0), "max_age is a time above zero"),
        (Cache(ignored_inputs=("m",)), "there is no input m to ignore; it has n"),
        (Cache(ignored_inputs="n"), "ignored_inputs are names of inputs"),  # type: ignore[arg-type]  # what is tested
    ],
)
def test_settings_that_cannot_be_meant_are_refused(setting: Any, message: str) -> None:
    with pytest.raises(TaskDefinitionError) as refused:
        square.override(cache=setting)
    assert message in str(refused.value)


@env.task(cache=Cache(serialize=True, ignored_inputs=("n",)))
async def calls_itself(n: int) -> int:
    bodies.append("calls_itself")
    return 0 if n == 0 else 1 + await calls_itself(n - 1)


def test_a_call_below_an_equal_one_does_not_wait_for_it(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with anyio.fail_after(20):
            run = await engine.run(calls_itself, 2)
            assert await run.result.aio() == 2
        assert bodies == ["calls_itself"] * 3

    play(story)


def test_a_place_where_turns_cannot_be_taken_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "turns").write_text("a file where a folder should be")
    with (
        pytest.raises(StoreError, match="of the store cannot be used: File exists"),
        Turn(tmp_path / "turns", b"c"),
    ):
        raise AssertionError("it was taken")
