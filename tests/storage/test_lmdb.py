"""The LMDB store keeps the laws."""

from pathlib import Path

from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.protocol import Store
from dalsegno_storage.testing import PersistentStoreContract


class TestLmdbStore(PersistentStoreContract):
    def open_store(self, folder: Path) -> Store:
        return LmdbStore(folder / "store")
