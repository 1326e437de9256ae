"""What stands at the front of a capsule: `manifest.json`, with the digests of everything, and `index.txt`, for people.

Both are made from the content, when a capsule is written and again when it is imported: what they say is what it holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from dalsegno.bundle import Bundle
from dalsegno.capsule._container import FORMAT
from dalsegno.capsule._entries import Sum, name_of
from dalsegno.models import RunRecord
from dalsegno.query import iso

MANIFEST = "manifest.json"
INDEX = "index.txt"

OBJECTS = "objects"
"""The folder of the objects, which are called `objects/KIND/DIGEST`."""


@dataclass(slots=True)
class Held:
    """A run in a capsule: its record, how many actions it has, and its entries with their sums."""

    run: RunRecord
    actions: int = 0
    entries: dict[str, Sum] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str, str]:
        """Project, domain and name."""
        return self.run.project, self.run.domain, self.run.name


@dataclass(slots=True)
class Content:
    """What a capsule holds: runs in their order, sizes of objects by kind and digest, and the bundles among them."""

    runs: list[Held] = field(default_factory=list)
    objects: dict[tuple[str, bytes], int] = field(default_factory=dict)
    bundles: dict[bytes, Bundle] = field(default_factory=dict)

    def left_out(self) -> list[tuple[str, str]]:
        """The runs that were started from one that is not in the capsule, and the name of that one."""
        held = {each.place for each in self.runs}
        sources = [(each.run.name, each.run.relation) for each in self.runs]
        return [
            (name, source.run)
            for name, source in sources
            if source is not None and (source.project, source.domain, source.run) not in held
        ]


def order(run: RunRecord) -> tuple[int, str, str, str]:
    """Where a run stands among the others of a capsule; by nothing that another store has another value of."""
    return run.started_at, run.project, run.domain, run.name


def object_name(kind: str, digest: bytes) -> str:
    """The name of the entry of an object."""
    return f"{OBJECTS}/{kind}/{digest.hex()}"


def sorted_objects(content: Content) -> list[tuple[str, bytes]]:
    """The objects in the order in which they are written."""
    return sorted(content.objects)


def manifest(content: Content) -> bytes:
    """The manifest."""
    running = sha256()
    for kind, digest in sorted_objects(content):
        running.update(f"{object_name(kind, digest)} {content.objects[kind, digest]}\n".encode())
    document = {
        "format": FORMAT,
        "objects": {
            "count": len(content.objects),
            "bytes": sum(content.objects.values()),
            "sha256": running.hexdigest(),
        },
        "runs": [_run(number, held) for number, held in enumerate(content.runs, 1)],
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _run(number: int, held: Held) -> Mapping[str, object]:
    run = held.run
    return {
        "name": run.name,
        "project": run.project,
        "domain": run.domain,
        "task": run.task,
        "phase": run.phase.value,
        "started_at": iso(run.started_at),
        "ended_at": None if run.ended_at is None else iso(run.ended_at),
        "bundle": run.bundle.hex(),
        "actions": held.actions,
        "entries": {
            name_of(number, part): {"size": found.size, "sha256": found.digest}
            for part, found in held.entries.items()
        },
    }


def index(content: Content) -> bytes:
    """The text for people."""
    lines = [f"dalsegno capsule, format {FORMAT}", "", "Runs", ""]
    rows = [("", "NAME", "PROJECT", "TASK", "PHASE", "STARTED", "ACTIONS")]
    for number, held in enumerate(content.runs, 1):
        run = held.run
        place = f"{run.project}/{run.domain}"
        started = iso(run.started_at)
        rows.append((str(number), run.name, place, run.task, run.phase.value, started, f"{held.actions:,}"))
    lines += _aligned(rows)
    lines += ["", "Code", ""]
    for digest, bundle in sorted(content.bundles.items()):
        users = [str(number) for number, held in enumerate(content.runs, 1) if held.run.bundle == digest]
        lines.append(f"bundle {digest.hex()}" + (f" of {', '.join(users)}" if users else ""))
        lines += [f"    {file.path}  {file.size:,} bytes" for file in bundle.files]
    left_out = content.left_out()
    if left_out:
        lines += ["", "Not in this file", ""]
        lines += [f"{name} was started from {source}" for name, source in left_out]
    total = sum(content.objects.values())
    lines += ["", f"{len(content.objects):,} objects, {total:,} bytes", ""]
    return "\n".join(lines).encode()


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
