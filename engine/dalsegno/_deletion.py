"""Removing runs.

A run goes in one transaction: its record, its name, its index entries, its pin. From then on it is gone. What is left, its
actions and logs, is reached by nobody and goes in further transactions of bounded size; what a crash leaves of it goes
with the next collection.

An action that took over a result keeps its outputs, since those are named by content, but what is below it in the tree is
only in the run that it was taken from. So a run is not removed from under those that have results from it, unless that
is asked for: then they keep their values, and their `origin` leads nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from dalsegno import _records as records
from dalsegno._origins import Origins
from dalsegno._ownership import Owners, owner_key
from dalsegno._pins import pin_key
from dalsegno._trust import import_key
from dalsegno.errors import DamagedRecordError, DecodeError, RunInUseError
from dalsegno.models import Phase, RunRecord
from dalsegno_storage.protocol import Reader, Store, Writer

BATCH = 10_000
"""How many actions or pieces of log go in one transaction."""


def delete(store: Store, runs: Sequence[RunRecord], *, force: bool) -> list[RunRecord]:
    """Remove these runs, all or none of them, and say which ones were still there; RunInUseError unless `force`."""
    origins = None if force else Origins(store)
    with store.write() as writer:
        found = [run for run in runs if writer.get(records.run_key(run.id)) is not None]
        if origins is not None:
            origins.since(writer)
            owners = Owners(store)
            now = [each for each in (_now(writer, run.id) for run in found) if each]
            _refuse_what_is_used(writer, [owners.standing(writer, each) for each in now], origins)
        for run in found:
            _forget(writer, run)
    for run in found:
        _clear(store, run.id)
    return found


def remove_left_overs(store: Store) -> int:
    """Remove the actions and logs of runs that are not there, and say how many runs those were."""
    gone = list(left_overs(store))
    for run_id in gone:
        _clear(store, run_id)
    return len(gone)


def left_overs(store: Store) -> Iterator[int]:
    """The ids of the runs that are not there and whose actions or logs are."""
    seen: set[int] = set()
    for table in (records.ACTIONS[0], b"l"):
        run_id = 0
        while True:
            with store.read() as reader:
                start = table + run_id.to_bytes(8, "big")
                first = next(iter(reader.scan(start, bytes((table[0] + 1,)))), None)
                if first is None:
                    break
                run_id = int.from_bytes(first[0][1:9], "big")
                gone = reader.get(records.run_key(run_id)) is None
            if gone and run_id not in seen:
                seen.add(run_id)
                yield run_id
            run_id += 1


def _now(reader: Reader, run_id: int) -> RunRecord | None:
    data = reader.get(records.run_key(run_id))
    return None if data is None else records.unpack_run(run_id, data)


def _refuse_what_is_used(reader: Reader, runs: Collection[RunRecord], origins: Origins) -> None:
    for run in runs:
        if not run.phase.is_terminal:
            first = "resume it" if run.phase is Phase.INTERRUPTED else "wait for its end"
            raise RunInUseError(run.name, f"it is {run.phase.value}", f"{first} or abort it, or force it")
        if reader.get(pin_key(run.id)) is not None:
            raise RunInUseError(run.name, "it is pinned", "unpin it first")
    for run in runs:
        users = origins.users(run) - {other.id for other in runs}
        names = sorted(user.name for user in (_now(reader, user) for user in users) if user is not None)
        if names:
            some = ", ".join(map(repr, names[:5])) + (
                f" and {len(names) - 5:,} more" if len(names) > 5 else ""
            )
            raise RunInUseError(
                run.name,
                f"{some} took results over from it",
                "remove those as well, or force it and lose what is below",
            )


def _forget(writer: Writer, run: RunRecord) -> None:
    for key in _index_entries(writer, run.id):
        writer.delete(key)
    writer.delete(records.run_key(run.id))
    writer.delete(records.name_key(run.project, run.domain, run.name))
    writer.delete(pin_key(run.id))
    writer.delete(owner_key(run.id))
    writer.delete(import_key(run.id))


def _index_entries(reader: Reader, run_id: int) -> list[bytes]:
    try:
        run = _now(reader, run_id)
        return [] if run is None else list(records.index_keys(run))
    except (DamagedRecordError, DecodeError):
        return [key for key, _ in reader.scan(b"i", b"j") if records.run_id_of(key) == run_id]


def _clear(store: Store, run_id: int) -> None:
    for start, stop in (records.actions_range(run_id), records.log_range(run_id, None)):
        while True:
            with store.read() as reader:
                keys = [key for _, (key, _) in zip(range(BATCH), reader.scan(start, stop), strict=False)]
            if not keys:
                break
            with store.write() as writer:
                for key in keys:
                    writer.delete(key)
