"""Making a capsule: what the runs reach is found first, then everything is written in one go.

Memory grows with the number of actions and objects, not with their size. Runs that have ended stay as they are, so no transaction has to be
held open over it; what is removed meanwhile, or is damaged, is noticed when it is read, and then there is no file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dalsegno import _records as records
from dalsegno._listing import run_of
from dalsegno._ownership import Owners
from dalsegno._references import REFERRING, Reference, of_action, of_object, of_run
from dalsegno.bundle import Bundle
from dalsegno.capsule import _archive
from dalsegno.capsule._container import Packer
from dalsegno.capsule._entries import contents, name_of, summed
from dalsegno.capsule._index import (
    INDEX,
    MANIFEST,
    Content,
    Held,
    index,
    manifest,
    object_name,
    order,
    sorted_objects,
)
from dalsegno.errors import CapsuleError, RunNotFoundError, UsageError
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage._files import appear
from dalsegno_storage.check import size_of
from dalsegno_storage.errors import ObjectNotFoundError
from dalsegno_storage.objects import get_object, get_pieces, object_key
from dalsegno_storage.protocol import Reader, Store


class Exported(NamedTuple):
    """What went into a capsule.

    `runs` are the names of those that were asked for and `carried` those of others that these took results over from.
    `left_out` has, for each run that was started from one that is not in the file, its name and that of the other.
    `objects` is their number, `size` that of the file in bytes, and `digest` the seal of the file in hexadecimal.
    """

    file: str
    runs: tuple[str, ...]
    carried: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    objects: int
    size: int
    digest: str


def export(store: Store, asked: Sequence[RunRecord], file: Path) -> Exported:
    """Write these runs, and those that they took results over from, into a new file."""
    if not asked:
        raise UsageError("no run was named to export")
    if file.exists():
        raise CapsuleError(
            str(file), "", "there is something at this place", "remove it, or name another file"
        )
    content = Content()
    runs = sorted(_with_origins(store, asked), key=order)
    numbers = {run.id: number for number, run in enumerate(runs, 1)}
    for run in runs:
        content.runs.append(_held(store, run, numbers, content))
    digest = b""

    def fill(place: Path) -> None:
        nonlocal digest
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            packer = Packer(raw)
            _write(store, content, numbers, packer.write)
            digest = packer.close()
            raw.flush()
            os.fsync(descriptor)

    try:
        appear(file, fill, os.link)
    except FileExistsError:
        if not os.path.lexists(file):
            raise CapsuleError(str(file), "", f"{file.parent} is no folder", "name another place") from None
        raise CapsuleError(
            str(file), "", "there is something at this place", "remove it, or name another file"
        ) from None
    except OSError as error:
        raise CapsuleError(
            str(file), "", f"it cannot be written: {error.strerror}", "name another place"
        ) from error
    names = {run.name for run in asked}
    return Exported(
        str(file),
        tuple(run.name for run in runs if run.name in names),
        tuple(run.name for run in runs if run.name not in names),
        tuple(content.left_out()),
        len(content.objects),
        file.stat().st_size,
        digest.hex(),
    )


def _with_origins(store: Store, asked: Iterable[RunRecord]) -> list[RunRecord]:
    """These runs, and those whose actions they took results over from; UsageError for one that has not ended."""
    found: dict[int, RunRecord] = {}
    waiting = list(asked)
    owners = Owners(store)
    while waiting:
        run = waiting.pop()
        if run.id in found:
            continue
        with store.read() as reader:
            run = owners.standing(reader, run_of(reader, run.id))
        if not run.phase.is_terminal:
            raise UsageError(
                f"run {run.name!r} is {run.phase.value} and only runs that have ended can be exported; "
                "wait for its end, resume or abort it"
            )
        found[run.id] = run
        for origin in sorted(_origins(store, run)):
            try:
                with store.read() as reader:
                    waiting.append(run_of(reader, origin))
            except RunNotFoundError:  # removed by force, and what was below with it
                continue
    return list(found.values())


def _origins(store: Store, run: RunRecord) -> set[int]:
    found: set[int] = set()

    def see(action: ActionRecord) -> None:
        if action.origin is not None:
            found.add(action.origin.run_id)

    for _, pieces in contents(store, run, {}, see):
        for _ in pieces:
            pass
    return found


def _held(store: Store, run: RunRecord, numbers: dict[int, int], content: Content) -> Held:
    """The run and the sums of its entries; what it reaches is noted in `content`."""
    held = Held(run)

    def see(action: ActionRecord) -> None:
        held.actions += 1
        with store.read() as reader:
            _reach(reader, of_action(action), content)

    with store.read() as reader:
        _reach(reader, of_run(run), content)
    for part, pieces in contents(store, run, numbers, see):
        held.entries[part] = summed(pieces)
    return held


def _reach(reader: Reader, references: Iterable[Reference], content: Content) -> None:
    waiting = [each for each in references if each not in content.objects]
    while waiting:
        reference = waiting.pop()
        if reference in content.objects:
            continue
        kind, digest = reference
        record = reader.get(object_key(digest))
        if record is None:
            raise ObjectNotFoundError(digest, kind)
        if kind in REFERRING:
            data = get_object(reader, kind, digest)
            waiting += of_object(kind, data)
            if kind == "bundle":
                content.bundles[digest] = Bundle.decode(data)
        content.objects[kind, digest] = size_of(record)


def _write(store: Store, content: Content, numbers: dict[int, int], write: Callable[[bytes], None]) -> None:
    for name, data in ((MANIFEST, manifest(content)), (INDEX, index(content))):
        _archive.put(write, name, len(data), (data,))
    for kind, digest in sorted_objects(content):
        size = content.objects[kind, digest]
        _archive.put(write, object_name(kind, digest), size, get_pieces(store, kind, digest))
    for number, held in enumerate(content.runs, 1):
        for part, pieces in contents(store, held.run, numbers):
            _archive.put(write, name_of(number, part), held.entries[part].size, pieces)
    _archive.end(write)
    with store.read() as reader:
        for held in content.runs:
            if reader.get(records.run_key(held.run.id)) is None:
                raise RunNotFoundError(held.run.name, (), "", "it was removed while it was exported")
