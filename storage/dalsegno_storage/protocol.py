"""The contract of a store: an ordered map from bytes to bytes, with transactions.

Laws, for every backend (`dalsegno_storage.testing.StoreContract` checks them):

1. Keys are 1 to `MAX_KEY` bytes, the first of them not zero (those a backend keeps for itself), ordered as
   unsigned bytes; values are any bytes. `put` refuses other keys with KeyTooLongError; `get` and `delete` find
   nothing under them, and the bounds of a scan may be any bytes.
2. `read()` is a snapshot: nothing committed later is seen through it. Any number may be open, in any thread,
   the one that is writing included.
3. `write()` is all or nothing: an exception leaving the block undoes everything. Writers take turns in the
   order in which they came, across processes where the backend has files, and give up with StoreBusyError.
   A writer sees its own writes. A second `write()` in a thread that has one open is StoreBusyError at once.
4. When the `write()` block has ended without error, what it wrote is durable, as far as the backend has a
   disk. When the end of the block raises, reading tells whether it was written.
5. A `Reader` or `Writer` is used by the thread that opened it, and after its block it is StoreClosedError.
6. `scan` yields pairs in key order, ascending or descending, `start` included, `stop` excluded. Writing
   while a scan of the same transaction is being consumed is not allowed.
7. Transactions are short: a reader keeps old pages alive, a writer keeps every other writer waiting. What is
   open when the store is closed is undone.
8. A store does not survive `fork`: in the child every use is StoreForkedError, except for `close()`, which
   does nothing.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["FIRST_KEY", "MAX_KEY", "Reader", "Store", "Writer"]

MAX_KEY = 511
"""The longest key in bytes, which is what LMDB's page size allows."""

FIRST_KEY = b"\x01"
"""The least key."""


class Reader(Protocol):
    """A snapshot of the store."""

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""

    def has(self, key: bytes) -> bool:
        """Whether there is a value under `key`, which is not read."""

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The pairs with `start <= key < stop` in key order; `reverse` gives them last first."""


class Writer(Reader, Protocol):
    """The one open write transaction of the store."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`, replacing what was there."""

    def delete(self, key: bytes) -> bool:
        """Remove `key`; says whether it was there."""


class Store(Protocol):
    """A place that keeps bytes."""

    def read(self) -> AbstractContextManager[Reader]:
        """A snapshot for the length of the block."""

    def write(self) -> AbstractContextManager[Writer]:
        """A transaction: committed when the block ends, undone when an exception leaves it."""

    def close(self) -> None:
        """Give everything back; closing twice is fine, other use afterwards is StoreClosedError."""
