"""Views to compare: whole, with the content of what a view otherwise only sums up."""

from typing import Any

from dalsegno.errors import DecodeError

from ._format import Buffer, Tag
from ._view import _Viewer

__all__ = ["Content", "exact_view"]

_LIMIT = 1_000_000
"""Texts, bytes and containers are cut here."""

_KINDS = {
    Tag.NDARRAY: "array",
    Tag.ARROW: "table",
    Tag.POLARS: "table",
    Tag.CUSTOM: "custom",
    Tag.OPAQUE: "opaque",
}


class Content(dict[str, Any]):
    """The view of an array, a table, a value of another package's codec or a pickled one, with its bytes.

    `kind` is "array", "table", "custom" or "opaque"; of an array `content` are the elements alone.
    """

    def __init__(self, shown: dict[str, Any], kind: str, content: bytes) -> None:
        super().__init__(shown)
        self.kind = kind
        self.content = content


class _ExactViewer(_Viewer):
    def tagged(self, tag: int, data: Buffer) -> Any:
        shown = super().tagged(tag, data)
        if tag in _KINDS:
            shown.pop("preview", None)
            return Content(shown, _KINDS[Tag(tag)], _content(self, tag, data))
        if tag == Tag.OBJECT_ARRAY:
            shape, members = self.raw(data)
            return {
                "$type": "ndarray",
                "dtype": "|O",
                "shape": shape,
                "items": [self.leaf(member) for member in members],
            }
        return shown


def _content(viewer: _Viewer, tag: int, data: Buffer) -> bytes:
    if tag == Tag.NDARRAY:
        start = 4 + int.from_bytes(data[:4], "big")
        return bytes(data[start:])
    return bytes(viewer.raw(data)[-1])


def exact_view(data: Buffer) -> Any:
    """The recorded value like `view`, but for `Content` where a view only says how much there is.

    Nothing is imported or unpickled.
    """
    try:
        return _ExactViewer(_LIMIT).show(data)
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"the recorded bytes are not a value: {error or type(error).__name__}") from error
