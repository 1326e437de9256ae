"""LMDB environments: one for each data file in this process, whoever opens it and under whatever path.

Opening an environment twice in a process breaks LMDB's locks, so handles on the same file share one, and the last
to be released closes it. What may go wrong with one, and what is done about it:

* A failed write of LMDB's meta page leaves it unusable (PanicError), and a process with a larger map leaves this
  one's too small (MapResizedError): it is closed and opened again, which undoes what is open in other threads.
* After a fork the child shares the file descriptors and reader slots of its parent. LMDB would let it read and
  write. The child keeps the environment aside and never calls it again, not even to close it.
* A commit is acknowledged only if the data file and the lock table are still those at the path: LMDB happily goes on
  writing to a file that was deleted, and beside a process that has another table.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import lmdb

from dalsegno_storage import _lmdb_files as files
from dalsegno_storage._lmdb_errors import translate
from dalsegno_storage._lmdb_length import is_long_enough, lacks_only_free_pages
from dalsegno_storage._turns import ForkGuard, Turns
from dalsegno_storage._writer_lock import WriterLock
from dalsegno_storage.errors import (
    StoreDamagedError,
    StoreForkedError,
    StoreNotFoundError,
    StorePermissionError,
)

__all__ = ["Environment", "acquire", "release"]

MAP_SIZES = (1 << 40, 1 << 36, 1 << 32, 1 << 30)
"""Tried in turn: the file is sparse, so only address space is used, which may be limited."""

MAX_READERS = 4096


class Environment:
    """An open LMDB environment and what goes with it; made by `acquire`.

    `env` is LMDB's own object and changes when the environment is opened again.
    """

    def __init__(self, path: Path, marker: files.Marker, key: tuple[int, int], options: "_Options") -> None:
        self.path, self.marker, self.key = path, marker, key
        self.references = 0
        self.guard = ForkGuard(path)
        self.turns = Turns(path)
        self._options = options
        self._opening = Lock()
        self._writer_lock: WriterLock | None = None
        self._data_path, self._lock_path = str(path / "data.mdb"), str(path / "lock.mdb")
        _check_length(path, options.busy_timeout)
        self.env, self.read_only = _open(path, marker, options)
        self._page_size = self.env.stat()["psize"]
        lock = _status(self._lock_path)
        # A store on a read-only disk has none.
        self._lock_key = None if lock is None else (lock.st_dev, lock.st_ino)

    def begin(self) -> "lmdb.Transaction[bytes]":
        """A read transaction."""
        env = self.env
        try:
            return env.begin()
        except lmdb.ReadersFullError:
            env.reader_check()
        except lmdb.Error as error:
            self._open_again(env, error)
        return self.env.begin()

    def begin_write(self, patience: Callable[[], float]) -> "lmdb.Transaction[bytes]":
        """A write transaction, once it is this thread's and this process's turn; StoreBusyError after `patience()`
        seconds of waiting for either."""
        self.turns.take(patience())
        try:
            if self._writer_lock is None:
                self._writer_lock = WriterLock(self.path)
            self._writer_lock.take(patience)
            try:
                self._check_lock_table()
                env = self.env
                try:
                    return env.begin(write=True)
                except lmdb.Error as error:
                    self._open_again(env, error)
                return self.env.begin(write=True)
            except BaseException:
                self._writer_lock.give()
                raise
        except BaseException:
            self.turns.give()
            raise

    def end_write(self) -> None:
        """Let the next writer in."""
        if self._writer_lock is not None:
            self._writer_lock.give()
        self.turns.give()

    def settle(self) -> None:
        """After a commit and before it is acknowledged: check that the files are still there, and the data in its full length."""
        status = _status(self._data_path)
        if status is None or (status.st_dev, status.st_ino) != self.key:
            raise StoreDamagedError(self.path, "data.mdb was removed or replaced while it was open")
        self._check_lock_table()  # again, for a process that opened the store meanwhile
        if status.st_size < self._full_length():
            # This spares the next opening a walk through the free list (see `_lmdb_length`). Within a
            # transaction nobody else makes the file longer.
            with self.env.begin(write=True), suppress(OSError):
                length = self._full_length()
                if Path(self._data_path).stat().st_size < length:
                    os.truncate(self._data_path, length)

    def is_current(self) -> bool:
        """Whether the file at the path is still the one that was found there before it was opened."""
        status = _status(self._data_path)
        return status is not None and (status.st_dev, status.st_ino) == self.key

    def _check_lock_table(self) -> None:
        """Refuse to write beside a process that has another lock table.

        Each of the two would count the transactions for itself, and overwrite the last commit of the other.
        """
        status = _status(self._lock_path)
        if self._lock_key is not None and (
            status is None or (status.st_dev, status.st_ino) != self._lock_key
        ):
            raise StoreDamagedError(
                self.path,
                "lock.mdb was removed or replaced while it was open, so the last write may be lost",
                "end the processes that use the store and start them again",
            )

    def _full_length(self) -> int:
        return (self.env.info()["last_pgno"] + 1) * self._page_size

    def close(self) -> None:
        """Close everything; in a forked child only what is safe to close there."""
        if not self.guard.foreign:
            self.env.close()
        if self._writer_lock is not None:
            self._writer_lock.close()
            self._writer_lock = None

    def _open_again(self, failed: lmdb.Environment, error: lmdb.Error) -> None:
        """Open the environment again if that is a cure for `error`, and raise it if not."""
        # An environment that is closed although somebody still has it could not be opened the last time.
        closed = "closed/deleted/dropped" in str(error) and self.references > 0
        if not closed and not isinstance(error, lmdb.PanicError | lmdb.MapResizedError):
            raise error
        with self._opening:
            if self.env is failed:
                failed.close()
                self.env, self.read_only = _open(self.path, self.marker, self._options)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - twice as fast as Path.stat, on every commit
    except FileNotFoundError:
        return None


class _Options:
    __slots__ = ("busy_timeout", "map_size", "read_only")

    def __init__(self, *, read_only: bool, map_size: int | None, busy_timeout: float) -> None:
        self.read_only, self.map_size, self.busy_timeout = read_only, map_size, busy_timeout


def _open(path: Path, marker: files.Marker, options: _Options) -> tuple[lmdb.Environment, bool]:
    """The environment, and whether it is read-only."""
    try:
        env, read_only = _open_sized(path, options.map_size, read_only=False), False
    except lmdb.Error as error:
        if not options.read_only or not isinstance(translate(error, path), StorePermissionError):
            raise
        env, read_only = _open_sized(path, options.map_size, read_only=True), True
    try:
        env.reader_check()
        with env.begin() as transaction:
            found = transaction.get(files.ID)
        if found != marker.id.encode():
            raise StoreDamagedError(path, "data.mdb is not the one that belongs to store.json")
        return env, read_only
    except BaseException:
        env.close()
        raise


def _open_sized(path: Path, map_size: int | None, *, read_only: bool) -> lmdb.Environment:
    sizes = MAP_SIZES if map_size is None else (map_size,)
    for size in sizes:
        try:
            return lmdb.open(
                str(path),
                map_size=size,
                readonly=read_only,
                mode=0o600,
                create=False,
                max_readers=MAX_READERS,
                max_spare_txns=1,
                lib_version=0,
            )
        except lmdb.MemoryError:
            if size == sizes[-1]:
                raise
    raise AssertionError("there is at least one size")


def _check_length(path: Path, timeout: float) -> None:
    """StoreDamagedError if data.mdb was cut short."""
    if is_long_enough(path):
        return
    with _writers_kept_out(path, timeout):
        if not is_long_enough(path) and not lacks_only_free_pages(path):
            raise StoreDamagedError(path, "data.mdb was cut short")


@contextmanager
def _writers_kept_out(path: Path, timeout: float) -> Iterator[None]:
    try:
        lock = WriterLock(path)
    except OSError:
        # Where this user cannot even lock, the files are a copy or belong to a read-only disk.
        yield
        return
    try:
        lock.take(lambda: timeout)
        yield
    finally:
        lock.close()


_open_environments: dict[tuple[int, int], Environment] = {}
_inherited: list[Environment] = []
_registry_lock = Lock()


def acquire(
    path: Path, *, create: bool, read_only: bool, map_size: int | None, busy_timeout: float
) -> Environment:
    """The environment of the store in the folder `path`, made if there is none and `create` says so."""
    options = _Options(read_only=read_only, map_size=map_size, busy_timeout=busy_timeout)
    try:
        path = path.resolve()
        with _registry_lock:
            while True:
                try:
                    marker, status = files.inspect(path)
                except FileNotFoundError:
                    if not create or read_only:
                        raise StoreNotFoundError(path) from None
                    files.create(path)
                    marker, status = files.inspect(path)
                key = (status.st_dev, status.st_ino)
                if any(environment.key == key for environment in _inherited):
                    raise StoreForkedError(path)
                environment = _open_environments.get(key)
                if environment is None:
                    environment = Environment(path, marker, key, options)
                    if not environment.is_current():  # a compaction was waited for, which replaced the file
                        environment.close()
                        continue
                    _open_environments[key] = environment
                elif environment.read_only and not read_only:
                    raise StorePermissionError(
                        path, "this process has it open for reading only, since it may not write"
                    )
                environment.references += 1
                return environment
    except (lmdb.Error, OSError) as error:
        raise translate(error, path) from error


def release(environment: Environment) -> None:
    """Give back what `acquire` gave; the last one closes it."""
    with _registry_lock:
        environment.references -= 1
        if not environment.references:
            del _open_environments[environment.key]
            environment.close()


def _forget_inherited() -> None:
    global _registry_lock
    _registry_lock = Lock()
    for environment in _open_environments.values():
        environment.close()
        _inherited.append(environment)
    _open_environments.clear()


os.register_at_fork(after_in_child=_forget_inherited)
