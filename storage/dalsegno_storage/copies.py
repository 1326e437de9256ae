"""Copies of whole stores: a backup while the store is in use, and the store itself without its free space."""

from pathlib import Path

from dalsegno_storage._pages import PAGE_BYTES
from dalsegno_storage.errors import StoreError
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.open import open_store
from dalsegno_storage.protocol import Store

__all__ = ["backup", "compact"]


def backup(store: Store, target: Path) -> None:
    """Make `target` a store with everything that is in `store` now, whoever writes meanwhile.

    A store that has a place is copied by its backend, into a folder or file that appears whole or not at all; any other is
    copied pair by pair into a new LMDB store. NotAStoreError when something is there already.
    """
    match _backend(store):
        case "lmdb", place:
            from dalsegno_storage import _lmdb_copy

            _lmdb_copy.backup(place, target)
        case "sqlite", place:
            from dalsegno_storage import _sqlite_copy

            _sqlite_copy.backup(place, target)
        case _:
            _copy_pairs(store, target)


def compact(place: str | Path) -> tuple[int, int]:
    """Give the free space inside the store at `place`, a path or URL, back to the disk; its size before and after in bytes.

    Nobody may have an LMDB store open, the caller included: StoreBusyError names who has.
    """
    store = open_store(place, create=False)
    try:
        backend, path = _backend(store)
    finally:
        store.close()
    if backend == "lmdb":
        from dalsegno_storage import _lmdb_copy

        data = path / "data.mdb"
        before = data.stat().st_size
        _lmdb_copy.compact(path)
        return before, data.stat().st_size
    if backend == "sqlite":
        from dalsegno_storage import _sqlite_copy

        before = path.stat().st_size
        _sqlite_copy.compact(path)
        return before, path.stat().st_size
    raise StoreError(f"the store {place} has no file that could be made smaller")


def _backend(store: Store) -> tuple[str, Path]:
    """Which of our backends with a place on disk this is, "" for none of them, and its place."""
    if isinstance(store, LmdbStore):
        return "lmdb", store.path
    from dalsegno_storage.sqlite import SqliteStore  # brings the sqlite3 module with it

    if isinstance(store, SqliteStore):
        return "sqlite", store.path
    return "", Path()


def _copy_pairs(store: Store, target: Path) -> None:
    copy = LmdbStore(target)
    try:
        with store.read() as reader:
            part: list[tuple[bytes, bytes]] = []
            size = 0
            for pair in reader.scan():
                part.append(pair)
                size += len(pair[1])
                if size >= PAGE_BYTES:
                    _put(copy, part)
                    part, size = [], 0
            _put(copy, part)
    finally:
        copy.close()


def _put(copy: LmdbStore, part: list[tuple[bytes, bytes]]) -> None:
    with copy.write() as writer:
        for key, value in part:
            writer.put(key, value)
