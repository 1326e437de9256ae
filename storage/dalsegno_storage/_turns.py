"""What every backend needs to know about the threads of this process, and whether it still is that process."""

import os
from collections import deque
from pathlib import Path
from threading import TIMEOUT_MAX, Lock, get_ident
from time import monotonic
from typing import NoReturn
from weakref import WeakSet

from dalsegno_storage.errors import StoreBusyError, StoreForkedError

__all__ = ["ForkGuard", "Turns"]


class ForkGuard:
    """Remembers the process that made it and refuses every other.

    `foreign` is set in a child that Python forked. A fork made by a C library runs no hook of Python's, so `check`
    also asks the system, which is done once for each transaction.
    """

    __slots__ = ("__weakref__", "_path", "_pid", "foreign")

    def __init__(self, path: Path | str) -> None:
        self._path, self._pid, self.foreign = path, os.getpid(), False
        _guards.add(self)

    def check(self) -> None:
        """StoreForkedError in any other process."""
        if self.foreign or self._pid != os.getpid():
            self.refuse()

    def refuse(self) -> NoReturn:
        """StoreForkedError."""
        self.foreign = True
        raise StoreForkedError(self._path)


_guards: WeakSet[ForkGuard] = WeakSet()


def _mark_guards() -> None:
    for guard in _guards:
        guard.foreign = True


os.register_at_fork(after_in_child=_mark_guards)


class Turns:
    """A lock that threads get in the order in which they asked, with a deadline.

    `threading.Lock` lets the thread that has just released it have it again before one that waits wakes up.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._mutex = Lock()
        self._owner: int | None = None
        self._waiting: deque[tuple[int, Lock]] = deque()

    def take(self, timeout: float) -> None:
        """Wait for the turn of this thread; StoreBusyError after `timeout` seconds or if it has the turn."""
        me = get_ident()
        with self._mutex:
            if self._owner == me:
                raise StoreBusyError(
                    self._path,
                    pid=os.getpid(),
                    waited=0,
                    holder="an outer `write()` block of this very thread",
                )
            if self._owner is None:
                self._owner = me
                return
            called = Lock()
            called.acquire()
            place = (me, called)
            self._waiting.append(place)
        started = monotonic()
        try:
            if called.acquire(timeout=min(max(timeout, 0.0), TIMEOUT_MAX)):
                return
        except BaseException:
            self._withdraw(place)
            raise
        if self._withdraw(place, keep=True):
            return
        raise StoreBusyError(
            self._path,
            pid=os.getpid(),
            waited=monotonic() - started,
            holder=f"another thread of this process ({os.getpid()})",
        )

    def give(self) -> None:
        """End the turn of this thread; the one that has waited longest is next."""
        with self._mutex:
            if self._waiting:
                self._owner, called = self._waiting.popleft()
                called.release()
            else:
                self._owner = None

    def _withdraw(self, place: tuple[int, Lock], *, keep: bool = False) -> bool:
        """Leave the queue; if the turn came meanwhile, keep it (and say so) or give it on."""
        with self._mutex:
            if place in self._waiting:
                self._waiting.remove(place)
                return False
        if not keep:
            self.give()
        return keep
