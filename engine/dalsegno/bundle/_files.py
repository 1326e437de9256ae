"""Files and folders as they were when last looked at, so that looking again costs one `stat`.

A file counts as unchanged while its device, inode, size, mtime and ctime are. Clocks of file systems are coarse:
a file written twice within one tick looks unchanged. So what was read while the last change was still fresh is
read again, until a look comes that is clearly later than the change (git does the same with its index).

The text of Python files is kept in memory: they are small, and what is recorded must be what was looked at. Other
files are only digested and read again when their bytes are wanted.
"""

# ruff: noqa: PTH116 - strings: Paths would double the cost

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from dalsegno.bundle._imports import Scan, scan
from dalsegno.errors import BundleCaptureError
from dalsegno_storage.digest import digest

T = TypeVar("T")

Identity = tuple[int, int]
"""Device and inode."""

Stamp = tuple[int, int, int, int, int]
"""What changes when a file does: device, inode, size, mtime and ctime in nanoseconds."""

_TICK = 100_000_000
_COARSE_TICK = 2_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class SourceText:
    """The text of one Python file: its bytes, their digest, the imports in it."""

    text: bytes
    blob: bytes
    scan: Scan

    def read(self) -> bytes:
        """The bytes, as `Capture.read` wants to have them."""
        return self.text


@dataclass(frozen=True, slots=True)
class _Look(Generic[T]):
    stamp: Stamp
    settled: bool
    value: T


_texts: dict[str, _Look[SourceText]] = {}
_blobs: dict[str, _Look[bytes]] = {}
_listings: dict[str, _Look[frozenset[str]]] = {}
_contents: dict[str, _Look[tuple[frozenset[Identity], tuple[str, ...]]]] = {}
_identified: dict[str, tuple[list[frozenset[Identity]], frozenset[Identity]]] = {}
_NOTHING: frozenset[str] = frozenset()


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp in a `stat` result."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def source_text(path: str) -> SourceText:
    """The text of a Python file as it is now; BundleCaptureError when it cannot be read."""
    return _looked(_texts, path, _read_text)


def blob_of(path: str) -> bytes:
    """The digest of a file's content as it is now; BundleCaptureError when it cannot be read."""
    return _looked(_blobs, path, lambda name: digest("blob", Path(name).read_bytes()))


def read_again(path: str, blob: bytes) -> bytes:
    """The bytes of a file that had this digest; BundleCaptureError when it no longer does."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BundleCaptureError(f"{path} cannot be read: {error.strerror}") from error
    if digest("blob", data) != blob:
        raise BundleCaptureError(f"{path} changed while it was being recorded; record it again")
    return data


def listing(folder: str) -> frozenset[str]:
    """The names of the Python files and folders in a folder; empty when it cannot be read.

    The same object comes back as long as the names are the same, whatever else is written into the folder.
    """
    try:
        return _looked(_listings, folder, _list)
    except BundleCaptureError:
        return _NOTHING


def is_current(path: str, text: SourceText) -> bool:
    """Whether the file still holds this text; a `stat` when it was not touched."""
    try:
        return source_text(path).blob == text.blob
    except BundleCaptureError:
        return False


def identities(folder: str | os.PathLike[str]) -> frozenset[Identity]:
    """The identities of a folder and of everything in it, for `capture(exclude_dirs=…)`; opens no file.

    The same object comes back as long as no file or folder has come or gone.
    """
    place = os.fspath(folder)
    found: list[frozenset[Identity]] = []
    waiting = [place]
    while waiting:
        each = waiting.pop()
        with suppress(BundleCaptureError):  # what comes and goes beside a store is gone
            own, below = _looked(_contents, each, _identities)
            found.append(own)
            waiting += below
    known = _identified.get(place)
    if known is None or known[0] != found:
        known = _identified[place] = found, frozenset[Identity]().union(*found)
    return known[1]


def _identities(folder: str) -> tuple[frozenset[Identity], tuple[str, ...]]:
    """The identities of a folder and of what lies in it, and the folders among that."""
    found: set[Identity] = set()
    below: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                found.add((status.st_dev, status.st_ino))
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
    own = os.stat(folder)
    found.add((own.st_dev, own.st_ino))
    return frozenset(found), tuple(below)


def _looked(looks: dict[str, _Look[T]], path: str, read: Callable[[str], T]) -> T:
    try:
        stamp = stamp_of(os.stat(path))
        look = looks.get(path)
        if look is not None and look.settled and look.stamp == stamp:
            return look.value
        now = time.time_ns()
        value = read(path)
    except OSError as error:
        raise BundleCaptureError(f"{path} cannot be read: {error.strerror}") from error
    if look is not None and look.value == value:
        value = look.value
    changed = max(stamp[3], stamp[4])
    tick = _TICK if stamp[3] % 1_000_000_000 else _COARSE_TICK
    looks[path] = _Look(stamp, changed + tick < now, value)
    return value


def _read_text(path: str) -> SourceText:
    text = Path(path).read_bytes()
    blob = digest("blob", text)
    known = _texts.get(path)
    if known is not None and known.value.blob == blob:
        return known.value
    return SourceText(text, blob, scan(text))


def _list(folder: str) -> frozenset[str]:
    with os.scandir(folder) as entries:
        return frozenset(
            entry.name
            for entry in entries
            if entry.name.endswith(".py") or (entry.is_dir() and entry.name != "__pycache__")
        )
