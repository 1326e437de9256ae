"""Which objects can be reached.

Roots are the records of runs and actions; from there references are followed through templates, bundles and values to
the last file. What an executor has stored and nothing recorded refers to yet is not reached: who writes the record looks
whether it is still there (`_fence.py`).

What cannot be read hides what it refers to. So nothing is removed from a store in which something that can be reached is
damaged or missing: `check` names it, and removing the runs that it touches takes it out of the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno._references import REFERRING, Reference, of_action, of_object, of_run
from dalsegno._walks import Walk
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage.objects import get_object
from dalsegno_storage.protocol import Reader, Store
from dalsegno_storage.sweep import with_chunks


class Marks:
    """The digests of the objects that runs reach, but for the runs whose ids are in `without`.

    `runs` are gone through in this order, by default all of them. Takes about a hundred bytes of memory for each object.
    """

    def __init__(
        self,
        store: Store,
        without: frozenset[int] = frozenset(),
        runs: Iterable[RunRecord] | None = None,
    ) -> None:
        self.first: dict[bytes, int] = {}
        """By digest, the first run that was found to reach the object."""
        self._run_id = -1
        self._fresh: list[bytes] | None = None
        self._store = store
        self._walk = Walk(self._run, self._action, without)
        self._walk.everything(store, runs)

    def __contains__(self, digest: object) -> bool:
        return digest in self.first

    def since(self, reader: Reader) -> None:
        """Mark what is reached by what was added since, in a transaction in which nobody else adds anything."""
        self._fresh = []
        self._walk.since(reader)
        fresh, self._fresh = self._fresh, None
        for digest in list(with_chunks(reader, fresh)):
            self.first.setdefault(digest, self._run_id)

    def _run(self, reader: Reader, run: RunRecord) -> None:
        self._run_id = run.id
        self._mark(reader, of_run(run))

    def _action(self, reader: Reader, action: ActionRecord) -> None:
        self._mark(reader, of_action(action))

    def _mark(self, reader: Reader, references: Iterable[Reference]) -> None:
        waiting = [each for each in references if each.digest not in self.first]
        while waiting:
            kind, digest = waiting.pop()
            if digest in self.first:
                continue
            if kind in REFERRING:
                found = of_object(kind, get_object(reader, kind, digest))
                waiting += [each for each in found if each.digest not in self.first]
            self.first[digest] = self._run_id
            if self._fresh is not None:
                self._fresh.append(digest)
