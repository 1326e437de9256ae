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

An operation may rely on every lazy put that was handed in before it: when the store fails to take one, it is kept for
the next group and the operations of this group get the error. A lazy put whose value cannot even be made is dropped with
a logged error; what others rely on is made before it is handed in.

Threads share the lazy puts through single dictionary operations only, which the interpreter makes atomic.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from dalsegno._loops import AsyncioWait, Wait, new_wait
from dalsegno_storage.errors import StoreClosedError, StoreError, StoreForkedError
from dalsegno_storage.protocol import Store
from dalsegno_storage.protocol import Writer as Transaction

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

T = TypeVar("T")

_logger = logging.getLogger("dalsegno")

DELAY = 0.02
"""How far behind a lazy put may be, in seconds."""

Make = Callable[[Transaction], bytes | None]
"""Makes the value of a lazy put at the moment of writing; None leaves the key alone."""

GROUP_BYTES = 8 << 20
"""A group is closed when the sizes announced for its operations reach this."""


class _UnmakeableError(Exception):
    """The value of a lazy put could not be made."""


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
        self._gate = threading.Lock()  # nothing is handed in once `close` has begun
        self._unwritten: BaseException | None = None

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
        with self._open():
            self._lazy[key] = make
            if len(self._lazy) == 1:  # there were none, so the thread may be waiting without a deadline
                self._queue.put(None)

    def forget(self, key: bytes) -> None:
        """Take back a lazy put that has not been written yet."""
        self._lazy.pop(key, None)

    def close(self) -> None:
        """Write everything that is waiting and end the thread; closing twice is fine.

        Raises what kept lazy puts from being written.
        """
        if self._closed or self._pid != os.getpid():
            return
        with self._gate:
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._unwritten is not None:
            raise self._unwritten

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Hold the gate, with the thread running behind it."""
        if self._pid != os.getpid():
            raise StoreForkedError(self._place())
        with self._gate:
            if self._closed:
                raise StoreClosedError(self._place())
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="dalsegno-writer", daemon=True)
                self._thread.start()
            yield

    def _place(self) -> str:
        return str(getattr(self._store, "path", "memory:"))

    def _put(self, ticket: _Ticket[T]) -> None:
        with self._open():
            self._queue.put(cast(_Ticket[object], ticket))

    def _work(self) -> None:
        closing = False
        while not closing:
            group, size = self._next_group()
            closing = self._closed
            while size < GROUP_BYTES or closing:
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
            self._unwritten = None
        except BaseException as error:
            if len(group) == 1 and not lazy:
                group[0].error = error
                return
            failed = self._write_alone(lazy)
            for ticket in group:
                if failed is None:
                    self._write([ticket], [])
                else:
                    ticket.error = failed

    def _write_alone(self, lazy: list[tuple[bytes, Make]]) -> BaseException | None:
        """Write lazy puts one by one; gives the store's error if it would not take them all."""
        for number, (key, make) in enumerate(lazy):
            try:
                self._transact([], [(key, make)])
            except _UnmakeableError:
                _logger.exception("something that an action left could not be recorded")
            except BaseException as error:
                for later, its_make in lazy[number:]:
                    self._lazy.setdefault(later, its_make)
                self._unwritten = error
                return error
        self._unwritten = None
        return None

    def _transact(self, group: list[_Ticket[object]], lazy: list[tuple[bytes, Make]]) -> None:
        with self._store.write() as transaction:
            for key, make in lazy:
                try:
                    value = make(transaction)
                except StoreError:
                    raise
                except Exception as error:
                    raise _UnmakeableError() from error
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
