"""Removing objects, while others are reading and writing.

Whoever calls says what is kept. Between the moment when that was found out and the moment when an object is removed
somebody may have begun to refer to it, so it is asked again inside each removing transaction, where nobody else writes.

The order matters: what refers to others goes first and what is referred to last, and an object that is cut goes before
its chunks. So at every moment, and after a crash too, an object that is there has everything there that it refers to.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dalsegno_storage._pages import whole_pages
from dalsegno_storage.check import OBJECTS, chunks_of, digest_of, kind_of
from dalsegno_storage.objects import object_key
from dalsegno_storage.protocol import Reader, Store, Writer

__all__ = ["Garbage", "garbage", "remove", "with_chunks"]

BATCH = 1000
"""How many objects go in one transaction; a thousand deletions take a few milliseconds."""

Keep = Callable[[bytes], bool]
"""Says whether the object with that digest is kept."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """An object that nobody keeps; `stored` is what its record takes, in bytes."""

    digest: bytes
    kind: str
    stored: int


def garbage(store: Store, keep: Keep) -> list[Garbage]:
    """The objects that are not kept and are no chunks of kept ones.

    A record that is none of an object is left alone, since what it was is not known.
    """
    chunks: set[bytes] = set()
    found: list[Garbage] = []
    for key, record in whole_pages(store, *OBJECTS):
        digest, kind = digest_of(key), kind_of(record)
        if digest is None or not kind:
            continue
        if keep(digest):
            chunks.update(chunks_of(record))
        else:
            found.append(Garbage(digest, kind, len(key) + len(record)))
    return [each for each in found if each.digest not in chunks]


def with_chunks(reader: Reader, digests: Iterable[bytes]) -> Iterator[bytes]:
    """The digests, each followed by those of its chunks."""
    for digest in digests:
        yield digest
        record = reader.get(object_key(digest))
        if record is not None:
            yield from chunks_of(record)


def remove(
    store: Store,
    doomed: Sequence[Garbage],
    kept_now: Callable[[Writer], Keep],
    removing: Callable[[Writer], None],
    *,
    referring: Sequence[str] = (),
) -> list[Garbage]:
    """Remove objects in transactions of bounded size and say which ones were.

    `kept_now` is asked at the start of each transaction what is kept by then. `removing` is called in each one that
    removes something. Objects of the kinds `referring` go first, in that order.
    """
    ranks = {kind: number for number, kind in enumerate(referring)}
    last = len(ranks) + 1
    ordered = sorted(
        doomed, key=lambda each: last if each.kind == "chunk" else ranks.get(each.kind, last - 1)
    )
    removed: list[Garbage] = []
    for start in range(0, len(ordered), BATCH):
        with store.write() as writer:
            keep = kept_now(writer)
            batch = [each for each in ordered[start : start + BATCH] if not keep(each.digest)]
            gone = [each for each in batch if writer.delete(object_key(each.digest))]
            if gone:
                removing(writer)
        removed += gone
    return removed
