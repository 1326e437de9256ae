"""Which runs took results over from which others, so that their trees go on in those."""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno._walks import Walk
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage.protocol import Reader, Store


class Origins:
    """By run, the runs that have results from it; what was read while others write is completed by `since`."""

    def __init__(self, store: Store) -> None:
        self._users: dict[int, set[int]] = {}
        self._started: dict[tuple[str, str, str], set[int]] = {}
        self._walk = Walk(self._run, self._action)
        self._walk.everything(store)

    def since(self, reader: Reader) -> None:
        """Look at what was added since, in a transaction in which nobody else adds anything."""
        self._walk.since(reader)

    def users(self, run: RunRecord) -> set[int]:
        """The ids of the other runs that have results from this one, or are live and were started from it."""
        started = self._started.get((run.project, run.domain, run.name), set())
        return (self._users.get(run.id, set()) | started) - {run.id}

    def unneeded(self, runs: Iterable[RunRecord]) -> list[RunRecord]:
        """Those of the runs that nobody needs but runs that are among them as well."""
        free = {run.id: run for run in runs}
        while needed := [run.id for run in free.values() if not self.users(run) <= free.keys()]:
            for run_id in needed:
                del free[run_id]
        return list(free.values())

    def _run(self, reader: Reader, run: RunRecord) -> None:
        if run.relation is not None:
            place = (run.relation.project, run.relation.domain, run.relation.run)
            live = self._started.setdefault(place, set())
            if run.phase.is_terminal:
                live.discard(run.id)
            else:
                live.add(run.id)

    def _action(self, reader: Reader, action: ActionRecord) -> None:
        if action.origin is not None:
            self._users.setdefault(action.origin.run_id, set()).add(action.run_id)
