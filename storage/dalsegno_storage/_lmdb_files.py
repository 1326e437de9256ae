"""The files of an LMDB store: made, recognised and measured without giving them to LMDB.

    store.json    the marker: format number, backend, id of the store
    data.mdb      LMDB's data; the id again under the key `id`, everything else in the sub-database `data`
    lock.mdb      LMDB's lock table; never opened here, since closing it would drop LMDB's own locks
    writer.lock   see `_writer_lock`

LMDB makes a new empty database of a data file that is missing or empty, and kills the process with SIGBUS when it
reads a page beyond the end of a shortened one. So `inspect` looks at all of it first:

* The id in the marker is compared with the one in LMDB (`_lmdb_env` does that after opening).
* The newest meta page says which page is the last one in use. A file that reaches it is long enough. A shorter file
  is not damaged if only free pages are missing: pages that a transaction took and gave back are never written. Which
  of the two it is takes a walk through the whole file (`lmdb.verify`), so `settle_length` makes that rare: after a
  commit it extends the file to the length that it should have.
"""

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import lmdb

from dalsegno_storage._files import appear, check_private, sync_folder
from dalsegno_storage._writer_lock import holder_line
from dalsegno_storage.errors import NotAStoreError, StoreDamagedError, StoreFormatError

__all__ = ["DATA", "FORMAT", "ID", "Marker", "create", "data_length", "inspect"]

FORMAT = 1
"""The newest format of a store that this release knows; see FORMAT.md."""

DATA = b"data"
"""The name of LMDB's sub-database that holds what users of the store put into it."""

ID = b"id"
"""The key in LMDB's main database that holds the id of the store."""

_MARKER_LIMIT = 4096
_META = struct.Struct("=II8x8xI92xQQ")  # magic, version, page size, last page, transaction; up to mm_txnid
_META_AT = 16
_MAGIC, _DATA_VERSION = 0xBEEFC0DE, 1


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
    with lmdb.open(str(folder), map_size=1 << 20, mode=0o600, max_dbs=1, lib_version=0) as env:
        env.open_db(DATA)
        with env.begin(write=True) as transaction:
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
    if not path.is_dir():
        if path.exists():
            raise NotAStoreError(path, "it is a file")
        raise FileNotFoundError(path)
    marker_path = path / "store.json"
    if not marker_path.is_symlink() and not marker_path.exists():
        if any(path.iterdir()):
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


def data_length(store: Path) -> tuple[int, int]:
    """The length that data.mdb should have according to its newest meta page, and the one that it has."""
    with (store / "data.mdb").open("rb") as file:
        first = _read_meta(store, file.read(_META_AT + _META.size))
        file.seek(first[0])
        second = _read_meta(store, file.read(_META_AT + _META.size))
        # Pages are written before the meta page that names them, so the length is asked for last.
        length = os.fstat(file.fileno()).st_size
    page_size, last, _ = max(first, second, key=lambda meta: meta[2])
    return (last + 1) * page_size, length


def _read_meta(store: Path, page: bytes) -> tuple[int, int, int]:
    """Page size, last page and transaction number of a meta page."""
    if len(page) < _META_AT + _META.size:
        raise StoreDamagedError(store, "data.mdb is empty or cut in its first two pages")
    magic, version, page_size, last, transaction = _META.unpack_from(page, _META_AT)
    if magic != _MAGIC or version != _DATA_VERSION or not 512 <= page_size <= 65536:
        raise StoreDamagedError(store, "data.mdb does not begin as a data file of LMDB 0.9 does")
    return page_size, last, transaction
