"""A time that passes when a test says so, or as soon as everybody waits for it.

It is what `dalsegno.durable` tells, and what its sleeps, the waits before further attempts, and the limits of a `Timeout`
go by. The times in records, `max_age` of caches, and code that asks `time` or waits by itself keep to the real one.

When it moves, what has become due is let go in order: sleepers wake, blocks that are out of time are cancelled. A clock
that jumps moves to the next of these by itself when somebody sleeps and everybody else in the same runs does too, which
is when for `PATIENCE` real seconds nobody has begun or ended to sleep and every action without calls of its own sleeps.
While one does not, it may be at work, or wait for a slot, a thread or something in another action: nobody can tell, so it is
given `LONGEST` real seconds. Limits alone never make the clock jump.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.lowlevel

from dalsegno._context import current
from dalsegno._loops import Home
from dalsegno._retry import seconds_of
from dalsegno.errors import UsageError

if TYPE_CHECKING:
    from dalsegno._live import LiveRun

__all__ = ["Clock"]

PATIENCE = 0.02
"""So long nothing may happen before a clock jumps when all sleep, in real seconds."""

LONGEST = 0.5
"""So long when one does something else."""


class _Due(NamedTuple):
    """Something that happens at a time: `wake` is called, from any thread."""

    at: float
    number: int
    wake: Callable[[], object]
    sleeps: bool
    run: LiveRun | None = None


class Clock:
    """The time in a test; made by `dalsegno.testing.clock`.

    `waits` are the seconds that were asked for, by sleeps and before further attempts, in order. All methods may be called
    from any thread.
    """

    def __init__(self, start: float, *, jumps: bool) -> None:
        self.waits: list[float] = []
        self._time = start
        self._jumps = jumps
        self._due: list[_Due] = []
        self._numbers = count()
        self._changes = 0
        self._changed_at = 0.0
        self._changed = threading.Condition()

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._time

    def now(self) -> datetime:
        """The same as date and time, in UTC."""
        return datetime.fromtimestamp(self._time, UTC)

    def advance(self, seconds: timedelta | float) -> None:
        """Let so much time pass: who sleeps until then wakes, and what is out of time then is cancelled."""
        with self._changed:
            self._go(self._time + max(0.0, seconds_of(seconds)))

    @property
    def sleeping(self) -> int:
        """How many sleep now."""
        return sum(each.sleeps for each in self._due)

    def wait_for_sleepers(self, number: int = 1, *, timeout: float = 10.0) -> None:
        """Block until so many sleep; UsageError after `timeout` real seconds.

        For tests whose runs are in another thread, as those of the default engine are.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.sleeping >= number, timeout):
                raise UsageError(f"{self.sleeping} sleep after {timeout} seconds, not {number}")

    # What the engine asks of it

    def sleep_here(self, seconds: float) -> None:
        """Sleep in a thread outside of a run, which nobody else could wake."""
        self.waits.append(seconds)
        self.advance(seconds)

    async def sleep(self, seconds: float) -> None:
        """Sleep until the time has passed."""
        self.waits.append(seconds)
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        home, woken = Home(), anyio.Event()
        run = getattr(current.get(), "run", None)
        due = self._add(seconds, lambda: home.call_soon(woken.set), sleeps=True, run=run)
        try:
            while not woken.is_set():
                seen = self._changes
                with anyio.move_on_after(PATIENCE if self._jumps else None):
                    await woken.wait()
                if self._jumps:
                    self._jump(seen)
        finally:
            self._drop(due)

    def end_after(self, scope: anyio.CancelScope, seconds: float | None) -> None:
        """Have a block cancelled when so much time has passed."""
        with self._changed:
            for each in [each for each in self._due if getattr(each.wake, "scope", None) is scope]:
                self._drop(each)
        if seconds is not None:
            self._add(seconds, _Cancel(scope), sleeps=False)

    def _add(
        self, seconds: float, wake: Callable[[], object], *, sleeps: bool, run: LiveRun | None = None
    ) -> _Due:
        with self._changed:
            due = _Due(self._time + seconds, next(self._numbers), wake, sleeps, run)
            heapq.heappush(self._due, due)
            self._note()
        return due

    def _drop(self, due: _Due) -> None:
        with self._changed:
            if due in self._due:
                self._due.remove(due)
                heapq.heapify(self._due)
                self._note()

    def _jump(self, seen: int) -> None:
        with self._changed:
            if self._changes != seen or not self.sleeping:
                return
            if self._all_sleep() or monotonic() - self._changed_at >= LONGEST:
                self._go(self._due[0].at)

    def _all_sleep(self) -> bool:
        """Whether there is nothing in the runs in which somebody sleeps that does not."""
        runs = {id(each.run): each.run for each in self._due if each.run is not None}
        leaves = sum(_leaves(run) for run in runs.values())
        return leaves <= self.sleeping

    def _go(self, until: float) -> None:
        while self._due and self._due[0].at <= until:
            due = heapq.heappop(self._due)
            self._time = max(self._time, due.at)
            due.wake()
        self._time = max(self._time, until)
        self._note()

    def _note(self) -> None:
        self._changes += 1
        self._changed_at = monotonic()
        self._changed.notify_all()


class _Cancel:
    """Cancels a block, in the event loop that it is in."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.scope = scope
        self._home = Home()

    def __call__(self) -> None:
        self._home.call_soon(self.scope.cancel)


def _leaves(run: LiveRun) -> int:
    """How many actions of a run have begun, and have no calls that have."""
    open_ones = [*run.open.values()]
    callers = {id(each.parent) for each in open_ones}
    return sum(id(each) not in callers for each in open_ones)


def start_of(start: datetime | float | None) -> float:
    """Where a clock begins: the real time unless something else is said; a datetime without zone is in UTC."""
    if start is None:
        return time.time()
    if isinstance(start, datetime):
        return (start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()
    return float(start)
