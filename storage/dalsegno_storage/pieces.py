"""Bytes that lie in several buffers, read as if they were one, so that what is large need not be copied to be put together."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["Buffer", "CHUNK_SIZE", "Pieces", "size_of"]

CHUNK_SIZE = 1 << 20
"""Objects above this many bytes are kept, and named, in pieces of this size."""

Buffer = bytes | bytearray | memoryview


class Pieces:
    """The bytes of some buffers one after the other; the buffers must not change.

    `names` are the digests of its chunks, once they are known.
    """

    __slots__ = ("_buffers", "_starts", "names", "size")

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self._buffers = [view for view in (memoryview(each).cast("B") for each in buffers) if len(view)]
        ends = list(accumulate(map(len, self._buffers)))
        self._starts = [0, *ends[:-1]]
        self.size = ends[-1] if ends else 0
        self.names: tuple[bytes, ...] = ()

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        return b"".join(self._buffers)

    def chunk(self, number: int) -> list[memoryview]:
        """What chunk `number` of CHUNK_SIZE bytes consists of; the last one may be shorter."""
        start, stop = number * CHUNK_SIZE, min((number + 1) * CHUNK_SIZE, self.size)
        found = []
        for place in range(max(bisect_right(self._starts, start) - 1, 0), len(self._buffers)):
            begin = self._starts[place]
            if begin >= stop:
                break
            found.append(self._buffers[place][max(start - begin, 0) : stop - begin])
        return found


def size_of(data: Buffer | Pieces) -> int:
    """How many bytes they are."""
    return len(data) if isinstance(data, bytes | Pieces) else memoryview(data).nbytes
