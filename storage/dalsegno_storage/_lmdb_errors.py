"""The one place where errors of LMDB and of the system become errors of the store."""

import errno
import os
from pathlib import Path

import lmdb

from dalsegno_storage.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StorePermissionError,
)

__all__ = ["translate"]

# A full disk shows as DiskError, as EIO or as a write that was cut short, depending on the file system and the call.
_DISK_CODES = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SHORT_OF_SPACE = 4 << 20

_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError)


def translate(error: lmdb.Error | OSError, path: Path) -> StoreError:
    """What `error`, met while using the store at `path`, means to whoever uses the store."""
    code = (error.errno or 0) if isinstance(error, OSError) else getattr(error, "code", 0)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, lmdb.MapFullError | lmdb.TxnFullError):
        cure = "raise `map_size`, or the limit on address space (ulimit -v), or remove old runs"
        return StoreFullError(path, "its memory map is full", cure)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorePermissionError(path, text)
    if isinstance(error, lmdb.DiskError) or code in _DISK_CODES or "SHORT_WRITE" in text:
        return _disk_error(path, code, text)
    if isinstance(error, _DAMAGED):
        return StoreDamagedError(path, text)
    if isinstance(error, lmdb.ReadersFullError):
        return StoreBusyError(path, pid=None, waited=0, holder="more readers than it has room for")
    if isinstance(error, lmdb.LockError) or code == errno.EAGAIN:
        holder = "a process with the same number as this one; containers that share a store must share process numbers"
        return StoreBusyError(path, pid=os.getpid(), waited=0, holder=holder)
    if isinstance(error, lmdb.Error) and "closed/deleted/dropped" in text:
        return StoreClosedError("transaction")
    return StoreError(f"the store {path} cannot be used: {text}")


def _disk_error(path: Path, code: int, text: str) -> StoreError:
    if code in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(path, text)
    if code == errno.EFBIG:
        return StoreFullError(path, text, "raise the limit on file size (ulimit -f) and try again")
    try:
        disk = os.statvfs(path)
    except OSError:
        free = None
    else:
        free = disk.f_bavail * disk.f_frsize
    if free is not None and free < _SHORT_OF_SPACE:
        return StoreFullError(path, f"the disk has {free} bytes left ({text})")
    return StoreError(
        f"the disk of the store {path} failed: {text}; whether the last write is there is not known"
    )
