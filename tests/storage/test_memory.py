"""The memory store keeps the laws."""

from pathlib import Path

from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.protocol import Store
from dalsegno_storage.testing import StoreContract


class TestMemoryStore(StoreContract):
    def open_store(self, folder: Path) -> Store:
        return MemoryStore()
