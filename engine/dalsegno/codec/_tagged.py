"""The tagged values in an encoded value, found without decoding anything, for whoever looks for some tags only."""

from msgpack import unpackb

from ._format import Buffer, split_ext
from ._pieces import is_large, pieces

__all__ = ["UNTAGGED", "tagged"]

UNTAGGED = 256
"""Stands where a tag would, before a part of a large value that has not been looked into; it is no tag."""


def tagged(data: Buffer, met: list[tuple[int, Buffer]]) -> None:
    """Appends the outermost tagged values, as tag and payload; instead of those in a large container its parts.

    Each of these is an encoded value, to be given here again. ValueError, TypeError or msgpack's UnpackException when the bytes are damaged.
    """
    split = split_ext(data)
    if split is not None:
        met.append(split)
        return
    large = pieces(data) if is_large(data) else None
    if large is not None:
        met += ((UNTAGGED, piece.encoded()) for piece in large[2])
        return
    unpackb(
        data,
        ext_hook=lambda tag, payload: met.append((tag, payload)),
        strict_map_key=False,
        unicode_errors="surrogatepass",
        use_list=False,  # since a list can be no key of a map
    )
