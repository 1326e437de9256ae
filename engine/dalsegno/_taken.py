"""Taking over the result of a recorded action: found, recorded, and handed to the caller."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from dalsegno._cache import cached
from dalsegno._earlier import unknown_outcome
from dalsegno._puts import Outcome
from dalsegno._reuse import taken_over
from dalsegno.codec import decode
from dalsegno.errors import BundleLoadError, DamagedObjectError, DecodeError, ObjectNotFoundError
from dalsegno.observers import notify

if TYPE_CHECKING:
    from dalsegno._runner import LiveAction

_logger = logging.getLogger("dalsegno")


def taken(action: LiveAction) -> Outcome | None:
    """The outcome that may be taken over from a recorded action; None when this one has to be executed."""
    run, ledger = action.run, action.run.ledger
    if action.task.at_most_once:
        refused = unknown_outcome(action)
        if refused is not None:
            # It has not begun again, so that is no attempt.
            before = action.record.failed_attempts[:-1]
            action.record = action.record._replace(attempts=len(before) + 1, failed_attempts=before)
            return action.failed(refused)
    if action.forced:
        return None
    found, kind = None, "recover"
    if run.source is not None and (action.counterpart is not None or not action.task.by_place):
        found = run.source.result_for(action.record, action.template.basis, action.counterpart)
    # A rerun is wanted to execute its root.
    again = action.parent is None and run.record.relation is not None
    if found is None and action.cache_key and run.caching == "use" and not again:
        found, kind = cached(ledger, action.task.cache, action.cache_key), "cache"
    if found is None:
        return None
    try:
        parts = ledger.named(found.outputs)
        values = [decode(part, resolve=run.code.resolve, read_blob=ledger.blob) for part in parts.values()]
        value = action.task.interface.unpack_outputs(values)
    except (BundleLoadError, DecodeError, DamagedObjectError, ObjectNotFoundError) as error:
        _warn_of(action, error)
        return None
    puts, has_files = ledger.taken(found.outputs or b"", parts)
    record = taken_over(action.record, found, kind, time.time_ns())
    return Outcome(action.end(record, puts, durable=has_files), value)


async def records(action: LiveAction, outcome: Outcome) -> bool:
    """Record at once that a result was taken over, if it has files: only then is it known that they are still there.

    Says whether the result can be used.
    """
    try:
        if outcome.end.durable:
            await action.run.ledger.complete(outcome.end)
    except ObjectNotFoundError as error:
        _warn_of(action, error)
        return False
    return True


def records_blocking(action: LiveAction, outcome: Outcome) -> bool:
    """The same for a thread without an event loop."""
    try:
        if outcome.end.durable:
            action.run.ledger.complete_blocking(outcome.end)
    except ObjectNotFoundError as error:
        _warn_of(action, error)
        return False
    return True


def settle(action: LiveAction, outcome: Outcome) -> Any:
    """Note that a result was taken over, lazily since it is on disk already, and hand it to the caller."""
    action.finished = True
    if not outcome.end.durable:
        action.run.ledger.complete_soon(outcome.end)
    if outcome.error is not None:
        return action.settle(outcome)
    if action.run.observers:
        notify(action.run.observers, "action_reused", action.run.record, outcome.end.record)
    return outcome.value


def _warn_of(action: LiveAction, error: Exception) -> None:
    _logger.warning("the recorded result of %s cannot be used, it is executed: %s", action.record.name, error)
