"""Whether a failed attempt is followed by another one, and when; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from dalsegno.errors import NonRecoverableError, TaskDefinitionError

__all__ = ["Backoff", "Limits", "RetryStrategy", "Timeout", "delay", "limits", "strategy"]


class Backoff(NamedTuple):
    """How long to wait before an attempt: `base` before the second one, `factor` times as long before each further
    one, never longer than `cap`. Seconds or timedelta."""

    base: timedelta | float = 0.5
    factor: float = 2.0
    cap: timedelta | float | None = None


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """How often a failed task is tried again: `count` times after the first, at once or after a `backoff`.

    A number or timedelta for `backoff` is the same wait before every attempt.
    """

    count: int
    backoff: Backoff | timedelta | float | None = None


class Timeout(NamedTuple):
    """How long a task may take, in seconds or as timedelta; None is no limit.

    `max_runtime` is for each attempt, `max_queued_time` for waiting until a slot and a thread are free, `deadline` for everything
    from the call to the last attempt. A sync task that is out of time fails on time, but its thread goes on until its
    code returns; it can call no more tasks, and is not tried again.
    """

    max_runtime: timedelta | float | None = None
    max_queued_time: timedelta | float | None = None
    deadline: timedelta | float | None = None


class Limits(NamedTuple):
    """A Timeout in seconds."""

    max_runtime: float | None = None
    max_queued_time: float | None = None
    deadline: float | None = None


def strategy(task: str, setting: object) -> RetryStrategy:
    """The retries that a task's setting means: a number or a strategy; TaskDefinitionError for anything else."""
    found = setting if isinstance(setting, RetryStrategy) else RetryStrategy(setting)  # type: ignore[arg-type]  # checked here
    count, backoff = found.count, found.backoff
    problem = ""
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        problem = f"retries is a number from 0 up or a RetryStrategy, not {setting!r}"
    elif backoff is not None and not isinstance(backoff, Backoff):
        backoff = Backoff(backoff, 1.0)
    if isinstance(backoff, Backoff):
        times = [backoff.base, backoff.factor, *([] if backoff.cap is None else [backoff.cap])]
        if not all(_is_time(time) for time in times):
            problem = f"backoff has times and a factor from 0 up, not {backoff!r}"
    if problem:
        raise TaskDefinitionError(f"the retries of {task} cannot be meant: {problem}")
    return RetryStrategy(count, backoff)


def limits(task: str, setting: object) -> Limits | None:
    """The limits in seconds that a task's setting means; None for none. A bare time is a `max_runtime`, 0 is none."""
    found = setting if isinstance(setting, Timeout) else Timeout(setting)  # type: ignore[arg-type]  # checked here
    if not all(time is None or _is_time(time) for time in found):
        raise TaskDefinitionError(
            f"the timeout of {task} cannot be meant: it is seconds, a timedelta or a Timeout, from 0 up, not {setting!r}"
        )
    seconds = Limits(*(None if not time else seconds_of(time) for time in found))
    return None if seconds == Limits() else seconds


def delay(retries: RetryStrategy, failed: int, error: BaseException) -> float | None:
    """Seconds to wait before the next attempt when the attempt number `failed`, from 1, ended with this error; None
    when it was the last."""
    if failed > retries.count or not isinstance(error, Exception) or isinstance(error, NonRecoverableError):
        return None
    backoff = retries.backoff
    if not isinstance(backoff, Backoff):
        return 0.0
    try:
        wait = seconds_of(backoff.base) * backoff.factor ** (failed - 1)
    except OverflowError:
        wait = float("inf")
    return wait if backoff.cap is None else min(wait, seconds_of(backoff.cap))


def seconds_of(time: timedelta | float) -> float:
    """A time in seconds."""
    return time.total_seconds() if isinstance(time, timedelta) else float(time)


def _is_time(time: object) -> bool:
    if isinstance(time, timedelta):
        return time >= timedelta()
    return isinstance(time, (int, float)) and not isinstance(time, bool) and 0 <= time < float("inf")
