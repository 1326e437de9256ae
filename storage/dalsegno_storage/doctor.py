"""A look at the place where a store lies: is it one where a store is safe, and is there anything to mend?

Everything here is measured, nothing changed, but for slots of readers that died, which LMDB gives back when it is asked.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.open import open_store

__all__ = ["Finding", "doctor", "file_system"]

MOUNTS = Path("/proc/self/mountinfo")

REMOTE = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
    ]
)
"""File systems whose locks or memory maps do not work as on one machine."""

DOUBTFUL = frozenset(["fuse", "fuseblk", "overlay", "virtiofs", "vboxsf", "vmhgfs", "drvfs"])
"""File systems with which it depends on what is below them."""

LITTLE = 256 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, how it is, and, when that is a reason to act, the cure."""

    name: str
    state: str
    cure: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.cure


def doctor(place: str | Path) -> list[Finding]:
    """What there is to know about the store at `place`, a path or URL; StoreError when it cannot be opened."""
    store = open_store(place, create=False, read_only=True)
    try:
        path: Path | None = getattr(store, "path", None)
        findings = [Finding("store", str(place if path is None else path))]
        if path is not None:
            findings += _place(path)
        findings += _lmdb(store) if isinstance(store, LmdbStore) else _sqlite(path)
        return findings
    finally:
        store.close()


def _place(path: Path) -> Iterator[Finding]:
    kind = file_system(path)
    if kind in REMOTE:
        cure = "move the store to a local disk: locks and memory maps over a network lose data"
    elif kind in DOUBTFUL or kind.startswith("fuse."):
        cure = "prefer a local disk such as ext4, xfs, btrfs or apfs: what is below this one decides whether locks hold"
    else:
        cure = "" if kind else "make sure that it is a local disk; this system does not tell"
    yield Finding("file system", kind or "unknown", cure)
    free = shutil.disk_usage(path).free
    yield Finding("free on disk", _size(free), "free some space" if free < LITTLE else "")
    yield _permissions(path)


def _permissions(path: Path) -> Finding:
    files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
    open_ones = [each.name for each in files if stat.S_IMODE(each.lstat().st_mode) & 0o077]
    if open_ones:
        mode = "700" if path.is_dir() else "600"
        return Finding(
            "permissions",
            f"others may use {', '.join(open_ones)}",
            f"chmod -R go= {path}, and {mode} for the {'folder' if path.is_dir() else 'file'} itself",
        )
    return Finding("permissions", "private")


def _lmdb(store: LmdbStore) -> Iterator[Finding]:
    import lmdb

    environment = store._environment
    if environment is None:
        raise AssertionError("the store was opened above")
    major, minor, patch, patched = lmdb.version(subpatch=True)
    cure = "" if patched else "install the lmdb wheel from PyPI, whose LMDB has fixes for damaged files"
    yield Finding(
        "LMDB", f"{major}.{minor}.{patch}" + (" (patched)" if patched else " (of the system)"), cure
    )
    yield Finding("format", str(environment.marker.format))
    env = environment.env
    info, page = env.info(), env.stat()["psize"]
    used = (info["last_pgno"] + 1) * page
    room = info["map_size"] - used
    grown = "raise the limit on address space (ulimit -v), or remove runs with `dalsegno gc`"
    yield Finding("map", f"{_size(info['map_size'])}, {_size(used)} used", grown if room < LITTLE else "")
    yield Finding("data file", _size((store.path / "data.mdb").stat().st_size))
    stale = 0 if environment.read_only else env.reader_check()
    yield Finding("readers", f"{_readers(env.readers())} open, {stale} that died cleared")
    yield _holder(store.path / "writer.lock")
    left = [each.name for each in _drafts(store.path)]
    if left:
        yield Finding("left over", ", ".join(left), f"remove them from {store.path.parent} and {store.path}")


def _sqlite(path: Path | None) -> Iterator[Finding]:
    if path is None:
        return
    import sqlite3
    from contextlib import closing

    yield Finding("SQLite", sqlite3.sqlite_version)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:

        def asked(what: str) -> int:
            return int(connection.execute(f"PRAGMA {what}").fetchone()[0])

        yield Finding("format", str(asked("user_version")))
        page = asked("page_size")
        yield Finding("data file", _size(page * asked("page_count")))
        yield Finding("free inside", _size(page * asked("freelist_count")))


def _readers(table: str) -> int:
    """How many lines of LMDB's table of readers are about a reader."""
    return sum(1 for line in table.splitlines() if re.match(r"\s*\d+ ", line))


def _holder(path: Path) -> Finding:
    """Who is writing at this moment; the lock is tried and given back at once."""
    try:
        number = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return Finding("writer", "unknown")
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(number, 32, 0).decode("ascii", "replace").strip()
            return Finding("writer", f"process {pid} is writing")
        return Finding("writer", "none at this moment")
    finally:
        os.close(number)


def _drafts(path: Path) -> Iterator[Path]:
    """What crashes have left of stores and copies that were being made."""
    yield from path.parent.glob(f".{path.name}.creating-*")
    yield from path.glob(".data.mdb.compacting-*")


def file_system(path: Path) -> str:
    """The type of the file system that `path` lies on; "" where the system does not tell."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = Path("/"), ""
    place = path.resolve()
    for line in lines:
        # A mount point that is mounted over again comes later, and that one counts.
        left, _, right = line.partition(" - ")
        mount = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), left.split()[4]))
        if place.is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, kind = mount, right.split()[0]
    return kind


def _size(count: int) -> str:
    """A number of bytes for people."""
    size, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
