"""The process that a rerun has to itself, seen from the engine that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import anyio
from anyio.abc import Process

from dalsegno._closing import close
from dalsegno._isolated import spawn
from dalsegno._ledger import Ledger
from dalsegno.errors import DalsegnoError, RunTakenOverError
from dalsegno.models import Phase, RunRecord


class Elsewhere:
    """A run that another process executes."""

    def __init__(self, ledger: Ledger, process: Process, run: RunRecord) -> None:
        self.run = run
        self.done = Future[RunRecord]()
        self._ledger = ledger
        self._process = process
        self._reason = ""

    def stop(self, reason: str) -> None:
        """Have the process ended; the run ends as aborted for that reason."""
        self._reason = reason
        self._process.terminate()

    async def supervise(self, forget: Callable[[int], Any]) -> None:
        """Wait for the process and close what it left open; a wait that is cancelled ends the process.

        `forget` is called with the run's id when that is done.
        """
        try:
            await self._process.wait()
        except BaseException:
            self.stop("the engine that waited for its process was stopped")
            raise
        finally:
            with anyio.CancelScope(shield=True):
                status = await self._process.wait()
                await self._close(self._reason or f"its process ended with status {status}")
            forget(self.run.id)

    async def _close(self, reason: str) -> None:
        run = self._ledger.run(self.run.id)
        try:
            if run.phase is Phase.INTERRUPTED:
                run = await close(self._ledger, run, reason)
            elif not run.phase.is_terminal:
                raise RunTakenOverError(run.name)
        except DalsegnoError as error:
            self.done.set_exception(error)
        else:
            self.done.set_result(run)


async def start(ledger: Ledger, request: tuple[Any, ...]) -> Elsewhere:
    """Start a rerun in a process of its own; `request` is what `spawn` takes."""
    process, place = await spawn(*request)
    return Elsewhere(ledger, process, ledger.find_run(*place))
