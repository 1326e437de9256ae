"""numpy arrays, scalars and dtypes.

An array is written as four bytes with the length of the head, the head (dtype and shape as values), and its
elements in C order, so that the layout in memory does not matter. Bytes that are no part of the value, the padding of
structured and extended-precision dtypes, are written as zeros. Bits of NaN payloads are kept.
"""

import math
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._format import Buffer, Payload, Tag

if TYPE_CHECKING:
    import numpy as np

    from ._decode import Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer", "split_head"]

_PADDED = "gG"
"""Type codes of extended precision, whose elements are wider than their content."""


def find_writer(kind: type) -> Callable[["Writer", Any], tuple[Tag, Payload] | None] | None:
    """What writes this class of numpy; None for what must be pickled."""
    numpy = sys.modules["numpy"]
    if kind is numpy.ndarray:
        return _write_array
    if issubclass(kind, (numpy.str_, numpy.bytes_)):
        return _write_text
    if issubclass(kind, numpy.generic):
        return _write_scalar
    return _write_dtype if issubclass(kind, numpy.dtype) else None


def _describe(dtype: "np.dtype[Any]") -> Any:
    """The dtype as a value; None when it cannot be told by one."""
    import numpy as np

    if dtype.metadata is not None:
        return None
    if dtype.names is None and dtype.num != np.dtype(dtype.str).num:
        # Two C types of one width: `long` and `long long`.
        return dtype.str[0] + dtype.char
    description = np.lib.format.dtype_to_descr(dtype)
    found = np.lib.format.descr_to_dtype(description)
    return description if found == dtype and type(found) is type(dtype) else None


def _dtype(description: Any) -> "np.dtype[Any]":
    import numpy as np

    return np.lib.format.descr_to_dtype(description)


def _write_array(writer: "Writer", value: "np.ndarray[Any, Any]") -> tuple[Tag, Payload] | None:
    dtype = value.dtype
    if dtype.char == "O":
        return Tag.OBJECT_ARRAY, [list(value.shape), value.ravel().tolist()]
    description = None if dtype.hasobject else _describe(dtype)
    if description is None:
        return None
    head = writer.encoded([description, list(value.shape)])
    return Tag.NDARRAY, (struct.pack(">I", len(head)), head, _content(value))


def _content(value: "np.ndarray[Any, Any]") -> Buffer:
    import numpy as np

    dtype = value.dtype
    if dtype.itemsize == 0:
        return b""
    if dtype.names is not None:
        clean = np.zeros(value.shape, dtype)
        _copy_fields(value, clean)
        value = clean
    elif dtype.char in _PADDED:
        value = value.copy()
    plain = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    if dtype.char in _PADDED and np.finfo(dtype).nmant == 63:
        plain.reshape(-1, np.dtype(np.longdouble).itemsize)[:, 10:] = 0
    return plain.data


def _copy_fields(value: "np.ndarray[Any, Any]", clean: "np.ndarray[Any, Any]") -> None:
    for name in value.dtype.names or ():
        if clean[name].dtype.names is None:
            clean[name] = value[name]
        else:
            _copy_fields(value[name], clean[name])


def split_head(data: Buffer) -> tuple[memoryview, memoryview]:
    """The head and the elements in a payload."""
    view = memoryview(data)
    (size,) = struct.unpack_from(">I", view)
    return view[4 : 4 + size], view[4 + size :]


def _read_array(reader: "Reader", data: Buffer) -> "np.ndarray[Any, Any]":
    import numpy as np

    head, content = split_head(data)
    description, shape = reader.fields(head, 2)
    dtype = _dtype(description)
    if dtype.hasobject:
        raise ValueError("a dtype with objects in it has no bytes")
    size = math.prod(shape)
    if size * dtype.itemsize != len(content):
        raise ValueError(f"{len(content):,} bytes cannot be an array of {dtype} with shape {tuple(shape)}")
    if not len(content):
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype).reshape(shape).copy()


def _read_object_array(reader: "Reader", data: Buffer) -> "np.ndarray[Any, Any]":
    import numpy as np

    shape, members = reader.fields(data, 2)
    if math.prod(shape) != len(members):
        raise ValueError(f"{len(members):,} members cannot be an array with shape {tuple(shape)}")
    flat = np.empty(len(members), object)
    for index, member in enumerate(members):
        flat[index] = member
    return flat.reshape(shape)


def _write_scalar(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    import numpy as np

    description = None if value.dtype.hasobject else _describe(value.dtype)
    if description is None or type(value) is not value.dtype.type:
        return None
    return Tag.NUMPY_SCALAR, [description, bytes(_content(np.asarray(value)))]


def _write_text(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    # As an array, a text would lose the zeros at its end.
    if isinstance(value, str):
        return Tag.NUMPY_SCALAR, ["U", str.__str__(value)]
    return Tag.NUMPY_SCALAR, ["S", bytes(memoryview(value))]


def _read_scalar(reader: "Reader", data: Buffer) -> Any:
    import numpy as np

    description, content = reader.fields(data, 2)
    if description in ("U", "S"):
        return np.str_(content) if description == "U" else np.bytes_(content)
    dtype = _dtype(description)
    if dtype.hasobject or dtype.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes cannot be a {dtype}")
    return np.frombuffer(content, dtype).copy()[0] if content else np.zeros(1, dtype)[0]


def _write_dtype(writer: "Writer", value: "np.dtype[Any]") -> tuple[Tag, Payload] | None:
    description = _describe(value)
    return None if description is None else (Tag.DTYPE, [description])


def _read_dtype(reader: "Reader", data: Buffer) -> "np.dtype[Any]":
    (description,) = reader.fields(data, 1)
    return _dtype(description)


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {
    Tag.NDARRAY: _read_array,
    Tag.OBJECT_ARRAY: _read_object_array,
    Tag.NUMPY_SCALAR: _read_scalar,
    Tag.DTYPE: _read_dtype,
}
