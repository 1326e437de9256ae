"""Types that need no import: tuples, sets, long integers, ranges, classes and functions by name."""

import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dalsegno.errors import DecodeError

from ._format import SINGLETONS, Buffer, Payload, Tag
from ._reference import FUNCTIONS

if TYPE_CHECKING:
    from ._decode import Reader
    from ._encode import Writer

__all__ = ["READERS", "WRITERS", "write_reference"]

_NAN = float("nan")


def _write_tuple(writer: "Writer", value: tuple[Any, ...]) -> tuple[Tag, Payload]:
    return Tag.TUPLE, list(value)


def _write_set(writer: "Writer", value: set[Any]) -> tuple[Tag, Payload]:
    return Tag.SET, writer.members(value)


def _write_frozenset(writer: "Writer", value: frozenset[Any]) -> tuple[Tag, Payload]:
    return Tag.FROZENSET, writer.members(value)


def _write_bytearray(writer: "Writer", value: bytearray) -> tuple[Tag, Payload]:
    return Tag.BYTEARRAY, bytes(value)


def _write_complex(writer: "Writer", value: complex) -> tuple[Tag, Payload]:
    parts = (_NAN if math.isnan(part) else part for part in (value.real, value.imag))
    return Tag.COMPLEX, struct.pack(">dd", *parts)


def _write_range(writer: "Writer", value: range) -> tuple[Tag, Payload]:
    return Tag.RANGE, [value.start, value.stop, value.step]


def _write_slice(writer: "Writer", value: slice) -> tuple[Tag, Payload]:
    return Tag.SLICE, [value.start, value.stop, value.step]


def _write_singleton(writer: "Writer", value: object) -> tuple[Tag, Payload]:
    return Tag.SINGLETON, str(value).encode()


def write_reference(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    """A class or function, by its name."""
    name = writer.reference(value)
    return None if name is None else (Tag.REFERENCE, list(name))


WRITERS: dict[type, Callable[["Writer", Any], tuple[Tag, Payload] | None]] = {
    tuple: _write_tuple,
    set: _write_set,
    frozenset: _write_frozenset,
    bytearray: _write_bytearray,
    complex: _write_complex,
    range: _write_range,
    slice: _write_slice,
    type(Ellipsis): _write_singleton,
    type(NotImplemented): _write_singleton,
    type: write_reference,
    **dict.fromkeys(FUNCTIONS, write_reference),
}


def _read_int(reader: "Reader", data: Buffer) -> int:
    return int.from_bytes(data, "big", signed=True)


def _read_complex(reader: "Reader", data: Buffer) -> complex:
    return complex(*struct.unpack(">dd", data))


def _read_bytearray(reader: "Reader", data: Buffer) -> bytearray:
    return bytearray(data)


def _read_tuple(reader: "Reader", data: Buffer) -> tuple[Any, ...]:
    return tuple(reader.fields(data))


def _read_set(reader: "Reader", data: Buffer) -> set[Any]:
    return set(reader.fields(data))


def _read_frozenset(reader: "Reader", data: Buffer) -> frozenset[Any]:
    return frozenset(reader.fields(data))


def _read_range(reader: "Reader", data: Buffer) -> range:
    return range(*reader.fields(data, 3))


def _read_slice(reader: "Reader", data: Buffer) -> slice:
    return slice(*reader.fields(data, 3))


def _read_singleton(reader: "Reader", data: Buffer) -> object:
    return SINGLETONS[str(data, "ascii")]


def _read_reference(reader: "Reader", data: Buffer) -> Any:
    module, name = reader.fields(data, 2)
    found = reader.resolve(module, name)
    if not isinstance(found, (type, *FUNCTIONS)):
        raise DecodeError(f"{module}.{name} is neither a class nor a function, as it was when recorded")
    return found


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {
    Tag.BIG_INT: _read_int,
    Tag.COMPLEX: _read_complex,
    Tag.BYTEARRAY: _read_bytearray,
    Tag.TUPLE: _read_tuple,
    Tag.SET: _read_set,
    Tag.FROZENSET: _read_frozenset,
    Tag.RANGE: _read_range,
    Tag.SLICE: _read_slice,
    Tag.SINGLETON: _read_singleton,
    Tag.REFERENCE: _read_reference,
}
