"""Digests: 32 bytes that name some bytes and say what kind of thing they are.

    digest(kind, data) = sha256(kind in ASCII, one zero byte, length of data as 8 bytes big-endian, content)

The content is the data itself up to CHUNK_SIZE bytes. Of more it is the digests of the chunks of that size that the data
is cut into, each as a thing of kind "chunk": so a large object is hashed once for its own name and those of its chunks,
by several threads at the same time, and one chunk can be checked without the others.

A kind is one or more lower-case ASCII letters, so it never holds the zero byte and no two pairs of kind and
data give the same input to sha256: of equal lengths both are cut or none is.
"""

import os
import re
import threading
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from dalsegno_storage.pieces import CHUNK_SIZE, Buffer, Pieces, size_of

if TYPE_CHECKING:
    # The type of a running hash has a name in the stubs only.
    from hashlib import _Hash

__all__ = [
    "CHUNK",
    "DIGEST_SIZE",
    "Running",
    "chunk_names",
    "digest",
    "format_digest",
    "of_chunks",
    "parse_digest",
    "short",
]

DIGEST_SIZE = 32
"""The length of every digest in bytes."""

CHUNK = "chunk"
"""The kind of the chunks that a large object is cut into."""

_KIND = re.compile("[a-z]+")
_SMALL = 2048
_IN_THREADS = 3
"""From so many chunks on, a thread more costs less than it saves."""

_prepared: dict[str, "_Hash"] = {}


def digest(kind: str, data: Buffer | Pieces) -> bytes:
    """The digest of `data` as an object of `kind`; a kind is lower-case ASCII letters."""
    if isinstance(data, bytes) and len(data) <= _SMALL:
        running = _begun(kind)
        running.update(len(data).to_bytes(8, "big") + data)
        return running.digest()
    size = size_of(data)
    if size > CHUNK_SIZE:
        return of_chunks(kind, size, chunk_names(data))
    running = _begun(kind)
    running.update(size.to_bytes(8, "big"))
    running.update(bytes(data) if isinstance(data, Pieces) else data)
    return running.digest()


def of_chunks(kind: str, size: int, names: Iterable[bytes]) -> bytes:
    """The digest of an object of more than CHUNK_SIZE bytes, whose chunks have those digests."""
    running = _begun(kind)
    running.update(size.to_bytes(8, "big"))
    running.update(b"".join(names))
    return running.digest()


def chunk_names(data: Buffer | Pieces) -> tuple[bytes, ...]:
    """The digests of the chunks of an object of more than CHUNK_SIZE bytes."""
    pieces = data if isinstance(data, Pieces) else Pieces((data,))
    if not pieces.names:
        count = -(-pieces.size // CHUNK_SIZE)
        found: dict[int, bytes] = {}
        waiting = iter(range(count))

        def work() -> None:
            for number in waiting:
                found[number] = _of_chunk(pieces.chunk(number))

        helpers = _helpers() if count >= _IN_THREADS else 0
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(helpers, count - 1))]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
        pieces.names = tuple(found[number] for number in range(count))
    return pieces.names


def _of_chunk(slices: list[memoryview]) -> bytes:
    running = _begun(CHUNK)
    running.update(sum(map(len, slices)).to_bytes(8, "big"))
    for each in slices:
        running.update(each)
    return running.digest()


def _helpers() -> int:
    """How many threads may hash beside the caller's."""
    try:
        return min(len(os.sched_getaffinity(0)), 4) - 1
    except AttributeError:  # not everywhere
        return min(os.cpu_count() or 1, 4) - 1


class Running:
    """The digest of an object of `kind` and `size` that is given piece by piece, in pieces of any size."""

    def __init__(self, kind: str, size: int) -> None:
        self._kind, self._size = kind, size
        self._left = 0
        self._names: list[bytes] = []
        self._given = 0
        self._hash = _begun(kind)
        self._is_cut = size > CHUNK_SIZE
        if not self._is_cut:
            self._hash.update(size.to_bytes(8, "big"))

    def update(self, piece: Buffer) -> None:
        """The next bytes."""
        if not self._is_cut:
            self._hash.update(piece)
            return
        view = memoryview(piece).cast("B")
        while view:
            if not self._left:
                self._begin_chunk()
            part, view = view[: self._left], view[self._left :]
            self._hash.update(part)
            self._left -= len(part)
            self._given += len(part)
            if not self._left:
                self._names.append(self._hash.digest())

    def digest(self) -> bytes:
        """The digest, once all bytes were given; one that nothing has when they were too few or too many."""
        if not self._is_cut:
            return self._hash.digest()
        if self._left:
            self._names.append(self._hash.digest())
        return of_chunks(self._kind, self._size, self._names)

    def _begin_chunk(self) -> None:
        # Of what is too much, only the length matters: there is some.
        self._left = min(CHUNK_SIZE, self._size - self._given) if self._given < self._size else CHUNK_SIZE
        self._hash = _begun(CHUNK)
        self._hash.update(self._left.to_bytes(8, "big"))


def _begun(kind: str) -> "_Hash":
    prepared = _prepared.get(kind)
    if prepared is None:
        if not _KIND.fullmatch(kind):
            raise ValueError(f"a kind is lower-case ASCII letters, not {kind!r}")
        prepared = _prepared[kind] = sha256(kind.encode("ascii") + b"\0")
    return prepared.copy()


def format_digest(digest: bytes) -> str:
    """The digest as 64 hexadecimal characters."""
    return digest.hex()


def parse_digest(text: str) -> bytes:
    """The digest that `format_digest` gave; ValueError for anything else."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"a digest is 64 lower-case hexadecimal characters, not {text!r}")
    return bytes.fromhex(text)


def short(digest: bytes) -> str:
    """The first 12 hexadecimal characters, for people to read."""
    return digest[:6].hex()
