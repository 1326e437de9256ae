"""zstd frames of at most one chunk; imported when the first one is needed, which listing runs never does."""

import sys
import threading
from collections.abc import Callable, Iterator

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError

__all__ = ["compress", "decompress", "expand"]

_LEVEL = 3
_DESCRIPTOR, _UNUSED = 4, 0x10
"""Where the format has a bit that decoders overlook (RFC 8878, 3.1.1.1.1.3), so that its flipping would not be noticed."""

_PIECE = 1 << 20
_WINDOW: dict[int, int] = {DecompressionParameter.window_log_max: 23}
"""What a frame from elsewhere may make a decompressor hold: 8 MiB."""


class _Local(threading.local):
    """A compressor for each thread; making one costs three times as much as compressing a small value."""

    def __init__(self) -> None:
        self.compressor = ZstdCompressor(level=_LEVEL)


_local = _Local()


def compress(data: memoryview) -> bytes:
    """One frame that holds `data`."""
    return _local.compressor.compress(data, mode=ZstdCompressor.FLUSH_FRAME)


def decompress(frame: memoryview, limit: int) -> bytes:
    """What one whole frame holds, or the first `limit` + 1 bytes of it; ValueError if it is not one whole frame.

    The length that the frame itself claims is not believed.
    """
    if len(frame) > _DESCRIPTOR and frame[_DESCRIPTOR] & _UNUSED:
        raise ValueError("it has a bit set that no frame has")
    decompressor = ZstdDecompressor()
    try:
        data = decompressor.decompress(frame, max_length=limit + 1)
    except ZstdError as error:
        raise ValueError(f"it cannot be decompressed ({error})") from error
    if len(data) <= limit and (not decompressor.eof or decompressor.unused_data):
        raise ValueError("it is not one whole zstd frame")
    return data


def expand(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What a series of frames holds, in pieces of at most a megabyte; ValueError if something else is among them.

    `read(n)` gives up to `n` bytes of the frames, b"" at their end. How much they expand to is for the caller to watch.
    """
    data = b""
    while data or (data := read(_PIECE)):
        decompressor = ZstdDecompressor(options=_WINDOW)
        while not decompressor.eof:
            if not data and decompressor.needs_input and not (data := read(_PIECE)):
                raise ValueError("its last zstd frame is cut short")
            try:
                piece = decompressor.decompress(data, max_length=_PIECE)
            except ZstdError as error:
                raise ValueError(f"it cannot be decompressed ({error})") from error
            data = b""
            if piece:
                yield piece
        data = decompressor.unused_data
