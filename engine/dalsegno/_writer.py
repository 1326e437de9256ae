"""The one thread that writes to a store, with group commit.

Anyone may hand in work, from any thread or event loop. The thread takes everything that has come so far, runs it
in one transaction, commits, and then wakes everyone whose work was in it. While a commit waits for the disk the
next group gathers, so many concurrent writers cost few commits and a lone writer waits for one.

Two kinds of work:

- an *operation* is a function of the transaction; whoever hands it in waits until it is on disk. It must check
  before it puts, and must be repeatable: if one operation of a group raises, the group is undone and each
  operation is run again in a transaction of its own, so that only the guilty one fails.
- a *lazy put* is one key whose value is made when it is written, or None when it is no longer wanted. Nobody waits
  for it; it goes along with the next commit or after `DELAY` seconds. A later put to the same key replaces it, and
  `forget` takes it back: the record that an action has begun is never written when the action ends first.

Threads share the lazy puts through single dictionary operations only, which the interpreter makes atomic.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from dalsegno._loops import AsyncioWait, Wait, new_wait
from dalsegno_storage.errors import StoreClosedError, StoreForkedError
from dalsegno_storage.protocol import Store
from dalsegno_storage.protocol import Writer as Transaction

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

T = TypeVar("T")

DELAY = 0.02
"""How far behind a lazy put may be, in seconds."""

Make = Callable[[Transaction], bytes | None]
"""Makes the value of a lazy put at the moment of writing; None leaves the key alone."""

GROUP_BYTES = 8 << 20
"""A group is closed when the sizes announced for its operations reach this."""


class _Blocked:
    """A wait of a thread that has no event loop."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def done(self) -> None:
        self._lock.release()

    def block(self) -> None:
        self._lock.acquire()


class _Ticket(Generic[T]):
    """One operation on its way, and who waits for it."""

    __slots__ = ("error", "operation", "result", "size", "waiter")

    def __init__(self, operation: Callable[[Transaction], T], size: int, waiter: Wait | _Blocked) -> None:
        self.operation = operation
        self.size = size
        self.waiter = waiter
        self.result: T | None = None
        self.error: BaseException | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.result)


class Writer:
    """Owns the write transactions of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: SimpleQueue[_Ticket[object] | None] = SimpleQueue()
        self._lazy: dict[bytes, Make] = {}
        self._closed = False
        self._pid = os.getpid()
        self.commits = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    async def commit(self, operation: Callable[[Transaction], T], *, size: int = 0) -> T:
        """Run `operation` in a transaction and give its result once it is on disk.

        Cancelling the caller does not take the operation back.
        """
        ticket = _Ticket(operation, size, waiter := new_wait())
        self._put(ticket)
        await waiter.wait()
        return ticket.outcome()

    def commit_blocking(self, operation: Callable[[Transaction], T], *, size: int = 0) -> T:
        """The same for a thread without an event loop."""
        ticket = _Ticket(operation, size, waiter := _Blocked())
        self._put(ticket)
        waiter.block()
        return ticket.outcome()

    def put_lazily(self, key: bytes, make: Make) -> None:
        """Have `make()` stored under `key` with one of the next commits."""
        self._check_open()
        lazy = self._lazy
        first = not lazy
        lazy[key] = make
        if first:
            self._queue.put(None)

    def forget(self, key: bytes) -> None:
        """Take back a lazy put that has not been written yet."""
        self._lazy.pop(key, None)

    def close(self) -> None:
        """Write everything that is waiting and end the thread; closing twice is fine."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _check_open(self) -> None:
        if self._pid != os.getpid():
            raise StoreForkedError(self._place())
        if self._closed:
            raise StoreClosedError(self._place())
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="dalsegno-writer", daemon=True)
                self._thread.start()

    def _place(self) -> str:
        return str(getattr(self._store, "path", "memory:"))

    def _put(self, ticket: _Ticket[T]) -> None:
        self._check_open()
        self._queue.put(cast(_Ticket[object], ticket))

    def _work(self) -> None:
        while not (self._closed and self._queue.empty() and not self._lazy):
            group, size = self._next_group()
            while size < GROUP_BYTES:
                try:
                    ticket = self._queue.get_nowait()
                except Empty:
                    break
                if ticket is not None:
                    group.append(ticket)
                    size += ticket.size
            lazy = self._take_lazy()
            if group or lazy:
                self._write(group, lazy)
                _wake(group)

    def _take_lazy(self) -> list[tuple[bytes, Make]]:
        taken: list[tuple[bytes, Make]] = []
        while self._lazy:
            try:
                taken.append(self._lazy.popitem())
            except KeyError:  # forgotten in between
                break
        taken.sort(key=itemgetter(0))  # a store takes ordered keys several times faster
        return taken

    def _next_group(self) -> tuple[list[_Ticket[object]], int]:
        """The first operation to come, or nothing when lazy puts have waited long enough."""
        while True:
            try:
                ticket = self._queue.get(timeout=DELAY if self._lazy and not self._closed else None)
            except Empty:
                return [], 0
            if ticket is not None:
                return [ticket], ticket.size
            if self._closed:
                return [], 0

    def _write(self, group: list[_Ticket[object]], lazy: list[tuple[bytes, Make]]) -> None:
        try:
            self._transact(group, lazy)
        except BaseException as error:
            if len(group) == 1 and not lazy:
                group[0].error = error
                return
            if lazy:
                self._write_lazy_alone(lazy)
            for ticket in group:
                self._write([ticket], [])

    def _write_lazy_alone(self, lazy: list[tuple[bytes, Make]]) -> None:
        try:
            self._transact([], lazy)
        except BaseException:
            for key, make in lazy:
                self._lazy.setdefault(key, make)

    def _transact(self, group: list[_Ticket[object]], lazy: list[tuple[bytes, Make]]) -> None:
        with self._store.write() as transaction:
            for key, make in lazy:
                value = make(transaction)
                if value is not None:
                    transaction.put(key, value)
            for ticket in group:
                ticket.result = ticket.operation(transaction)
        self.commits += 1


def _wake(group: list[_Ticket[object]]) -> None:
    """Wake everyone in the group, with one call per event loop."""
    by_loop: dict[AbstractEventLoop, list[Future[None]]] = {}
    for ticket in group:
        waiter = ticket.waiter
        if isinstance(waiter, AsyncioWait):
            by_loop.setdefault(waiter.loop, []).append(waiter.future)
        else:
            waiter.done()
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, futures)
        except RuntimeError:  # that loop has been closed: nobody in it waits any more
            continue


def _resolve(futures: list[Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
