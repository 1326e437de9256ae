"""Going through every run and action of a store, and later through what has been added since.

The first time takes as long as the store is large, in short transactions. What it saw goes on changing, but not much of
it can: a run that has ended stays as it is, and so does an action that was not aborted. So inside one later transaction it is enough to look at
the runs that were live and at those that are newer, and then everything that is in the store has been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dalsegno import _records as records
from dalsegno.models import ActionRecord, Phase, RunRecord
from dalsegno_storage._pages import pages
from dalsegno_storage.protocol import Reader, Store

SeeRun = Callable[[Reader, RunRecord], None]
SeeAction = Callable[[Reader, ActionRecord], None]


class Walk:
    """Shows every run and every action to two functions, each with a snapshot that it is in.

    Runs whose ids are in `without` are passed over. A run is shown before its actions.
    """

    def __init__(self, see_run: SeeRun, see_action: SeeAction, without: frozenset[int] = frozenset()) -> None:
        self._see_run = see_run
        self._see_action = see_action
        self._without = without
        self._newest = -1
        self._live: dict[int, set[int]] = {}

    def everything(self, store: Store, runs: Iterable[RunRecord] | None = None) -> None:
        """Show what is there, the oldest run first, or `runs` in their order."""
        for run in all_runs(store) if runs is None else runs:
            self._newest = max(self._newest, run.id)
            if run.id in self._without:
                continue
            with store.read() as reader:
                if not _is_there(reader, run.id):  # removed since, and what it reached may be gone
                    continue
                self._see_run(reader, run)
            seen: set[int] = set()
            for reader, page in pages(store, *records.actions_range(run.id)):
                if not _is_there(reader, run.id):
                    break
                for key, data in page:
                    self._action(reader, run.id, key, data, seen)
            if not run.phase.is_terminal:
                self._live[run.id] = seen

    def since(self, reader: Reader) -> None:
        """Show what was added or went on since the last time."""
        newer = [
            records.unpack_run(records.run_id_of(key), data)
            for key, data in reader.scan(records.run_key(self._newest + 1), records.RUNS[1])
        ]
        for run in newer:
            self._newest = run.id
            self._live[run.id] = set()
        for run_id, seen in list(self._live.items()):
            data = reader.get(records.run_key(run_id))
            if data is None:
                del self._live[run_id]
                continue
            run = records.unpack_run(run_id, data)
            self._see_run(reader, run)
            for key, found in list(reader.scan(*records.actions_range(run_id))):
                if records.seq_of(key) not in seen:
                    self._action(reader, run_id, key, found, seen)
            if run.phase.is_terminal:
                del self._live[run_id]

    def _action(self, reader: Reader, run_id: int, key: bytes, data: bytes, seen: set[int]) -> None:
        action = records.unpack_action(run_id, records.seq_of(key), data)
        self._see_action(reader, action)
        if (
            action.phase.is_terminal and action.phase is not Phase.ABORTED
        ):  # that may begin again, in a resumed run
            seen.add(action.seq)


def _is_there(reader: Reader, run_id: int) -> bool:
    return reader.get(records.run_key(run_id)) is not None


def all_runs(store: Store) -> Iterator[RunRecord]:
    """Every run, oldest first; no transaction is open in between."""
    for _, page in pages(store, *records.RUNS):
        found = [records.unpack_run(records.run_id_of(key), data) for key, data in page]
        yield from found
