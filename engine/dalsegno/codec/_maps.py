"""Named values side by side, joined and taken apart without decoding them."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from msgpack import Packer, Unpacker, unpackb

from dalsegno.errors import DecodeError

from ._format import Buffer, map_head
from ._spans import LARGE, children

__all__ = ["join_map", "split_map"]


def join_map(values: Mapping[str, bytes]) -> bytes:
    """One value, a dict in the given order, from encoded values."""
    parts = [map_head(len(values))]
    for name, data in values.items():
        parts += (_packed(name), data)
    return b"".join(parts)


@lru_cache(1024)
def _packed(name: str) -> bytes:
    """The name as a value; there are few, which come again and again."""
    packed: bytes = Packer(unicode_errors="surrogatepass").pack(name)
    return packed


def split_map(data: Buffer) -> dict[str, bytes]:
    """The exact bytes of each value of a dict with string keys, in its order; DecodeError for anything else."""
    values: dict[str, bytes] = {}
    try:
        for name, value in _pairs(memoryview(data)):
            if type(name) is not str or name in values:
                raise ValueError(f"{name!r:.80} is not a name of its own")
            values[name] = bytes(value)
    except Exception as error:
        raise DecodeError(
            f"the recorded bytes are not a map of names: {error or type(error).__name__}"
        ) from error
    return values


def _pairs(data: memoryview) -> Iterator[tuple[object, memoryview]]:
    found = children(data) if len(data) >= LARGE else None
    if found is not None and found[0]:
        spans = found[1]
        for key, value in zip(spans[::2], spans[1::2], strict=True):
            yield unpackb(key, unicode_errors="surrogatepass"), value
        return
    unpacker = Unpacker(max_buffer_size=0, unicode_errors="surrogatepass")
    unpacker.feed(data)
    for _ in range(unpacker.read_map_header()):
        name = unpacker.unpack()
        start = unpacker.tell()
        unpacker.skip()
        yield name, data[start : unpacker.tell()]
    if unpacker.tell() != len(data):
        raise ValueError(f"{len(data) - unpacker.tell()} bytes too many")
