"""Recording what a capsule holds.

Objects go ahead, in transactions of bounded size, those that are here already are passed over. All records of all runs go into one
transaction, so the runs are there whole or not at all. A collection may have removed objects in between, which nothing
referred to yet; it counts its removals, so one look inside that transaction tells, and then it is all done again.

The file is read a second time for this. What it says is checked against its digests once more as it goes by, and the last
transaction is committed only when the whole file was found to be the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dalsegno import _records as records
from dalsegno._listing import run_of
from dalsegno._pins import sweeps
from dalsegno._trust import Import, import_key, is_trusted, newest_trusted, pack_import
from dalsegno.capsule._archive import Archive, Entry
from dalsegno.capsule._container import Container
from dalsegno.capsule._entries import Read, contents, name_of, summed
from dalsegno.capsule._examine import Examined, archive_of, examine, next_entry, reference_of
from dalsegno.capsule._index import INDEX, MANIFEST, Held
from dalsegno.errors import CapsuleError
from dalsegno.models import ActionRecord
from dalsegno_storage.check import chunks_of
from dalsegno_storage.digest import Running, digest
from dalsegno_storage.objects import CHUNK_SIZE, Prepared, Streamed, object_key
from dalsegno_storage.protocol import Store, Writer

BATCH = 4 << 20
"""About so many bytes of objects go into one transaction."""

TRIES = 5


class Imported(NamedTuple):
    """What came of importing a capsule.

    `runs` are the names of the runs that are new here, `known` those of runs that were here already, the same to the last byte.
    `objects` is how many objects were new. `bundles` are the digests, in hexadecimal, of code that has to be trusted before
    these runs can be executed; `pickles` says that there are pickled values, which that would load.
    """

    runs: tuple[str, ...]
    known: tuple[str, ...]
    objects: int
    bundles: tuple[str, ...]
    pickles: bool


def import_file(store: Store, file: Path, max_size: int | None) -> Imported:
    """Check a capsule, then record what of it is not here."""
    container = Container(file)
    try:
        examined = examine(container, max_size)
        for _ in range(TRIES):
            try:
                return _Importing(store, container, examined, max_size).done()
            except _AgainError:
                continue
        raise CapsuleError(
            str(file), "", f"the store was changed {TRIES} times while it was imported", "try again"
        )
    finally:
        container.close()


class _AgainError(Exception):
    """The store is not as it was found: objects were removed, or runs of these names came or went."""


class _Importing:
    def __init__(self, store: Store, container: Container, examined: Examined, max_size: int | None) -> None:
        self._store = store
        self._container = container
        self._examined = examined
        self._max_size = max_size
        self._objects = 0
        with store.read() as reader:
            self._sweeps = sweeps(reader)

    def done(self) -> Imported:
        runs = self._examined.content.runs
        known = self._known(runs)
        if len(known) < len(runs):
            archive = archive_of(self._container, self._max_size)
            entries = iter(archive)
            for name in (MANIFEST, INDEX):
                for _ in next_entry(entries, archive, name).pieces():
                    pass
            self._put_objects(entries, len(self._examined.content.objects))
            self._put_runs(entries, archive, runs, known)
        return Imported(
            tuple(held.run.name for number, held in enumerate(runs, 1) if number not in known),
            tuple(held.run.name for number, held in enumerate(runs, 1) if number in known),
            self._objects,
            self._untrusted(runs),
            self._examined.pickles,
        )

    def _untrusted(self, runs: list[Held]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        with self._store.read() as reader:
            for held in runs:
                name = reader.get(records.name_key(*held.place))
                bundle = held.run.bundle
                if name is None or not any(bundle):
                    continue
                if not is_trusted(reader, records.unpack_number(name, "name"), bundle):
                    found[bundle.hex()] = None
        return tuple(found)

    def _known(self, runs: list[Held]) -> dict[int, int]:
        """The ids of the runs that are here already, by their number in the capsule."""
        ids = {}
        for number, held in enumerate(runs, 1):
            with self._store.read() as reader:
                found = reader.get(records.name_key(*held.place))
            if found is not None:
                ids[number] = records.unpack_number(found, "name")
        numbers = {run_id: number for number, run_id in ids.items()}
        for number, run_id in ids.items():
            held = runs[number - 1]
            with self._store.read() as reader:
                run = run_of(reader, run_id)
            for part, pieces in contents(self._store, run, numbers):
                if summed(pieces) != held.entries[part]:
                    raise self._other(number, part, held)
        return ids

    def _other(self, number: int, part: str, held: Held) -> CapsuleError:
        project, domain, name = held.place
        return CapsuleError(
            str(self._container.path),
            name_of(number, part),
            f"there is another run {name!r} in {project}/{domain} here",
            f"remove that one first (`dalsegno delete run {name} -p {project} -d {domain}`), or import into another store",
        )

    # Objects

    def _put_objects(self, entries: Iterator[Entry], count: int) -> None:
        batch: list[tuple[bytes, bytes]] = []
        size = 0
        for _ in range(count):
            for pair in self._pairs(next(entries)):
                batch.append(pair)
                size += len(pair[1])
                if size >= BATCH:
                    self._put(batch)
                    batch, size = [], 0
        self._put(batch)

    def _pairs(self, entry: Entry) -> Iterable[tuple[bytes, bytes]]:
        """What stores the object in an entry, nothing if it is here."""
        reference = reference_of(entry)
        if reference is None:
            raise self._changed()
        kind, expected = reference
        if self._is_here(expected):
            for _ in entry.pieces():
                pass
            return ()
        self._objects += 1
        if entry.size > CHUNK_SIZE:
            return Streamed(expected, kind, entry.size, lambda: self._checked(entry, kind, expected)).parts
        data = entry.read(entry.size)
        if digest(kind, data) != expected:
            raise self._changed()
        return Prepared(expected, kind, data).parts

    def _checked(self, entry: Entry, kind: str, expected: bytes) -> Iterator[bytes]:
        running = Running(kind, entry.size)
        for piece in entry.pieces():
            running.update(piece)
            yield piece
        if running.digest() != expected:
            raise self._changed()

    def _is_here(self, expected: bytes) -> bool:
        with self._store.read() as reader:
            record = reader.get(object_key(expected))
            return record is not None and all(
                reader.get(object_key(each)) is not None for each in chunks_of(record)
            )

    def _put(self, batch: list[tuple[bytes, bytes]]) -> None:
        if batch:
            with self._store.write() as writer:
                for key, data in batch:
                    if writer.get(key) is None:
                        writer.put(key, data)

    def _changed(self) -> CapsuleError:
        return CapsuleError(str(self._container.path), "", "it was changed while it was read", "try again")

    # Records

    def _put_runs(
        self, entries: Iterator[Entry], archive: Archive, runs: list[Held], known: Mapping[int, int]
    ) -> None:
        """Record the runs that are not here."""
        with self._store.write() as writer:
            if sweeps(writer) != self._sweeps:
                raise _AgainError
            newest = next(iter(writer.scan(*records.RUNS, reverse=True)), None)
            now = time.time_ns()
            first = max(now, newest_trusted(writer) + 1)
            if newest is not None:
                first = max(first, records.run_id_of(newest[0]) + 1)
            ids = {
                **known,
                **{number: first + number for number in range(1, len(runs) + 1) if number not in known},
            }
            imported = Import(now, self._container.digest, self._examined.pickles)
            for number, held in enumerate(runs, 1):
                run = held.run._replace(id=ids[number])
                is_new = number not in known
                name = records.name_key(*held.place)
                if is_new == (writer.get(name) is not None):
                    raise _AgainError
                entry = next_entry(entries, archive, name_of(number, "run"))
                for _ in entry.pieces():
                    pass
                if is_new:
                    writer.put(records.run_key(run.id), records.pack_run(run))
                    writer.put(name, records.pack_number(run.id))
                    writer.put(import_key(run.id), pack_import(imported))
                    for key in records.index_keys(run):
                        writer.put(key, b"")
                self._put_actions(
                    writer, next_entry(entries, archive, name_of(number, "actions")), run.id, ids, is_new
                )
                self._put_logs(writer, next_entry(entries, archive, name_of(number, "logs")), run.id, is_new)
            if next(entries, None) is not None:
                raise self._changed()

    def _put_actions(
        self, writer: Writer, entry: Entry, run_id: int, ids: Mapping[int, int], is_new: bool
    ) -> None:
        for head, data in Read(entry, 4):
            if is_new:
                seq = int.from_bytes(head, "big")
                action = _at(records.unpack_action(run_id, seq, records.sealed(data)), ids)
                writer.put(records.action_key(run_id, seq, action.path), records.pack_action(action))

    def _put_logs(self, writer: Writer, entry: Entry, run_id: int, is_new: bool) -> None:
        for head, data in Read(entry, 8):
            if is_new:
                seq, number = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
                writer.put(records.log_key(run_id, seq, number), records.sealed(data))


def _at(action: ActionRecord, ids: Mapping[int, int]) -> ActionRecord:
    """The action with the id that the run has here from which it took its result over."""
    origin = action.origin
    if origin is None:
        return action
    return action._replace(origin=origin._replace(run_id=ids.get(origin.run_id, 0)))
