"""A store in one SQLite file: the proof that the contract is not shaped after LMDB.

The file says what it is in its header: `application_id` is "dals", `user_version` the format number. It is made
aside and linked into place, so it appears whole. One connection serves one transaction at a time; connections that
are free wait in a pool. Write-ahead logging gives snapshots, `synchronous=FULL` makes commits durable.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from dalsegno_storage._files import appear, check_private
from dalsegno_storage._turns import ForkGuard, Turns
from dalsegno_storage.errors import (
    KeyTooLongError,
    NotAStoreError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreFormatError,
    StoreFullError,
    StoreNotFoundError,
    StorePermissionError,
)
from dalsegno_storage.protocol import FIRST_KEY, MAX_KEY

__all__ = ["SqliteStore"]

_APPLICATION = int.from_bytes(b"dals", "big")
_FORMAT = 1
_BATCH = 256


class SqliteStore:
    """A store in the file `path`.

    A missing file becomes a store unless `create` is false. `busy_timeout` is how many seconds `write()` waits
    for other writers.
    """

    def __init__(self, path: Path | str, *, create: bool = True, busy_timeout: float = 30.0) -> None:
        self.path = Path(path).resolve()
        self._busy_timeout = busy_timeout
        self._guard = ForkGuard(self.path)
        self._turns = Turns(self.path)
        self._lock = Lock()
        self._free: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] | None = []
        with _translated(self.path):
            if not self.path.exists():
                if not create:
                    raise StoreNotFoundError(self.path)
                _create(self.path)
            if not self.path.is_file():
                raise NotAStoreError(self.path, "it is not a file")
            check_private(self.path, self.path)
            _check_format(self.path)

    def read(self) -> "_Reader":
        """A snapshot for the length of the block."""
        self._guard.check()
        return _Reader(self)

    def write(self) -> "_Writer":
        """A transaction: committed when the block ends, undone when an exception leaves it."""
        self._guard.check()
        return _Writer(self)

    def close(self) -> None:
        """Give everything back; closing twice is fine."""
        if self._guard.foreign:
            return
        with self._lock:
            connections, self._all = self._all or [], None
            self._free.clear()
        for connection in connections:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        self._guard.check()
        with self._lock:
            if self._all is None:
                raise StoreClosedError
            if self._free:
                return self._free.pop()
        connection = _connection(self.path, "rw", self._busy_timeout)
        with self._lock:
            if self._all is None:
                connection.close()
                raise StoreClosedError
            self._all.append(connection)
        return connection

    def _put_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._all is not None:
                self._free.append(connection)


class _Reader:
    _BEGIN = "BEGIN"

    def __init__(self, store: SqliteStore) -> None:
        self._store, self._guard, self._path = store, store._guard, store.path
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        with _translated(self._path):
            connection = self._store._connect()
            try:
                connection.execute(self._BEGIN)
                # The snapshot is taken by the first look at the file, not by BEGIN.
                connection.execute("SELECT 1 FROM data LIMIT 1").fetchone()
            except BaseException:
                _undo(connection)
                self._store._put_back(connection)
                raise
        self._connection = connection
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        if self._guard.foreign:
            return
        connection, self._connection = self._live(), None
        try:
            with _translated(self._path):
                connection.execute(how)
        except BaseException:
            _undo(connection)
            raise
        finally:
            self._store._put_back(connection)

    def _live(self) -> sqlite3.Connection:
        if self._guard.foreign:
            self._guard.refuse()
        if self._connection is None:
            raise StoreClosedError("transaction")
        return self._connection

    def get(self, key: bytes) -> bytes | None:
        connection = self._live()
        with _translated(self._path):
            row = connection.execute("SELECT value FROM data WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def has(self, key: bytes) -> bool:
        connection = self._live()
        with _translated(self._path):
            return connection.execute("SELECT 1 FROM data WHERE key = ?", (key,)).fetchone() is not None

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        limits, values = ("key >= ?", [start]) if stop is None else ("key >= ? AND key < ?", [start, stop])
        order = "DESC" if reverse else "ASC"
        with _translated(self._path):
            cursor = self._live().execute(
                f"SELECT key, value FROM data WHERE {limits} ORDER BY key {order}", values
            )
        while True:
            self._live()
            with _translated(self._path):
                batch = cursor.fetchmany(_BATCH)
            if not batch:
                return
            yield from batch


class _Writer(_Reader):
    _BEGIN = "BEGIN IMMEDIATE"

    def __enter__(self) -> Self:
        self._store._turns.take(self._store._busy_timeout)
        try:
            return super().__enter__()
        except BaseException:
            self._store._turns.give()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end("COMMIT" if kind is None else "ROLLBACK")
        finally:
            self._store._turns.give()

    def put(self, key: bytes, value: bytes) -> None:
        connection = self._live()
        if key < FIRST_KEY or len(key) > MAX_KEY:
            raise KeyTooLongError(len(key), MAX_KEY)
        with _translated(self._path):
            connection.execute(
                "INSERT INTO data (key, value) VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )

    def delete(self, key: bytes) -> bool:
        connection = self._live()
        with _translated(self._path):
            return connection.execute("DELETE FROM data WHERE key = ?", (key,)).rowcount > 0


def _connection(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _undo(connection: sqlite3.Connection) -> None:
    """Leave the transaction that a failed statement may have left open."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        connection.close()


def _create(path: Path) -> None:
    try:
        appear(path, _fill, _link)
    except FileExistsError:
        return  # somebody else made it meanwhile


def _fill(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600))
    path.chmod(0o600)
    connection = _connection(path, "rw", 0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        connection.execute("CREATE TABLE data (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    finally:
        connection.close()


def _link(temporary: Path, path: Path) -> None:
    # Unlike a rename, a link never replaces what is there.
    path.hardlink_to(temporary)


_MOMENT = 5.0
"""How long another process may be at work on the file before it cannot be told what it is, in seconds."""


def _check_format(path: Path) -> None:
    try:
        connection = _connection(path, "ro", _MOMENT)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (found,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise NotAStoreError(path, "it is not a SQLite file") from error
        raise
    if application != _APPLICATION:
        raise NotAStoreError(path, "it is a SQLite file of another application")
    if found > _FORMAT:
        raise StoreFormatError(path, found, _FORMAT)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """The one place where errors of SQLite become errors of the store."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except PermissionError as error:
        raise StorePermissionError(path, error.strerror or str(error)) from error
    except OSError as error:
        raise StoreError(f"the store {path} cannot be used: {error}") from error


def _translate(error: sqlite3.Error, path: Path) -> StoreError:
    # The low byte is the class of the error, the rest its details. Misuse of the module has no code.
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusyError(path, pid=None, waited=0)
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(path, str(error))
    if code in (sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        return StorePermissionError(path, str(error))
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamagedError(path, str(error))
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StoreClosedError("transaction")
    return StoreError(f"the store {path} cannot be used: {error}")
