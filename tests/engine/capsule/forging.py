"""Capsules taken apart and put together again, as somebody would who wants to do harm."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from dalsegno.capsule import _archive
from dalsegno.capsule._container import Container, Packer

Entries = dict[str, bytes]


def archive_of(file: Path) -> bytes:
    """The bytes of the archive in a capsule."""
    container = Container(file)
    try:
        return b"".join(container.archive())
    finally:
        container.close()


def entries_of(file: Path) -> Entries:
    """What is in a capsule, by name, in order."""
    found = {}
    archive = _archive.Archive(str(file), iter((archive_of(file),)), 1 << 40)
    for entry in archive:
        found[entry.name] = entry.read(entry.size)
    return found


def sealed(archive: bytes) -> bytes:
    """A capsule with that archive and the right seal."""
    file = io.BytesIO()
    packer = Packer(file)
    packer.write(archive)
    packer.close()
    return file.getvalue()


def archived(entries: Mapping[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    """The archive with those entries."""
    written = bytearray()
    for name, data in entries.items() if isinstance(entries, Mapping) else entries:
        _archive.put(written.extend, name, len(data), (data,))
    _archive.end(written.extend)
    return bytes(written)


def forged(entries: Entries, file: Path) -> Path:
    """A capsule of those entries, with a manifest whose sums of the runs are true."""
    manifest = json.loads(entries["manifest.json"])
    for run in manifest["runs"]:
        for name in run["entries"]:
            data = entries.get(name, b"")
            run["entries"][name] = {"size": len(data), "sha256": sha256(data).hexdigest()}
    text = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
    file.write_bytes(sealed(archived({**entries, "manifest.json": text})))
    return file


def framed(*records: bytes) -> bytes:
    """The content of an entry of records."""
    return b"".join(len(each).to_bytes(4, "big") + each for each in records)


def frames(data: bytes) -> list[bytes]:
    """The records in an entry."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def changed(entries: Entries, name: str, change: Callable[[bytes], bytes]) -> Entries:
    """The entries with one of them changed."""
    return {**entries, name: change(entries[name])}
