"""What a run that is resumed has recorded already, and what that means for the calls that are made in it again.

The root's body runs again from its beginning, and makes its calls again. A call is known by its path, which is the same in
every execution of the same code on the same inputs:

- one that has ended is served from the record: its value, or its exception, of its own class. Its body does not run again;
- one that had begun and not ended runs again, under its name and number, as another attempt;
- so does one that was aborted, since it gave its caller nothing that could be served;
- one that is not recorded is new.

An attempt that failed and was followed by another one has made calls too. The attempt after it counted its equal calls on
from there, and so does the one that is executed now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dalsegno._identity import action_key
from dalsegno._ledger import Ledger
from dalsegno._values import values_digest
from dalsegno.codec import decode
from dalsegno.errors import ActionInterruptedError
from dalsegno.failures import interrupted, is_interruption, revive
from dalsegno.models import ActionRecord, Attempt, Phase
from dalsegno.observers import notify

if TYPE_CHECKING:
    from dalsegno._runner import LiveAction


class Earlier:
    """The recorded actions of a run that is resumed at the time `at`, in nanoseconds; of each only its place is kept."""

    def __init__(self, ledger: Ledger, run_id: int, at: int) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._at = at
        self._seqs = ledger.places(run_id)
        self.next_seq = max(self._seqs.values(), default=0) + 1
        """The number of the first action that is new."""

    def find(self, path: bytes) -> ActionRecord | None:
        """The recorded action with that path, which is called now."""
        seq = self._seqs.get(path[:8])
        return None if seq is None else self._ledger.action_at(self._run_id, seq, path)

    def again(self, call: ActionRecord, recorded: ActionRecord) -> ActionRecord:
        """The record of a call that is recorded: as it has ended, or in its next attempt."""
        if recorded.phase.is_terminal and recorded.phase is not Phase.ABORTED:
            return recorded
        return next_attempt(call, recorded, self._at)

    def calls(self, action: ActionRecord) -> dict[bytes, int]:
        """How many equal calls an action has made in attempts which failed, by the key of the first."""
        failed = [each for each in action.failed_attempts if not is_interruption(each.failure)]
        counted: dict[bytes, int] = {}
        if failed:
            for child in self._ledger.actions(self._run_id):
                if child.parent == action.seq and child.started_at < failed[-1].ended_at:
                    name = self._ledger.template(child.template).name
                    call = action_key(name.encode(), values_digest(child.inputs), 0, child.group.encode())
                    counted[call] = counted.get(call, 0) + 1
        return counted

    def left(self) -> list[ActionRecord]:
        """Those of the actions that are recorded as running by now."""
        return [
            action
            for action in self._ledger.actions(self._run_id)
            if not action.phase.is_terminal and action.seq < self.next_seq
        ]


def next_attempt(call: ActionRecord, recorded: ActionRecord, at: int) -> ActionRecord:
    """The record of an action that begins again at the time `at`, after it was interrupted or aborted."""
    began = recorded.failed_attempts[-1].ended_at if recorded.failed_attempts else recorded.started_at
    if recorded.failure is None or recorded.phase is Phase.ABORTED:  # no failure of its own
        last = Attempt(began, at, interrupted())
    else:
        last = Attempt(began, recorded.ended_at or at, recorded.failure)
    return call._replace(
        seq=recorded.seq,
        attempts=recorded.attempts + 1,
        started_at=recorded.started_at,
        failed_attempts=(*recorded.failed_attempts, last),
    )


def served(action: LiveAction) -> Any:
    """Hand what is recorded of an action that has ended to its caller."""
    action.finished = True
    run, record = action.run, action.record
    if run.observers:
        notify(run.observers, "action_reused", run.record, record)
    if record.failure is not None:
        raise revive(record.failure, run.code.resolve)
    ledger = run.ledger
    parts = ledger.named(record.outputs)
    values = [decode(part, resolve=run.code.resolve, read_blob=ledger.blob) for part in parts.values()]
    return action.task.interface.unpack_outputs(values)


def unknown_outcome(action: LiveAction) -> ActionInterruptedError | None:
    """The error of a task that runs at most once, had begun, and of which nobody knows how that ended.

    That is one of the run itself, which is resumed, or the one of the run that is recovered which it stands for, unless it
    was asked for that this is executed again.
    """
    run, record = action.run, action.record
    if record.failed_attempts and record.attempts > 1:
        return ActionInterruptedError(record.name, run.record.name)
    source = run.source
    if source is None or action.forced:
        return None
    for found in [action.counterpart] if action.counterpart is not None else source.anywhere(record.key):
        if not found.phase.is_terminal or _is_unknown(found):
            return ActionInterruptedError(found.name, source.tree.run.name)
    return None


def _is_unknown(action: ActionRecord) -> bool:
    failure = action.failure
    return failure is not None and failure.code == ActionInterruptedError.__name__
