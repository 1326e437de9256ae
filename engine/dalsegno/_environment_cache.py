"""The folder in which built environments are kept: what lies there, what of it counts, and who may build."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from dalsegno.errors import EnvironmentBuildError

FACTS = "dalsegno-environment.json"
"""The file in an environment that says what it was made from; one without it is not complete."""


def cache_folder() -> Path:
    """Where environments are kept: below `XDG_CACHE_HOME`, or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return folder / "dalsegno" / "environments"


@dataclass(frozen=True, slots=True)
class Kept:
    """An environment in the cache: its folder, the version of Python, its requirements, and its size in bytes."""

    folder: Path
    python: str
    requirements: tuple[str, ...]
    size: int


def kept() -> list[Kept]:
    """The environments in the cache that are complete, by name."""
    found = []
    for file in sorted(cache_folder().glob(f"*/{FACTS}")):
        if re.fullmatch(r"[0-9a-f]{24}", file.parent.name):
            try:
                facts = json.loads(file.read_text(encoding="utf-8"))
                size = sum(each.lstat().st_size for each in file.parent.rglob("*"))
                found.append(Kept(file.parent, facts["python"], tuple(facts["requirements"]), size))
            except FileNotFoundError:  # it is being removed
                continue
            except (ValueError, KeyError, TypeError) as error:
                raise EnvironmentBuildError(
                    f"{file} is damaged and does not say what its environment was made from; remove it with "
                    f"`dalsegno env clear`, and it is built again when it is needed"
                ) from error
    return found


def clear() -> int:
    """Remove all environments, and what killed builds left; those that are being built stay. Gives their number."""
    count = 0
    for lock in sorted(cache_folder().glob("*.lock")):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise EnvironmentBuildError(
                f"the lock {lock} cannot be opened: {error.strerror}; remove it, or name another place with XDG_CACHE_HOME"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            place = lock.with_suffix("")
            count += place.is_dir()
            remove(place)
        finally:
            os.close(descriptor)
    return count


def is_usable(place: Path) -> bool:
    """Whether there is a complete environment whose Python is still there."""
    return (place / FACTS).is_file() and (place / "bin" / "python").exists()


def remove(place: Path) -> None:
    """Remove an environment and what killed builds of it left; its facts first, so that half of one never counts."""
    (place / FACTS).unlink(missing_ok=True)
    for folder in (place, *place.parent.glob(f"{place.name}.*")):
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def make_private(folder: Path) -> None:
    """Make the folder of the cache; what lies in it is executed, so nobody else may write there."""
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
        state = each.stat()
        if state.st_uid != os.getuid() or state.st_mode & 0o022:
            raise EnvironmentBuildError(
                f"the folder {each} can be written to by others, and what lies there is executed; make it your own with "
                f"mode 0700, or name another place with XDG_CACHE_HOME"
            )


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    """The lock of one environment; it dies with the process."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in _until_locked(descriptor):
            await anyio.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _until_locked(descriptor: int) -> Iterator[None]:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield
