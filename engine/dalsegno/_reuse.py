"""Which recorded results still hold, and where they are looked for.

A call may take over the result of a recorded action if and only if

- the action succeeded, and nobody asked for it, or for something above or below it, to be executed again;
- the call's key is the same: the same task on the same inputs, the same one of equal calls, in the same group;
- what the task's result depends on is the same: the code that it reaches, the versions of Python and packages, the
  environment variables that it reads, and the code of the user's classes among the inputs;
- it is known what the inputs are equal to: nothing in them was pickled;
- the run was recorded here, or what was imported with it is trusted.

It is looked for first where it stood: among the children of the action that the caller stands for. A caller whose own
inputs are new stands for none, and its unchanged calls are looked for in the whole source run; of several that have the
key, the first in the run counts, so that what is found never depends on the schedule.

Actions that were taken over themselves are looked through: their children are those of the action that really ran.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dalsegno._identity import ROOT_NAME
from dalsegno._ledger import Ledger
from dalsegno.errors import ActionNotFoundError
from dalsegno.models import ActionRecord, Origin, RunRecord, TaskTemplate

Basis = tuple[bytes, Mapping[str, bytes]]
"""What the result of a task depends on besides its inputs."""

_Place = tuple[int, int]


def basis_of(template: TaskTemplate) -> Basis:
    """Two templates with equal bases give equal results on equal inputs, as far as that can be known."""
    return template.code_digest, template.environ


def ran(action: ActionRecord) -> _Place:
    """The run and number of the action that really ran: this one, or the one whose result it took over."""
    return (action.run_id, action.seq) if action.origin is None else action.origin[1:]


def taken_over(call: ActionRecord, source: ActionRecord, kind: str, now: int) -> ActionRecord:
    """The record of a call that took over the result of `source`."""
    return call._replace(
        phase=call.phase.RECOVERED,
        attempts=0,
        started_at=now,
        ended_at=now,
        outputs=source.outputs,
        opaque_outputs=source.opaque_outputs,
        origin=Origin(kind, *ran(source)),
    )


class RecordedTree:
    """A recorded run as a tree, with what was taken over from other runs in its place."""

    def __init__(self, ledger: Ledger, run: RunRecord) -> None:
        self.run = run
        self._ledger = ledger
        self._runs: dict[int, dict[int, dict[bytes, ActionRecord]]] = {}
        self.root = ledger.root(run.id)

    def children(self, action: ActionRecord) -> Mapping[bytes, ActionRecord]:
        """What an action called, by key, in the order in which it did.

        For one that took over a result that is what the one called which really ran.
        """
        run_id, seq = ran(action)
        known = self._runs.get(run_id)
        if known is None:
            known = {}
            for each in self._ledger.actions(run_id):
                if each.parent is not None:
                    known.setdefault(each.parent, {})[each.key] = each
            self._runs[run_id] = known  # whole, since threads share it
        return known.get(seq, {})

    def walk(self, top: ActionRecord | None = None) -> Iterator[tuple[ActionRecord, ActionRecord | None]]:
        """Every action from `top` down with its parent, parents first, each once."""
        seen: set[_Place] = set()
        waiting: list[tuple[ActionRecord, ActionRecord | None]] = [(top or self.root, None)]
        while waiting:
            action, parent = waiting.pop()
            if (action.run_id, action.seq) in seen:
                continue
            seen.add((action.run_id, action.seq))
            yield action, parent
            waiting += [(child, action) for child in reversed([*self.children(action).values()])]


class Source:
    """The run that another one takes results from, beginning at one of its actions."""

    def __init__(
        self, ledger: Ledger, run: RunRecord, top: ActionRecord, forced: Collection[str] = ()
    ) -> None:
        self.tree = RecordedTree(ledger, run)
        self.top = top
        self.forced: set[_Place] = set()
        """The actions that are to be executed again, without those below them."""
        self._above: set[_Place] = set()
        self._bases: dict[bytes, Basis] = {}
        self._trusted: dict[tuple[int, bytes], bool] = {}
        self._by_key: dict[bytes, list[ActionRecord]] | None = None
        self._ledger = ledger
        if forced:
            self._force(forced)

    def _force(self, names: Collection[str]) -> None:
        parents: dict[_Place, ActionRecord | None] = {}
        by_name: dict[str, list[ActionRecord]] = {}
        for action, parent in self.tree.walk(self.top):
            parents[action.run_id, action.seq] = parent
            by_name.setdefault(ROOT_NAME if action is self.top else action.name, []).append(action)
        for name in names:
            found = by_name.get(name) or ([self.top] if name == self.top.name else [])
            if not found:
                where = f"run {self.tree.run.name!r}" + (
                    "" if self.top.seq == 0 else f" below {self.top.name}"
                )
                raise ActionNotFoundError(name, by_name, where, "force_rerun_actions names recorded actions")
            for action in found:
                self.forced.add((action.run_id, action.seq))
                above = parents[action.run_id, action.seq]
                while above is not None:
                    self._above.add((above.run_id, above.seq))
                    above = parents[above.run_id, above.seq]

    def is_forced(self, action: ActionRecord | None) -> bool:
        """Whether the action itself was named to be executed again."""
        return action is not None and (action.run_id, action.seq) in self.forced

    def counterpart(self, parent: ActionRecord | None, key: bytes) -> ActionRecord | None:
        """The call of `parent` that has this key."""
        return None if parent is None else self.tree.children(parent).get(key)

    def result_for(
        self, call: ActionRecord, basis: Basis, counterpart: ActionRecord | None
    ) -> ActionRecord | None:
        """The recorded action whose result the call may take over; None when it has to be executed."""
        if call.opaque_inputs:
            return None
        candidates = [counterpart] if counterpart is not None else self.anywhere(call.key)
        return next((each for each in candidates if self._holds(each, call, basis)), None)

    def basis(self, action: ActionRecord) -> Basis:
        """What the recorded result depends on."""
        known = self._bases.get(action.template)
        if known is None:
            known = self._bases[action.template] = basis_of(self._ledger.template(action.template))
        return known

    def _holds(self, recorded: ActionRecord, call: ActionRecord, basis: Basis) -> bool:
        place = (recorded.run_id, recorded.seq)
        return (
            recorded.phase.is_success
            and place not in self.forced
            and place not in self._above
            and recorded.classes == call.classes
            and (recorded.template == call.template or self.basis(recorded) == basis)
            and self._is_trusted(recorded)
        )

    def _is_trusted(self, recorded: ActionRecord) -> bool:
        place = recorded.run_id, recorded.template
        known = self._trusted.get(place)
        if known is None:
            bundle = self._ledger.template(recorded.template).bundle_digest
            known = self._trusted[place] = self._ledger.is_trusted(recorded.run_id, bundle)
        return known

    def is_above_forced(self, action: ActionRecord) -> bool:
        """Whether an action below it was named to be executed again."""
        return (action.run_id, action.seq) in self._above

    def anywhere(self, key: bytes) -> list[ActionRecord]:
        """The calls with this key in the whole run, in the order in which they began, without forced ones."""
        if self._by_key is None:
            by_key: dict[bytes, list[ActionRecord]] = {}
            below_forced: set[_Place] = set()
            for action, parent in self.tree.walk():
                place = (action.run_id, action.seq)
                above = None if parent is None else (parent.run_id, parent.seq)
                if place in self.forced or above in below_forced:
                    below_forced.add(place)
                else:
                    by_key.setdefault(action.key, []).append(action)
            self._by_key = by_key  # whole, since threads share it
        return self._by_key.get(key, [])
