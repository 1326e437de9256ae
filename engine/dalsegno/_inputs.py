"""Storing the inputs of an action before its body begins, where it has to wait for that.

Most inputs go along with the record of the action's end. Files may be read by the body, from the store; and what is too
large for one transaction is stored in pieces, so that memory is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dalsegno._loops import is_cancellation
from dalsegno._puts import Outcome, small

if TYPE_CHECKING:
    from dalsegno._runner import LiveAction


def waits(action: LiveAction) -> bool:
    """Whether the body has to wait until its inputs are stored."""
    return action.task.at_most_once or bool(action.puts) and (action.has_files or not small(action.puts))


async def store_inputs(action: LiveAction) -> Outcome | None:
    """Record that the action runs, with its inputs; gives its end when it is cancelled meanwhile."""
    action.run.open[action.record.seq] = action
    try:
        await action.run.ledger.began(action.record, action.puts, action.template.kept)
    except BaseException as error:
        if is_cancellation(error):
            return action.failed(error)
        _never_began(action)
        raise
    action.puts = ()
    action.noted = True
    return None


def store_inputs_blocking(action: LiveAction) -> None:
    """The same for a thread without an event loop, which cannot be cancelled."""
    action.run.open[action.record.seq] = action
    try:
        action.run.ledger.began_blocking(action.record, action.puts, action.template.kept)
    except BaseException:
        _never_began(action)
        raise
    action.puts = ()
    action.noted = True


def _never_began(action: LiveAction) -> None:
    action.finished = True
    action.run.open.pop(action.record.seq, None)
