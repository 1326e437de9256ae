"""The advisory lock that a process takes before LMDB's own: it can be waited for with a deadline and names its holder.

The lock is `flock` on `writer.lock`, which holds the process number of the last holder. `flock` belongs to the
open file, so it is freed by the kernel when the process dies, and no other open or close of the file in this
process can free it by accident, as it would a POSIX lock.

A process that has just released the lock would have it again before one that sleeps between two tries wakes up,
so there is a queue of one place: `flock` on the store's folder. Whoever wants the lock takes that place first
and keeps it until it has the lock, so the last holder has to wait behind it.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from dalsegno_storage.errors import StoreBusyError

__all__ = ["WriterLock", "holder_line"]

_FIRST_NAP, _LONGEST_NAP = 0.0001, 0.002


def holder_line(pid: int) -> bytes:
    """The content of `writer.lock`; always of one length, so that replacing it needs no new disk block."""
    return b"%-20d\n" % pid


class WriterLock:
    """The writer's lock of one store folder; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = holder_line(os.getpid())
        self._lock = os.open(
            folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode=0o600
        )
        self._queue = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def take(self, patience: Callable[[], float]) -> None:
        """Wait for the lock for `patience()` seconds, then StoreBusyError; that is asked again and again."""
        started = monotonic()
        self._wait(self._queue, started, patience)
        try:
            self._wait(self._lock, started, patience)
            if os.pread(self._lock, len(self._pid), 0) != self._pid:
                # Only an error message needs it, and the disk may be full.
                with suppress(OSError):
                    os.pwrite(self._lock, self._pid, 0)
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)

    def give(self) -> None:
        """Release the lock."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the open files back; in a forked child this leaves the parent's lock alone."""
        os.close(self._lock)
        os.close(self._queue)

    def _wait(self, number: int, started: float, patience: Callable[[], float]) -> None:
        nap = _FIRST_NAP
        while True:
            try:
                return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                now, deadline = monotonic(), started + patience()
                if now >= deadline:
                    holder = os.pread(self._lock, 32, 0).strip()
                    pid = int(holder) if holder.isdigit() else None
                    raise StoreBusyError(self._folder, pid=pid, waited=now - started) from None
                sleep(min(nap, deadline - now))
                nap = min(nap * 1.5, _LONGEST_NAP)
