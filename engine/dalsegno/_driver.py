"""The runs that an engine executes: from the record that they begin to the record that they have ended."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus

from dalsegno._capture import captured
from dalsegno._context import current
from dalsegno._ledger import Ledger
from dalsegno._live import LiveRun
from dalsegno._loops import Home, is_being_cancelled, is_cancellation
from dalsegno._puts import Outcome
from dalsegno._redaction import Redactor
from dalsegno._runner import LiveAction
from dalsegno._secrets import Secrets
from dalsegno._slots import Slots
from dalsegno._start import Start
from dalsegno.errors import DalsegnoError, RunNotFoundError, UsageError
from dalsegno.models import Phase, RunRecord
from dalsegno.observers import Observer, notify

if TYPE_CHECKING:
    from dalsegno._elsewhere import Elsewhere

THREADS = 64
"""How many sync tasks of one engine run at once, not counting those called by sync tasks."""

LOOK = 0.5
"""How often it is looked whether somebody else wants a run stopped, or has taken it over; in seconds."""


class Driver:
    """Executes runs in the event loop in which it was made; to be opened and closed by its engine."""

    def __init__(
        self,
        ledger: Ledger,
        observers: tuple[Observer, ...],
        redactor: Redactor,
        log_limit: int,
        turns: Path | None,
    ) -> None:
        self.home = Home()
        self._ledger = ledger
        self._observers = observers
        self._redactor = redactor
        self._log_limit = log_limit
        self._slots = Slots()
        self._turns = turns
        self._threads = anyio.CapacityLimiter(THREADS)
        self._live: dict[int, LiveRun] = {}
        self._elsewhere: dict[int, Elsewhere] = {}
        ledger.holds.lost = self._lost

    async def open(self) -> None:
        """Be ready for runs."""
        self._watching = anyio.create_task_group()
        await self._watching.__aenter__()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._watching.start_soon(self._watch)

    async def close(self, *, abort: bool) -> None:
        """Wait for the runs that are live, or abort them."""
        if abort:
            self._ledger.writer.hurry()
            self._tasks.cancel_scope.cancel()
        try:
            # The error is the caller's own: it goes on as it is, not in a group with what it cancelled.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._watching.cancel_scope.cancel()
            await self._watching.__aexit__(None, None, None)

    async def start(self, start: Start) -> RunRecord:
        """Record a prepared run and start it."""
        if not self.home.is_here():
            raise UsageError("an engine runs tasks in the event loop that opened it; await this call there")
        if start.taken is not None:
            return await self._take_whole(start)
        nested = current.get() is not None
        record: RunRecord = await self._tasks.start(self._drive, start, nested)
        return record

    def supervise(self, elsewhere: Elsewhere) -> None:
        """Wait for a run that has a process of its own."""
        self._elsewhere[elsewhere.run.id] = elsewhere
        self._tasks.start_soon(elsewhere.supervise, self._elsewhere.pop)

    def live(self, run_id: int) -> Future[RunRecord] | None:
        """The end to come of a run that is executed here, None for any other."""
        live = self._live.get(run_id) or self._elsewhere.get(run_id)
        return None if live is None else live.done

    def stop(self, run_id: int, reason: str) -> bool:
        """Cancel a run that is executed here; says whether it is."""
        elsewhere = self._elsewhere.get(run_id)
        if elsewhere is not None:
            elsewhere.stop(reason)
            return True
        live = self._live.get(run_id)
        if live is None:
            return False
        live.abort_reason = live.abort_reason or reason
        self.home.call_soon(live.stop)
        return True

    def _lost(self, run_id: int) -> None:
        """Somebody else has taken a run over: nothing of it is recorded here any more, so nothing is to go on."""
        self.stop(run_id, "it was taken over by another process")

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(LOOK)
            try:
                tenures = self._ledger.tenures([*self._live])
            except DalsegnoError:  # whoever records something gets it too, and says so
                continue
            for run_id, tenure in tenures.items():
                if tenure.owner != self._ledger.owner.id:
                    self._lost(run_id)
                elif tenure.stop is not None:
                    self.stop(run_id, tenure.stop)

    async def _drive(self, start: Start, nested: bool, *, task_status: TaskStatus[RunRecord]) -> None:
        """Record a run, say so, and execute it to its end.

        All in one task of the driver's, and the record is either taken back or goes on to be executed, so that whoever
        cancels the start or closes the engine meanwhile cannot leave a recorded run behind that nobody executes.
        """
        record, root = await start.record(self._ledger)
        live = LiveRun(
            record=record,
            ledger=self._ledger,
            code=start.code,
            observers=self._observers,
            durable=start.durable,
            # A run that a task of another run waits for must not wait for that task's thread.
            threads=anyio.CapacityLimiter(THREADS) if nested else self._threads,
            home=self.home,
            scope=anyio.CancelScope(),
            done=Future(),
            secrets=Secrets(self._redactor, {**start.task.variables, **start.variables}),
            variables=start.variables,
            slots=Slots() if nested else self._slots,
            most=start.most,
            log_limit=self._log_limit,
            source=start.source,
            earlier=None if start.resumed is None else start.resumed.earlier,
            caching=start.caching,
            turns=self._turns,
            seqs=count(1 if start.resumed is None else start.resumed.earlier.next_seq),
        )
        self._live[record.id] = live
        counterpart = None if start.source is None else start.source.top
        action = LiveAction(
            live,
            start.task,
            start.values,
            start.encoded,
            root,
            start.template,
            counterpart=counterpart,
        )
        task_status.started(record)
        if self._observers:
            notify(self._observers, "run_started", record)
            notify(self._observers, "action_started", record, root)
        outcome: Outcome | None = None
        try:
            with captured(), live.scope:
                outcome = await action.root_outcome()
                error = outcome.error
                # What a task lets out of its own accord must not stop the other runs; what stops this one goes on.
                if isinstance(error, KeyboardInterrupt) or (
                    error is not None and is_cancellation(error) and is_being_cancelled()
                ):
                    raise error
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(live, outcome)

    async def _take_whole(self, start: Start) -> RunRecord:
        """Record a run that has ended as it begins: its root takes over a recorded result."""
        run = start.run._replace(phase=Phase.SUCCEEDED, ended_at=start.run.started_at)
        try:
            record, root = await replace(start, run=run).record(self._ledger)
        except RunNotFoundError:
            if start.run.relation is not None:
                raise
            # What was cached was removed since it was found.
            return await self.start(replace(start, taken=None, sources=()))
        if self._observers:
            notify(self._observers, "run_started", record)
            notify(self._observers, "action_reused", record, root)
            notify(self._observers, "run_finished", record)
        return record

    async def _end(self, live: LiveRun, outcome: Outcome | None) -> None:
        live.ended = True
        live.stop()
        try:
            assert outcome is not None  # run_body gives an outcome for everything that can be raised
            ended = await live.ledger.end(live.record, outcome.end, live.left())
        except Exception as error:
            # The store failed, or the run is another's: whoever waits for it is told, now and later.
            live.done.set_exception(error)
            return
        if self._observers:
            reused = outcome.end.record.origin is not None
            notify(
                self._observers,
                "action_reused" if reused else "action_finished",
                ended,
                outcome.end.record,
            )
            notify(self._observers, "run_finished", ended)
        self._ledger.holds.release(live.record.id)
        live.done.set_result(ended)
        del self._live[live.record.id]
