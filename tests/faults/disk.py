"""A model of a disk that loses power: what may be left of the writes that no sync has reached.

It is fed with the log of shim.c. A file has bytes that are durable and writes that are pending; a sync of the file makes
those durable, and so does a write through a descriptor that was opened with O_DSYNC, for its own range. A folder has
entries that are durable and changes that are pending, which only a sync of the folder makes durable: that of a file
in it does not, which is stricter than most file systems.

After a power loss any of the pending writes of a file may be there, in part and whatever became of those before it,
and any number of the pending changes of a folder, in their order.
"""

import json
import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tests.faults.shim import Call

_HEAD = struct.Struct("=IIqqII")

GRAINS = {"nothing": 0, "everything": 1 << 62, "writes": 1 << 61, "pages": 4096, "sectors": 512}
"""How an image can be made: what of pending writes is there or not there, each as the dice fall."""


class Entry(NamedTuple):
    """One call in the log; `number` is an offset or a length, `first` the data or a name, `second` another name."""

    call: Call
    synced: bool
    inode: int
    number: int
    first: bytes
    second: bytes


def read_log(path: Path) -> Iterator[Entry]:
    """The calls in the order in which they were made."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        call, synced, inode, number, first, second = _HEAD.unpack_from(data, at)
        middle = at + _HEAD.size + first
        yield Entry(
            Call(call),
            bool(synced),
            inode,
            number,
            data[at + _HEAD.size : middle],
            data[middle : middle + second],
        )
        at = middle + second


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Offset and data; or a new length and None."""

    def sync(self) -> None:
        for at, data in self.pending:
            _apply(self.durable, at, data)
        self.pending.clear()

    def write_through(self, at: int, data: bytes) -> None:
        # What was written to the same place before goes with it: it is the same page of the system.
        later = []
        for offset, before in self.pending:
            if before is not None and offset < at + len(data) and at < offset + len(before):
                _apply(self.durable, offset, before)
            else:
                later.append((offset, before))
        self.pending = later
        _apply(self.durable, at, data)

    def image(self, grain: int, dice: random.Random) -> bytes:
        left = bytearray(self.durable)
        for at, data in self.pending:
            if data is None:
                if grain == GRAINS["everything"] or (grain and dice.random() < 0.5):
                    _apply(left, at, None)
                continue
            if grain == 0:
                continue
            # Pieces begin where sectors and pages of the disk do.
            start = 0
            while start < len(data):
                stop = min(len(data), (at + start) // grain * grain + grain - at)
                if grain == GRAINS["everything"] or dice.random() < 0.5:
                    _apply(left, at + start, data[start:stop])
                start = stop
        return bytes(left)


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    end = at if data is None else at + len(data)
    if data is None:
        del content[at:]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is not None:
        content[at:end] = data


@dataclass
class _Folder:
    durable: dict[str, "_Node"] = field(default_factory=dict)
    now: dict[str, "_Node"] = field(default_factory=dict)
    pending: list[dict[str, "_Node | None"]] = field(default_factory=list)
    """Each one is made as a whole."""

    def change(self, changes: "dict[str, _Node | None]") -> None:
        self.pending.append(changes)
        _update(self.now, changes)

    def sync(self) -> None:
        self.durable, self.pending = dict(self.now), []

    def image(self, grain: int, dice: random.Random) -> "dict[str, _Node]":
        many = len(self.pending)
        if grain != GRAINS["everything"]:
            many = dice.randint(0, many) if grain else 0
        left = dict(self.durable)
        for changes in self.pending[:many]:
            _update(left, changes)
        return left


_Node = _File | _Folder


def _update(entries: dict[str, _Node], changes: dict[str, _Node | None]) -> None:
    for name, node in changes.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


class Disk:
    """Everything below one folder, which is durable as it is found; then `apply` what the log says."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._inodes: dict[int, _Node] = {}
        self._top = self._found(root)
        self.notes: list[Any] = []

    def apply(self, entry: Entry) -> None:
        """One more call was made."""
        first = entry.first.decode("utf-8", "replace")
        match entry.call:
            case Call.WRITE:
                file = self._file(entry.inode)
                if entry.synced:
                    file.write_through(entry.number, entry.first)
                else:
                    file.pending.append((entry.number, entry.first))
            case Call.TRUNCATE:
                self._file(entry.inode).pending.append((entry.number, None))
            case Call.SYNC:
                self._inodes[entry.inode].sync()
            case Call.CREATE | Call.MKDIR:
                node = self._inodes[entry.inode] = _File() if entry.call is Call.CREATE else _Folder()
                folder, name = self._place(first)
                folder.change({name: node})
            case Call.UNLINK | Call.RMDIR:
                folder, name = self._place(first)
                folder.change({name: None})
            case Call.RENAME | Call.LINK:
                folder, name = self._place(first)
                other, new_name = self._place(entry.second.decode())
                assert other is folder, "moving between folders is not modelled"
                gone: dict[str, _Node | None] = {} if entry.call is Call.LINK else {name: None}
                folder.change({**gone, new_name: folder.now[name]})
            case Call.NOTE:
                self.notes.append(json.loads(first))

    def write(self, target: Path, grain: str, dice: random.Random) -> None:
        """Make the new folder `target` one that could be found after a power loss now."""
        self._write(self._top, target, GRAINS[grain], dice)

    def _write(self, node: _Node, target: Path, grain: int, dice: random.Random) -> None:
        if isinstance(node, _File):
            target.touch(0o600)
            target.write_bytes(node.image(grain, dice))
            return
        target.mkdir(0o700)
        for name, child in node.image(grain, dice).items():
            self._write(child, target / name, grain, dice)

    def _found(self, path: Path) -> _Folder:
        folder = _Folder()
        for entry in os.scandir(path):
            found: _Node = (
                self._found(Path(entry.path))
                if entry.is_dir()
                else _File(bytearray(Path(entry.path).read_bytes()))
            )
            self._inodes[entry.inode()] = folder.durable[entry.name] = folder.now[entry.name] = found
        self._inodes[path.stat().st_ino] = folder
        return folder

    def _file(self, inode: int) -> _File:
        found = self._inodes[inode]
        assert isinstance(found, _File)
        return found

    def _place(self, path: str) -> tuple[_Folder, str]:
        """The folder that a path is in, and its name there."""
        *parts, name = PurePosixPath(path).relative_to(self._root).parts
        node = self._top
        for part in parts:
            found = node.now[part]
            assert isinstance(found, _Folder)
            node = found
        return node, name
