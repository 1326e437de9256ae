"""Values for eyes: JSON-able objects, made without importing or unpickling anything.

What JSON has stands for itself. Everything else is a small dict with "$type", so a dict of the user's that has a
key starting with "$", or keys that are no strings, is shown as {"$type": "dict", "items": [[key, value], ...]}.
"""

import base64
import math
import struct
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from dalsegno.errors import DecodeError

from ._format import LARGEST_PICTURE, MAX_DEPTH, Buffer, Tag, split_ext
from ._pieces import Piece, is_large, members, pairs
from ._previews import elements, first_rows, printable, shape_of
from ._spans import container
from ._unpack import Extension, unpack

__all__ = ["view"]

_PREVIEW = 10
_LONG_INT = 1780
"""So many bytes are fewer than the 4,300 digits that Python makes of an int by default."""

_MOST_SHOWN = 1_000_000
_MOST_FIELDS = 1000


def view(data: Buffer, *, limit: int = 10_000, content: int | None = None, preview: int | None = None) -> Any:
    """The recorded value as JSON can have it, lossy but readable and the same every time.

    Lists and dicts longer than `limit` are cut, and say so with "$size", as all are once a million members have been shown; texts and bytes longer than `content`, which is
    `limit` if it is not given; where it is, the picture of a figure is shown too (PNG, or a Plotly figure as JSON). Of an array the first `preview` elements are shown, 10 by default; of an Arrow or polars table as
    many rows, column by column, but only where `preview` is given and pyarrow can read it.
    """
    viewer = _Viewer(limit, content, preview)
    try:
        return viewer.show(data)
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"the recorded bytes are not a value: {error or type(error).__name__}") from error


class _Viewer:
    def __init__(self, limit: int, content: int | None = None, preview: int | None = None) -> None:
        self.limit = limit
        self.preview = _PREVIEW if preview is None else preview
        self.rows = 0 if preview is None else preview
        self.pictures = content is not None
        self._content = limit if content is None else content
        self._depth = 0
        self._left = _MOST_SHOWN

    def show(self, data: Buffer) -> Any:
        """The one encoded value that `data` is."""
        split = split_ext(data)
        if split is not None:
            return self.tagged(*split)
        together = container(memoryview(data), 0)[2] if is_large(data) else 0
        if not together:
            return self.leaf(unpack(data)[0])
        self._deeper()
        shown = self._list(data) if together == 1 else self._dict(*pairs(data))
        self._depth -= 1
        return shown

    def leaf(self, value: Any) -> Any:
        """An unpacked value as JSON can have it."""
        kind = type(value)
        self._left -= 1
        if kind is Extension:
            return self.tagged(value.tag, value.data)
        if kind is Piece:
            return self.show(value.data)
        if kind is list:
            return self._list(value)
        if kind is dict:
            return self._dict(len(value), value.items())
        if kind is float and not math.isfinite(value):
            return {"$type": "float", "value": str(value)}
        if kind is bytes:
            shown = {"$type": "bytes", "base64": base64.b64encode(value[: self._content]).decode()}
            return shown | self._cut(len(value), self._content)
        if kind is str:
            if len(value) > self._content:
                shown = {"$type": "str", "value": printable(value[: self._content])}
                return shown | self._cut(len(value), self._content)
            return printable(value)
        return value

    def _cut(self, size: int, limit: int) -> dict[str, int]:
        return {"$size": size} if size > limit else {}

    def items(self, encoded: Buffer | list[Any]) -> dict[str, Any]:
        """The first members of a list, encoded or made, and how many there are when those are not all."""
        size, found = members(encoded)
        shown = [self.leaf(member) for member in islice(found, self._room(size))]
        return {"items": shown} | self._cut(size, len(shown))

    def _room(self, size: int) -> int:
        return max(0, min(size, self.limit, self._left))

    def _list(self, encoded: Buffer | list[Any]) -> Any:
        shown = self.items(encoded)
        return {"$type": "list"} | shown if "$size" in shown else shown["items"]

    def _dict(self, size: int, pairs: Iterable[tuple[Any, Any]]) -> Any:
        shown = [(self.leaf(key), self.leaf(item)) for key, item in islice(pairs, self._room(size))]
        plain = all(type(key) is str and not key.startswith("$") for key, _ in shown)
        if plain and len(shown) == size:
            return dict(shown)
        return {"$type": "dict", "items": [list(pair) for pair in shown]} | self._cut(size, len(shown))

    def tagged(self, tag: int, data: Buffer) -> Any:
        self._deeper()
        show = _SHOW.get(tag)
        shown = {"$type": f"tag {tag}", "$size": len(data)} if show is None else show(self, data)
        self._depth -= 1
        return shown

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DecodeError(f"the recorded value is nested deeper than {MAX_DEPTH} levels")

    def fields(self, data: Buffer) -> list[Any]:
        """The members of a payload, each shown."""
        return [self.leaf(member) for member in self.raw(data)]

    def raw(self, data: Buffer) -> list[Any]:
        """The members of a payload as they are unpacked; there are few."""
        size, found = members(data)
        if size > _MOST_FIELDS:
            raise ValueError(f"a payload has {size:,} fields")
        return list(found)


def _value(name: str, shown: object) -> dict[str, object]:
    return {"$type": name, "value": shown}


def _int(viewer: _Viewer, data: Buffer) -> Any:
    found = int.from_bytes(data, "big", signed=True)
    return (
        found if len(data) <= _LONG_INT else _value("int", hex(found))
    )  # Python refuses to write it in decimal digits


def _members(name: str) -> Callable[[_Viewer, Buffer], Any]:
    return lambda viewer, data: {"$type": name} | viewer.items(data)


def _parts(name: str) -> Callable[[_Viewer, Buffer], Any]:
    return lambda viewer, data: _value(name, viewer.show(data))


def _only_part(name: str) -> Callable[[_Viewer, Buffer], Any]:
    return lambda viewer, data: _value(name, viewer.fields(data)[0])


def _text(name: str) -> Callable[[_Viewer, Buffer], Any]:
    return lambda viewer, data: _value(name, str(data, "utf-8"))


def _bytearray(viewer: _Viewer, data: Buffer) -> Any:
    return viewer.leaf(bytes(data)) | {"$type": "bytearray"}


def _complex(viewer: _Viewer, data: Buffer) -> Any:
    return _value("complex", str(complex(*struct.unpack(">dd", data))))


def _moment(name: str) -> Callable[[_Viewer, Buffer], Any]:
    def show(viewer: _Viewer, data: Buffer) -> Any:
        *parts, hour, minute, second, micro, fold, zone = viewer.fields(data)
        text = f"{parts[0]:04}-{parts[1]:02}-{parts[2]:02}T" if parts else ""
        text += f"{hour:02}:{minute:02}:{second:02}" + (f".{micro:06}" if micro else "")
        shown = _value(name, text)
        if zone is not None:
            shown["zone"] = str(zone.get("value", zone) if isinstance(zone, dict) else zone)
        return shown | ({"fold": fold} if fold else {})

    return show


def _date(viewer: _Viewer, data: Buffer) -> Any:
    year, month, day = viewer.fields(data)
    return _value("date", f"{year:04}-{month:02}-{day:02}")


def _timedelta(viewer: _Viewer, data: Buffer) -> Any:
    days, seconds, micro = viewer.fields(data)
    return _value("timedelta", f"{days} days {seconds}.{micro:06} s")


def _timezone(viewer: _Viewer, data: Buffer) -> Any:
    offset, *name = viewer.raw(data)
    days, seconds, _ = viewer.raw(offset.data)
    sign, seconds = ("-", -86400 * days - seconds) if days < 0 else ("+", seconds)
    return _value("timezone", name[0] if name else f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}")


def _uuid(viewer: _Viewer, data: Buffer) -> Any:
    text = bytes(data).hex()
    return _value("uuid", "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])))


def _fraction(viewer: _Viewer, data: Buffer) -> Any:
    return _value("fraction", "{}/{}".format(*viewer.fields(data)))


def _path(viewer: _Viewer, data: Buffer) -> Any:
    return _value("path", viewer.fields(data)[1])


def _object(name: str, attributes: str = "fields") -> Callable[[_Viewer, Buffer], Any]:
    """Class and the first part after it; for enum members that is their name."""

    def show(viewer: _Viewer, data: Buffer) -> Any:
        module, qualname, content, *_ = viewer.fields(data)
        return {"$type": name, "class": f"{module}.{qualname}", attributes: content}

    return show


def _reference(viewer: _Viewer, data: Buffer) -> Any:
    return _value("reference", ".".join(viewer.raw(data)))


def _secret(viewer: _Viewer, data: Buffer) -> Any:
    return _value("secret", "**********")


def _ndarray(viewer: _Viewer, data: Buffer) -> Any:
    view = memoryview(data)
    (size,) = struct.unpack_from(">I", view)
    dtype, shape = viewer.fields(view[4 : 4 + size])
    return {"$type": "ndarray", "dtype": dtype, "shape": shape_of(shape)} | elements(
        dtype, view[4 + size :], viewer.preview
    )


def _object_array(viewer: _Viewer, data: Buffer) -> Any:
    shape, content = viewer.raw(data)
    return {
        "$type": "ndarray",
        "dtype": "|O",
        "shape": shape_of(shape),
        "preview": list(map(viewer.leaf, islice(members(content)[1], viewer.preview))),
    }


def _numpy_scalar(viewer: _Viewer, data: Buffer) -> Any:
    dtype, content = viewer.raw(data)
    shown = (
        [content] if isinstance(content, str) else elements(dtype, memoryview(content), 1).get("preview", [])
    )
    return {"$type": "numpy", "dtype": viewer.leaf(dtype)} | ({"value": shown[0]} if shown else {})


def _pandas(viewer: _Viewer, data: Buffer) -> Any:
    name, *parts = viewer.fields(data)
    shown = {"$type": f"pandas.{name}"}
    if name == "DataFrame":
        return shown | {"index": parts[0], "columns": parts[1], "data": parts[2]}
    return shown | ({"parts": parts} if parts else {})


def _table(library: str) -> Callable[[_Viewer, Buffer], Any]:
    def show(viewer: _Viewer, data: Buffer) -> Any:
        kind, rows, columns, content = viewer.raw(data)
        if type(rows) is not int or type(columns) is not list:
            raise ValueError("a table has no rows and columns")
        shown = {"$type": f"{library}.{kind}", "rows": rows, "columns": columns, "$size": len(content)}
        return shown | first_rows(content, viewer.rows) if viewer.rows else shown

    return show


def _file(viewer: _Viewer, data: Buffer) -> Any:
    name, size, digest = viewer.raw(data)
    return {"$type": "File", "name": name, "size": size, "digest": digest.hex()}


def _dir(viewer: _Viewer, data: Buffer) -> Any:
    name, entries = viewer.raw(data)
    files = [
        {"path": path, "size": size, "digest": digest.hex()}
        for path, size, digest in (members(each)[1] for each in islice(members(entries)[1], viewer.limit))
    ]
    return {"$type": "Dir", "name": name, "files": files}


def _custom(viewer: _Viewer, data: Buffer) -> Any:
    codec, kind, content = viewer.raw(data)
    return {"$type": kind, "codec": codec, "$size": len(content)}


def _opaque(viewer: _Viewer, data: Buffer) -> Any:
    kind, *picture, content = viewer.raw(data)
    shown = {"$opaque": kind, "size": len(content)}
    if viewer.pictures and picture and len(picture[0]) <= LARGEST_PICTURE:
        shown["picture"] = base64.b64encode(picture[0]).decode()
    return shown


_SHOW: dict[int, Callable[[_Viewer, Buffer], Any]] = {
    Tag.BIG_INT: _int,
    Tag.COMPLEX: _complex,
    Tag.BYTEARRAY: _bytearray,
    Tag.TUPLE: _members("tuple"),
    Tag.SET: _members("set"),
    Tag.FROZENSET: _members("frozenset"),
    Tag.RANGE: _parts("range"),
    Tag.SLICE: _parts("slice"),
    Tag.SINGLETON: _text("singleton"),
    Tag.DATETIME: _moment("datetime"),
    Tag.DATE: _date,
    Tag.TIME: _moment("time"),
    Tag.TIMEDELTA: _timedelta,
    Tag.TIMEZONE: _timezone,
    Tag.ZONEINFO: _text("zoneinfo"),
    Tag.DECIMAL: _text("decimal"),
    Tag.FRACTION: _fraction,
    Tag.UUID: _uuid,
    Tag.PATH: _path,
    Tag.PATTERN: _only_part("pattern"),
    Tag.ORDERED_DICT: _only_part("OrderedDict"),
    Tag.DEFAULT_DICT: lambda viewer, data: _value("defaultdict", viewer.fields(data)[1]),
    Tag.COUNTER: _only_part("Counter"),
    Tag.DEQUE: _only_part("deque"),
    Tag.REFERENCE: _reference,
    Tag.ENUM: _object("enum", "value"),
    Tag.NAMED_TUPLE: _object("namedtuple"),
    Tag.SUBCLASS: _object("subclass", "value"),
    Tag.DATACLASS: _object("dataclass"),
    Tag.MODEL: _object("model"),
    Tag.SECRET: _secret,
    Tag.NDARRAY: _ndarray,
    Tag.OBJECT_ARRAY: _object_array,
    Tag.NUMPY_SCALAR: _numpy_scalar,
    Tag.DTYPE: _only_part("dtype"),
    Tag.PANDAS: _pandas,
    Tag.ARROW: _table("pyarrow"),
    Tag.POLARS: _table("polars"),
    Tag.FILE: _file,
    Tag.DIR: _dir,
    Tag.CUSTOM: _custom,
    Tag.OPAQUE: _opaque,
}
