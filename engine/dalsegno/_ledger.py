"""Runs and actions in a store: what is read and written in each transaction; the writer thread opens those that write.

Reading is done where it is asked for, in a transaction that ends before the method returns. Writing goes through
the one writer thread. A record that has reached a terminal phase is never changed: the second who tries gets what
the first recorded. A record is written in one transaction with a look at what it refers to (`_fence.py`).

When a commit fails it is not known whether it took place. Then it is read whether what was to be written is there, to the
byte, and if so it counts as done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from secrets import randbelow
from threading import Lock

from dalsegno import _records as records
from dalsegno._completion import Completion
from dalsegno._fence import Fence
from dalsegno._listing import run_of
from dalsegno._notes import Notes
from dalsegno._ownership import USUAL, Holds, Manner, Owner, Tenure, put_tenure, tenure_of
from dalsegno._phases import advance
from dalsegno._puts import (
    PART_BYTES,
    Begun,
    End,
    Kept,
    Large,
    Opening,
    Put,
    Read,
    as_it_is,
    found,
    is_over,
    is_there,
    parts,
    put_missing,
    put_pairs,
    small,
)
from dalsegno._reading import Reading
from dalsegno._references import may_hold_files, of_value
from dalsegno._tickets import Ticket, Wait
from dalsegno._values import Encoded
from dalsegno._writer import Writer
from dalsegno.codec import BlobSource
from dalsegno.errors import RunExistsError, RunNotFoundError, RunTakenOverError
from dalsegno.models import ActionRecord, RunRecord, Values
from dalsegno_storage.digest import digest as content_digest
from dalsegno_storage.errors import StoreError
from dalsegno_storage.objects import Prepared, Streamed, object_key
from dalsegno_storage.pieces import CHUNK_SIZE
from dalsegno_storage.protocol import Reader, Store
from dalsegno_storage.protocol import Writer as Transaction

GAP = 1 << 16
"""How far apart the ids of runs may be that begin while the clock stands behind the newest."""


class Ledger(Reading):
    """The records of one store, read and written."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._fence = Fence()
        self.owner = Owner(self.owners)
        self.holds = Holds()
        self.writer = Writer(store, self)
        self._numbering = Lock()
        self._last_id = 0

    def close(self) -> None:
        """Write what is waiting, and give up the runs that this one owns; the store itself stays open."""
        try:
            self.writer.close()
        finally:
            self.owner.close()

    def begin(self, transaction: Transaction) -> None:
        """A transaction of the writer's has begun."""
        self._fence.begin(transaction)
        self.holds.begin()

    def committed(self) -> None:
        """It has been committed."""
        self._fence.committed()

    # Objects

    def prepare(self, kind: str, data: bytes, below: Sequence[Put] = ()) -> tuple[bytes, Put]:
        """The digest of an object, and what stores it unless it is there."""
        digest = content_digest(kind, data)
        return digest, self.put(kind, digest, lambda: data, below)

    def put(
        self, kind: str, digest: bytes, read: Read, below: Sequence[Put] = (), *, whole: bool = False
    ) -> Put:
        """The same for an object that is read only if it is not there; `below` are the objects that it refers to."""
        put = found(kind, digest, read, below, whole=whole)
        return put if self.has(digest) else put.with_pairs(Prepared(digest, kind, read()))

    def file(self, digest: bytes, source: BlobSource) -> Put:
        """What stores the content of a file unless it is there; a large one is read piece by piece."""
        if source.size <= PART_BYTES:
            return self.put("blob", digest, source.read)
        make = Large(lambda: Streamed(digest, "blob", source.size, source.pieces).parts)
        return Put(object_key(digest), () if self.has(digest) else make, lambda: make)

    def objects(self, encoded: Encoded) -> list[Put]:
        """What stores the files and the large ones among named values."""
        files = [self.file(digest, source) for digest, source in encoded.blobs]
        values = [
            self.put("value", digest, partial(as_it_is, data), files, whole=len(data) <= CHUNK_SIZE)
            for digest, data in encoded.objects.items()
        ]
        return files + values

    def taken(self, values: Values, parts: Mapping[str, bytes]) -> tuple[list[Put], bool]:
        """What keeps the objects that recorded values refer to, and whether files are among them.

        `parts` are the bytes of the values, which are stored again if their objects are removed. The content of files is not
        at hand: where it is gone, ObjectNotFoundError is raised in the transaction.
        """
        files = [
            found("blob", reference.digest, partial(self.blob, reference.digest))
            for part in parts.values()
            if may_hold_files(part)
            for reference in of_value(part)
        ]
        if isinstance(values, bytes):
            return files, bool(files)
        large = [
            found("value", part.digest, partial(bytes, parts[name]), files)
            for name, part in values.items()
            if not isinstance(part, bytes)
        ]
        return files + large, bool(files)

    def keep_derived(self, place: bytes, data: bytes) -> None:
        """Keep something that can be made again; nobody waits for it."""
        self.writer.put_lazily(place, lambda _: records.sealed(data))

    # Recording

    async def store(self, puts: Sequence[Put]) -> None:
        """Store objects and wait until they are on disk, in transactions of bounded size; nothing keeps them yet."""
        await self._ahead(puts)
        await self.writer.commit(partial(put_missing, puts=puts))

    async def _ahead(self, puts: Sequence[Put]) -> None:
        """Store what is too large for one transaction with a record, as far as it can be told from what refers to it."""
        if puts and not small(puts):
            for part in parts(puts):
                await self.writer.commit(partial(put_pairs, pairs=part), size=PART_BYTES)

    def _ahead_blocking(self, puts: Sequence[Put]) -> None:
        if puts and not small(puts):
            for part in parts(puts):
                self.writer.commit_blocking(partial(put_pairs, pairs=part), size=PART_BYTES)

    async def complete(self, end: End) -> None:
        """Record how an action ended, with the objects it refers to; wait for the disk if that is wanted, or if so much waits
        to be written that it would be far behind."""
        await self._ahead(end.puts)
        ticket = self.completing(end)
        if ticket is not None:
            await ticket.waiter
            ticket.outcome()

    def completing(self, end: End) -> Ticket[None, Wait] | None:
        """The same where nothing is too large to go along with the record: what to wait for, if anything is."""
        if end.durable or self.writer.is_behind:
            completion = self._completion(end)
            return self.writer.hand_in(completion, landed=completion.landed)
        self.complete_soon(end)
        return None

    def complete_blocking(self, end: End) -> None:
        """The same for a thread without an event loop."""
        self._ahead_blocking(end.puts)
        if end.durable or self.writer.is_behind:
            completion = self._completion(end)
            self.writer.commit_blocking(completion, landed=completion.landed)
        else:
            self.complete_soon(end)

    def complete_soon(self, end: End) -> None:
        """The same, waited for by nobody."""
        completion = Completion(self.holds, self._fence, end)
        self.writer.put_lazily(completion.key, completion.lazily)

    async def create(
        self,
        run: RunRecord,
        root: Callable[[RunRecord], ActionRecord],
        puts: Sequence[Put],
        kept: Sequence[Kept] = (),
        sources: Sequence[int] = (),
        *,
        manner: Manner = USUAL,
    ) -> tuple[RunRecord, ActionRecord]:
        """Record a new run and its root, all or nothing; RunExistsError when the name is taken.

        The `manner` in which it is executed is noted for whoever resumes it. `puts` and `kept` are the objects that run and
        root refer to. `sources` are the runs that it takes something from as it is recorded there: RunNotFoundError when one
        has been removed.
        """
        await self._ahead([*(each.put for each in kept), *puts])
        opening = self.opening(run, root, puts, kept, sources, manner=manner)
        await self.writer.commit_unless_cancelled(opening.operation, landed=opening.landed)
        return opening.run, opening.root

    def opening(
        self,
        run: RunRecord,
        root: Callable[[RunRecord], ActionRecord],
        puts: Sequence[Put],
        kept: Sequence[Kept] = (),
        sources: Sequence[int] = (),
        *,
        manner: Manner = USUAL,
    ) -> Opening:
        """The same, still to be committed; the puts are small. The run's id is the time, or more than the newest id when the
        clock stands behind that."""
        self.owner.take()
        with self._store.read() as reader:
            newest = next(iter(reader.scan(*records.RUNS, reverse=True)), None)
        with self._numbering:
            last = max(self._last_id, 0 if newest is None else records.run_id_of(newest[0]))
            now = time.time_ns()
            # Another process may take the next number at the same moment.
            run_id = self._last_id = now if now > last else last + 1 + randbelow(GAP)
        new = run._replace(id=run_id)
        action = root(new)

        def operation(transaction: Transaction) -> None:
            name = records.name_key(run.project, run.domain, run.name)
            if transaction.has(name):
                raise RunExistsError(run.name, run.project, run.domain)
            if transaction.has(records.run_key(run_id)):
                raise StoreError(
                    f"another process began a run at the same moment as {run.name!r}; start it again"
                )
            for source in sources:
                if not transaction.has(records.run_key(source)):
                    raise RunNotFoundError(
                        f"number {source}", (), "", "it was removed after this run was asked for"
                    )
            self._fence.refer(transaction, None, puts)
            for each in kept:
                self._fence.ensure(transaction, each)
            if not new.phase.is_terminal:
                put_tenure(transaction, run_id, Tenure(self.owner.id, manner=manner))
                self.holds.hold(run_id, 1)
            transaction.put(records.run_key(run_id), records.pack_run(new))
            transaction.put(name, records.pack_number(run_id))
            for key in records.index_keys(new):
                transaction.put(key, b"")
            transaction.put(records.action_key(run_id, 0, action.path), records.pack_action(action))

        def landed(reader: Reader) -> bool:
            # Run and root may be recorded as ended by then: what a short run does goes along in the same transaction.
            name = records.name_key(run.project, run.domain, run.name)
            return reader.get(name) == records.pack_number(run_id)

        return Opening(new, action, operation, landed)

    async def open(self, opening: Opening) -> None:
        """Record a run that has begun already, with the first that is recorded of what it does, or alone in a moment."""
        await self.writer.commit_ahead(opening.operation, landed=opening.landed)

    def began_soon(self, action: Begun) -> None:
        """Have it recorded that an action runs, unless its end is handed in before that is written, or was before.

        It is also written while the end is still being made: what the action has called may be on its way, and no record is
        ever without that of its caller.
        """
        record = action.record
        key = records.action_key(record.run_id, record.seq, record.path)

        def make(transaction: Transaction) -> bytes | None:
            now = action.record
            if not self.holds.holds(transaction, now.run_id) or is_over(transaction, key, now.attempts):
                return None
            self._fence.refer(transaction, action.kept, action.puts)
            return records.pack_action(now)

        self.writer.put_lazily_once(key, make)

    def notes(self, run_id: int) -> Notes:
        """What is recorded of a run lazily, and without a look at anything else."""
        return Notes(self.writer, self.holds, run_id)

    async def began(self, action: ActionRecord, puts: Sequence[Put], template: Kept | None) -> None:
        """Record that an action runs, and wait for the disk; from then on its inputs can be read from the store."""
        await self._ahead(puts)
        completion = self._completion(End(action, puts, template=template))
        await self.writer.commit(completion, landed=completion.landed)

    def began_blocking(self, action: ActionRecord, puts: Sequence[Put], template: Kept | None) -> None:
        """The same for a thread without an event loop."""
        self._ahead_blocking(puts)
        completion = self._completion(End(action, puts, template=template))
        self.writer.commit_blocking(completion, landed=completion.landed)

    def _completion(self, end: End) -> Completion:
        """What records how an action stands, in the place of what is still to be written of it."""
        completion = Completion(self.holds, self._fence, end)
        self.writer.forget(completion.key)
        return completion

    async def end(self, run: RunRecord, end: End, left: Sequence[End] = ()) -> RunRecord:
        """Record the end of a run and of its root together; gives the run as recorded.

        `left` are the ends of actions that still go on, which close with the run.
        """
        root = end.record
        await self._ahead(end.puts)
        completions = [self._completion(each) for each in (end, *left)]
        ended: RunRecord | None = None

        def operation(transaction: Transaction) -> RunRecord:
            nonlocal ended
            data = transaction.get(records.run_key(run.id))
            if data is None:
                raise RunNotFoundError(run.name)
            self.holds.check(transaction, run.id)
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
            ended = after
            return after

        def landed(reader: Reader) -> bool:
            return ended is not None and _is_run_there(reader, ended) and is_there(root, reader)

        return await self.writer.commit(operation, landed=landed)

    # Ownership

    async def take_over(
        self, run: RunRecord, before: Tenure, again: Callable[[ActionRecord], ActionRecord] | None = None
    ) -> ActionRecord:
        """Make the run this ledger's, in the next epoch; gives its root as it is recorded by then.

        `again` makes the root's next attempt of that, for a run that goes on. RunTakenOverError when the run is with another
        owner than `before` by now, or has ended.
        """
        self.owner.take()
        resumed = before.resumed + (again is not None)
        after = before._replace(owner=self.owner.id, epoch=before.epoch + 1, resumed=resumed, stop=None)

        def operation(transaction: Transaction) -> ActionRecord:
            now = tenure_of(transaction, run.id)
            if now.epoch != before.epoch or run_of(transaction, run.id).phase.is_terminal:
                raise RunTakenOverError(run.name)
            put_tenure(transaction, run.id, after)
            [(key, data)] = transaction.scan(*records.action_range(run.id, 0))
            root = records.unpack_action(run.id, 0, data)
            if again is not None:
                root = again(root)
                transaction.put(key, records.pack_action(root))
            self.holds.hold(run.id, after.epoch)
            return root

        def landed(reader: Reader) -> bool:
            return tenure_of(reader, run.id) == after

        return await self.writer.commit_unless_cancelled(operation, landed=landed)

    async def ask_to_stop(self, run_id: int, reason: str) -> None:
        """Note for the owner of a run that its end is wanted; the first who asks is the one whose reason counts."""

        def operation(transaction: Transaction) -> None:
            tenure = tenure_of(transaction, run_id)
            if tenure.stop is None and not run_of(transaction, run_id).phase.is_terminal:
                put_tenure(transaction, run_id, tenure._replace(stop=reason))

        await self.writer.commit(operation, landed=lambda reader: tenure_of(reader, run_id).stop is not None)


def _is_run_there(reader: Reader, run: RunRecord) -> bool:
    return reader.get(records.run_key(run.id)) == records.pack_run(run)
