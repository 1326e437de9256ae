"""Bundles as files: for `get code -o`, for reruns in other processes, for code that reads its own data files.

Every folder is entered through a descriptor of its parent and without following links, every file is created
and never opened when it exists, so nothing outside of the target folder can be reached whatever lies there.
Files get mode 0600, folders 0700.
"""

# ruff: noqa: PTH123 - descriptors, which Path cannot use

import os
from contextlib import ExitStack, suppress
from pathlib import Path

from dalsegno.bundle.model import Bundle, ReadBlob
from dalsegno.errors import BundleError

__all__ = ["write_files"]


def write_files(bundle: Bundle, read_blob: ReadBlob, directory: str | os.PathLike[str]) -> None:
    """Write the files of a bundle below a folder, which is made if need be and may hold other files.

    BundleError when a file exists already or a folder on the way is a link; files written before that stay.
    """
    Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDONLY | os.O_DIRECTORY
    with ExitStack() as opened:
        top = os.open(directory, flags)
        opened.callback(os.close, top)
        folders = {"": top}
        for file in bundle.files:
            where, _, name = file.path.rpartition("/")
            try:
                _write(_enter(folders, where, flags | os.O_NOFOLLOW, opened), name, read_blob(file.blob))
            except OSError as error:
                raise BundleError(
                    f"{file.path} cannot be written below {directory}: {error.strerror}; name an empty folder"
                ) from error


def _enter(folders: dict[str, int], path: str, flags: int, opened: ExitStack) -> int:
    if path not in folders:
        above, _, name = path.rpartition("/")
        parent = _enter(folders, above, flags, opened)
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        folders[path] = os.open(name, flags, dir_fd=parent)
        opened.callback(os.close, folders[path])
    return folders[path]


def _write(folder: int, name: str, data: bytes) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with open(file, "wb") as opened:
        opened.write(data)
