"""A capsule looked through before anything of it is recorded.

Nothing in it is believed. Its entries come in one order only and each is what its name says: objects have the digest that they
are called by, records have the form of records, everything that is referred to is there, and nothing else is. What is left are the two
entries at the front, which are made again from the rest and compared. Nothing is imported, unpickled or run.

Memory grows with the number of actions and objects, some hundred bytes for each. Files are read piece by piece; another object is
held whole, to find what it refers to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from dalsegno._pickles import action_has_pickles, template_has_pickles, value_has_pickles
from dalsegno._references import Reference, of_action, of_object, of_run
from dalsegno.bundle import Bundle
from dalsegno.capsule import _shapes
from dalsegno.capsule._archive import Archive, Entry
from dalsegno.capsule._container import FORMAT, NEWER, Container
from dalsegno.capsule._entries import PARTS, Read, Sum, name_of
from dalsegno.capsule._index import INDEX, MANIFEST, Content, Held, index, manifest, object_name, order
from dalsegno.capsule._origins import TakenOver
from dalsegno.errors import CapsuleError, DalsegnoError
from dalsegno_storage.digest import Running, digest

FRONT = 1 << 26
"""The longest manifest or index in bytes."""

LEAST_LIMIT = 1 << 30
RATIO = 100
"""A capsule may expand to a hundred times its size, or a gigabyte, whichever is more."""

MOST_FIELDS = 4_000_000
"""How many fields a manifest or an index may have: what parses them makes a hundred bytes of each."""

KINDS = ("blob", "bundle", "closure", "manifest", "template", "value")

_OBJECT = re.compile(r"objects/([a-z]+)/([0-9a-f]{64})")
_RUN = re.compile(r"runs/[1-9][0-9]*/(run|actions|logs)")


@dataclass(slots=True)
class Examined:
    """What a capsule was found to hold, and whether there are pickles in it."""

    content: Content = field(default_factory=Content)
    pickles: bool = False


def limit_of(container: Container, max_size: int | None) -> int:
    """How many bytes the archive in a capsule may have."""
    return max(LEAST_LIMIT, RATIO * container.size) if max_size is None else max_size


def archive_of(container: Container, max_size: int | None) -> Archive:
    """The archive in it, to be read once from its beginning."""
    return Archive(str(container.path), container.archive(), limit_of(container, max_size))


def examine(container: Container, max_size: int | None) -> Examined:
    """Look through the whole capsule; CapsuleError names the first entry that is wrong."""
    return _Examination(archive_of(container, max_size)).whole()


def next_entry(entries: Iterator[Entry], archive: Archive, name: str) -> Entry:
    """The next entry, which has to have this name."""
    found = next(entries, None)
    if found is None:
        raise CapsuleError(archive.file, name, "it is missing")
    if found.name != name:
        raise found.wrong(f"{name!r} was expected in its place")
    return found


def reference_of(entry: Entry) -> Reference | None:
    """The object in an entry, None when its name is of another kind; CapsuleError for one that nothing has."""
    found = _OBJECT.fullmatch(entry.name)
    if found is not None and found[1] in KINDS:
        return Reference(found[1], bytes.fromhex(found[2]))
    if not _RUN.fullmatch(entry.name):
        raise entry.wrong("nothing in a capsule has such a name")
    return None


class _Examination:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._found = Examined()
        self._needed: dict[Reference, str] = {}
        self._taken = TakenOver()

    def whole(self) -> Examined:
        entries = iter(self._archive)
        said = self._front(next_entry(entries, self._archive, MANIFEST))
        shown = self._front(next_entry(entries, self._archive, INDEX))
        told = self._told(said)
        first = self._objects(entries)
        rest = entries if first is None else chain((first,), entries)
        for number, entries_told in enumerate(told, 1):
            self._run(number, len(told), rest, entries_told)
        extra = next(rest, None)
        if extra is not None:
            raise extra.wrong("the manifest has no such run")
        self._complete()
        wrong = self._taken.wrong()
        if wrong is not None:
            number, reason = wrong
            raise CapsuleError(self._archive.file, name_of(number, "actions"), reason)
        content = self._found.content
        for name, data, made in ((MANIFEST, said, manifest), (INDEX, shown, index)):
            if made(content) != data:
                raise CapsuleError(
                    self._archive.file, name, "it says something else than what is in the capsule"
                )
        return self._found

    def _front(self, entry: Entry) -> bytes:
        if entry.size > FRONT:
            raise entry.wrong(f"it has {entry.size:,} bytes, at most {FRONT:,} are allowed")
        data = entry.read(entry.size)
        if sum(map(data.count, (b"[", b"{", b","))) > MOST_FIELDS:
            raise entry.wrong(f"it has more than {MOST_FIELDS:,} fields")
        return data

    def _told(self, said: bytes) -> list[Any]:
        """What the manifest says of the entries of each run; all else it says is compared in the end."""
        try:
            document = json.loads(said)
            number, runs = document["format"], [dict(each["entries"]) for each in document["runs"]]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise CapsuleError(self._archive.file, MANIFEST, f"it cannot be read: {error!r}") from error
        if number != FORMAT:
            newer = isinstance(number, int) and number > FORMAT
            reason = NEWER.format(found=number, known=FORMAT) if newer else "it has no format that there is"
            raise CapsuleError(self._archive.file, MANIFEST, reason, "upgrade dalsegno")
        if not runs:
            raise CapsuleError(self._archive.file, MANIFEST, "there is no run in it")
        return runs

    # Objects

    def _objects(self, entries: Iterator[Entry]) -> Entry | None:
        """All objects; gives the first entry behind them."""
        last: Reference | None = None
        for entry in entries:
            found = reference_of(entry)
            if found is None:
                return entry
            if last is not None and found <= last:
                raise entry.wrong("it is there twice" if found == last else "it is not in the order of names")
            last = found
            self._object(entry, found)
        return None

    def _object(self, entry: Entry, found: Reference) -> None:
        kind, expected = found
        content = self._found.content
        if kind == "blob":
            running = Running(kind, entry.size)
            for piece in entry.pieces():
                running.update(piece)
            self._must_be(entry, running.digest(), expected)
        else:
            data = entry.read(entry.size)
            self._must_be(entry, digest(kind, data), expected)
            try:
                _shapes.check_object(kind, data)
                self._need(of_object(kind, data), entry.name)
            except (_shapes.ShapeError, DalsegnoError) as error:
                raise entry.wrong(str(error)) from error
            self._found.pickles |= _has_pickles(kind, data)
            if kind == "bundle":
                content.bundles[expected] = Bundle.decode(data)
        content.objects[found] = entry.size

    def _must_be(self, entry: Entry, found: bytes, expected: bytes) -> None:
        if found != expected:
            raise entry.wrong(f"its content has the digest {found.hex()}")

    def _need(self, references: Iterable[Reference], by: str) -> None:
        for each in references:
            self._needed.setdefault(each, by)

    def _complete(self) -> None:
        objects = self._found.content.objects
        for reference, by in self._needed.items():
            if reference not in objects:
                name = object_name(*reference)
                raise CapsuleError(self._archive.file, name, f"it is missing, and {by!r} refers to it")
        for kind, found in objects:
            if Reference(kind, found) not in self._needed:
                name = object_name(kind, found)
                raise CapsuleError(self._archive.file, name, "nothing in the capsule refers to it")

    # Runs

    def _run(self, number: int, runs: int, entries: Iterator[Entry], told: dict[str, Any]) -> None:
        content = self._found.content
        entry = next_entry(entries, self._archive, name_of(number, "run"))
        reading = _Whole(entry)
        try:
            held = Held(_shapes.run_of(reading.data))
            self._need(of_run(held.run), entry.name)
        except (_shapes.ShapeError, DalsegnoError) as error:
            raise entry.wrong(str(error)) from error
        if content.runs and order(held.run) <= order(content.runs[-1].run):
            raise entry.wrong("the runs are not in their order")
        if any(each.place == held.place for each in content.runs):
            raise entry.wrong("another run has the same name")
        content.runs.append(held)
        held.entries["run"] = reading.sum
        self._as_told(entry, reading.sum, told)
        for part, read in zip(PARTS[1:], (self._actions, self._logs), strict=True):
            entry = next_entry(entries, self._archive, name_of(number, part))
            held.entries[part] = read(entry, held, runs)
            self._as_told(entry, held.entries[part], told)

    def _as_told(self, entry: Entry, found: Sum, told: dict[str, Any]) -> None:
        if told.get(entry.name) != {"size": found.size, "sha256": found.digest}:
            raise entry.wrong("its content is not what the manifest says")

    def _actions(self, entry: Entry, held: Held, runs: int) -> Sum:
        paths: dict[int, bytes] = {}
        reading = Read(entry, 4)
        for head, data in reading:
            seq = int.from_bytes(head, "big")
            if not paths and seq != 0:
                raise entry.wrong("the root is missing")
            if paths and seq <= next(reversed(paths)):
                raise entry.wrong(f"action number {seq} is there twice, or not in its place")
            try:
                action = _shapes.action_of(data, seq, paths, runs)
                self._need(of_action(action), entry.name)
            except (_shapes.ShapeError, DalsegnoError) as error:
                raise entry.wrong(f"action number {seq}: {error}") from error
            paths[seq] = action.path
            self._taken.note(len(self._found.content.runs), action)
            self._found.pickles = self._found.pickles or action_has_pickles(action)
            held.actions += 1
        if not paths:
            raise entry.wrong("the root is missing")
        return reading.sum

    def _logs(self, entry: Entry, held: Held, runs: int) -> Sum:
        last = b""
        reading = Read(entry, 8)
        for head, data in reading:
            if head <= last:
                raise entry.wrong("a piece of log is there twice, or not in its place")
            last = head
            try:
                _shapes.check_log(data)
            except _shapes.ShapeError as error:
                raise entry.wrong(str(error)) from error
        return reading.sum


class _Whole:
    """An entry that is one record."""

    def __init__(self, entry: Entry) -> None:
        from hashlib import sha256

        if entry.size > FRONT:
            raise entry.wrong(f"it has {entry.size:,} bytes, at most {FRONT:,} are allowed")
        self.data = entry.read(entry.size)
        self.sum = Sum(entry.size, sha256(self.data).hexdigest())


def _has_pickles(kind: str, data: bytes) -> bool:
    if kind == "value":
        return value_has_pickles(data)
    return kind == "template" and template_has_pickles(_shapes.template_of(data))
