"""The one thread that writes to a store, with group commit.

Anyone may hand in work, from any thread or event loop. The thread takes everything that has come so far, runs it
in one transaction, commits, and then wakes everyone whose work was in it. While a commit waits for the disk the
next group gathers, so many concurrent writers cost few commits and a lone writer waits for one.

Three kinds of work:

- an *operation* is a function of the transaction; whoever hands it in waits until it is on disk. It must check
  before it puts, and must be repeatable: if one operation of a group raises, the group is undone and each
  operation is run again in a transaction of its own, so that only the guilty one fails.
- a *lazy put* is one key whose value is made when it is written, or None when it is no longer wanted. Nobody waits
  for it; it goes along with the next commit or after `DELAY` seconds. A later put to the same key replaces it, and
  `forget` takes it back.
- a *notice* is asked once, `DELAY` seconds or less after it was handed in, and may then hand in lazy puts: so an action
  that is over before that costs no record that it has begun, and a thread is woken once for many.

A commit that fails may have taken place or not. Before anything is run again, or fails, it is read which operations are
there: whoever hands one in says how to tell, and of lazy puts it is known what they were to write.

An operation may rely on every lazy put that was handed in before it: when the store fails to take one, it is kept for
the next group and the operations of this group get the error. A lazy put whose value cannot even be made is dropped with
a logged error; what others rely on is made before it is handed in.

An operation that *leads* is run ahead of the lazy puts of its group: it records a run that has begun already, and what is
recorded lazily of the run comes behind it.

One file, since what the thread does with a commit that failed is what it promised to whoever handed something in.

Threads share the lazy puts through single dictionary operations only, which the interpreter makes atomic.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from operator import itemgetter
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar, cast

from dalsegno._loops import cancel_again
from dalsegno._tickets import (
    AnyTicket,
    Blocked,
    FailedError,
    Landed,
    Make,
    Notice,
    Ticket,
    UnmakeableError,
    Wait,
    Watch,
    wait_here,
    wake,
)
from dalsegno_storage.errors import (
    DamagedObjectError,
    DamagedRecordError,
    ObjectNotFoundError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreForkedError,
)
from dalsegno_storage.protocol import Store
from dalsegno_storage.protocol import Writer as Transaction

T = TypeVar("T")

_logger = logging.getLogger("dalsegno")

MOMENT = 0.3
"""How many seconds other writers are waited for when somebody wants to leave."""

PATIENCE = 0.0005
"""How long something that leads others waits for the first of them, in seconds."""

DELAY = 0.02
"""How far behind a lazy put may be, in seconds."""

BEHIND = 1000
"""How many lazy puts may wait before whoever hands in another one waits too."""

OF_ONE_THING = (ObjectNotFoundError, DamagedObjectError, DamagedRecordError)
"""What a store says of one object or record, while others can be written."""

GROUP_BYTES = 8 << 20
"""A group is closed when the sizes announced for its operations reach this."""


class Writer:
    """Owns the write transactions of one store."""

    def __init__(self, store: Store, watch: Watch | None = None) -> None:
        self._store = store
        self._watch = watch
        self._queue: SimpleQueue[AnyTicket | None] = SimpleQueue()
        self._leads: deque[AnyTicket] = deque()
        self._lazy: dict[bytes, Make] = {}
        self._notices: deque[Notice] = deque()
        self._looks = False  # the thread looks after what is lazy by itself, so that nobody has to wake it
        self._next_look = 0.0
        self._closed = False
        self._pid = os.getpid()
        self.commits = 0
        self._thread: threading.Thread | None = None
        self._gate = threading.Lock()  # nothing is handed in once `close` has begun
        self._unwritten: BaseException | None = None
        self._patience: float | None = None
        self._made: dict[bytes, bytes] = {}
        """What the lazy puts of the newest transaction have written."""

    async def commit(
        self, operation: Callable[[Transaction], T], *, landed: Landed | None = None, size: int = 0
    ) -> T:
        """Run `operation` in a transaction and give its result once it is on disk.

        When a commit fails, `landed` tells whether it took place nevertheless; an operation without it counts as not
        written. Cancelling the caller does not take the operation back.
        """
        ticket = self.hand_in(operation, landed=landed, size=size)
        await ticket.waiter
        return ticket.outcome()

    def hand_in(
        self, operation: Callable[[Transaction], T], *, landed: Landed | None = None, size: int = 0
    ) -> Ticket[T, Wait]:
        """The same without a coroutine: await the `waiter` and ask for the `outcome()`, in the event loop of the caller."""
        ticket = Ticket(operation, landed, size, wait_here())
        self._put(ticket)
        return ticket

    async def commit_unless_cancelled(
        self, operation: Callable[[Transaction], T], *, landed: Landed | None = None
    ) -> T:
        """The same, but cancelling the caller takes back what has not begun, and does not keep it from the result of what
        has; the caller, a task of our own, is cancelled again where it waits next."""
        ticket = Ticket(operation, landed, 0, wait_here(), withdrawable=True)
        self._put(ticket)
        try:
            await ticket.waiter
        except BaseException:
            if ticket.withdraw():
                raise
            # Whoever is told of the end reads `waiter` after it has set `finished`.
            ticket.waiter = waiter = wait_here()
            from anyio import CancelScope  # whoever only reads a store does not need it

            with CancelScope(shield=True):
                if not ticket.finished:
                    await waiter
            cancel_again()
        return ticket.outcome()

    async def commit_ahead(self, operation: Callable[[Transaction], T], *, landed: Landed | None = None) -> T:
        """The same for what lazy puts that are handed in from now on rely on: it is run before those that are in its group.
        Until others come to go with it, it is waited for `PATIENCE` seconds. Cancelling the caller takes back what has not
        begun; what has begun goes on, and what is handed in later is run behind it."""
        ticket = Ticket(operation, landed, 0, wait_here(), leads=True, withdrawable=True)
        self._put(ticket)
        try:
            await ticket.waiter
        except BaseException:
            ticket.withdraw()
            raise
        return ticket.outcome()

    def commit_blocking(
        self, operation: Callable[[Transaction], T], *, landed: Landed | None = None, size: int = 0
    ) -> T:
        """The same for a thread without an event loop."""
        ticket = Ticket(operation, landed, size, waiter := Blocked())
        self._put(ticket)
        waiter.block()
        return ticket.outcome()

    def put_lazily(self, key: bytes, make: Make) -> None:
        """Have `make()` stored under `key` with one of the next commits."""
        with self._gate:
            self._ready()
            self._lazy[key] = make
        if not self._looks:
            self._queue.put(None)

    def put_lazily_once(self, key: bytes, make: Make) -> None:
        """The same, unless something waits to be stored there already."""
        with self._gate:
            self._ready()
            self._lazy.setdefault(key, make)
        if not self._looks:
            self._queue.put(None)

    def notice(self, notice: Notice) -> None:
        """Have `notice()` called in a moment, unless the writer is closed before that."""
        self._notices.append(notice)
        if not self._looks:
            self._queue.put(None)

    @property
    def is_behind(self) -> bool:
        """Whether so many lazy puts wait that others had better wait for the disk."""
        return len(self._lazy) > BEHIND

    def forget(self, key: bytes) -> None:
        """Take back a lazy put that has not been written yet."""
        self._lazy.pop(key, None)

    def hurry(self) -> None:
        """From now on wait for other writers for a moment only: somebody wants to leave."""
        if self._patience is None and hasattr(self._store, "busy_timeout"):
            self._patience = self._store.busy_timeout
            self._store.busy_timeout = min(self._patience, MOMENT)

    def close(self) -> None:
        """Write everything that is waiting and end the thread; closing twice is fine.

        Raises what kept lazy puts from being written.
        """
        if self._closed or self._pid != os.getpid():
            return
        try:
            self._close()
        finally:
            if self._patience is not None and hasattr(self._store, "busy_timeout"):
                self._store.busy_timeout = self._patience

    def _close(self) -> None:
        with self._gate:
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._unwritten is not None:
            raise self._unwritten

    def _ready(self) -> None:
        """Have the thread running, with the gate held."""
        if self._pid != os.getpid():
            raise StoreForkedError(self._place())
        if self._closed:
            raise StoreClosedError(self._place())
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="dalsegno-writer", daemon=True)
            self._thread.start()

    def _place(self) -> str:
        return str(getattr(self._store, "path", "memory:"))

    def _put(self, ticket: Ticket[Any, Any]) -> None:
        with self._gate:
            self._ready()
            if ticket.leads:
                self._leads.append(ticket)
                self._queue.put(None)
            else:
                self._queue.put(ticket)

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
                if ticket is None:
                    closing = self._closed  # nothing comes behind what says so
                else:
                    group.append(ticket)
                    size += ticket.size
            lazy = self._take_lazy()
            # After what is lazy: whatever that relies on is taken with it, or was before.
            group[:0] = [self._leads.popleft() for _ in range(len(self._leads))]
            if group or lazy:
                self._write(group, lazy)
                wake(group)

    def _take_lazy(self) -> list[tuple[bytes, Make]]:
        taken: list[tuple[bytes, Make]] = []
        while self._lazy:
            try:
                taken.append(self._lazy.popitem())
            except KeyError:  # forgotten in between
                break
        taken.sort(key=itemgetter(0))  # a store takes ordered keys several times faster
        return taken

    def _next_group(self) -> tuple[list[AnyTicket], int]:
        """The first operation to come, or nothing when lazy puts have waited long enough."""
        while True:
            # Whoever hands in something lazy does that first and asks whether it is looked after then.
            self._looks = False
            self._looks = bool(self._lazy or self._notices)
            try:
                ticket = self._queue.get(timeout=DELAY if self._looks and not self._closed else None)
            except Empty:
                self._ask()
                return [], 0
            if ticket is not None:
                if monotonic() >= self._next_look:
                    self._ask()
                return [ticket], ticket.size
            if self._leads:
                return self._company()
            if self._closed:
                return [], 0

    def _company(self) -> tuple[list[AnyTicket], int]:
        """What comes in a moment, to go with what leads; that something lazy has come is no reason to go."""
        known = len(self._leads)
        until = monotonic() + PATIENCE
        with suppress(Empty):
            while not self._closed and len(self._leads) == known:
                ticket = self._queue.get(timeout=max(0.0, until - monotonic()))
                if ticket is not None:
                    return [ticket], ticket.size
        return [], 0

    def _ask(self) -> None:
        """Ask every notice that has been handed in."""
        self._next_look = monotonic() + DELAY
        for _ in range(len(self._notices)):
            try:
                self._notices.popleft()()
            except (
                StoreClosedError
            ):  # it is being closed, and those who wait for the thread must get their answer
                continue

    def _write(self, group: list[AnyTicket], lazy: list[tuple[bytes, Make]]) -> None:
        try:
            self._transact(group, lazy)
            self._unwritten = None
        except FailedError as failed:
            error = cast(BaseException, failed.__cause__)
            alone = len(group) == 1 and not lazy
            group, lazy = self._not_landed(failed, group, lazy)
            # The same again would wait for the same lock, or write to a file that nobody will find.
            hopeless = not failed.begun or (failed.committing and isinstance(error, StoreDamagedError))
            if alone or hopeless:
                self._keep(lazy, error)
                for ticket in group:
                    ticket.error = error
                return
            for ticket in group:
                if ticket.leads:
                    self._write([ticket], [])
            unwritten = self._write_alone(lazy)
            for ticket in group:
                if not ticket.leads and unwritten is None:
                    self._write([ticket], [])
                elif not ticket.leads:
                    ticket.error = unwritten

    def _not_landed(
        self, failed: FailedError, group: list[AnyTicket], lazy: list[tuple[bytes, Make]]
    ) -> tuple[list[AnyTicket], list[tuple[bytes, Make]]]:
        """What a transaction that failed has not written; the operations that it has written have their results."""
        if not failed.committing or isinstance(failed.__cause__, StoreDamagedError):
            return group, lazy
        try:
            with self._store.read() as reader:
                return (
                    [ticket for ticket in group if ticket.landed is None or not ticket.landed(reader)],
                    [(key, make) for key, make in lazy if reader.get(key) != self._made.get(key)],
                )
        except Exception:  # whatever it is, it must not end the one thread that writes
            return group, lazy

    def _keep(self, lazy: list[tuple[bytes, Make]], error: BaseException) -> None:
        """Have lazy puts written with a later group."""
        for key, make in lazy:
            self._lazy.setdefault(key, make)
        if lazy:
            self._unwritten = error

    def _write_alone(self, lazy: list[tuple[bytes, Make]]) -> BaseException | None:
        """Write lazy puts one by one; gives the store's error if it would not take them all."""
        for number, (key, make) in enumerate(lazy):
            try:
                self._transact([], [(key, make)])
            except FailedError as failed:
                if not self._not_landed(failed, [], [(key, make)])[1]:
                    continue
                if isinstance(failed.__cause__, UnmakeableError):
                    _logger.exception("something that an action left could not be recorded")
                    continue
                error = cast(BaseException, failed.__cause__)
                self._keep(lazy[number:], error)
                return error
        self._unwritten = None
        return None

    def _transact(self, group: list[AnyTicket], lazy: list[tuple[bytes, Make]]) -> None:
        begun = committing = False
        self._made.clear()
        try:
            with self._store.write() as transaction:
                begun = True
                if self._watch is not None:
                    self._watch.begin(transaction)
                for ticket in group:
                    if ticket.leads and ticket.begin():
                        ticket.result = ticket.operation(transaction)
                for key, make in lazy:
                    try:
                        value = make(transaction)
                    except Exception as error:
                        if isinstance(error, StoreError) and not isinstance(error, OF_ONE_THING):
                            raise
                        raise UnmakeableError() from error
                    if value is not None:
                        transaction.put(key, value)
                        self._made[key] = value
                for ticket in group:
                    if not ticket.leads and ticket.begin():
                        ticket.result = ticket.operation(transaction)
                committing = True
        except BaseException as error:
            raise FailedError(begun=begun, committing=committing) from error
        self.commits += 1
        if self._watch is not None:
            self._watch.committed()
