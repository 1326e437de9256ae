"""The tree of a run in parts: what one action called, found without reading the run again each time."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno._ledger import Ledger
from dalsegno._reuse import ran
from dalsegno.errors import RunNotFoundError
from dalsegno.models import ActionRecord, RunRecord
from dalsegno.query import action_view
from dalsegno.ui._kept import Kept
from dalsegno.views import ChildrenView, ChildView

REMEMBERED = 8
"""Of so many runs it is remembered which action called which."""


_Calls = dict[int, list[int]]
"""The numbers of the actions that each called, in order."""


class Children:
    """What actions called, for many who ask; `version` changes whenever something is recorded.

    Of a run that has ended the numbers of its actions are kept, and 10,000 of them take half a megabyte.
    """

    def __init__(self, ledger: Ledger, version: Callable[[], object]) -> None:
        self._ledger = ledger
        self._version = version
        self._known = Kept[_Calls](REMEMBERED)

    def view(
        self, run: RunRecord, action: ActionRecord, *, limit: int = 200, after: int = -1
    ) -> ChildrenView:
        """Up to `limit` of what an action called, behind the one with the number `after`."""
        version = self._version()  # one for the whole page, or a running run would be read again for each
        home, numbers = self._below(run, action, version)
        numbers = [number for number in numbers if number > after]
        found = [self._ledger.action_by_seq(home.id, number) for number in numbers[:limit]]
        return {
            "run": home.name,
            "project": home.project,
            "domain": home.domain,
            "actions": [self._child(home, each, version) for each in found],
            "next": numbers[limit - 1] if len(numbers) > limit else None,
        }

    def child(self, run: RunRecord, action: ActionRecord) -> ChildView:
        """An action with how many it called."""
        return self._child(run, action, self._version())

    def _child(self, run: RunRecord, action: ActionRecord, version: object) -> ChildView:
        below = len(self._below(run, action, version)[1])
        return {**action_view(self._ledger, run, action), "children": below}

    def _below(self, run: RunRecord, action: ActionRecord, version: object) -> tuple[RunRecord, list[int]]:
        """The run in which what an action called is recorded, and the numbers of that; none if that run was deleted."""
        home_id, seq = ran(action)
        try:
            home = run if home_id == run.id else self._ledger.run(home_id)
        except RunNotFoundError:
            return run, []
        return home, self._calls(home, version).get(seq, [])

    def _calls(self, run: RunRecord, version: object) -> _Calls:
        key = run.id, run.ended_at if run.phase.is_terminal else version

        def read() -> _Calls:
            below: _Calls = {}
            for each in self._ledger.actions(run.id):
                if each.parent is not None:
                    below.setdefault(each.parent, []).append(each.seq)
            return below

        return self._known.get(key, read)
