"""Files that are recorded although no code imports them: `include=` patterns and whole folders.

Never taken: `.env` files, version control, virtual environments, caches, what an installed package or the store
owns (told by device and inode before anything is opened), what is not an ordinary file, and links that leave
the folder.
"""

# ruff: noqa: PTH112, PTH118, PTH119, PTH120, PTH208 - strings: Paths would double the cost

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from fnmatch import fnmatch
from os.path import basename, dirname, isdir, join, normpath, realpath
from pathlib import Path

from dalsegno.bundle._files import Identity
from dalsegno.bundle._roots import is_user_folder
from dalsegno.errors import BundleCaptureError

_SECRET = (".env", ".env.*", "*.env", ".envrc")
_IGNORED_FILES = ("*.py[cod]", "*.swp", "*~", ".DS_Store", "Thumbs.db", ".coverage")
_IGNORED_FOLDERS = frozenset(
    [
        ".git",
        ".hg",
        ".svn",
        "__pycache__",
        ".venv",
        "node_modules",
        ".tox",
        ".nox",
        ".eggs",
        ".dalsegno",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".cache",
        ".idea",
        ".vscode",
    ]
)


class Walk:
    """The files below `folder` that may be recorded; nothing that is really outside of `within` is.

    `exclude` holds identities of files and folders that are never touched.
    """

    def __init__(self, folder: str, within: str, exclude: AbstractSet[Identity]) -> None:
        self.folder = folder
        self._real = realpath(within)
        self._exclude = exclude

    def everything(self) -> Iterator[str]:
        """Every file below the folder."""
        yield from self._below(self.folder, ())

    def matching(self, pattern: str) -> list[str]:
        """The files that a glob pattern names, a folder standing for all that is in it; at least one."""
        if not pattern or pattern.startswith(("/", "~")):
            raise BundleCaptureError(f"include pattern {pattern!r} must be relative to {self.folder}")
        try:
            matches = sorted(map(str, Path(self.folder).glob(pattern)))
        except (ValueError, NotImplementedError) as error:
            raise BundleCaptureError(f"include pattern {pattern!r} is not a glob pattern: {error}") from error
        found: dict[str, None] = {}
        for match in map(normpath, matches):
            if isdir(match):
                if self._may_enter(match, ()):
                    found.update(dict.fromkeys(self._below(match, ())))
            elif self._may_enter(dirname(match), ()) and self._may_take(match, ignored=_SECRET):
                found[match] = None
        if not found:
            reason = "matches only files that are never recorded" if matches else "matches nothing"
            raise BundleCaptureError(f"include pattern {pattern!r} {reason} in {self.folder}")
        return list(found)

    def _below(self, folder: str, above: Sequence[str]) -> Iterator[str]:
        inside = (*above, realpath(folder))
        for name in sorted(os.listdir(folder)):
            path = join(folder, name)
            if isdir(path):
                if self._may_enter(path, inside):
                    yield from self._below(path, inside)
            elif self._may_take(path, ignored=(*_SECRET, *_IGNORED_FILES)):
                yield path

    def _may_enter(self, folder: str, above: Sequence[str]) -> bool:
        real = realpath(folder)
        return (
            not _is_ignored_folder(folder)
            and self._is_inside(real)
            and real not in above
            and is_user_folder(folder)
            and not self._is_excluded(folder)
        )

    def _may_take(self, file: str, *, ignored: Sequence[str]) -> bool:
        name = basename(file)
        return (
            not any(fnmatch(name, pattern) for pattern in ignored)
            and self._is_inside(realpath(file))
            and Path(file).is_file()
            and not self._is_excluded(file)
        )

    def _is_inside(self, real: str) -> bool:
        return real == self._real or real.startswith(self._real.rstrip(os.sep) + os.sep)

    def _is_excluded(self, path: str) -> bool:
        status = Path(path).stat()
        return (status.st_dev, status.st_ino) in self._exclude


def _is_ignored_folder(folder: str) -> bool:
    name = basename(folder)
    return name in _IGNORED_FOLDERS or name.endswith(".egg-info")
