"""msgpack's unpacker, with extensions left as they are.

An extension is not decoded while the unpacker runs: each run has 40 KB on the C stack, so that a few hundred
nested ones would end the process, and in a thread with a small stack a dozen.
"""

from typing import Any

from msgpack import unpackb

from ._format import Buffer

__all__ = ["Extension", "unpack"]


class Extension:
    """A tag and its payload; equal to itself only, because two equal keys of a dict can have equal bytes."""

    __slots__ = ("data", "tag")

    def __init__(self, tag: int, data: bytes) -> None:
        self.tag = tag
        self.data = data


def unpack(data: Buffer) -> tuple[Any, bool]:
    """The value, and whether there are extensions in it. ValueError when the bytes are damaged."""
    met = False

    def meet(tag: int, payload: bytes) -> Extension:
        nonlocal met
        met = True
        return Extension(tag, payload)

    return unpackb(data, ext_hook=meet, strict_map_key=False, unicode_errors="surrogatepass"), met
