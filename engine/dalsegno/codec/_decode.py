"""From bytes to values.

The bytes need not be trusted, except for what OPAQUE and CUSTOM hold. Everything else allocates objects and
fills them: no constructor, validator or `__setstate__` of a user is called. What a class cannot avoid is that
its module is imported (which is up to `resolve`) and, for keys and members of sets, that `__hash__` runs.
Memory stays in proportion to the bytes: msgpack refuses containers that claim more members than there are bytes.
"""

from collections.abc import Callable
from typing import Any

from msgpack import unpackb

from dalsegno.errors import DecodeError

from . import _families
from ._format import MAX_DEPTH, Buffer, Tag, split_ext
from ._reference import Resolve, default_resolve
from ._spans import LARGE, children
from ._unpack import Extension, unpack

__all__ = ["ReadBlob", "Reader", "decode"]

ReadBlob = Callable[[bytes], bytes]
"""Gives the content that is stored under a digest."""

_SCALAR_HEADS = frozenset(
    (*range(0x80), *range(0xA0, 0xC7), *range(0xCA, 0xD4), *range(0xD9, 0xDC), *range(0xE0, 0x100))
)
"""First bytes of what is neither a container nor an extension."""

_OPEN = frozenset((Extension, list, dict))
"""Types of unpacked values in which there can be extensions."""


def decode(
    data: Buffer,
    *,
    resolve: Resolve = default_resolve,
    read_blob: ReadBlob | None = None,
    allow_opaque: bool = True,
) -> Any:
    """The value that `encode` turned into `data`.

    `resolve` finds classes and functions; `read_blob` gives the content of files, when it is asked for;
    `allow_opaque=False` refuses what could run code of its own choosing. Whatever is wrong is a DecodeError.
    """
    try:
        if len(data) and data[0] in _SCALAR_HEADS:
            return unpackb(data, unicode_errors="surrogatepass")
        return Reader(resolve, read_blob, allow_opaque).value(data)
    except DecodeError:
        raise
    except RecursionError as error:
        raise DecodeError("the recorded value is nested too deeply to be decoded here") from error
    except Exception as error:
        raise DecodeError(f"the recorded bytes are not a value: {error or type(error).__name__}") from error


class Reader:
    """One decoding under way."""

    __slots__ = ("_depth", "allow_opaque", "read_blob", "resolve")

    def __init__(self, resolve: Resolve, read_blob: ReadBlob | None, allow_opaque: bool) -> None:
        self.resolve = resolve
        self.read_blob = read_blob
        self.allow_opaque = allow_opaque
        self._depth = 0

    def value(self, data: Buffer) -> Any:
        """The one encoded value that `data` is; an extension is read where it lies."""
        split = split_ext(data)
        return self.unpack(data) if split is None else self.read(*split)

    def unpack(self, data: Buffer) -> Any:
        """The same, for what is no extension."""
        found = children(memoryview(data)) if len(data) >= LARGE else None
        if found is not None:
            is_map, spans = found
            members = [self.value(span) for span in spans]
            return dict(zip(members[::2], members[1::2], strict=True)) if is_map else members
        value, has_extensions = unpack(data)
        return self._complete(value) if has_extensions else value

    def _complete(self, value: Any) -> Any:
        """The unpacked value with its extensions read."""
        kind = type(value)
        if kind is Extension:
            return self.read(value.tag, value.data)
        if kind is list:
            for place, member in enumerate(value):
                if type(member) in _OPEN:
                    value[place] = self._complete(member)
            return value
        whole = {}
        for key, member in value.items():
            if type(key) is Extension:
                key = self.read(key.tag, key.data)
            whole[key] = self._complete(member) if type(member) in _OPEN else member
        return whole

    def fields(self, data: Buffer, count: int | None = None) -> list[Any]:
        """The members of a payload that is an array, of exactly `count` members when that is given."""
        found = self.unpack(data)
        if type(found) is not list or (count is not None and len(found) != count):
            raise ValueError(
                f"expected {'an array' if count is None else f'{count} fields'}, got {found!r:.80}"
            )
        return found

    def mapping(self, value: Any) -> dict[Any, Any]:
        """The value, which must be a dict."""
        if type(value) is not dict:
            raise ValueError(f"expected a dict, got {value!r:.80}")
        return value

    def read(self, tag: int, data: Buffer) -> Any:
        """The value of a tag and its payload."""
        read = _families.reader_of(tag)
        if read is None:
            raise DecodeError(f"the recorded value has the tag {tag}, which this release does not know")
        if self._depth >= MAX_DEPTH:
            raise DecodeError(f"the recorded value is nested deeper than {MAX_DEPTH} levels")
        self._depth += 1
        try:
            value = read(self, data)
        except (DecodeError, RecursionError):
            raise
        except Exception as error:
            name = Tag(tag).name.lower().replace("_", " ")
            raise DecodeError(
                f"a recorded {name} cannot be decoded: {error or type(error).__name__}"
            ) from error
        self._depth -= 1
        return value
