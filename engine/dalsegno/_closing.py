"""The end of runs that nobody executes any more, and giving back those that were not brought to an end."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import anyio

from dalsegno._ledger import Ledger
from dalsegno._ownership import NOBODY, Tenure, owner_key, pack_tenure, tenure_of
from dalsegno._puts import End
from dalsegno.errors import DalsegnoError
from dalsegno.failures import aborted
from dalsegno.models import Phase, RunRecord
from dalsegno_storage.protocol import Writer as Transaction


async def close(ledger: Ledger, run: RunRecord, reason: str) -> RunRecord:
    """Take a run over from its owner and record it, with every action that had not ended, as aborted.

    RunTakenOverError when somebody else takes it over or ends it at the same time. A run that cannot be ended is given back.
    """
    before = ledger.tenure(run.id)
    await ledger.take_over(run, before)
    try:
        ended: dict[str, Any] = {
            "phase": Phase.ABORTED,
            "ended_at": time.time_ns(),
            "failure": aborted(reason),
        }
        root, *rest = ledger.actions(run.id)
        left = [End(action._replace(**ended)) for action in rest if not action.phase.is_terminal]
        recorded = await ledger.end(run, End(root._replace(**ended)), left)
    except BaseException:
        await give_back(ledger, run.id, before)
        raise
    ledger.holds.release(run.id)
    return recorded


async def give_back(ledger: Ledger, run_id: int, before: Tenure | None = None) -> None:
    """Own a run no more, so that it is interrupted; with `before` it counts as not resumed since.

    A store that is busy has it recorded as soon as it can be written to.
    """
    epoch = ledger.holds.release(run_id)

    def make(transaction: Transaction) -> bytes | None:
        tenure = tenure_of(transaction, run_id)
        if (tenure.owner, tenure.epoch) != (ledger.owner.id, epoch):
            return None
        if before is not None:
            tenure = tenure._replace(resumed=before.resumed, stop=tenure.stop or before.stop)
        return pack_tenure(tenure._replace(owner=NOBODY))

    # Whoever gives it back has an error to tell, which is to go on.
    with suppress(DalsegnoError, OSError), anyio.CancelScope(shield=True):
        ledger.writer.put_lazily(owner_key(run_id), make)
        await ledger.store(())
