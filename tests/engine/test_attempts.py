"""Retries and limits of time: every attempt is recorded, waits are those that were asked for, late is failed."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import Backoff, Engine, Phase, RetryStrategy, TaskEnvironment, Timeout, ctx, errors
from dalsegno import _body as body_module
from dalsegno._retry import delay, limits, strategy

Play = Callable[..., Any]
env = TaskEnvironment("attempts")

bodies: list[int] = []
waits: list[float] = []
free = threading.Event()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody waits; what would have been waited for is noted."""
    bodies.clear()
    waits.clear()
    free.clear()

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(body_module, "sleep", noted)
    yield
    free.set()


@env.task(retries=RetryStrategy(3, Backoff(0.5, 2.0, 1.5)))
async def third_time(needed: int) -> int:
    bodies.append(ctx().attempt_number)
    print(f"attempt {ctx().attempt_number}")
    if len(bodies) < needed:
        raise ValueError(f"not yet {len(bodies)}")
    return len(bodies)


@env.task(retries=RetryStrategy(2, timedelta(seconds=2)))
def in_a_thread() -> int:
    bodies.append(0)
    if len(bodies) < 3:
        raise OSError("again")
    return len(bodies)


@env.task(retries=5)
async def hopeless() -> None:
    bodies.append(0)
    raise errors.NonRecoverableError("this will never work")


@env.task
def calls_in_a_thread() -> int:
    return in_a_thread()


@env.task(timeout=0.01, retries=1)
async def sleepy() -> None:
    bodies.append(0)
    await anyio.sleep_forever()


@env.task(timeout=Timeout(max_runtime=timedelta(milliseconds=10)), retries=1)
def stuck() -> None:
    bodies.append(0)
    free.wait(30)


@env.task(timeout=30)
async def swift(n: int) -> int:
    return n


@env.task(timeout=30)
async def raises_its_own() -> None:
    raise TimeoutError("somebody else's")


@env.task(timeout=Timeout(deadline=0.01), retries=100)
async def fails_on_and_on() -> None:
    bodies.append(0)
    await anyio.lowlevel.checkpoint()
    raise ValueError("again")


@env.task
async def catches() -> str:
    try:
        await sleepy()
    except errors.TaskTimeoutError as late:
        return f"{late.limit} {late.seconds}"
    return "in time"


@env.task
def catches_in_a_thread() -> str:
    try:
        stuck()
    except TimeoutError as late:
        return str(late)
    return "in time"


@env.task
async def keyed() -> str:
    bodies.append(0)
    return ctx().idempotency_key


@env.task(retries=1)
async def keys() -> list[str]:
    found = [await keyed(), await keyed(), ctx().idempotency_key]
    if len(bodies) == 2:
        raise ValueError(found[2])
    return found


def test_every_attempt_is_recorded_with_its_error_and_its_log(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(third_time, 3)
        assert await run.result.aio() == 3
        assert (bodies, waits) == ([0, 1, 2], [0.5, 1.0])
        record = run.action().record
        assert record.attempts == 3
        assert [attempt.failure.message for attempt in record.failed_attempts] == ["not yet 1", "not yet 2"]
        first, second = record.failed_attempts
        assert record.started_at == first.started_at <= first.ended_at <= second.started_at
        assert [(line.attempt, line.text) for line in run.logs()] == [
            (1, "attempt 0\n"),
            (2, "attempt 1\n"),
            (3, "attempt 2\n"),
        ]

    play(story)


def test_the_last_failure_is_that_of_the_action(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(third_time, 99)
        with pytest.raises(ValueError, match="not yet 4"):
            await run.result.aio()
        assert waits == [0.5, 1.0, 1.5]
        assert len(run.action().record.failed_attempts) == 3

    play(story)


def test_sync_tasks_wait_in_their_thread(play: Play) -> None:
    async def story(engine: Engine) -> None:
        assert await (await engine.run(in_a_thread)).result.aio() == 3
        bodies.clear()
        assert await (await engine.run(calls_in_a_thread)).result.aio() == 3
        assert waits == [2.0] * 4

    play(story)


def test_who_knows_better_is_not_tried_again(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(hopeless)
        with pytest.raises(errors.NonRecoverableError, match="this will never work"):
            await run.result.aio()
        assert (bodies, run.action().attempts) == ([0], 1)

    play(story)


def test_an_async_task_is_stopped_in_time_and_tried_again(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(sleepy)
        with pytest.raises(
            TimeoutError, match=r"attempts\.sleepy ran out of time: its max_runtime is 0\.01 s"
        ):
            await run.result.aio()
        assert bodies == [0, 0]
        assert (run.phase, run.action().phase) == (Phase.TIMED_OUT, Phase.TIMED_OUT)
        outer = await engine.run(catches)
        assert await outer.result.aio() == "max_runtime 0.01"
        assert [action.phase for action in outer.actions()] == [Phase.SUCCEEDED, Phase.TIMED_OUT]

    play(story)


def test_a_sync_task_fails_in_time_although_its_thread_goes_on(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(stuck)
        await run.wait.aio()
        assert (run.phase, bodies) == (Phase.TIMED_OUT, [0])
        outer = await engine.run(catches_in_a_thread)
        assert await outer.result.aio() == "attempts.stuck ran out of time: its max_runtime is 0.01 s"
        free.set()

    play(story)


def test_a_deadline_ends_all_attempts(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(fails_on_and_on)
        await run.wait.aio()
        assert run.phase in (Phase.TIMED_OUT, Phase.FAILED)
        if run.phase is Phase.TIMED_OUT:
            assert run.failure is not None
            assert "its deadline is 0.01 s" in run.failure.message

    play(story)


def test_what_is_in_time_is_left_alone(play: Play) -> None:
    async def story(engine: Engine) -> None:
        assert await (await engine.run(swift, 3)).result.aio() == 3
        own = await engine.run(raises_its_own)
        await own.wait.aio()
        assert own.phase is Phase.FAILED

    play(story)


def test_the_idempotency_key_is_that_of_the_action(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(keys)
        first, second, own = await run.result.aio()
        assert len({first, second, own}) == 3
        [attempt] = run.action().record.failed_attempts
        assert attempt.failure.message == own
        again = await engine.rerun(run.name)
        assert not {first, second, own} & set(await again.result.aio())

    play(story)


@given(st.integers(0, 50), st.floats(0, 10), st.floats(0, 4), st.none() | st.floats(0, 20))
def test_waits_follow_the_backoff(failed: int, base: float, factor: float, cap: float | None) -> None:
    retries = RetryStrategy(10, Backoff(base, factor, cap))
    wait = delay(retries, failed + 1, ValueError())
    if failed >= 10:
        assert wait is None
        return
    assert wait is not None
    assert wait == pytest.approx(min(base * factor**failed, float("inf") if cap is None else cap))
    assert delay(retries, 1, KeyboardInterrupt()) is None
    assert delay(RetryStrategy(3), 1, ValueError()) == 0.0


@pytest.mark.parametrize(
    "setting", [-1, True, "3", 1.5, RetryStrategy(1, -1.0), RetryStrategy(1, Backoff(1, -2))]
)
def test_retries_that_cannot_be_meant_are_refused(setting: Any) -> None:
    with pytest.raises(errors.TaskDefinitionError, match=r"the retries of attempts\.swift cannot be meant"):
        swift.override(retries=setting)
    assert strategy("x", 3) == RetryStrategy(3)


@pytest.mark.parametrize(
    "setting", [-1, True, "3", Timeout(-1), Timeout(deadline=timedelta(seconds=-1)), float("nan")]
)
def test_timeouts_that_cannot_be_meant_are_refused(setting: Any) -> None:
    with pytest.raises(errors.TaskDefinitionError, match=r"the timeout of attempts\.swift cannot be meant"):
        swift.override(timeout=setting)
    assert limits("x", 0) is None
    assert limits("x", None) is None
