"""The first elements of what libraries have in a binary form of their own: arrays and tables."""

import math
import struct
from typing import Any

from ._format import Buffer

__all__ = ["elements", "first_rows", "printable", "shape_of"]

_LONG = 1000
_MOST_DIMENSIONS = 64


def printable(text: str) -> str:
    """A text in which surrogates that have no partner are written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def shape_of(found: Any) -> list[int]:
    """The shape of an array; ValueError for what is none."""
    if type(found) is not list or len(found) > _MOST_DIMENSIONS:
        raise ValueError("a shape is none")
    if not all(type(size) is int and size >= 0 for size in found):
        raise ValueError("a shape is none")
    return found


def elements(dtype: Any, content: memoryview, most: int) -> dict[str, Any]:
    """The first numbers in the content of an array, as `preview`; nothing of other types."""
    code = _STRUCT.get(dtype[1:]) if isinstance(dtype, str) else None
    if code is None or dtype[0] not in "<>|":
        return {}
    form = struct.Struct(dtype[0].replace("|", "<") + code)
    count = min(most, len(content) // form.size)
    found = (form.unpack_from(content, place * form.size)[0] for place in range(count))
    return {
        "preview": [
            item if not isinstance(item, float) or math.isfinite(item) else str(item) for item in found
        ]
    }


def first_rows(content: Buffer, most: int) -> dict[str, Any]:
    """The first rows of an Arrow stream, column by column; nothing where they cannot be read."""
    try:
        import pyarrow as pa

        with pa.ipc.open_stream(content) as stream:
            rows = stream.read_next_batch().slice(0, most)
        return {"data": [[_plain(each) for each in column.to_pylist()] for column in rows.columns]}
    except (
        Exception
    ):  # without pyarrow, without rows, or with types that it does not know, there is less to see
        return {}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return printable(str(value)[:_LONG])


_STRUCT = {
    "b1": "?",
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "f2": "e",
    "i4": "i",
    "u4": "I",
    "f4": "f",
    "i8": "q",
    "u8": "Q",
    "f8": "d",
}
