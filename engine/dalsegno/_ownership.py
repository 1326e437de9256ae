"""Who executes a run: one engine at a time, and nobody else records anything for it.

An engine is known by a random id and by a lock: the file `owners/ID` at the place where the processes of a store meet,
held with `flock` as long as the engine is open. The kernel frees it when the process dies, however it dies, so whoever can
lock the file knows that nobody is there any more. No process number is compared, and no clock. Whoever only asks takes the
lock for sharing, so that two who ask at once do not take each other for the owner.

A process that is merely stopped keeps its lock. Somebody may take a run over from it nevertheless, and it may be continued
later. So each run has a small record of its owner with an *epoch*, which every takeover counts up. Each transaction that
records something of a run reads that record once, and refuses when the epoch is another than the one that this engine
began with: the late owner is fenced.

The record also says how the run is executed, for whoever resumes it, how often it was resumed, and whether somebody asked
for its end.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple
from weakref import WeakSet

from dalsegno import _records as records
from dalsegno._listing import run_of
from dalsegno.errors import DamagedRecordError, DecodeError, RunTakenOverError
from dalsegno.models import Phase, RunRecord
from dalsegno_storage.errors import StoreError, StoreFullError, StorePermissionError
from dalsegno_storage.protocol import Reader, Store
from dalsegno_storage.protocol import Writer as Transaction

NOBODY = b""
"""The owner of a run that was given back."""

OWNERS = (b"o", b"p")
"""Where the records of owners begin and end."""

CacheUse = Literal["use", "overwrite", "off"]
"""Whether a run takes results from the cache, only leaves its own there, or neither."""

_ID_BYTES = 8


class Manner(NamedTuple):
    """How a run is executed: whether actions wait for the disk, how it uses the cache, and how many bodies execute at
    once, 0 for any number."""

    durable: bool = True
    caching: CacheUse = "use"
    most: int = 0


USUAL = Manner()


class Tenure(NamedTuple):
    """The time that a run is with one owner; `epoch` counts from 1, and `resumed` how often it was resumed.

    `stop` is why somebody asked for its end, None when nobody did.
    """

    owner: bytes
    epoch: int = 1
    resumed: int = 0
    manner: Manner = USUAL
    stop: str | None = None


def owner_key(run_id: int) -> bytes:
    """Where it is noted whose a run is."""
    return b"o" + run_id.to_bytes(8, "big")


def pack_tenure(tenure: Tenure) -> bytes:
    """The record of a run's owner."""
    return records.pack_record(*tenure)


def unpack_tenure(data: bytes) -> Tenure:
    """The inverse of `pack_tenure`."""
    owner, epoch, resumed, manner, stop = records.unpack_record(data, "owner")
    return Tenure(owner, epoch, resumed, Manner(*manner), stop)


def tenure_of(reader: Reader, run_id: int) -> Tenure:
    """Whose the run is; one of nobody when that is not recorded."""
    data = reader.get(owner_key(run_id))
    return Tenure(NOBODY, 0) if data is None else unpack_tenure(data)


class Owners:
    """The engines that use a store, of which it can be told whether they are there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        path = getattr(store, "path", None)
        self.folder = None if path is None else meeting_place(Path(path)) / "owners"

    def is_there(self, owner: bytes) -> bool:
        """Whether the engine with that id is open, in this process or in another."""
        if self.folder is None:
            return owner in _here
        if len(owner) != _ID_BYTES:
            return False
        try:
            return _is_locked(self.folder / owner.hex())
        except FileNotFoundError:
            return False

    def process(self, owner: bytes) -> int | None:
        """The number of the process that the engine is in; None if that cannot be told."""
        if self.folder is None:
            return os.getpid() if owner in _here else None
        try:
            return int((self.folder / owner.hex()).read_bytes())
        except (OSError, ValueError):
            return None

    def standing(self, reader: Reader, run: RunRecord) -> RunRecord:
        """The run as it stands: one that is recorded as running, and whose owner is gone, is interrupted."""
        if run.phase is not Phase.RUNNING:
            return run
        try:
            owner = tenure_of(reader, run.id).owner
        except (DamagedRecordError, DecodeError):  # `check` names it
            return run
        if self.is_there(owner):
            return run
        # Its owner may have ended it, and somebody else may have taken it over, since this snapshot was taken.
        with self._store.read() as later:
            now = run_of(later, run.id)
            if now.phase is Phase.RUNNING and tenure_of(later, run.id).owner == owner:
                return now._replace(phase=Phase.INTERRUPTED)
            return self.standing(later, now)


class Owner:
    """An engine as the owner of runs; `take` makes it known to others, `close` frees what it owns."""

    def __init__(self, owners: Owners) -> None:
        self.id = secrets.token_bytes(_ID_BYTES)
        self._folder = owners.folder
        self._descriptor = -1

    def take(self) -> None:
        """Hold the lock from now on; taking it twice is fine."""
        if self._descriptor >= 0 or self.id in _here:
            return
        if self._folder is None:
            _here.add(self.id)
            return
        try:
            self._descriptor = _lock(self._folder, self.id.hex())
        except OSError as error:
            raise unusable(self._folder, error) from error
        _locked.add(self)

    def close(self) -> None:
        """Free the lock; what is recorded as running is interrupted from now on."""
        _here.discard(self.id)
        if self._descriptor < 0 or self._folder is None:
            return
        with suppress(FileNotFoundError):
            (self._folder / self.id.hex()).unlink()
        self.leave()

    def leave(self) -> None:
        """Give the open file back; in a forked child this leaves the parent's lock alone."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Holds:
    """The runs that an engine owns, compared with what is recorded, once in each transaction.

    Used by the writer's thread, but for `release`. `lost` is called there with the id of a run that somebody else has
    taken over.
    """

    def __init__(self) -> None:
        self.lost: Callable[[int], None] = _ignore
        self._epochs: dict[int, int] = {}
        self._seen: set[int] = set()

    def begin(self) -> None:
        """A transaction has begun."""
        self._seen.clear()

    def hold(self, run_id: int, epoch: int) -> None:
        """The run is this engine's, in that epoch."""
        self._epochs[run_id] = epoch

    def release(self, run_id: int) -> int | None:
        """The run has ended; nothing more is recorded for it. Gives the epoch in which it was this engine's."""
        return self._epochs.pop(run_id, None)

    def holds(self, reader: Reader, run_id: int) -> bool:
        """Whether the run is this engine's still."""
        if run_id in self._seen:
            return True
        epoch = self._epochs.get(run_id)
        if epoch is None:
            return False
        if tenure_of(reader, run_id).epoch != epoch:
            self.lost(run_id)
            return False
        self._seen.add(run_id)
        return True

    def check(self, reader: Reader, run_id: int) -> None:
        """RunTakenOverError when the run is not this engine's any more."""
        if not self.holds(reader, run_id):
            raise RunTakenOverError(run_of(reader, run_id).name)


def put_tenure(transaction: Transaction, run_id: int, tenure: Tenure) -> None:
    """Record whose a run is."""
    transaction.put(owner_key(run_id), pack_tenure(tenure))


def meeting_place(store: Path) -> Path:
    """The folder where the processes meet that use a store in this folder or file."""
    return store / "turns" if store.is_dir() else store.with_name(f"{store.name}.turns")


def _lock(folder: Path, name: str) -> int:
    """Make a file in the folder, and hold its lock."""
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    _clear(folder)
    file = folder / name
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Whoever clears away what the dead have left may have removed the file before it was locked.
        with suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == file.stat().st_ino:
                break
        os.close(descriptor)
    with suppress(OSError):  # only a message needs it, and the disk may be full
        os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor


def unusable(folder: Path, error: OSError) -> StoreError:
    """The error for a folder in which no file can be made or locked."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(folder, reason)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorePermissionError(folder, reason)
    return StoreError(f"the folder {folder} of the store cannot be used: {reason}")


def _is_locked(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _clear(folder: Path) -> None:
    """Remove the files of engines that are gone."""
    for file in folder.iterdir():
        with suppress(OSError):  # among them that it is locked
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                file.unlink()  # locked, so that an engine that has just made it will notice
            finally:
                os.close(descriptor)


def _ignore(run_id: int) -> None: ...


def _leave() -> None:
    """A forked child must not keep the locks of its parent alive."""
    for owner in _locked:
        owner.leave()
    _here.clear()


_here: set[bytes] = set()
"""The owners of this process whose stores no other process can open."""

_locked: WeakSet[Owner] = WeakSet()

os.register_at_fork(after_in_child=_leave)
