"""What is wrong in a store: every object re-hashed, every reference followed, every index compared with its runs.

Objects first, in the order of their digests; then the records, which says what damage touches which run. All of it in
short transactions while others write: a record and what it refers to are looked at in one snapshot, so nothing is
reported that was only on its way. Nothing is imported, unpickled or run.

Left alone, because they are no damage: actions and logs of a run that is being removed, cached and derived entries that
lead nowhere, origins in runs that were removed by force, and objects that no run reaches and of which parts are gone. A collection takes what can be taken of these away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dalsegno import _records as records
from dalsegno._identity import action_path
from dalsegno._ownership import OWNERS, unpack_tenure
from dalsegno._pins import PINS, SWEEPS, unpack_pin
from dalsegno._references import REFERRING, TABLES, Reference, of_action, of_object, of_run
from dalsegno._trust import IMPORTS, TRUSTS, unpack_import, unpack_trust
from dalsegno.errors import DalsegnoError
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage._pages import pages, whole_pages
from dalsegno_storage.check import OBJECTS, check_object, check_objects, digest_of, kind_of
from dalsegno_storage.objects import get_object, object_key
from dalsegno_storage.protocol import Reader, Store

REMEMBERED = 200_000
"""Of how many objects it is remembered that they are there."""

EVERY = 1000

MISSING = "it is missing"

Progress = Callable[[str, int], None]
"""Gets what is being checked, "objects", "runs", "actions" or "entries", and how many of these have been."""

Unreadable = (DalsegnoError, ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What the readers of records raise on bytes that are none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, why, and the runs that it touches, as project/domain/name.

    `kind` is that of an object, and `name` its digest in hexadecimal; or it is "run", "action", "log", "index",
    "name", "cache", "derived", "collection", "pin", "owner", "import", "trust" or "key", and `name` says which one.
    """

    kind: str
    name: str
    cause: str
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and how much was looked at; `size` is the bytes that the objects take."""

    problems: tuple[Problem, ...]
    objects: int
    size: int
    runs: int
    actions: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def examine(store: Store, progress: Progress) -> Report:
    """Look at everything."""
    return _Examination(store, progress).report()


class _Examination:
    def __init__(self, store: Store, progress: Progress) -> None:
        self._store = store
        self._progress = progress
        self._counts = {"objects": 0, "runs": 0, "actions": 0, "entries": 0}
        self._size = 0
        self._bad: dict[bytes, tuple[str, str]] = {}
        self._problems: dict[tuple[str, str, str], dict[str, None]] = {}
        self._through: Mapping[bytes, frozenset[bytes]] = {}
        self._kinds: dict[bytes, str] = {}
        self._parents: dict[int, bytes] = {}

    def report(self) -> Report:
        self._objects()
        self._through = self._spread()
        self._runs()
        self._actions()
        self._entries()
        found = [
            Problem(kind, digest.hex(), cause, tuple(self._problems.get((kind, digest.hex(), cause), ())))
            for digest, (kind, cause) in self._bad.items()
        ]
        objects = {(each.kind, each.name, each.cause) for each in found}
        # What is missing below an object that no run reaches either has only been collected sooner than that one.
        found = [each for each in found if each.cause != MISSING or each.runs]
        found += [Problem(*what, tuple(runs)) for what, runs in self._problems.items() if what not in objects]
        counts = self._counts
        return Report(tuple(found), counts["objects"], self._size, counts["runs"], counts["actions"])

    def _count(self, what: str) -> None:
        self._counts[what] += 1
        if self._counts[what] % EVERY == 0:
            self._progress(what, self._counts[what])

    def _note(self, kind: str, name: str, cause: str, runs: Iterable[str] = ()) -> None:
        self._problems.setdefault((kind, name, cause), {}).update(dict.fromkeys(runs))

    # Objects

    def _objects(self) -> None:
        for reader, found in check_objects(self._store):
            self._count("objects")
            self._size += found.stored
            if not found.digest:
                self._note("key", found.key.hex(), found.problem)
            elif found.problem:
                self._bad[found.digest] = found.kind or "object", found.problem
            elif found.kind in REFERRING:
                try:
                    data = found.data
                    if data is None:
                        data = get_object(reader, found.kind, found.digest)
                    references = list(of_object(found.kind, data))
                except Unreadable as error:
                    self._bad[found.digest] = found.kind, f"it is whole and cannot be read: {error}"
                else:
                    for each in references:
                        self._look(reader, each)

    def _look(self, reader: Reader, reference: Reference) -> None:
        """Note an object that is not there, or is one of another kind."""
        kind, digest = reference
        if digest in self._bad:
            return
        known = self._kinds.get(digest)
        if known is None:
            record = reader.get(object_key(digest))
            known = "" if record is None else kind_of(record)
            if record is None:
                self._bad[digest] = kind, MISSING
                return
            if len(self._kinds) >= REMEMBERED:
                self._kinds.clear()
            self._kinds[digest] = known
        if known != kind:
            self._bad[digest] = kind, f"it is stored as kind {known!r}"

    def _spread(self) -> Mapping[bytes, frozenset[bytes]]:
        """By digest, the bad objects that are reached through an object; only if there are any."""
        through = {digest: frozenset((digest,)) for digest in self._bad}
        grown = bool(through)
        while grown:
            grown = False
            for digest, references in self._referring():
                reached = through.get(digest, frozenset()).union(
                    *(through.get(each.digest, ()) for each in references)
                )
                if len(reached) > len(through.get(digest, ())):
                    through[digest] = reached
                    grown = True
        return through

    def _referring(self) -> Iterator[tuple[bytes, list[Reference]]]:
        for reader, page in pages(self._store, *OBJECTS):
            for key, record in page:
                digest, kind = digest_of(key), kind_of(record)
                if digest is not None and digest not in self._bad and kind in REFERRING:
                    found = check_object(reader, key, record)
                    if not found.problem:
                        data = found.data or get_object(reader, kind, digest)
                        yield digest, list(of_object(kind, data))

    # Records

    def _follow(self, reader: Reader, references: Iterable[Reference], run: str) -> None:
        """Note that a run is touched by what is bad among these and behind them."""
        for each in references:
            self._look(reader, each)
            reached = self._through.get(each.digest)
            for digest in reached if reached is not None else (each.digest,):
                if digest in self._bad:
                    kind, cause = self._bad[digest]
                    self._note(kind, digest.hex(), cause, [run])

    def _runs(self) -> None:
        for reader, page in pages(self._store, *records.RUNS):
            for key, data in page:
                self._count("runs")
                run_id = records.run_id_of(key)
                try:
                    run = records.unpack_run(run_id, data)
                    label = label_of(run)
                    references = list(of_run(run))
                    entries = list(records.index_keys(run))
                    name = records.name_key(run.project, run.domain, run.name)
                except Unreadable as error:
                    label = self._label(reader, run_id)
                    self._note("run", label, f"its record cannot be read: {error}", [label])
                    continue
                self._follow(reader, references, label)
                if reader.get(name) != records.pack_number(run_id):
                    self._note("name", label, "it does not lead to its run", [label])
                for entry in entries:
                    if reader.get(entry) is None:
                        self._note("index", _index_name(entry), "the entry is missing", [label])
                if next(iter(reader.scan(*records.action_range(run_id, 0))), None) is None:
                    self._note("action", f"{label}/a0", "it is missing", [label])

    def _actions(self) -> None:
        run_id, label = -1, ""
        for reader, page in pages(self._store, *records.ACTIONS):
            for key, data in page:
                self._count("actions")
                if len(key) != 21:
                    self._note("key", key.hex(), "it is not that of an action")
                    continue
                if int.from_bytes(key[1:9], "big") != run_id:
                    run_id = int.from_bytes(key[1:9], "big")
                    label = self._label(reader, run_id) if self._has_run(reader, run_id) else ""
                    self._parents.clear()
                if label:
                    self._action(reader, run_id, key, data, label)

    def _action(self, reader: Reader, run_id: int, key: bytes, data: bytes, run: str) -> None:
        name = f"{run}/number {records.seq_of(key)}"
        try:
            action = records.unpack_action(run_id, records.seq_of(key), data)
            name = f"{run}/{action.name}"
            references = list(of_action(action))
            problem = self._misplaced(reader, key, action)
        except Unreadable as error:
            self._note("action", name, f"its record cannot be read: {error}", [run])
            return
        if problem:
            self._note("action", name, problem, [run])
        self._follow(reader, references, run)

    def _misplaced(self, reader: Reader, key: bytes, action: ActionRecord) -> str:
        """What is wrong with the place of an action in its run, and with what it was taken from."""
        if key[13:] != action.path[:8]:
            return "its key and its record say different paths"
        if action.parent is not None:
            above = self._parents.get(action.parent)
            if above is None:
                found = _first_action(reader, action.run_id, action.parent)
                if found is None:
                    return "the action that called it is missing"
                if len(self._parents) >= REMEMBERED:
                    self._parents.clear()
                above = self._parents[action.parent] = records.unpack_action(
                    action.run_id, action.parent, found
                ).path
            if action_path(above, action.key) != action.path:
                return "its path is not that of its key below the action that called it"
        origin = action.origin
        if origin is None or not self._has_run(reader, origin.run_id):
            return ""
        gone = _first_action(reader, origin.run_id, origin.seq) is None
        return "the action that its result was taken from is missing" if gone else ""

    def _entries(self) -> None:
        self._names()
        self._index()
        self._readable("log", (b"l", b"m"), records.unpack_log)
        self._readable("cache", (b"c", b"d"), records.unpack_cached)
        self._readable("derived", (b"d", b"e"), lambda data: records.opened(data, "derived"))
        self._readable("collection", (SWEEPS, b"h"), lambda data: records.unpack_number(data, "collection"))
        self._readable("pin", PINS, unpack_pin)
        self._readable("owner", OWNERS, unpack_tenure)
        self._readable("import", IMPORTS, unpack_import)
        self._readable("trust", TRUSTS, unpack_trust)
        unknown = [(bytes((c,)), bytes((c + 1,))) for c in range(ord("a"), ord("{")) if c not in TABLES]
        for start, stop in ((b"", OBJECTS[0]), (OBJECTS[1], b"a"), *unknown, (b"{", None)):
            for key, _ in whole_pages(self._store, start, stop):
                self._note("key", key.hex(), "no record has such a key")

    def _readable(self, kind: str, table: tuple[bytes, bytes], read: Callable[[bytes], object]) -> None:
        for reader, page in pages(self._store, *table):
            for key, data in page:
                self._count("entries")
                try:
                    read(data)
                except Unreadable as error:
                    of_run = kind in ("log", "pin", "owner", "import")
                    runs = [self._label(reader, int.from_bytes(key[1:9], "big"))] if of_run else []
                    self._note(kind, key.hex(), f"it cannot be read: {error}", runs)

    def _names(self) -> None:
        for reader, page in pages(self._store, b"n", b"o"):
            for key, data in page:
                self._count("entries")
                shown = key[1:].replace(b"\0", b"/").decode("utf-8", "backslashreplace")
                try:
                    run_id = records.unpack_number(data, "name")
                except Unreadable as error:
                    self._note("name", shown, f"it cannot be read: {error}", [shown])
                    continue
                run = _run_or_none(reader, run_id)
                if run is not None and records.name_key(run.project, run.domain, run.name) == key:
                    continue
                if run is None and self._has_run(reader, run_id):
                    continue  # its record cannot be read, which is reported there
                self._note("name", shown, "it does not lead to its run")

    def _index(self) -> None:
        run_id, known = -1, frozenset[bytes]()
        for reader, page in pages(self._store, b"i", b"j"):
            for key, _ in page:
                self._count("entries")
                if records.run_id_of(key) != run_id or key not in known:
                    run_id = records.run_id_of(key)
                    run = _run_or_none(reader, run_id)
                    if run is None and self._has_run(reader, run_id):
                        continue
                    known = frozenset() if run is None else frozenset(records.index_keys(run))
                if key not in known:
                    runs = [] if run is None else [label_of(run)]
                    self._note("index", _index_name(key), "the entry is of no run", runs)

    def _has_run(self, reader: Reader, run_id: int) -> bool:
        return run_id < 1 << 64 and reader.get(records.run_key(run_id)) is not None

    def _label(self, reader: Reader, run_id: int) -> str:
        """The run as project/domain/name, by its name's entry when its record cannot be read."""
        run = _run_or_none(reader, run_id)
        if run is not None:
            return label_of(run)
        wanted = records.pack_number(run_id) if run_id < 1 << 64 else b""
        for key, data in reader.scan(b"n", b"o"):
            if data == wanted:
                return key[1:].replace(b"\0", b"/").decode("utf-8", "backslashreplace")
        return f"number {run_id}"


def label_of(run: RunRecord) -> str:
    """A run as project/domain/name."""
    return f"{run.project}/{run.domain}/{run.name}"


def _run_or_none(reader: Reader, run_id: int) -> RunRecord | None:
    """The run with that id; None when there is none or its record cannot be read."""
    data = reader.get(records.run_key(run_id)) if run_id < 1 << 64 else None
    try:
        return None if data is None else records.unpack_run(run_id, data)
    except Unreadable:
        return None


def _first_action(reader: Reader, run_id: int, seq: int) -> bytes | None:
    found = next(iter(reader.scan(*records.action_range(run_id, seq))), None)
    return None if found is None else found[1]


def _index_name(key: bytes) -> str:
    """An index entry in words."""
    return f"{key[1:-8].replace(bytes(1), b' ').decode('utf-8', 'backslashreplace').strip()} of run {records.run_id_of(key)}"
