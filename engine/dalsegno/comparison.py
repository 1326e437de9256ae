"""Comparing runs: what they did as one digest, and how two of them differ.

Told from the records: nothing that was recorded is imported, unpickled or run for it.
"""

from __future__ import annotations

from typing import Any

from dalsegno._default import default_engine
from dalsegno._diff import Comparison, Side, compare
from dalsegno._fingerprint import Fingerprints
from dalsegno._identity import ROOT_NAME
from dalsegno.errors import UsageError
from dalsegno.runs import Action, Run

__all__ = ["diff", "fingerprint"]


def diff(
    a: Run[Any] | str,
    b: Run[Any] | str,
    *,
    action: str = ROOT_NAME,
    other_action: str = ROOT_NAME,
) -> Comparison:
    """How run `b` differs from run `a`, or one action of it from one of the other.

    Runs are given by name, in the default engine's store, or as they are; the two may be in different stores. Calls are laid
    on each other by their key, and nothing is looked at below those that did the same. Raises RunNotFoundError or
    ActionNotFoundError.
    """
    return compare(_side(a, action), _side(b, other_action))


def fingerprint(what: Run[Any] | Action) -> str:
    """What a run or an action did, as 64 hexadecimal digits: equal for those that did the same, down to every nested call.

    It covers tasks, code, inputs and outcomes, and no times, names or attempts. UsageError for anything but a run or an action.
    """
    if not isinstance(what, (Run, Action)):
        raise UsageError(
            f"a fingerprint is that of a run or an action, not of {what!r:.80}; Run.get(name) finds a run"
        )
    record = what.action().record if isinstance(what, Run) else what.record
    return Fingerprints(what._records.ledger).of(record).hex()


def _side(run: Run[Any] | str, action: str) -> Side:
    found = default_engine().get_run(run) if isinstance(run, str) else run
    ledger = found._records.ledger
    return Side(ledger, found.record, ledger.action(found.record, action))
