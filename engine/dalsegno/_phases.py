"""The life of a run or action, as a table; the ledger goes through `advance` before it changes a recorded phase.

   ┌────────────────────────────► recovered
queued ──► running ──► succeeded | failed | aborted | timed_out
   └──────────────────► aborted | timed_out

A run that is recorded as running, and whose process is gone, shows as interrupted. That is found out whenever it is read and
never recorded, so no record goes there or leaves it: a run that is resumed is running, as it was all the time.
"""

from dalsegno.models import Phase

TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.QUEUED: frozenset({Phase.RUNNING, Phase.ABORTED, Phase.TIMED_OUT, Phase.RECOVERED}),
    Phase.RUNNING: frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT}),
    Phase.SUCCEEDED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.ABORTED: frozenset(),
    Phase.TIMED_OUT: frozenset(),
    Phase.RECOVERED: frozenset(),
    Phase.INTERRUPTED: frozenset(),
}


def advance(current: Phase, new: Phase) -> Phase:
    """`new`, if a record in phase `current` may go there; ValueError otherwise."""
    if new not in TRANSITIONS[current]:
        raise ValueError(f"a record that is {current} cannot become {new}")
    return new
