"""The end of a run that nobody executes any more."""

from __future__ import annotations

import time
from typing import Any

from dalsegno._ledger import Ledger
from dalsegno._puts import End
from dalsegno.failures import aborted
from dalsegno.models import Phase, RunRecord


async def close(ledger: Ledger, run: RunRecord, reason: str) -> RunRecord:
    """Take a run over from its owner and record it, with every action that had not ended, as aborted.

    RunTakenOverError when somebody else takes it over or ends it at the same time.
    """
    await ledger.take_over(run, ledger.tenure(run.id))
    ended: dict[str, Any] = {
        "phase": Phase.ABORTED,
        "ended_at": time.time_ns(),
        "failure": aborted(reason),
    }
    root, *rest = ledger.actions(run.id)
    left = [End(action._replace(**ended)) for action in rest if not action.phase.is_terminal]
    recorded = await ledger.end(run, End(root._replace(**ended)), left)
    ledger.holds.release(run.id)
    return recorded
