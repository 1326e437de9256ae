"""A store on top of another one: it shows what is there, and keeps what is written to itself, in memory.

So something can be executed as if it were recorded, without a byte of the store below being changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.protocol import Reader, Store, Writer

__all__ = ["OverlayStore"]

_GONE = b"\0"
_THERE = b"\1"


class OverlayStore:
    """What is in `base`, with changes that are gone when this is closed; `base` stays open."""

    def __init__(self, base: Store) -> None:
        self._base = base
        self._top = MemoryStore("overlay:")

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A snapshot for the length of the block."""
        with self._top.read() as top, self._base.read() as base:
            yield _Merged(top, base)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """A transaction: committed when the block ends, undone when an exception leaves it."""
        with self._top.write() as top, self._base.read() as base:
            yield _MergedWriter(top, base)

    def close(self) -> None:
        """Forget the changes; closing twice is fine."""
        self._top.close()


class _Merged:
    def __init__(self, top: Reader, base: Reader) -> None:
        self._top = top
        self._base = base

    def get(self, key: bytes) -> bytes | None:
        found = self._top.get(key)
        if found is None:
            return self._base.get(key)
        return None if found == _GONE else found[1:]

    def has(self, key: bytes) -> bool:
        found = self._top.get(key)
        return self._base.has(key) if found is None else found != _GONE

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        above = self._top.scan(start, stop, reverse=reverse)
        below = self._base.scan(start, stop, reverse=reverse)
        lower = next(below, None)
        for key, found in above:
            while lower is not None and lower[0] != key and (lower[0] < key) != reverse:
                yield lower
                lower = next(below, None)
            if lower is not None and lower[0] == key:
                lower = next(below, None)
            if found != _GONE:
                yield key, found[1:]
        if lower is not None:
            yield lower
            yield from below


class _MergedWriter(_Merged):
    def __init__(self, top: Writer, base: Reader) -> None:
        super().__init__(top, base)
        self._changes = top

    def put(self, key: bytes, value: bytes) -> None:
        self._changes.put(key, _THERE + bytes(value))

    def delete(self, key: bytes) -> bool:
        found = self.get(key) is not None
        if found:
            self._changes.put(key, _GONE)
        return found
