"""Errors of LMDB and of the system become errors of the store."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from dalsegno_storage._lmdb_errors import translate
from dalsegno_storage.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StorePermissionError,
)


def lmdb_error(kind: type[lmdb.Error], text: str, code: int) -> lmdb.Error:
    """An error as LMDB itself raises it; the constructor leaves out the code."""
    error = kind(text)
    error.__dict__["code"] = code
    return error


IO = lmdb_error(lmdb.Error, "mdb_txn_commit", errno.EIO)
SHORT = lmdb.Error("mdb_txn_commit: MDB_SHORT_WRITE")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (lmdb_error(lmdb.MapFullError, "put", -30792), StoreFullError),
        (lmdb_error(lmdb.TxnFullError, "put", -30788), StoreFullError),
        (lmdb_error(lmdb.DiskError, "commit", errno.ENOSPC), StoreFullError),
        (lmdb_error(lmdb.Error, "commit", errno.EDQUOT), StoreFullError),
        (OSError(errno.EFBIG, "File too large"), StoreFullError),
        (OSError(errno.ENOSPC, "No space left on device"), StoreFullError),
        (lmdb_error(lmdb.Error, "open", errno.EACCES), StorePermissionError),
        (lmdb_error(lmdb.ReadonlyError, "open", errno.EROFS), StorePermissionError),
        (PermissionError(errno.EPERM, "Operation not permitted"), StorePermissionError),
        (lmdb_error(lmdb.CorruptedError, "get", -30796), StoreDamagedError),
        (lmdb_error(lmdb.PageNotFoundError, "get", -30797), StoreDamagedError),
        (lmdb_error(lmdb.InvalidError, "open", -30793), StoreDamagedError),
        (lmdb_error(lmdb.VersionMismatchError, "open", -30794), StoreDamagedError),
        (lmdb_error(lmdb.ReadersFullError, "begin", -30790), StoreBusyError),
        (lmdb_error(lmdb.LockError, "open", errno.EAGAIN), StoreBusyError),
        (lmdb.Error("Attempt to operate on closed/deleted/dropped object."), StoreClosedError),
        (lmdb_error(lmdb.BadTxnError, "commit", -30782), StoreError),
        (IO, StoreError),
        (SHORT, StoreError),
    ],
)
def test_meanings(error: lmdb.Error | OSError, meaning: type[StoreError], tmp_path: Path) -> None:
    assert type(translate(error, tmp_path)) is meaning


@pytest.mark.parametrize("error", [IO, SHORT])
def test_a_full_disk_is_recognised_by_its_room(error: lmdb.Error, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=3, f_frsize=4096))
    meaning = translate(error, Path("store"))
    assert type(meaning) is StoreFullError
    assert "12288 bytes left" in str(meaning)


def test_a_disk_that_failed_leaves_the_outcome_open(tmp_path: Path) -> None:
    assert "is not known" in str(translate(IO, tmp_path))
    assert "is not known" in str(translate(IO, tmp_path / "gone"))
