"""Which files are the user's.

Everything is, except the standard library, installed packages (`site-packages`, `dist-packages`), virtual
environments at any depth (told by their `pyvenv.cfg`), `.git`, `__pycache__`, and dalsegno itself, which may be an
editable install beside the user's code. A folder is judged as it is spelled and as it really is, so a link into an
installed package does not make it the user's.
"""

# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH206 - strings: Paths would double the cost

import os
from functools import cache
from os.path import abspath, dirname, exists, join, realpath

import dalsegno
import dalsegno_storage

_NEVER = frozenset({"site-packages", "dist-packages", ".git", "__pycache__"})


@cache
def is_user_folder(folder: str) -> bool:
    """Whether files in this folder (an absolute path) are the user's own."""
    real = realpath(folder)
    return _is_user(folder) and (real == folder or _is_user(real))


@cache
def _is_user(folder: str) -> bool:
    parent, name = os.path.split(folder)
    if name in _NEVER or folder in _foreign() or exists(join(folder, "pyvenv.cfg")):
        return False
    return parent == folder or _is_user(parent)


@cache
def _foreign() -> frozenset[str]:
    """The folders of the standard library and of dalsegno, as spelled and as they are."""
    files = [os.__file__, *(getattr(package, "__file__", None) for package in (dalsegno, dalsegno_storage))]
    folders = {dirname(abspath(file)) for file in files if file}
    return frozenset(folders | {realpath(folder) for folder in folders})


def root_of(file: str, path: str) -> str:
    """The source root of a file that is recorded as `path`: the folder above the top-level package."""
    tail = os.sep + path.replace("/", os.sep)
    return file.removesuffix(tail) or os.sep if file.endswith(tail) else dirname(file)


def environment_around(file: str) -> str | None:
    """The virtual environment that a file is in without being installed there."""
    folder = dirname(file)
    if _NEVER.isdisjoint(folder.split(os.sep)):
        while dirname(folder) != folder:
            if exists(join(folder, "pyvenv.cfg")):
                return folder
            folder = dirname(folder)
    return None
