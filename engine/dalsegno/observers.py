"""How an embedding program watches runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dalsegno._context import current
from dalsegno._loops import is_cancellation
from dalsegno.models import ActionRecord, RunRecord

__all__ = ["Observer"]

_logger = logging.getLogger("dalsegno")


class Observer:
    """Override what is of interest; everything here does nothing.

    Methods are called in the thread that runs the action, in the order of events of one action, and must not
    block. What they raise, even SystemExit, is logged and otherwise ignored: an observer can never break a run.
    """

    def run_started(self, run: RunRecord) -> None:
        """A run has been recorded and begins."""

    def run_finished(self, run: RunRecord) -> None:
        """A run has ended and its end is on disk."""

    def action_started(self, run: RunRecord, action: ActionRecord) -> None:
        """An action begins."""

    def action_finished(self, run: RunRecord, action: ActionRecord) -> None:
        """An action has ended; with durability "full" its end is on disk."""

    def action_reused(self, run: RunRecord, action: ActionRecord) -> None:
        """An action was not executed: it took over a recorded result; `action.origin` says whose."""

    def logged(self, run: RunRecord, action: ActionRecord, stream: str, text: str) -> None:
        """An action printed or logged something; `stream` is "stdout", "stderr" or "log"."""


def notify(observers: Sequence[Observer], event: str, *facts: object) -> None:
    """Tell every observer; what one prints and logs is the host's, not the action's."""
    token = current.set(None)
    try:
        for observer in observers:
            try:
                getattr(observer, event)(*facts)
            except BaseException as error:
                if is_cancellation(error):
                    raise
                _logger.exception("an observer failed in %s", event)
    finally:
        current.reset(token)
