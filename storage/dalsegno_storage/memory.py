"""A store in memory: the executable specification that the durable backends are compared with.

A version is a dict and the sorted list of its keys. A writer collects its changes aside and applies them when
its block ends: to the current version itself when nobody reads it, to a copy otherwise. So a reader needs no
lock while it reads, and a commit costs what it changes unless a reader is open.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from threading import Lock
from types import TracebackType
from typing import Self

from dalsegno_storage._turns import ForkGuard, Turns
from dalsegno_storage.errors import KeyTooLongError, StoreClosedError
from dalsegno_storage.protocol import FIRST_KEY, MAX_KEY

__all__ = ["MemoryStore"]


class MemoryStore:
    """A store that is gone when it is closed.

    `location` is only a name for error messages: two stores never share anything. `busy_timeout` is in seconds.
    """

    def __init__(self, location: str = "memory:", *, create: bool = True, busy_timeout: float = 30.0) -> None:
        # There is never an old one to open, so `create` has nothing to decide; it is there to open
        # every backend in the same way.
        self._current: _Version | None = _Version({}, [])
        self._lock = Lock()
        self._turns = Turns(location)
        self._guard = ForkGuard(location)
        self._busy_timeout = busy_timeout

    def read(self) -> "_Reader":
        """A snapshot for the length of the block."""
        return _Reader(self)

    def write(self) -> "_Writer":
        """A transaction: committed when the block ends, undone when an exception leaves it."""
        return _Writer(self)

    def close(self) -> None:
        """Forget everything; closing twice is fine."""
        if not self._guard.foreign:
            self._current = None

    def _open_version(self) -> "_Version":
        self._guard.check()
        with self._lock:
            if self._current is None:
                raise StoreClosedError
            self._current.readers += 1
            return self._current

    def _close_version(self, version: "_Version") -> None:
        with self._lock:
            version.readers -= 1

    def _apply(self, changes: "dict[bytes, bytes | None]") -> None:
        with self._lock:
            if self._current is None:
                raise StoreClosedError
            if self._current.readers:
                self._current = _Version(self._current.values.copy(), self._current.keys.copy())
            self._current.apply(changes)


class _Version:
    """One state of the store; not changed while `readers` is above zero."""

    __slots__ = ("keys", "readers", "values")

    def __init__(self, values: dict[bytes, bytes], keys: list[bytes]) -> None:
        self.values, self.keys, self.readers = values, keys, 0

    def between(self, start: bytes, stop: bytes | None) -> list[bytes]:
        last = len(self.keys) if stop is None else bisect_left(self.keys, stop)
        return self.keys[bisect_left(self.keys, start) : last]

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                if self.values.pop(key, None) is not None:
                    del self.keys[bisect_left(self.keys, key)]
            else:
                if key not in self.values:
                    insort(self.keys, key)
                self.values[key] = value


class _Reader:
    _changes: dict[bytes, bytes | None]
    """What this transaction has changed; always empty in a reader."""

    def __init__(self, store: MemoryStore) -> None:
        self._store, self._guard = store, store._guard
        self._version: _Version | None = None

    def __enter__(self) -> Self:
        self._version = self._store._open_version()
        self._changes = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        version, self._version = self._live(), None
        self._store._close_version(version)

    def _live(self) -> _Version:
        if self._guard.foreign:
            self._guard.refuse()
        if self._version is None or self._store._current is None:
            raise StoreClosedError("transaction")
        return self._version

    def get(self, key: bytes) -> bytes | None:
        version = self._live()
        return self._changes[key] if key in self._changes else version.values.get(key)

    def has(self, key: bytes) -> bool:
        return self.get(key) is not None

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        keys = self._live().between(start, stop)
        if self._changes:
            changed = (key for key in self._changes if key >= start and (stop is None or key < stop))
            keys = sorted({*keys, *changed})
        for key in reversed(keys) if reverse else keys:
            value = self.get(key)
            if value is not None:
                yield key, value


class _Writer(_Reader):
    def __enter__(self) -> Self:
        self._guard.check()
        self._store._turns.take(self._store._busy_timeout)
        try:
            return super().__enter__()
        except BaseException:
            self._store._turns.give()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
            if kind is None:
                self._store._apply(self._changes)
        finally:
            self._store._turns.give()

    def put(self, key: bytes, value: bytes) -> None:
        self._live()
        if key < FIRST_KEY or len(key) > MAX_KEY:
            raise KeyTooLongError(len(key), MAX_KEY)
        self._changes[bytes(key)] = bytes(value)

    def delete(self, key: bytes) -> bool:
        found = self.get(key) is not None
        if found:
            self._changes[key] = None
        return found
