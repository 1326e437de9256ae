"""The SQLite store keeps the laws."""

from pathlib import Path

from dalsegno_storage.protocol import Store
from dalsegno_storage.sqlite import SqliteStore
from dalsegno_storage.testing import PersistentStoreContract


class TestSqliteStore(PersistentStoreContract):
    def open_store(self, folder: Path) -> Store:
        return SqliteStore(folder / "store.db")
