"""A large value a piece at a time, so that looking at it takes memory for a piece and not for the whole.

An empty list takes one byte where it is recorded and seventy where it is made; what comes from elsewhere may be nothing but
such. So what is only looked at, and not decoded, is unpacked whole up to `LARGEST` bytes, and else piece by piece.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from msgpack import Unpacker

from ._format import Buffer, array_head, split_ext
from ._spans import container
from ._unpack import unpack

__all__ = ["LARGEST", "Piece", "count", "is_large", "members", "pairs", "pieces"]

LARGEST = 1 << 18
"""How many bytes are unpacked at once."""

_HEAD = 5
"""How many bytes the head of a list takes at most."""


class Piece(NamedTuple):
    """Some members of a container, one behind the other."""

    number: int
    data: memoryview

    @property
    def large(self) -> bool:
        """Whether it is a single member that is itself not to be unpacked at once."""
        return self.number == 1 and is_large(self.data)

    def encoded(self) -> Buffer:
        """One encoded value with the same in it: the only member, or a list of them that is not large."""
        return self.data if self.number == 1 else array_head(self.number) + self.data


def is_large(data: Buffer) -> bool:
    """Whether an encoded value is not to be unpacked at once."""
    return len(data) > LARGEST


def pieces(data: Buffer) -> tuple[int, int, list[Piece]] | None:
    """How many values a list or a map has in all, how many belong together (of a map two), and its pieces; None for others.

    As a list a piece has at most `LARGEST` bytes, unless it is a single value. ValueError when the bytes are damaged.
    """
    whole = memoryview(data)
    place, number, together = container(whole, 0)
    if not together:
        return None
    unpacker = Unpacker(max_buffer_size=0, unicode_errors="surrogatepass")
    unpacker.feed(whole[place:])
    found: list[Piece] = []
    start = end = place
    members = 0
    for _ in range(number):
        unpacker.skip()
        last, end = end, place + unpacker.tell()
        if members and end - start > LARGEST - _HEAD:
            found.append(Piece(members, whole[start:last]))
            start, members = last, 0
        members += 1
    if members:
        found.append(Piece(members, whole[start:end]))
    if end != len(whole):
        raise ValueError(f"there are {len(whole) - end:,} bytes too many")
    return number, together, found


def members(encoded: Buffer | list[Any] | Piece) -> tuple[int, Iterator[Any]]:
    """How many members an encoded list has, and these, each made when it is asked for.

    A member that is large and has members itself, or is tagged, is given as a `Piece`. A list that has been made already gives what is in it.
    ValueError when the bytes are damaged or no list.
    """
    if isinstance(encoded, Piece):
        encoded = encoded.data
    found = None if isinstance(encoded, list) or not is_large(encoded) else pieces(encoded)
    if found is None:
        made = encoded if isinstance(encoded, list) else unpack(encoded)[0]
        if type(made) is not list:
            raise ValueError("a payload is not an array")
        return len(made), iter(made)
    number, together, parts = found
    if together != 1:
        raise ValueError("a payload is not an array")
    return number, (member for piece in parts for member in _made(piece))


def pairs(encoded: Buffer) -> tuple[int, Iterator[tuple[Any, Any]]]:
    """The same of an encoded map: its keys and values."""
    found = pieces(encoded)
    if found is None or found[1] != 2:
        raise ValueError("a map is none")
    made = (member for piece in found[2] for member in _made(piece))
    return found[0] // 2, zip(made, made, strict=True)


def _made(piece: Piece) -> Iterator[Any]:
    if piece.large and (split_ext(piece.data) or container(piece.data, 0)[2]):
        yield piece
    else:
        yield from unpack(array_head(piece.number) + piece.data)[0]


def count(data: Buffer, most: int) -> int:
    """How many values there are in an encoded value, at any depth outside of extensions; more than `most` are not counted."""
    unpacker = Unpacker(max_buffer_size=0, unicode_errors="surrogatepass")
    whole = memoryview(data)
    unpacker.feed(whole)
    known = left = 1
    while left and known <= most:
        left -= 1
        _, number, together = container(whole, unpacker.tell())
        if not together:
            unpacker.skip()
            continue
        _ = unpacker.read_map_header() if together == 2 else unpacker.read_array_header()
        known += number
        left += number
    return known
