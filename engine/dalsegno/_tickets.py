"""What is handed to the writer's thread, such as an operation and who waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar, cast

from dalsegno._loops import TrioWait, asyncio_loop
from dalsegno_storage.protocol import Reader
from dalsegno_storage.protocol import Writer as Transaction

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

T = TypeVar("T")

Landed = Callable[[Reader], bool]
"""Tells whether what an operation was to write is there."""


Make = Callable[[Transaction], bytes | None]
"""Makes the value of a lazy put at the moment of writing; None leaves the key alone."""

Notice = Callable[[], None]
"""Is called in the writer's thread; it must not raise, but for what handing in says of a writer that is closed."""


class Watch(Protocol):
    """Is told of every transaction, in the writer's thread."""

    def begin(self, transaction: Transaction) -> None:
        """A transaction has begun; the one before it may not have been committed."""

    def committed(self) -> None:
        """It has been committed."""


class UnmakeableError(Exception):
    """The value of a lazy put could not be made."""


class FailedError(Exception):
    """A transaction failed: before it began, at work, or in its commit; `__cause__` is why."""

    def __init__(self, *, begun: bool, committing: bool) -> None:
        self.begun, self.committing = begun, committing


class Blocked:
    """A wait of a thread that has no event loop."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def done(self) -> None:
        self._lock.release()

    def block(self) -> None:
        self._lock.acquire()


Wait: TypeAlias = "Future[None] | TrioWait"
"""What a coroutine awaits until its operation is done: plain futures, since very many may be awaited at once."""

W = TypeVar("W", bound="Wait | Blocked")


def wait_here() -> Wait:
    """A wait for the event loop that the caller runs in."""
    loop = asyncio_loop()
    return TrioWait() if loop is None else loop.create_future()


class Ticket(Generic[T, W]):
    """One operation on its way, and who waits for it."""

    __slots__ = (
        "_unclaimed",
        "error",
        "finished",
        "landed",
        "leads",
        "operation",
        "result",
        "size",
        "waiter",
    )

    def __init__(
        self,
        operation: Callable[[Transaction], T],
        landed: Landed | None,
        size: int,
        waiter: W,
        *,
        leads: bool = False,
        withdrawable: bool = False,
    ) -> None:
        self.operation = operation
        self.landed = landed
        self.size = size
        self.waiter = waiter
        self.result: T | None = None
        self.error: BaseException | None = None
        self.finished = False
        self.leads = leads
        """Whether it is run ahead of the lazy puts of its group, and may wait a moment for others to go with."""
        self._unclaimed: list[None] | None = [None] if withdrawable else None

    def begin(self) -> bool:
        """Whether it is to be run, once or again; not when it has been withdrawn."""
        if self._unclaimed is None:
            return True
        begins = self.withdraw()
        if begins:
            self._unclaimed = None
        return begins

    def withdraw(self) -> bool:
        """Have a withdrawable one never run; says whether it had not begun."""
        unclaimed = self._unclaimed
        try:
            return unclaimed is not None and unclaimed.pop() is None
        except IndexError:  # the other one was faster
            return False

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.result)


AnyTicket: TypeAlias = Ticket[object, "Wait | Blocked"]


def wake(group: list[AnyTicket]) -> None:
    """Wake everyone in the group, with one call per event loop."""
    by_loop: dict[AbstractEventLoop, list[Future[None]]] = {}
    for ticket in group:
        ticket.finished = True
        waiter = ticket.waiter
        if isinstance(waiter, (Blocked, TrioWait)):
            waiter.done()
        else:
            by_loop.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, futures)
        except RuntimeError:  # that loop has been closed: nobody in it waits any more
            continue


def _resolve(futures: list[Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
