"""Runs and actions in a store: what is read and written in each transaction; the writer thread opens those that write.

Reading is done where it is asked for, in a transaction that ends before the method returns. Writing goes through
the one writer thread. A record that has reached a terminal phase is never changed: the second who tries gets what
the first recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dalsegno import _records as records
from dalsegno._identity import ROOT_NAME, long_action_name, split_action_name
from dalsegno._listing import Query, candidates, run_of
from dalsegno._phases import advance
from dalsegno._puts import PART_BYTES, End, Put, is_over, parts, put_missing, putting, small, unless_there
from dalsegno._values import Encoded, parts_of
from dalsegno._writer import Writer
from dalsegno.codec import BlobSource
from dalsegno.errors import ActionNotFoundError, RunExistsError, RunNotFoundError
from dalsegno.models import ActionRecord, Part, RunRecord, TaskTemplate, Values
from dalsegno_storage.digest import digest as content_digest
from dalsegno_storage.objects import Prepared, get_object, has_object
from dalsegno_storage.protocol import Store
from dalsegno_storage.protocol import Writer as Transaction


@dataclass(frozen=True, slots=True)
class LogLine:
    """A piece of what an action printed or logged: its stream, its time in nanoseconds, the text, and the attempt,
    from 1, that it came from."""

    seq: int
    stream: str
    at: int
    text: str
    attempt: int = 1


class Ledger:
    """The records of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.writer = Writer(store)

    def close(self) -> None:
        """Write what is waiting; the store itself stays open."""
        self.writer.close()

    # Objects

    def get(self, kind: str, digest: bytes) -> bytes:
        """The object with that digest, checked."""
        with self._store.read() as reader:
            return get_object(reader, kind, digest)

    def blob(self, digest: bytes) -> bytes:
        """The content of a recorded file, checked."""
        return self.get("blob", digest)

    def part(self, part: Part) -> bytes:
        """The bytes of an encoded value, wherever they are kept."""
        return part if isinstance(part, bytes) else self.get("value", part.digest)

    def named(self, values: Values | None) -> dict[str, bytes]:
        """The bytes of named values, one by one."""
        return {} if values is None else {name: self.part(part) for name, part in parts_of(values).items()}

    def template(self, digest: bytes) -> TaskTemplate:
        """The task template with that digest."""
        return records.unpack_template(self.get("template", digest))

    def prepare(self, kind: str, data: bytes) -> tuple[bytes, list[Put]]:
        """The digest of an object, and the puts that store it; none when it is there already."""
        digest = content_digest(kind, data)
        return digest, self._puts(kind, digest, data)

    def objects(self, encoded: Encoded) -> list[Put]:
        """The puts that store the large ones among named values; none for those that are there already."""
        return [put for digest, data in encoded.objects.items() for put in self._puts("value", digest, data)]

    def blobs(self, blobs: Iterable[tuple[bytes, BlobSource]]) -> list[Put]:
        """The puts that store the content of files."""
        return [
            put
            for digest, source in blobs
            if not self.has(digest)
            for put in Prepared(digest, "blob", source.read()).parts
        ]

    def derived(self, place: bytes) -> bytes | None:
        """What is kept at a place made by `derived_key`; None when it has to be made again."""
        with self._store.read() as reader:
            return reader.get(place)

    def keep_derived(self, place: bytes, data: bytes) -> None:
        """Keep something that can be made again; nobody waits for it."""
        self.writer.put_lazily(place, lambda _: data)

    def has(self, digest: bytes) -> bool:
        """Whether the object is there."""
        with self._store.read() as reader:
            return has_object(reader, digest)

    def _puts(self, kind: str, digest: bytes, data: bytes) -> list[Put]:
        return [] if self.has(digest) else list(Prepared(digest, kind, data).parts)

    # Recording

    async def store(self, puts: list[Put]) -> None:
        """Store objects and wait until they are on disk, in transactions of bounded size."""
        for part in parts(puts):
            await self.writer.commit(putting(part), size=PART_BYTES)

    def store_blocking(self, puts: list[Put]) -> None:
        """The same for a thread without an event loop."""
        for part in parts(puts):
            self.writer.commit_blocking(putting(part), size=PART_BYTES)

    def put_soon(self, puts: list[Put]) -> None:
        """Have objects stored no later than any record that is handed in after them."""
        for key, data in puts:
            self.writer.put_lazily(key, unless_there(key, data))

    async def complete(self, end: End) -> None:
        """Record how an action ended, with the objects it refers to; wait for the disk if that is wanted."""
        if end.durable:
            puts = end.puts if small(end.puts) else await self._ahead(end.puts)
            await self.writer.commit(self._completion(end.record, puts, end.call))
        else:
            self.complete_soon(end)

    def complete_blocking(self, end: End) -> None:
        """The same for a thread without an event loop."""
        if end.durable:
            puts = end.puts
            if not small(puts):
                self.store_blocking(puts)
                puts = []
            self.writer.commit_blocking(self._completion(end.record, puts, end.call))
        else:
            self.complete_soon(end)

    async def _ahead(self, puts: list[Put]) -> list[Put]:
        await self.store(puts)
        return []

    def complete_soon(self, end: End) -> None:
        """The same, waited for by nobody."""
        self.put_soon(end.puts)
        action = end.record
        key = records.action_key(action.run_id, action.seq, action.path)
        data = records.pack_action(action)
        self.writer.put_lazily(key, lambda transaction: None if is_over(transaction, key) else data)
        if end.call:
            self.writer.put_lazily(records.cache_key(end.call), lambda _: records.pack_cached(action))

    async def create(
        self, run: RunRecord, root: Callable[[RunRecord], ActionRecord], puts: list[Put]
    ) -> tuple[RunRecord, ActionRecord]:
        """Record a new run and its root, all or nothing; RunExistsError when the name is taken.

        The run's id is made inside: the time, or one more than the newest id when the clock stands behind it.
        Objects are stored first, so that no record refers to a missing one.
        """
        if not small(puts):
            puts = await self._ahead(puts)

        def operation(transaction: Transaction) -> tuple[RunRecord, ActionRecord]:
            name = records.name_key(run.project, run.domain, run.name)
            if transaction.get(name) is not None:
                raise RunExistsError(run.name, run.project, run.domain)
            newest = next(iter(transaction.scan(*records.RUNS, reverse=True)), None)
            run_id = time.time_ns()
            if newest is not None:
                run_id = max(run_id, records.run_id_of(newest[0]) + 1)
            created = run._replace(id=run_id)
            action = root(created)
            put_missing(transaction, puts)
            transaction.put(records.run_key(run_id), records.pack_run(created))
            transaction.put(name, run_id.to_bytes(8, "big"))
            for key in records.index_keys(created):
                transaction.put(key, b"")
            transaction.put(records.action_key(run_id, 0, action.path), records.pack_action(action))
            return created, action

        return await self.writer.commit(operation)

    def began(self, action: ActionRecord, still_running: Callable[[], bool]) -> None:
        """Have it recorded that an action runs, unless it ends before that is written."""
        key = records.action_key(action.run_id, action.seq, action.path)
        self.writer.put_lazily(key, lambda _: records.pack_action(action) if still_running() else None)

    def _completion(
        self, action: ActionRecord, puts: list[Put], call: bytes = b""
    ) -> Callable[[Transaction], None]:
        """The operation that records how an action ended; a record that is terminal already stays as it is."""
        key = records.action_key(action.run_id, action.seq, action.path)
        self.writer.forget(key)
        data = records.pack_action(action)

        def operation(transaction: Transaction) -> None:
            if not is_over(transaction, key):
                put_missing(transaction, puts)
                transaction.put(key, data)
                if call:
                    transaction.put(records.cache_key(call), records.pack_cached(action))

        return operation

    async def end(self, run: RunRecord, end: End, left: Sequence[ActionRecord] = ()) -> RunRecord:
        """Record the end of a run and of its root together; gives the run as recorded.

        `left` are the ends of actions that still go on, which close with the run.
        """
        root = end.record
        puts = end.puts if small(end.puts) else await self._ahead(end.puts)
        completions = [
            self._completion(root, puts, end.call),
            *(self._completion(action, []) for action in left),
        ]

        def operation(transaction: Transaction) -> RunRecord:
            data = transaction.get(records.run_key(run.id))
            if data is None:
                raise RunNotFoundError(run.name)
            before = records.unpack_run(run.id, data)
            if before.phase.is_terminal:
                return before
            after = before._replace(phase=advance(before.phase, root.phase), ended_at=root.ended_at)
            for complete in completions:
                complete(transaction)
            transaction.put(records.run_key(run.id), records.pack_run(after))
            gone, new = records.index_changes(before, after)
            for key in gone:
                transaction.delete(key)
            for key in new:
                transaction.put(key, b"")
            return after

        return await self.writer.commit(operation)

    # Reading

    def cached(self, call: bytes, *, since: int = 0) -> ActionRecord | None:
        """The newest action that can stand for a call and ended at `since` or later."""
        with self._store.read() as reader:
            data = reader.get(records.cache_key(call))
            if data is None:
                return None
            run_id, seq, ended_at = records.unpack_cached(data)
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
                return run_of(reader, int.from_bytes(found, "big"))
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
            return run_of(reader, run_id)

    def runs(self, query: Query, *, limit: int, before: int | None = None) -> list[RunRecord]:
        """Up to `limit` runs that match, newest first; `before` continues below the id of an earlier page's last."""
        found: list[RunRecord] = []
        with self._store.read() as reader:
            for run in candidates(reader, query, before):
                if query.accepts(run):
                    found.append(run)
                    if len(found) == limit:
                        break
        return found

    def actions(self, run_id: int) -> list[ActionRecord]:
        """Every recorded action of a run, in the order in which they began."""
        with self._store.read() as reader:
            return [
                records.unpack_action(run_id, records.seq_of(key), data)
                for key, data in reader.scan(*records.actions_range(run_id))
            ]

    def action(self, run: RunRecord, name: str) -> ActionRecord:
        """The action of that name; ActionNotFoundError with near matches, also when two have it."""
        if name == ROOT_NAME:
            return self.action_by_seq(run.id, 0)
        found = self._named(run.id, name)
        if len(found) == 1:
            return found[0]
        where = f"run {run.name!r}"
        if found:
            longer = " and ".join(long_action_name(action.short_name, action.path) for action in found)
            raise ActionNotFoundError(name, (), where, f"there are {longer}; use the longer name")
        known = [action.name for action in self.actions(run.id)]
        raise ActionNotFoundError(name, known, where, f"`dalsegno get action {run.name}` lists those it has")

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


def _first(pairs: Iterable[Put], limit: int) -> Iterator[Put]:
    for _, pair in zip(range(limit), pairs, strict=False):
        yield pair
