"""How many bodies may execute at once: of one run, and of the tasks of one environment.

A body takes a slot of each limit that holds for it, all of them at the same moment or none, and gives them back when it
ends. While it waits for calls of its own it has no slot: it gives its slots back when it makes the first call, and takes
them again when the last one has ended. So whoever holds a slot waits for no other action, and no limit, not even one,
can keep a run from ending. The price is that code between the calls of a gather is not counted.

Those who wait get slots in the order in which they came, except that nobody stands in the way of others who wait for
other slots. An action whose result is taken over takes none, and neither do traced functions, which belong to the body
that calls them.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dalsegno._loops import Wait, new_wait

if TYPE_CHECKING:
    from dalsegno.task import Task


def gives_way(task: Task[Any, Any]) -> bool:
    """Whether a body that calls this waits for it, rather than executing it as a part of itself."""
    return not task.is_trace or (task.by_place and task.is_async)


class Limit(NamedTuple):
    """At most so many bodies at once of those that share `name`."""

    name: tuple[str, str]
    most: int


Limits = tuple[Limit, ...]


class Slots:
    """The slots that are taken, and who waits for some; used by threads and event loops alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[Limits, OrderedDict[int, Wait]] = {}
        self._numbers = count()

    def take_now(self, limits: Limits) -> bool:
        """Take a slot of each limit if they are free and nobody waits for one of them."""
        with self._lock:
            if self._fits(limits) and not (self._waiting and self._is_wanted(limits)):
                self._take(limits)
                return True
            return False

    async def take(self, limits: Limits) -> None:
        """Take a slot of each limit, when they are free; a wait that is cancelled leaves nothing taken."""
        if self.take_now(limits):
            return
        waiter = new_wait()
        with self._lock:
            number = next(self._numbers)
            self._waiting.setdefault(limits, OrderedDict())[number] = waiter
            ready = self._grant()
        _wake(ready)
        try:
            await waiter
        except BaseException:
            with self._lock:
                queue = self._waiting.get(limits)
                waits = queue is not None and queue.pop(number, None) is not None
                if queue is not None and not queue:
                    del self._waiting[limits]
                ready = self._grant() if waits else self._given(limits)
            _wake(ready)
            raise

    def give(self, limits: Limits) -> None:
        """Give a slot of each limit back."""
        with self._lock:
            ready = self._given(limits)
        _wake(ready)

    def _take(self, limits: Limits) -> None:
        for limit in limits:
            self._taken[limit.name] += 1

    def _given(self, limits: Limits) -> list[Wait]:
        for limit in limits:
            self._taken[limit.name] -= 1
            if not self._taken[limit.name]:
                del self._taken[limit.name]
        return self._grant() if self._waiting else []

    def _grant(self) -> list[Wait]:
        """Take slots for those who have waited longest and can have them."""
        ready = []
        while self._waiting:
            able = [
                (next(iter(queue)), limits) for limits, queue in self._waiting.items() if self._fits(limits)
            ]
            if not able:
                break
            number, limits = min(able)
            self._take(limits)
            queue = self._waiting[limits]
            ready.append(queue.pop(number))
            if not queue:
                del self._waiting[limits]
        return ready

    def _fits(self, limits: Limits) -> bool:
        return all(self._taken[limit.name] < limit.most for limit in limits)

    def _is_wanted(self, limits: Limits) -> bool:
        names = {limit.name for limit in limits}
        return any(limit.name in names for waiting in self._waiting for limit in waiting)


def _wake(ready: list[Wait]) -> None:
    for waiter in ready:
        waiter.done()


class Await(Protocol):
    """Awaits what a function gives in an event loop, from a thread."""

    def __call__(self, function: Callable[[], Coroutine[Any, Any, None]], /) -> None: ...


class Seat:
    """The slots of one action: taken while its body executes and waits for no call of its own.

    To be entered around each attempt, with `async with` in an event loop, with `with` in a thread, and to be left aside,
    with `aside()`, around each call that the body makes.
    """

    __slots__ = ("_calls", "_in_loop", "_inside", "_limits", "_lock", "_slots", "_state")

    def __init__(self, slots: Slots, limits: Limits, in_loop: Await) -> None:
        self._slots = slots
        self._limits = limits
        self._in_loop = in_loop
        self._lock = threading.Lock()
        self._inside = False
        self._calls = 0
        self._state: str = "free"

    async def __aenter__(self) -> None:
        await self._slots.take(self._limits)
        self._inside, self._state = True, "held"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def __enter__(self) -> None:
        if not self._slots.take_now(self._limits):
            self._in_loop(partial(self._slots.take, self._limits))
        self._inside, self._state = True, "held"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def aside(self) -> Aside:
        """The block in which the body waits for a call of its own."""
        return Aside(self)

    def step_aside(self) -> None:
        """A call begins."""
        with self._lock:
            self._calls += 1
            held = self._state == "held"
            if held:
                self._state = "free"
        if held:
            self._slots.give(self._limits)

    def comes_back(self) -> bool:
        """A call has ended; says whether the slots have to be taken again before the body goes on."""
        with self._lock:
            self._calls -= 1
            if self._calls or not self._inside or self._state != "free":
                return False
            self._state = "coming"
            return True

    def came_back(self, taken: bool) -> None:
        """The slots were taken again, or could not be."""
        with self._lock:
            # The body may have ended, or made another call, while this one waited.
            keep = taken and self._inside and not self._calls
            self._state = "held" if keep else "free"
        if taken and not keep:
            self._slots.give(self._limits)

    async def take(self) -> None:
        taken = False
        try:
            await self._slots.take(self._limits)
            taken = True
        finally:
            self.came_back(taken)

    def take_blocking(self) -> None:
        if self._slots.take_now(self._limits):
            self.came_back(True)
        else:
            self._in_loop(self.take)

    def _leave(self) -> None:
        with self._lock:
            self._inside = False
            held = self._state == "held"
            if held:
                self._state = "free"
        if held:
            self._slots.give(self._limits)


class Aside:
    """A call of an action that has a seat."""

    __slots__ = ("_seat",)

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def __enter__(self) -> None:
        self._seat.step_aside()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seat.comes_back():
            self._seat.take_blocking()

    async def __aenter__(self) -> None:
        self._seat.step_aside()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seat.comes_back():
            await self._seat.take()
