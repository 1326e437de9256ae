"""Named values side by side, joined and taken apart without decoding them."""

from collections.abc import Mapping

from msgpack import Packer, Unpacker

from dalsegno.errors import DecodeError

from ._format import Buffer, map_head

__all__ = ["join_map", "split_map"]


def join_map(values: Mapping[str, bytes]) -> bytes:
    """One value, a dict in the given order, from encoded values."""
    pack = Packer(unicode_errors="surrogatepass").pack
    parts = [map_head(len(values))]
    for name, data in values.items():
        parts += (pack(name), data)
    return b"".join(parts)


def split_map(data: Buffer) -> dict[str, bytes]:
    """The exact bytes of each value of a dict with string keys, in its order; DecodeError for anything else."""
    unpacker = Unpacker(max_buffer_size=0, unicode_errors="surrogatepass")
    values: dict[str, bytes] = {}
    view = memoryview(data)
    try:
        unpacker.feed(data)
        count = unpacker.read_map_header()
        for _ in range(count):
            name = unpacker.unpack()
            if type(name) is not str:
                raise ValueError(f"{name!r:.80} is not a name")
            start = unpacker.tell()
            unpacker.skip()
            values[name] = bytes(view[start : unpacker.tell()])
    except Exception as error:
        raise DecodeError(
            f"the recorded bytes are not a map of names: {error or type(error).__name__}"
        ) from error
    if len(values) != count or unpacker.tell() != len(view):
        raise DecodeError("the recorded bytes are not exactly one map of different names")
    return values
