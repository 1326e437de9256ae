"""A store that counts what is done with it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dalsegno_storage.protocol import Reader, Store, Writer

__all__ = ["CountingStore"]


class CountingStore:
    """Another store, with every call counted: `reads writes gets puts deletes scans`, and `bytes` that were put."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counts: Counter[str] = Counter()

    @contextmanager
    def read(self) -> Iterator[Reader]:
        self.counts["reads"] += 1
        with self._store.read() as reader:
            yield _Counted(reader, self.counts)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        self.counts["writes"] += 1
        with self._store.write() as writer:
            yield _Counted(writer, self.counts)

    def close(self) -> None:
        self._store.close()


class _Counted:
    def __init__(self, inner: Reader, counts: Counter[str]) -> None:
        self._inner = inner
        self._counts = counts

    def get(self, key: bytes) -> bytes | None:
        self._counts["gets"] += 1
        return self._inner.get(key)

    def has(self, key: bytes) -> bool:
        self._counts["gets"] += 1
        return self._inner.has(key)

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._counts["scans"] += 1
        return self._inner.scan(start, stop, reverse=reverse)

    def put(self, key: bytes, value: bytes) -> None:
        self._counts["puts"] += 1
        self._counts["bytes"] += len(key) + len(value)
        self._writer.put(key, value)

    def delete(self, key: bytes) -> bool:
        self._counts["deletes"] += 1
        return self._writer.delete(key)

    @property
    def _writer(self) -> Writer:
        return self._inner  # type: ignore[return-value]  # only a write transaction is asked to change anything
