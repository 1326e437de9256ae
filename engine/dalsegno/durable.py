"""Time, waiting and chance, recorded: what a task got from here it gets again.

    from dalsegno import durable

    opened = durable.now()
    await durable.sleep(3600)

Inside a run each call is a small action below its caller's. When a run is resumed, or recovered by a rerun, the caller gets
the recorded value: *by place*, that is as the same call, in order among equal ones, of the action that the caller stands
for - also if the caller's code or a version changed meanwhile. A caller that is new, such as one with other inputs below
the root, gets a new value, and so does one that was named to be executed again, and a further attempt of a task that
failed. Equal calls that one action makes at once, in several event loop tasks or threads, are told apart by `group` or by a
traced function around them. Outside of a run these are the plain functions.

With durability "full" a value is on disk before it is given out; an event loop stands still for that, about as long as a
write to the disk takes. Where many are asked for at once, await the other form: `await durable.now.aio()`.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import datetime, timedelta, tzinfo
from functools import partial
from random import SystemRandom
from time import sleep as _sleep_here
from time import time as _clock
from typing import Any, ParamSpec, TypeVar, cast

from dalsegno._context import current
from dalsegno._loops import in_event_loop
from dalsegno._retry import seconds_of
from dalsegno.interface import Interface
from dalsegno.task import TaskEnvironment
from dalsegno.tracing import AsyncTrace, SyncTrace

__all__ = ["Sleep", "Value", "entropy", "now", "random", "sleep", "time", "uuid4"]

P = ParamSpec("P")
R = TypeVar("R")

_DURABLE = TaskEnvironment("durable")
_chance = SystemRandom()


class Value(SyncTrace[P, R]):
    """A function of this module that gives a value: call it, or `await` its `.aio(...)`."""

    by_place = True

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, letting other code of the event loop go on while it is written down."""
        if current.get() is None:
            return cast(R, self.function(*args, **kwargs))
        return await super().aio(*args, **kwargs)

    def __reduce__(self) -> str:
        return self.function_name


class _Slept:
    """What there is to await when the time has passed already."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()


class Sleep(AsyncTrace[[float], None]):
    """The function `sleep` of this module."""

    by_place = True

    def __call__(self, seconds: timedelta | float) -> Awaitable[None]:  # type: ignore[override]  # more than it records
        """Wait; in an event loop this is to be awaited, in a thread it comes back when the time is over."""
        if in_event_loop():
            return self.aio(seconds)
        caller = current.get()
        if caller is None:
            _sleep_here(max(0.0, seconds_of(seconds)))
        else:
            caller.in_loop(partial(self.aio, seconds))
        return _Slept()

    async def aio(self, seconds: timedelta | float) -> None:
        """The same for async code."""
        await super().aio(seconds_of(seconds))

    def __reduce__(self) -> str:
        return self.function_name


def _value(function: Callable[P, R]) -> Value[P, R]:
    name = f"{_DURABLE.name}.{function.__name__}"
    return Value(function, _DURABLE, Interface.of(function, name=name), {})


def _sleeping(function: Callable[[float], Coroutine[Any, Any, None]]) -> Sleep:
    name = f"{_DURABLE.name}.{function.__name__}"
    return Sleep(function, _DURABLE, Interface.of(function, name=name), {})


@_value
def now(tz: tzinfo | None = None) -> datetime:
    """The date and time, as `datetime.now(tz)` gives it."""
    return datetime.fromtimestamp(_clock(), tz)


@_value
def time() -> float:
    """Seconds since the epoch, as `time.time()` gives them."""
    return _clock()


@_value
def uuid4() -> uuid.UUID:
    """A new UUID, as `uuid.uuid4()` gives it."""
    return uuid.uuid4()


@_value
def random() -> float:
    """A number from 0 up to but not including 1, as `random.random()` gives it; nothing seeds it."""
    return _chance.random()


@_value
def entropy() -> int:
    """A number of 128 bits to make a generator from, whose numbers then need no records of their own.

    `random.Random(durable.entropy())`, `numpy.random.default_rng(durable.entropy())`.
    """
    return _chance.getrandbits(128)


@_sleeping
async def sleep(seconds: float) -> None:
    """Wait so many seconds: `await durable.sleep(3600)`, or `durable.sleep(3600)` in a task that is no async one.

    `seconds` may be a timedelta. When it began is recorded, so that a run that is resumed or recovered waits for what is
    left, and not at all when the time is over. It ends early when the run is aborted or the caller is cancelled.
    """
    began = await time.aio()
    # A clock that was set back meanwhile must not make it longer.
    await _pause(max(0.0, min(seconds, began + seconds - _clock())))


async def _pause(seconds: float) -> None:
    import anyio  # a program that only imports this need not wait for it

    await anyio.sleep(seconds)
