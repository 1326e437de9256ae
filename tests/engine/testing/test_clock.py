"""A clock that passes when a test says so, or when everybody waits for it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import anyio
import pytest

import dalsegno
from dalsegno import Backoff, Engine, Phase, RetryStrategy, TaskEnvironment, Timeout, durable
from dalsegno.errors import TaskTimeoutError, UsageError
from dalsegno.testing import clock, engine
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("clocks")
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = 3600.0


@pytest.fixture(autouse=True)
def opened() -> Iterator[None]:
    with engine():
        yield


@env.task
async def nap(seconds: float) -> datetime:
    await durable.sleep(seconds)
    return durable.now(UTC)


@env.task
def nap_in_a_thread(seconds: float) -> datetime:
    durable.sleep(seconds)
    return durable.now(UTC)


@env.task
async def naps() -> list[datetime]:
    return [*await asyncio.gather(nap(3 * HOUR), nap(HOUR), nap_in_a_thread.aio(2 * HOUR))]


@pytest.mark.parametrize("task", [nap, nap_in_a_thread])
def test_sleeping_takes_no_time(task: Any) -> None:
    with clock(NEW_YEAR) as time:
        assert dalsegno.run(task, 48 * HOUR).result() == NEW_YEAR + timedelta(days=2)
        assert time.now() == NEW_YEAR + timedelta(days=2)
        assert time.waits == [48 * HOUR]
        assert time.sleeping == 0


def test_who_sleeps_shorter_wakes_earlier() -> None:
    with clock(NEW_YEAR):
        run = dalsegno.run(naps)
        assert run.result() == [NEW_YEAR + timedelta(hours=hours) for hours in (3, 1, 2)]


def test_it_stands_still_until_it_is_moved() -> None:
    with clock(NEW_YEAR, jumps=False) as time:
        run = dalsegno.run(nap, 2 * HOUR)
        time.wait_for_sleepers()
        time.advance(HOUR)
        assert time.sleeping == 1
        assert not run.done()
        time.advance(timedelta(hours=1))
        assert run.result() == time.now() == NEW_YEAR + timedelta(hours=2)
        several = dalsegno.run(naps)
        time.wait_for_sleepers(3)
        time.advance(3 * HOUR)
        assert several.result() == [NEW_YEAR + timedelta(hours=5)] * 3
        with pytest.raises(UsageError, match=r"0 sleep after 0.0 seconds, not 1"):
            time.wait_for_sleepers(timeout=0.0)


attempts: list[float] = []


@env.task(retries=RetryStrategy(3, Backoff(10, 2)))
async def flaky() -> int:
    attempts.append(durable.time())
    if len(attempts) < 4:
        raise ConnectionError
    return len(attempts)


@env.task(retries=RetryStrategy(3, Backoff(10, 2)))
def flaky_in_a_thread() -> int:
    attempts.append(durable.time())
    if len(attempts) < 4:
        raise ConnectionError
    return len(attempts)


@pytest.mark.parametrize("task", [flaky, flaky_in_a_thread])
def test_waits_before_attempts(task: Any) -> None:
    attempts.clear()
    with clock(1000.0) as time:
        assert dalsegno.run(task).result() == 4
        assert time.waits == [10.0, 20.0, 40.0]
    assert attempts == [1000.0, 1010.0, 1030.0, 1070.0]


@env.task(timeout=60)
async def limited(seconds: float) -> int:
    await durable.sleep(seconds)
    return 1


@env.task(timeout=60)
def limited_in_a_thread(seconds: float) -> int:
    durable.sleep(seconds)
    return 1


@env.task(timeout=Timeout(deadline=25), retries=RetryStrategy(9, 10))
async def hopeless() -> None:
    raise ConnectionError


@pytest.mark.parametrize("task", [limited, limited_in_a_thread])
def test_limits(task: Any) -> None:
    with clock(0.0) as time:
        assert dalsegno.run(task, 59.0).result() == 1
        with pytest.raises(TaskTimeoutError, match="60"):
            dalsegno.run(task, 61.0).result()
        assert time.time() >= 119


def test_a_limit_of_all_attempts() -> None:
    with clock(0.0) as time:
        run = dalsegno.run(hopeless)
        run.wait()
        assert run.phase is Phase.TIMED_OUT
        assert time.time() == 25.0
        assert run.action().attempts == 4


begun = Event()


@env.task(timeout=60)
async def stuck() -> None:
    begun.set()
    await anyio.sleep(30)


def test_limits_alone_do_not_make_it_jump() -> None:
    with clock(0.0) as time:
        run = dalsegno.run(stuck)
        assert begun.wait(10)
        time.advance(59)
        assert not run.done()
        time.advance(1)
        run.wait()
        assert run.phase is Phase.TIMED_OUT


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_a_loop_of_the_tests_own(backend: str) -> None:
    async def story() -> None:
        async with Engine(MemoryStore()) as own:
            run = await own.run(nap, HOUR)
            assert await run.result.aio() == NEW_YEAR + timedelta(hours=1)

    with clock(NEW_YEAR):
        anyio.run(story, backend=backend)


def test_outside_of_runs() -> None:
    with clock(NEW_YEAR.replace(tzinfo=None)):
        durable.sleep(HOUR)
        assert durable.now(UTC) == NEW_YEAR + timedelta(hours=1)
    with clock() as time:
        assert abs(time.time() - datetime.now(UTC).timestamp()) < 60


def test_afterwards_time_is_real_again() -> None:
    before = durable.time()
    with clock(0.0):
        assert durable.time() == 0.0
    assert durable.time() >= before
