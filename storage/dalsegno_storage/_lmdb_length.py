"""Whether data.mdb was cut short, found out without giving it to LMDB.

LMDB maps the file into memory, so reading a page beyond its end kills the process with SIGBUS. The newest meta page says
which page is the last one in use, and a file that reaches it is long enough. A file that does not may be healthy: a page
that a transaction took and gave back is never written. But then it is in the free list. So a file is whole if every page
that it lacks is free.

The free list is a B-tree of its own, from transaction numbers to arrays: a count, then so many page numbers. What is read
here of LMDB's format 1 (64 bits, the byte order of the machine; see mdb.c, struct MDB_meta, MDB_page, MDB_node):

    meta page   16 bytes of page header, then magic 4, version 4, address 8, map size 8, two databases of 48 bytes,
                last page 8, transaction 8; of the first database, the free list: page size 4, 36 bytes, root page 8
    page        number 8, pad 2, flags 2, end of the offsets 2 and start of the nodes 2 (or the number of overflow
                pages 4), offsets of the nodes 2 each
    node        low and high half of the length 2 + 2, flags 2, length of the key 2, key, data; in a branch the first
                three are the page number instead; with flag 1 the data is the number of an overflow page
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dalsegno_storage.errors import StoreDamagedError

__all__ = ["is_long_enough", "lacks_only_free_pages"]

_META = struct.Struct("=II16xI36xQ48xQQ")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEADER = struct.Struct("=QHHHH")
_OVERFLOW_COUNT = struct.Struct("=12xI")
_NODE = struct.Struct("=HHHH")
_NUMBER = struct.Struct("=Q")
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG = 1
_NO_PAGE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class _Meta:
    page_size: int
    free_root: int
    last_page: int
    transaction: int


def is_long_enough(store: Path) -> bool:
    """Whether data.mdb reaches the last page in use; costs two reads, and is true of most healthy files."""
    with (store / "data.mdb").open("rb") as file:
        meta = _newest_meta(store, file)
        # Pages are written before the meta page that counts them, so the length is asked for last.
        return (meta.last_page + 1) * meta.page_size <= os.fstat(file.fileno()).st_size


def lacks_only_free_pages(store: Path) -> bool:
    """Whether nothing is lost with what data.mdb lacks; no transaction may end meanwhile."""
    with (store / "data.mdb").open("rb") as file:
        meta = _newest_meta(store, file)
        end = os.fstat(file.fileno()).st_size // meta.page_size
        missing = set(range(end, meta.last_page + 1))
        try:
            for page in _free_pages(file, meta):
                missing.discard(page)
        except (struct.error, IndexError, RecursionError, ValueError):
            return False
        return not missing


def _newest_meta(store: Path, file: BinaryIO) -> _Meta:
    first = _meta(store, file, 0)
    second = _meta(store, file, first.page_size)
    return max(first, second, key=lambda meta: meta.transaction)


def _meta(store: Path, file: BinaryIO, at: int) -> _Meta:
    page = os.pread(file.fileno(), _HEADER.size + _META.size, at)
    if len(page) < _HEADER.size + _META.size:
        raise StoreDamagedError(store, "data.mdb is empty or cut in its first two pages")
    magic, version, page_size, free_root, last_page, transaction = _META.unpack_from(page, _HEADER.size)
    if magic != _MAGIC or version != _VERSION or not 512 <= page_size <= 65536:
        raise StoreDamagedError(store, "data.mdb does not begin as a data file of LMDB 0.9 does")
    return _Meta(page_size, free_root, last_page, transaction)


def _free_pages(file: BinaryIO, meta: _Meta) -> Iterator[int]:
    """Every page in the free list; ValueError or struct.error where it is cut or makes no sense."""
    waiting = [] if meta.free_root == _NO_PAGE else [meta.free_root]
    seen: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number in seen:
            raise ValueError(f"page {number} is in the tree twice")
        seen.add(number)
        page = _read(file, meta, number, 1)
        _, _, flags, lower, _ = _HEADER.unpack_from(page)
        for (offset,) in struct.iter_unpack("=H", page[_HEADER.size : lower]):
            low, high, extra, key_length = _NODE.unpack_from(page, offset)
            if flags & _BRANCH:
                waiting.append(low | high << 16 | extra << 32)
            elif flags & _LEAF:
                start, length = offset + _NODE.size + key_length, low | high << 16
                data = page[start : start + length]
                if extra & _BIG:
                    data = _overflow(file, meta, _NUMBER.unpack_from(page, start)[0])[:length]
                yield from struct.unpack_from(f"={_NUMBER.unpack_from(data)[0]}Q", data, _NUMBER.size)
            else:
                raise ValueError(f"page {number} is neither branch nor leaf")


def _overflow(file: BinaryIO, meta: _Meta, number: int) -> bytes:
    """The data of an overflow page and of those that follow it."""
    first = _read(file, meta, number, 1)
    (count,) = _OVERFLOW_COUNT.unpack_from(first)
    if not _HEADER.unpack_from(first)[2] & _OVERFLOW:
        raise ValueError(f"page {number} is no overflow page")
    return _read(file, meta, number, count)[_HEADER.size :]


def _read(file: BinaryIO, meta: _Meta, number: int, count: int) -> bytes:
    if not 2 <= number <= meta.last_page - count + 1:
        raise ValueError(f"there is no page {number}")
    pages = os.pread(file.fileno(), count * meta.page_size, number * meta.page_size)
    if len(pages) < count * meta.page_size:
        raise ValueError(f"page {number} is cut")
    return pages
