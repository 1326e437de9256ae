"""Copies of an LMDB store, and putting a smaller one in its place.

A copy is made by LMDB from one snapshot while others write; copying the file itself while it is written gives a broken
store in one of three cases.

Replacing data.mdb under a process that has it open would let that process go on writing to a file without a name. Every
process that has an environment open holds a shared POSIX lock on the first byte of lock.mdb, which the kernel frees when
the process ends. So an exclusive lock on that byte says that nobody has the store open, and as long as it is held every
opener waits inside LMDB. What may surprise:

- Closing any descriptor of lock.mdb drops all locks that this process has on it. So the file is opened here only while no
  environment on it is open in this process, and closed last.
- The lock table remembers the number of the newest transaction, and a compacted file begins to count anew. An opener that
  has waited would use the old table with the new file and take the wrong one of its two meta pages. So the environment is
  opened and closed once before the lock is given up: LMDB makes the table anew for one that is alone.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from shutil import copyfile

import lmdb

from dalsegno_storage import _lmdb_env, _lmdb_length
from dalsegno_storage import _lmdb_files as files
from dalsegno_storage._files import appear, sync_folder
from dalsegno_storage._lmdb_errors import translate
from dalsegno_storage._writer_lock import holder_line
from dalsegno_storage.errors import NotAStoreError, StoreBusyError, StoreDamagedError

__all__ = ["backup", "compact"]

ATTEMPTS = 3
"""How often a compaction begins anew because somebody wrote meanwhile."""


def backup(path: Path, target: Path) -> None:
    """Make `target` a copy of the store at `path` as it is now; it appears whole or not at all.

    NotAStoreError when something is there already. The copy is as small as it can be.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise NotAStoreError(target, "something is there already")

    def fill(folder: Path) -> None:
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)
        copyfile(path / "store.json", folder / "store.json")
        (folder / "writer.lock").write_bytes(holder_line(os.getpid()))
        _copy(path, folder / "data.mdb")
        for child in folder.iterdir():
            child.chmod(0o600)
            _sync(child)
        sync_folder(folder)

    try:
        appear(target, fill, _rename)
    except (lmdb.Error, OSError) as error:
        raise translate(error, target) from error


def _rename(temporary: Path, path: Path) -> None:
    # Replaces an empty folder and nothing else.
    temporary.rename(path)


def compact(path: Path) -> None:
    """Put a copy without free pages in the place of data.mdb.

    StoreBusyError when this or another process has the store open, or went on writing meanwhile.
    """
    path = path.resolve()
    files.inspect(path)
    draft = path / f".data.mdb.compacting-{token_hex(8)}"
    try:
        for _ in range(ATTEMPTS):
            before = _newest_transaction(path)
            _copy(path, draft)
            draft.chmod(0o600)
            _sync(draft)
            with _alone(path):
                if _newest_transaction(path) == before:
                    draft.replace(path / "data.mdb")
                    sync_folder(path)
                    _renew_lock_table(path)
                    return
            draft.unlink()
        raise StoreBusyError(path, pid=None, waited=0, holder="processes that come and go and write")
    except (lmdb.Error, OSError) as error:
        raise translate(error, path) from error
    finally:
        draft.unlink(missing_ok=True)


def _copy(path: Path, target: Path) -> None:
    """LMDB's own copy of the newest snapshot, at a place that does not exist yet."""
    environment = _lmdb_env.acquire(path, create=False, read_only=True, map_size=None, busy_timeout=30.0)
    try:
        number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode=0o600)
        try:
            environment.env.copyfd(number, compact=True)
        finally:
            os.close(number)
    finally:
        _lmdb_env.release(environment)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While nobody has the store open, and with everybody who wants to waiting."""
    place = path / "lock.mdb"
    # Held so that no other thread opens an environment while the descriptor below is open.
    with _lmdb_env._registry_lock:
        status = (path / "data.mdb").stat()
        if (status.st_dev, status.st_ino) in _lmdb_env._open_environments:
            raise StoreBusyError(
                path, pid=os.getpid(), waited=0, holder="this very process, which has it open"
            )
        with _locked(path, place):
            yield


@contextmanager
def _locked(path: Path, place: Path) -> Iterator[None]:
    number = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode=0o600)
    try:
        try:
            fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except OSError as error:
            pid = _opener(place)
            holder = (
                "another process, which has it open" if pid is None else f"process {pid}, which has it open"
            )
            raise StoreBusyError(path, pid=pid, waited=0, holder=holder) from error
        yield
    finally:
        os.close(number)


def _opener(place: Path) -> int | None:
    """A process that has an environment open, where the system says so."""
    status = place.stat()
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        match line.split():
            case [_, "POSIX", _, _, pid, file, *_] if file == wanted and int(pid) > 0:
                return int(pid)
    return None


def _newest_transaction(path: Path) -> int:
    with (path / "data.mdb").open("rb") as file:
        return _lmdb_length._newest_meta(path, file).transaction


def _renew_lock_table(path: Path) -> None:
    with lmdb.open(str(path), create=False, lib_version=0) as env, env.begin() as transaction:
        if transaction.get(files.ID) is None:
            raise StoreDamagedError(path, "the compacted data.mdb cannot be read")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
