"""The tar archive in a capsule, in one form only: the header of an entry is made anew from its name and size and compared.

So an entry is a plain file, of nobody, with no time; there are no links, no devices and no folders, and nothing is ever
extracted. Names say what an entry is; who reads says which names there may be. An entry is padded with zeros to 512 bytes, and
two blocks of zeros end the archive, with nothing behind them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator

from dalsegno.errors import CapsuleError

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_PIECE = 1 << 20


def header(name: str, size: int) -> bytes:
    """The header of an entry."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def put(write: Callable[[bytes], None], name: str, size: int, pieces: Iterable[bytes]) -> None:
    """Write one entry of `size` bytes."""
    write(header(name, size))
    written = 0
    for piece in pieces:
        write(piece)
        written += len(piece)
    if written != size:
        raise AssertionError(f"{name} has {written} bytes, not {size}")
    write(bytes(-size % _BLOCK))


def end(write: Callable[[bytes], None]) -> None:
    """Write what stands behind the last entry."""
    write(_END)


class Entry:
    """An entry that is being read, in order and once."""

    def __init__(self, archive: Archive, name: str, size: int) -> None:
        self._archive = archive
        self.name = name
        self.size = size
        self.left = size

    def read(self, size: int) -> bytes:
        """The next `size` bytes; CapsuleError when there are fewer."""
        if size > self.left:
            raise self.wrong(f"it ends {size - self.left} bytes too early")
        self.left -= size
        return self._archive.take(size)

    def pieces(self) -> Iterator[bytes]:
        """What is left, in pieces of a megabyte."""
        while self.left:
            yield self.read(min(self.left, _PIECE))

    def wrong(self, reason: str, cure: str = "get another copy of it") -> CapsuleError:
        """The error that says what is wrong with it."""
        return CapsuleError(self._archive.file, self.name, reason, cure)


class Archive:
    """An archive that is read from its beginning to its end; `limit` bounds its size in bytes."""

    def __init__(self, file: str, pieces: Iterator[bytes], limit: int) -> None:
        self.file = file
        self._pieces = pieces
        self._limit = limit
        self._total = 0
        self._ahead = bytearray()

    def __iter__(self) -> Iterator[Entry]:
        """The entries; each must have been read when the next is asked for."""
        while True:
            block = self.take(_BLOCK)
            if not any(block):
                if any(self.take(_BLOCK)):
                    raise CapsuleError(self.file, "", "a single block of zeros is among its entries")
                break
            entry = self._entry(block)
            yield entry
            if entry.left:
                raise AssertionError(f"{entry.name} was not read")
            if any(self.take(-entry.size % _BLOCK)):
                raise entry.wrong("what fills it up to a block is not zero")
        if self._ahead or next(self._pieces, None) is not None:
            raise CapsuleError(self.file, "", "there is something behind its last entry")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._ahead) < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise CapsuleError(self.file, "", "the archive in it has no end")
            self._ahead += piece
        data = bytes(self._ahead[:size])
        del self._ahead[:size]
        return data

    def _entry(self, block: bytes) -> Entry:
        name = "?"
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
            name, size = info.name, info.size
            same = size >= 0 and header(name, size) == block
        except (tarfile.TarError, ValueError):
            same = False
        if not same:
            raise CapsuleError(self.file, name, "its header is not that of a plain entry of a capsule")
        self._total += _BLOCK + size
        if self._total > self._limit:
            raise CapsuleError(
                self.file,
                name,
                f"with it the archive has more than {self._limit:,} bytes, which is suspiciously much for a file of this size",
                "if you expect that, say so with max_size (--max-size)",
            )
        return Entry(self, name, size)
