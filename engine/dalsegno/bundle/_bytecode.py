"""Python's bytecode caches, which may be of another text than the file has.

Python takes a cache for that of a file when it notes the file's size and the second in which the file was last
changed. So a file that is edited within a second of its last change, to the same length, runs as it was before, in
every process until it is edited again.

A cache that was written clearly later than its file last changed is of that file. Any other is looked into, or removed
before Python reads it: Python makes it again.
"""

# ruff: noqa: PTH100, PTH108, PTH116, PTH120 - strings: Paths would double the cost

import marshal
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

from dalsegno.bundle._roots import is_user_folder

__all__ = ["Cached", "cached_code", "fresh_imports", "may_be_outdated", "refresh"]

_MARGIN = 2_000_000_000
"""How long reading, compiling and writing may take, and how coarse a clock may be, in nanoseconds."""

_BY_HASH, _CHECKED = 1, 2
"""What the flags of a cache say: it is for a content and not for a time; Python looks whether that is the file's."""


class Cached(NamedTuple):
    """The code in a cache, and whether Python would take it for that of the file as it is now."""

    code: CodeType
    is_taken: bool


def may_be_outdated(file: str, cached: str) -> bool:
    """Whether a file was changed after its cache was written, or so shortly before that it may have been; two `stat`."""
    try:
        written = os.stat(cached).st_mtime_ns
        status = os.stat(file)
    except OSError:
        return False
    return max(status.st_mtime_ns, status.st_ctime_ns) + _MARGIN > written


def refresh(file: str) -> None:
    """Make sure that Python, when it loads this file, loads what the file says, unless the cache cannot be removed."""
    with suppress(NotImplementedError, OSError):
        cached = cache_from_source(file)
        if may_be_outdated(file, cached):
            os.unlink(cached)


def cached_code(file: str, cached: str) -> Cached | None:
    """What is in a cache; None when there is nothing that Python would read without comparing the whole text."""
    try:
        data = Path(cached).read_bytes()
        status = os.stat(file)
        [flags] = struct.unpack_from("<I", data, 4)
        if data[:4] != MAGIC_NUMBER or flags & _CHECKED:
            return None
        code = marshal.loads(data[16:])
    except (OSError, struct.error, ValueError, EOFError, TypeError):
        return None
    now = struct.pack("<II", int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return Cached(code, bool(flags & _BY_HASH) or data[8:16] == now) if isinstance(code, CodeType) else None


class _Fresh:
    """Finds what Python's own finder of files finds, after it has looked at the caches of the user's files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that would have been found anyway."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
            file = os.path.abspath(spec.origin)
            if is_user_folder(os.path.dirname(file)):
                refresh(file)
        return spec


@contextmanager
def fresh_imports() -> Iterator[None]:
    """Let the user's files that are imported in the block be loaded as they are."""
    finder = _Fresh()
    places = [number for number, each in enumerate(sys.meta_path) if each is PathFinder]
    if places:
        sys.meta_path.insert(places[0], finder)
    try:
        yield
    finally:
        if places:
            with suppress(ValueError):
                sys.meta_path.remove(finder)
