"""The byte format of values: a canonical profile of msgpack with tags of our own.

Every value has exactly one encoding, chosen by its exact run-time type.

* None, bool, int within 64 bits, float, str, bytes, list and dict are what msgpack has, in the shortest form;
  a float always takes nine bytes, all NaNs are one, lone surrogates take three bytes each, and a dict keeps
  its order, because code can observe it.
* Everything else is an extension: a tag and a payload. The payload is raw bytes, or one msgpack array whose
  members are again encoded values. A payload never says more than the value, so equal values give equal bytes.
* A class is written as (module, qualified name), never as code.
* What has no tag is pickled under the tag OPAQUE. Its bytes say nothing about equality.

msgpack's C packer is only trusted with containers whose members are all of the seven exact scalar types: it
would write a bytearray as bytes and an ExtType as if it were one of our tags, without asking.
"""

import struct
from collections.abc import Callable
from enum import IntEnum

from dalsegno.errors import DecodeError, EncodeError

__all__ = [
    "Buffer",
    "LARGEST_PICTURE",
    "MAX_DEPTH",
    "ModuleName",
    "Payload",
    "SINGLETONS",
    "Tag",
    "array_head",
    "bin_head",
    "ext_head",
    "map_head",
    "split_ext",
    "str_head",
    "type_name",
]

Buffer = bytes | bytearray | memoryview

Payload = list[object] | tuple[Buffer, ...] | bytes
"""What follows a tag: a list is encoded as an array of values, the others are written as they are."""

ModuleName = Callable[[str], str | None]
"""Gives the name under which a module is recorded; None when nothing in it can be found again by name."""

MAX_DEPTH = 100
"""How many containers and tagged values may lie inside each other.

Reading a level takes up to six Python frames, and callers have some of the thousand that there are by default.
"""

LARGEST_PICTURE = 1 << 20
"""How many bytes the picture of a figure may have; a larger one is neither recorded nor shown."""

_LIMIT = 2**32


class Tag(IntEnum):
    """The extension types; a number is never given a second meaning."""

    BIG_INT = 1
    COMPLEX = 2
    BYTEARRAY = 3
    TUPLE = 4
    SET = 5
    FROZENSET = 6
    RANGE = 7
    SLICE = 8
    SINGLETON = 9
    DATETIME = 10
    DATE = 11
    TIME = 12
    TIMEDELTA = 13
    TIMEZONE = 14
    ZONEINFO = 15
    DECIMAL = 16
    FRACTION = 17
    UUID = 18
    PATH = 19
    PATTERN = 20
    ORDERED_DICT = 21
    DEFAULT_DICT = 22
    COUNTER = 23
    DEQUE = 24
    REFERENCE = 32
    ENUM = 33
    NAMED_TUPLE = 34
    SUBCLASS = 35
    DATACLASS = 36
    MODEL = 37
    SECRET = 38
    NDARRAY = 48
    OBJECT_ARRAY = 49
    NUMPY_SCALAR = 50
    DTYPE = 51
    PANDAS = 56
    ARROW = 57
    POLARS = 58
    FILE = 64
    DIR = 65
    CUSTOM = 80
    OPAQUE = 81


SINGLETONS: dict[str, object] = {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}


def array_head(count: int) -> bytes:
    """What comes before the members of an array."""
    return _head(count, 0x90, 0xDC, 16)


def map_head(count: int) -> bytes:
    """What comes before the keys and values of a map."""
    return _head(count, 0x80, 0xDE, 16)


def _head(count: int, short: int, long: int, below: int) -> bytes:
    if count < below:
        return bytes((short | count,))
    if count < 65536:
        return struct.pack(">BH", long, count)
    return struct.pack(">BI", long + 1, _fits(count))


def bin_head(size: int) -> bytes:
    """What comes before that many bytes."""
    if size < 256:
        return bytes((0xC4, size))
    if size < 65536:
        return struct.pack(">BH", 0xC5, size)
    return struct.pack(">BI", 0xC6, _fits(size))


def str_head(size: int) -> bytes:
    """What comes before the UTF-8 of a text that takes that many bytes, more than 65,535."""
    return struct.pack(">BI", 0xDB, _fits(size))


def ext_head(tag: int, size: int) -> bytes:
    """What comes before a payload of that many bytes."""
    if size in _FIXED:
        return bytes((_FIXED[size], tag))
    if size < 256:
        return bytes((0xC7, size, tag))
    if size < 65536:
        return struct.pack(">BHB", 0xC8, size, tag)
    return struct.pack(">BIB", 0xC9, _fits(size), tag)


_FIXED = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}
_FIXED_SIZES = {first: size for size, first in _FIXED.items()}
_SIZED = {0xC7: ">B", 0xC8: ">H", 0xC9: ">I"}


def _fits(size: int) -> int:
    if size >= _LIMIT:
        raise EncodeError(
            f"a value of {size:,} bytes cannot be recorded: the format ends at 4 GiB, use a File"
        )
    return size


def split_ext(data: Buffer) -> tuple[int, memoryview] | None:
    """Tag and payload when `data` is exactly one extension, without a copy; None for everything else."""
    first = data[0] if len(data) else 0
    if first in _FIXED_SIZES:
        size, start = _FIXED_SIZES[first], 2
    elif first in _SIZED:
        length = struct.Struct(_SIZED[first])
        start = 2 + length.size
        if len(data) < start:
            raise DecodeError("the recorded bytes end within a value")
        size = length.unpack_from(data, 1)[0]
    else:
        return None
    if len(data) < start:
        raise DecodeError("the recorded bytes end within a value")
    view = memoryview(data)
    if len(view) != start + size:
        raise DecodeError(f"a recorded value of {start + size:,} bytes was given as {len(view):,}")
    return view[start - 1], view[start:]


def type_name(kind: type) -> str:
    """The class as a person writes it."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
