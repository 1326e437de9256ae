"""The files of an LMDB store: made, recognised and measured without giving them to LMDB.

    store.json    the marker: format number, backend, id of the store
    data.mdb      LMDB's data; the id of the store again under the key 00 69 64, which no user of a store can reach
    lock.mdb      LMDB's lock table; never opened here, since closing it would drop LMDB's own locks
    writer.lock   see `_writer_lock`

LMDB makes a new empty database of a data file that is missing or empty, writes through symbolic links, and creates
files that others may read. So a store is filled aside and renamed into place, and looked at before LMDB opens it: by
`inspect` here, its length by `_lmdb_length`, and the id in it by `_lmdb_env` as soon as LMDB has opened it.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import lmdb

from dalsegno_storage._files import appear, check_private, sync_folder
from dalsegno_storage._writer_lock import holder_line
from dalsegno_storage.errors import NotAStoreError, StoreDamagedError, StoreFormatError

__all__ = ["FORMAT", "ID", "Marker", "create", "inspect"]

FORMAT = 1
"""The newest format of a store that this release knows; see FORMAT.md."""

ID = b"\0id"
"""The key of the id of the store; a named database would make opening wait for the lock of writers."""

_MARKER_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Marker:
    """What `store.json` says."""

    format: int
    id: str


def create(path: Path) -> None:
    """Make a store at `path`, whole or not at all; if another process is faster its store stays."""
    try:
        appear(path, _fill, _rename)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY):
            raise
        if not (path / "store.json").exists():
            raise NotAStoreError(path, f"it cannot be replaced by one ({error.strerror})") from error


def _rename(temporary: Path, path: Path) -> None:
    # Replaces an empty folder and nothing else.
    temporary.rename(path)


def _fill(folder: Path) -> None:
    store_id = token_hex(16)
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)
    with (
        lmdb.open(str(folder), map_size=1 << 20, mode=0o600, lib_version=0) as env,
        env.begin(write=True) as transaction,
    ):
        transaction.put(ID, store_id.encode())
    marker = f'{{"backend": "lmdb", "format": {FORMAT}, "id": "{store_id}"}}\n'
    for name, content in (("store.json", marker.encode()), ("writer.lock", holder_line(os.getpid()))):
        number = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
        try:
            os.write(number, content)
            os.fsync(number)
        finally:
            os.close(number)
    for child in folder.iterdir():
        child.chmod(0o600)
    sync_folder(folder)


def inspect(path: Path) -> tuple[Marker, os.stat_result]:
    """The marker of the store in the folder `path`, and the status of its data file; changes nothing.

    FileNotFoundError if nothing is there or an empty folder is.
    """
    # A store may appear between two looks, so nothing is concluded from a look at what is there and one at what is not.
    try:
        mode = path.stat().st_mode
    except NotADirectoryError:
        raise FileNotFoundError(path) from None
    if not stat.S_ISDIR(mode):
        raise NotAStoreError(path, "it is a file")
    marker_path = path / "store.json"
    if not _is_there(marker_path):
        others = any(path.iterdir())
        if not _is_there(marker_path):
            if others:
                raise NotAStoreError(path, "it is a folder with other things in it and no store.json")
            raise FileNotFoundError(path)
    check_private(path, path, folder=True)
    check_private(path, marker_path)
    marker = _marker(path, marker_path)
    for name in ("lock.mdb", "writer.lock"):
        try:
            check_private(path, path / name)
        except FileNotFoundError:
            continue  # made again when it is needed
    try:
        return marker, check_private(path, path / "data.mdb")
    except FileNotFoundError:
        raise StoreDamagedError(path, "data.mdb is missing") from None


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _marker(store: Path, path: Path) -> Marker:
    # Imported here because a process that never opens an LMDB store does not need it.
    import json

    with path.open("rb") as file:
        content = file.read(_MARKER_LIMIT)
    try:
        fields = json.loads(content)
        found, backend, store_id = fields["format"], fields["backend"], fields["id"]
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamagedError(store, f"store.json cannot be read ({error})") from error
    if type(found) is not int or type(store_id) is not str:
        raise StoreDamagedError(store, "store.json has fields of the wrong type")
    if found > FORMAT:
        raise StoreFormatError(store, found, FORMAT)
    if backend != "lmdb":
        raise NotAStoreError(store, f"its store.json names the backend {backend!r} and this one is 'lmdb'")
    return Marker(found, store_id)
