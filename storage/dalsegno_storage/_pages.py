"""Long walks through a store in short transactions.

A reader that stays open keeps every page that was replaced since it began, so a walk over a large store would let the
store grow for as long as it takes. Each page here is a snapshot of its own, and the next one begins behind the last
key: a pair that is put or deleted meanwhile may be seen or not, one that stays is seen exactly once.
"""

from collections.abc import Iterator

from dalsegno_storage.protocol import Reader, Store

__all__ = ["Pair", "pages", "whole_pages"]

PAGE_BYTES = 4 << 20
PAGE_PAIRS = 2000

Pair = tuple[bytes, bytes]


def pages(
    store: Store, start: bytes = b"", stop: bytes | None = None, *, pairs: int = PAGE_PAIRS
) -> Iterator[tuple[Reader, list[Pair]]]:
    """The pairs with `start <= key < stop` in order, in pieces of up to `pairs` pairs and about PAGE_BYTES bytes.

    Each comes with the snapshot that it was read from, which ends when the next one is asked for.
    """
    while True:
        with store.read() as reader:
            page: list[Pair] = []
            size = 0
            for pair in reader.scan(start, stop):
                page.append(pair)
                size += len(pair[1])
                if len(page) >= pairs or size >= PAGE_BYTES:
                    break
            if not page:
                return
            yield reader, page
        start = page[-1][0] + b"\0"


def whole_pages(store: Store, start: bytes = b"", stop: bytes | None = None) -> Iterator[Pair]:
    """The same pairs one by one, for those who need nothing else from the snapshot."""
    for _, page in pages(store, start, stop):
        yield from page
