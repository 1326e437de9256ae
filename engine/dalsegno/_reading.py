"""Runs, actions, logs and objects as they are recorded; each method looks into the store in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dalsegno import _records as records
from dalsegno._identity import ROOT_NAME, long_action_name, split_action_name
from dalsegno._listing import Query, candidates, run_of
from dalsegno._ownership import Owners, Tenure, tenure_of
from dalsegno._trust import Import, import_of, is_trusted, refuse_untrusted
from dalsegno._values import parts_of
from dalsegno.errors import ActionNotFoundError, DamagedRecordError, RunNotFoundError
from dalsegno.models import ActionRecord, Part, RunRecord, TaskTemplate, Values
from dalsegno_storage.objects import get_object, get_pieces, has_object
from dalsegno_storage.protocol import Store

if TYPE_CHECKING:
    from dalsegno.bundle import Bundle, Manifest
    from dalsegno.closure import Closure


@dataclass(frozen=True, slots=True)
class LogLine:
    """A piece of what an action printed or logged: its stream, its time in nanoseconds, the text, and the attempt,
    from 1, that it came from."""

    seq: int
    stream: str
    at: int
    text: str
    attempt: int = 1


REMEMBERED = 1000
"""Of so many actions it is remembered where they are, since finding one by its name reads all keys of the run; and so many
templates are kept as they were read."""


SLACK = 60 * 10**9
"""A run's id is the time at which it was recorded, which is at most so many nanoseconds before the one at which it began."""

LOOKED_AT = 20_000
"""So many runs are looked at for one page of a list."""


class Blobs:
    """The contents of recorded files, checked: whole, or piece by piece."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, digest: bytes) -> bytes:
        """The whole content of the file with that digest."""
        with self._store.read() as reader:
            return get_object(reader, "blob", digest)

    def pieces(self, digest: bytes) -> Iterator[bytes]:
        """The same in pieces of a megabyte; that it is damaged may only be said after the last one."""
        return get_pieces(self._store, "blob", digest)


class Reading:
    """What is recorded in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.owners = Owners(store)
        self.blob = Blobs(store)
        self._keys: dict[tuple[int, str], bytes] = {}
        """Where actions of runs that have ended are, by run and name."""
        self._templates: dict[bytes, TaskTemplate] = {}

    # Objects

    def get(self, kind: str, digest: bytes) -> bytes:
        """The object with that digest, checked."""
        with self._store.read() as reader:
            return get_object(reader, kind, digest)

    def part(self, part: Part) -> bytes:
        """The bytes of an encoded value, wherever they are kept."""
        return part if isinstance(part, bytes) else self.get("value", part.digest)

    def named(self, values: Values | None) -> dict[str, bytes]:
        """The bytes of named values, one by one."""
        return {} if values is None else {name: self.part(part) for name, part in parts_of(values).items()}

    def template(self, digest: bytes) -> TaskTemplate:
        """The task template with that digest."""
        known = self._templates.get(digest)
        if known is None:
            if len(self._templates) >= REMEMBERED:
                self._templates.clear()
            known = self._templates[digest] = records.unpack_template(self.get("template", digest))
        return known

    def bundle(self, digest: bytes) -> Bundle:
        """The code bundle with that digest."""
        from dalsegno.bundle import Bundle  # like the next, for those only who look at code

        return Bundle.decode(self.get("bundle", digest))

    def closure(self, digest: bytes) -> Closure:
        """What a task reaches, by the digest in its template."""
        from dalsegno.closure import Closure

        return Closure.decode(self.get("closure", digest))

    def manifest(self, digest: bytes) -> Manifest:
        """The environment manifest with that digest."""
        return records.unpack_manifest(self.get("manifest", digest))

    def has(self, digest: bytes) -> bool:
        """Whether the object is there; it may be gone as soon as this is known."""
        with self._store.read() as reader:
            return has_object(reader, digest)

    # Trust

    def imported(self, run_id: int) -> Import | None:
        """How the run came here in a capsule; None for one that was recorded here."""
        with self._store.read() as reader:
            return import_of(reader, run_id)

    def is_imported(self, run_id: int) -> bool:
        """Whether the run came in a capsule."""
        return self.imported(run_id) is not None

    def is_trusted(self, run_id: int, bundle: bytes) -> bool:
        """Whether code of that bundle may be executed for the run, and its values be loaded."""
        with self._store.read() as reader:
            return is_trusted(reader, run_id, bundle)

    def refuse_untrusted(self, run_id: int, bundle: bytes) -> None:
        """UntrustedCodeError unless that is so."""
        with self._store.read() as reader:
            if not is_trusted(reader, run_id, bundle):
                refuse_untrusted(reader, run_of(reader, run_id), bundle)

    def derived(self, places: Iterable[bytes]) -> list[bytes | None]:
        """What is kept at places made by `derived_key`, in their order; None for what has to be made again."""
        with self._store.read() as reader:
            return [_derived(reader.get(place)) for place in places]

    # Runs and actions

    def cached(self, call: bytes, *, since: int = 0) -> ActionRecord | None:
        """The newest action that can stand for a call and ended at `since` or later."""
        with self._store.read() as reader:
            data = reader.get(records.cache_key(call))
            if data is None:
                return None
            try:
                run_id, seq, ended_at = records.unpack_cached(data)
            except DamagedRecordError:  # `check` names it and `gc` removes it
                return None
            if ended_at < since:
                return None
            for key, found in reader.scan(*records.action_range(run_id, seq)):
                action = records.unpack_action(run_id, records.seq_of(key), found)
                return action if action.phase.is_success else None
        return None

    def find_run(self, project: str, domain: str, name: str) -> RunRecord:
        """The run of that name; RunNotFoundError with near matches."""
        with self._store.read() as reader:
            found = reader.get(records.name_key(project, domain, name))
            if found is not None:
                return self.owners.standing(reader, run_of(reader, records.unpack_number(found, "name")))
            start, stop = records.names_range(project, domain)
            known = [
                key.rpartition(b"\0")[2].decode()
                for key, _ in _first(reader.scan(start, stop, reverse=True), 10_000)
            ]
        raise RunNotFoundError(
            name, known, f"{project}/{domain}", "`dalsegno get run` lists the runs there are"
        )

    def run(self, run_id: int) -> RunRecord:
        """The run with that id."""
        with self._store.read() as reader:
            return self.owners.standing(reader, run_of(reader, run_id))

    def runs(self, query: Query, *, limit: int, before: int | None = None) -> list[RunRecord]:
        """Up to `limit` runs that match, newest first; `before` continues below the id of an earlier page's last."""
        found: list[RunRecord] = []
        with self._store.read() as reader:
            for recorded in candidates(reader, query, before):
                run = self.owners.standing(reader, recorded)
                if query.accepts(run):
                    found.append(run)
                    if len(found) == limit:
                        break
        return found

    def run_page(
        self, query: Query, *, limit: int, before: int | None = None, most: int = LOOKED_AT
    ) -> tuple[list[RunRecord], int | None]:
        """The same, with the id below which it goes on, None at the end.

        At most so many runs are looked at: the page may be shorter, or empty, although more follows.
        """
        found: list[RunRecord] = []
        with self._store.read() as reader:
            for number, recorded in enumerate(candidates(reader, query, before), 1):
                if query.since is not None and recorded.id < query.since - SLACK:
                    break
                run = self.owners.standing(reader, recorded)
                if query.accepts(run):
                    found.append(run)
                if len(found) == limit or number == most:
                    return found, recorded.id
        return found, None

    def has_indexed(self, index: str, value: str) -> bool:
        """Whether there is any run with that task or label ("key=value")."""
        with self._store.read() as reader:
            return next(iter(reader.scan(*records.index_range(index, value))), None) is not None

    def newest_named(self, name: str) -> RunRecord | None:
        """The newest run of that name in any project and domain; looks at all names."""
        ending = b"\0" + name.encode()
        with self._store.read() as reader:
            numbers = [
                records.unpack_number(data, "name")
                for key, data in reader.scan(*records.NAMES)
                if key.endswith(ending)
            ]
        return self.run(max(numbers)) if numbers else None

    def actions(self, run_id: int) -> list[ActionRecord]:
        """Every recorded action of a run, in the order in which they began."""
        with self._store.read() as reader:
            return [
                records.unpack_action(run_id, records.seq_of(key), data)
                for key, data in reader.scan(*records.actions_range(run_id))
            ]

    def tenure(self, run_id: int) -> Tenure:
        """Whose the run is."""
        with self._store.read() as reader:
            return tenure_of(reader, run_id)

    def tenures(self, run_ids: Iterable[int]) -> dict[int, Tenure]:
        """Whose each of these runs is."""
        with self._store.read() as reader:
            return {run_id: tenure_of(reader, run_id) for run_id in run_ids}

    def places(self, run_id: int) -> dict[bytes, int]:
        """The numbers of the recorded actions of a run, by the first eight bytes of their path."""
        with self._store.read() as reader:
            return {key[13:]: records.seq_of(key) for key, _ in reader.scan(*records.actions_range(run_id))}

    def action_at(self, run_id: int, seq: int, path: bytes) -> ActionRecord | None:
        """The action with that number and path."""
        with self._store.read() as reader:
            data = reader.get(records.action_key(run_id, seq, path))
        found = None if data is None else records.unpack_action(run_id, seq, data)
        return found if found is not None and found.path == path else None

    def next_log_number(self, run_id: int, seq: int) -> int:
        """The number of the first piece of log that an action has not recorded yet."""
        with self._store.read() as reader:
            last = next(iter(reader.scan(*records.log_range(run_id, seq), reverse=True)), None)
        return 0 if last is None else int.from_bytes(last[0][13:17], "big") + 1

    def action(self, run: RunRecord, name: str) -> ActionRecord:
        """The action of that name; ActionNotFoundError with near matches, also when two have it."""
        if name == ROOT_NAME:
            return self.action_by_seq(run.id, 0)
        key = self._keys.get((run.id, name))
        if key is not None:
            with self._store.read() as reader:
                data = reader.get(key)
            if data is not None:
                return records.unpack_action(run.id, records.seq_of(key), data)
        found = self._named(run.id, name)
        if len(found) == 1:
            if run.phase.is_terminal:  # no second one of that name comes any more
                self._remember(run.id, name, found[0])
            return found[0]
        where = f"run {run.name!r}"
        if found:
            longer = " and ".join(long_action_name(action.short_name, action.path) for action in found)
            raise ActionNotFoundError(name, (), where, f"there are {longer}; use the longer name")
        known = [action.name for action in self.actions(run.id)]
        raise ActionNotFoundError(name, known, where, f"`dalsegno get action {run.name}` lists those it has")

    def _remember(self, run_id: int, name: str, action: ActionRecord) -> None:
        if len(self._keys) >= REMEMBERED:
            self._keys.clear()
        self._keys[run_id, name] = records.action_key(run_id, action.seq, action.path)

    def _named(self, run_id: int, name: str) -> list[ActionRecord]:
        wanted = split_action_name(name)
        if wanted is None:
            return []
        short_name, path = wanted
        with self._store.read() as reader:
            found = [
                records.unpack_action(run_id, records.seq_of(key), data)
                for key, data in reader.scan(*records.actions_range(run_id))
                if key[13:].startswith(path[:8])
            ]
        return [
            action for action in found if action.short_name == short_name and action.path.startswith(path)
        ]

    def action_by_seq(self, run_id: int, seq: int) -> ActionRecord:
        """The action with that number."""
        with self._store.read() as reader:
            start, stop = records.action_range(run_id, seq)
            for key, data in reader.scan(start, stop):
                return records.unpack_action(run_id, records.seq_of(key), data)
        raise ActionNotFoundError(f"number {seq}")

    def root(self, run_id: int) -> ActionRecord:
        """The action a0 of a run."""
        return self.action_by_seq(run_id, 0)

    def log_lines(self, run_id: int, seq: int | None = None) -> list[LogLine]:
        """What an action printed, or all actions of the run; in order of action and time."""
        with self._store.read() as reader:
            return [
                LogLine(records.seq_of(key), *records.unpack_log(data))
                for key, data in reader.scan(*records.log_range(run_id, seq))
            ]


def _first(pairs: Iterable[tuple[bytes, bytes]], limit: int) -> Iterator[tuple[bytes, bytes]]:
    for _, pair in zip(range(limit), pairs, strict=False):
        yield pair


def _derived(data: bytes | None) -> bytes | None:
    try:
        return None if data is None else records.opened(data, "derived")
    except DamagedRecordError:
        return None
