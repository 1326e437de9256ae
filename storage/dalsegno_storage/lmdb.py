"""The default store: one LMDB database in a folder.

`_lmdb_files` says what is in the folder, `_lmdb_env` how it is opened and shared, `_writer_lock` how writers wait
for each other, FORMAT.md what the bytes mean.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from dalsegno_storage._lmdb_env import Environment, acquire, release
from dalsegno_storage._lmdb_errors import translate
from dalsegno_storage.errors import KeyTooLongError, StoreClosedError, StorePermissionError
from dalsegno_storage.protocol import FIRST_KEY, MAX_KEY

__all__ = ["LmdbStore"]


class LmdbStore:
    """A store in the folder `path`.

    A missing or empty folder becomes a store unless `create` is false. With `read_only` nothing is made, `write()` is
    StorePermissionError, and a store on a read-only disk can be opened. `map_size` limits the data in bytes; the
    default is as large as the address space allows, up to 1 TiB. `busy_timeout` is how many seconds `write()` waits
    for other writers; it can be changed at any time, also for who waits already. Several stores on one folder share one environment, with the `map_size` of the first.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        create: bool = True,
        read_only: bool = False,
        map_size: int | None = None,
        busy_timeout: float = 30.0,
    ) -> None:
        environment = acquire(
            Path(path), create=create, read_only=read_only, map_size=map_size, busy_timeout=busy_timeout
        )
        self._environment: Environment | None = environment
        self._guard = environment.guard
        self._read_only = read_only
        self.busy_timeout = busy_timeout
        self.path = environment.path
        self.id = environment.marker.id

    def read(self) -> "_Reader":
        """A snapshot for the length of the block."""
        return _Reader(self._live())

    def write(self) -> "_Writer":
        """A transaction: committed when the block ends, undone when an exception leaves it."""
        environment = self._live()
        if self._read_only:
            raise StorePermissionError(self.path, "it was opened with read_only=True")
        return _Writer(environment, self._patience)

    def version(self) -> int:
        """The number of the last commit, whoever made it; costs a microsecond."""
        return int(self._live().env.info()["last_txnid"])

    def close(self) -> None:
        """Give everything back; closing twice is fine."""
        environment, self._environment = self._environment, None
        if environment is not None and not self._guard.foreign:
            release(environment)

    def _patience(self) -> float:
        return self.busy_timeout

    def _live(self) -> Environment:
        self._guard.check()
        if self._environment is None:
            raise StoreClosedError
        return self._environment


PENDING = 1 << 20
"""When the values that were put and wait for LMDB are larger than this, they are handed over."""


class _Reader:
    __slots__ = ("_environment", "_guard", "_transaction")

    _transaction: "lmdb.Transaction[bytes]"

    def __init__(self, environment: Environment) -> None:
        self._environment, self._guard = environment, environment.guard

    def __enter__(self) -> Self:
        try:
            self._transaction = self._environment.begin()
        except (lmdb.Error, OSError) as error:
            raise translate(error, self._environment.path) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # In a forked child the reader's slot belongs to the parent.
        if not self._guard.foreign:
            self._transaction.abort()

    def get(self, key: bytes) -> bytes | None:
        if self._guard.foreign:
            self._guard.refuse()
        if key < FIRST_KEY:
            return None
        try:
            return self._transaction.get(key)
        except lmdb.Error as error:
            raise translate(error, self._environment.path) from error

    def has(self, key: bytes) -> bool:
        if self._guard.foreign:
            self._guard.refuse()
        if key < FIRST_KEY:
            return False
        try:
            return bool(self._transaction.cursor().set_key(key))
        except lmdb.Error as error:
            raise translate(error, self._environment.path) from error

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        if self._guard.foreign:
            self._guard.refuse()
        try:
            cursor = self._transaction.cursor()
            start = max(start, FIRST_KEY)
            if not reverse:
                if cursor.set_range(start):
                    if stop is None:
                        yield from cursor
                        return
                    for pair in cursor:
                        if pair[0] >= stop:
                            return
                        yield pair
                return
            found = cursor.last() if stop is None or not cursor.set_range(stop) else cursor.prev()
            if found:
                for pair in cursor.iterprev():
                    if pair[0] < start:
                        return
                    yield pair
        except lmdb.Error as error:
            raise translate(error, self._environment.path) from error


class _Writer(_Reader):
    """What is put is handed to LMDB in order and by many at once: each handing over gives the interpreter's lock away, and in
    a program that computes all the time it takes long to get it back."""

    __slots__ = ("_is_over", "_patience", "_pending", "_size")

    def __init__(self, environment: Environment, patience: Callable[[], float]) -> None:
        super().__init__(environment)
        self._patience = patience
        self._pending: dict[bytes, bytes] = {}
        self._size = 0
        self._is_over = False

    def __enter__(self) -> Self:
        try:
            self._transaction = self._environment.begin_write(self._patience)
        except (lmdb.Error, OSError) as error:
            raise translate(error, self._environment.path) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._guard.foreign:
            return
        try:
            if kind is None:
                self._hand_over()
                self._transaction.commit()
                self._environment.settle()
            else:
                self._transaction.abort()
        except (lmdb.Error, OSError) as failure:
            with suppress(lmdb.Error):
                self._transaction.abort()
            raise translate(failure, self._environment.path) from failure
        finally:
            self._is_over = True
            self._pending.clear()
            self._environment.end_write()

    def get(self, key: bytes) -> bytes | None:
        found = self._pending.get(key)
        return super().get(key) if found is None or self._guard.foreign else found

    def has(self, key: bytes) -> bool:
        return (key in self._pending and not self._guard.foreign) or super().has(key)

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._flush()
        return super().scan(start, stop, reverse=reverse)

    def put(self, key: bytes, value: bytes) -> None:
        if self._guard.foreign:
            self._guard.refuse()
        if key < FIRST_KEY or len(key) > MAX_KEY:
            raise KeyTooLongError(len(key), MAX_KEY)
        if self._is_over:
            raise StoreClosedError
        self._pending[key] = value
        self._size += len(value)
        if self._size > PENDING:
            self._flush()

    def delete(self, key: bytes) -> bool:
        if self._guard.foreign:
            self._guard.refuse()
        if key < FIRST_KEY or len(key) > MAX_KEY:
            return False
        self._flush()
        try:
            return self._transaction.delete(key)
        except lmdb.Error as error:
            raise translate(error, self._environment.path) from error

    def _flush(self) -> None:
        try:
            self._hand_over()
        except lmdb.Error as error:
            raise translate(error, self._environment.path) from error

    def _hand_over(self) -> None:
        if self._pending and not self._guard.foreign:
            with self._transaction.cursor() as cursor:
                cursor.putmulti(sorted(self._pending.items()))
            self._pending.clear()
            self._size = 0
