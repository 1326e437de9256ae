"""Copies of a SQLite store, and giving its free pages back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from dalsegno_storage._files import appear
from dalsegno_storage.errors import NotAStoreError, StoreBusyError, StoreError, StoreFullError

__all__ = ["backup", "compact"]

PATIENCE = 5.0
"""How many seconds other connections are waited for."""


def backup(path: Path, target: Path) -> None:
    """Make `target` a copy of the store at `path` as it is now; it appears whole or not at all.

    NotAStoreError when something is there already. The copy is as small as it can be.
    """
    target = target.absolute()

    def fill(place: Path) -> None:
        os.close(os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode=0o600))
        place.chmod(0o600)
        with closing(_connect(path)) as source:
            source.execute("VACUUM INTO ?", (str(place),))
        with closing(_connect(place)) as copy:
            copy.execute("PRAGMA journal_mode = WAL")
        number = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    try:
        appear(target, fill, lambda temporary, place: place.hardlink_to(temporary))
    except FileExistsError as error:
        raise NotAStoreError(target, "something is there already") from error
    except (sqlite3.Error, OSError) as error:
        raise _translated(error, path) from error


def compact(path: Path) -> None:
    """Write the file anew without free pages; StoreBusyError when others read or write it for too long."""
    try:
        with closing(_connect(path)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None
    )
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _translated(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusyError(path, pid=None, waited=PATIENCE)
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(path, str(error))
    return StoreError(f"the store {path} cannot be copied: {error}")
