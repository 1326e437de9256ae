"""The file of a SQLite store appears whole, is private, and is recognised; errors of SQLite never leak out."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dalsegno_storage.errors import (
    NotAStoreError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFormatError,
    StoreFullError,
    StoreNotFoundError,
    StorePermissionError,
)
from dalsegno_storage.sqlite import SqliteStore, _translate
from dalsegno_storage.testing import everything, in_a_forked_child, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a closed store with a few hundred pages."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    put(store, *((b"%04d" % number, os.urandom(400)) for number in range(1000)))
    store.close()
    return path


def refused(path: Path, error: type[StoreError], match: str) -> None:
    """Opening raises that error and leaves the file alone."""
    before = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(error, match=match):
        SqliteStore(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "store.db")
        put(store, (b"a", b"1"))
        modes = {child.name: child.stat().st_mode & 0o777 for child in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["store.db", "store.db-shm", "store.db-wal"], 0o600)
    assert [child.name for child in tmp_path.iterdir()] == ["store.db"]


def test_the_header(path: Path) -> None:
    header = path.read_bytes()[:100]
    assert (header[:16], header[60:64], header[68:72]) == (b"SQLite format 3\0", b"\0\0\0\x01", b"dals")


def test_commits_are_synced(path: Path) -> None:
    store = SqliteStore(path)
    connection = store._connect()
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text that is no database, and long enough to be taken for one" * 10)
    refused(file, NotAStoreError, "not a SQLite file")
    file.unlink()
    change(file, "CREATE TABLE other (a)")
    refused(file, NotAStoreError, "another application")
    with pytest.raises(NotAStoreError, match="not a file"):
        SqliteStore(tmp_path)


def test_an_empty_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file", NotAStoreError, "another application")


def test_a_newer_format(path: Path) -> None:
    change(path, "PRAGMA user_version = 2")
    refused(path, StoreFormatError, "has format 2 .* formats up to 1; upgrade")


def test_a_damaged_file(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    store = SqliteStore(path)
    with pytest.raises(StoreDamagedError):
        everything(store)
    store.close()


def test_a_crash_while_creating_leaves_nothing_or_a_store(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number) / "store.db"
        path.parent.mkdir()
        code = in_a_forked_child(lambda: create_and_crash(path, number))  # noqa: B023 - runs at once
        assert code in (0, 9)
        store = SqliteStore(path, create=not path.exists())
        assert everything(store) == []
        store.close()
        if code == 0:
            break
    assert number > 3


def create_and_crash(path: Path, number: int) -> None:
    """Create a store and die at the statement or system call after `number` others."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        if calls == number:
            os._exit(9)
        calls += 1

    real_connect, real_link, real_fsync = sqlite3.connect, os.link, os.fsync

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real_connect(*arguments, **options)  # type: ignore[call-overload]  # passed on
        connection.set_trace_callback(count)
        return connection

    def link(*arguments: object, **options: object) -> None:
        count()
        real_link(*arguments, **options)  # type: ignore[arg-type]  # passed on

    def fsync(number: int) -> None:
        count()
        real_fsync(number)

    sqlite3.connect, os.link, os.fsync = connect, link, fsync  # type: ignore[assignment]  # in this child only
    SqliteStore(path).close()


def test_the_store_of_a_faster_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    real = os.link

    def link(source: Path, target: Path, **options: bool) -> None:
        monkeypatch.undo()
        other = SqliteStore(path)
        put(other, (b"a", b"1"))
        other.close()
        real(source, target, **options)

    monkeypatch.setattr(os, "link", link)
    store = SqliteStore(path)
    assert everything(store) == [(b"a", b"1")]
    store.close()
    assert [child.name for child in tmp_path.iterdir()] == ["store.db"]


def test_without_create_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        SqliteStore(tmp_path / "store.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_another_writer(path: Path) -> None:
    store = SqliteStore(path, busy_timeout=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="another process"):
            put(store, (b"a", b"1"))
        assert len(everything(store)) == 1000
        other.execute("ROLLBACK")
    put(store, (b"a", b"1"))
    store.close()


def test_another_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    refused(path, StorePermissionError, "belongs to user")


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreBusyError),
        (sqlite3.SQLITE_FULL, StoreFullError),
        (sqlite3.SQLITE_READONLY, StorePermissionError),
        (sqlite3.SQLITE_CANTOPEN, StorePermissionError),
        (sqlite3.SQLITE_CORRUPT, StoreDamagedError),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreError),
    ],
)
def test_meanings(code: int, meaning: type[StoreError], path: Path) -> None:
    error = sqlite3.OperationalError("reason")
    error.sqlite_errorcode = code
    assert type(_translate(error, path)) is meaning
