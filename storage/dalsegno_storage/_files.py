"""Files that belong to one user, and names that appear on the disk whole or not at all."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

from dalsegno_storage.errors import StoreDamagedError, StorePermissionError

__all__ = ["appear", "check_private", "sync_folder"]


def check_private(store: Path, path: Path, *, folder: bool = False) -> os.stat_result:
    """The status of `path`, a part of `store`, after making sure that it is a plain file (or a folder) of this user.

    A symlink or a special file is StoreDamagedError, a file of another user StorePermissionError; a missing
    one is the FileNotFoundError of the system.
    """
    found = path.lstat()
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
        raise StoreDamagedError(store, f"{path.name} is a {_kind(found.st_mode)}")
    if found.st_uid != os.geteuid():
        raise StorePermissionError(
            store,
            f"{path.name} belongs to user {found.st_uid}, not to this one ({os.geteuid()}); run as its owner",
        )
    return found


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "symbolic link, which a store never has"
    return (
        "folder" if stat.S_ISDIR(mode) else "file of another kind" if not stat.S_ISREG(mode) else "plain file"
    )


def appear(path: Path, fill: Callable[[Path], None], publish: Callable[[Path, Path], None]) -> None:
    """Make `path` out of what `fill` makes at a temporary place beside it, so that a crash leaves all of it or none.

    `fill` syncs what it makes; `publish(temporary, path)` is the one atomic step and raises OSError if
    somebody else was faster. Missing parents are made. What a crash leaves behind is called
    `.NAME.creating-RANDOM` and is never looked at again.
    """
    parents = [path.parent]
    while not parents[-1].exists():
        parents.append(parents[-1].parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.creating-{token_hex(8)}")
    try:
        fill(temporary)
        publish(temporary, path)
    finally:
        _remove(temporary)
    for parent in parents:
        sync_folder(parent)


def _remove(path: Path) -> None:
    """Remove what is left of a temporary place, one level deep."""
    if path.is_dir():
        for child in path.iterdir():
            child.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make the names in the folder `path` durable."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
