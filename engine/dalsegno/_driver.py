"""The runs that an engine executes: from the record that they begin to the record that they have ended."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus

from dalsegno._capture import captured
from dalsegno._closing import give_back
from dalsegno._context import current
from dalsegno._ledger import Ledger
from dalsegno._live import LiveRun
from dalsegno._loops import Home, is_being_cancelled, is_cancellation
from dalsegno._puts import End, Outcome
from dalsegno._redaction import Redactor
from dalsegno._runner import LiveAction
from dalsegno._secrets import Secrets
from dalsegno._slots import Slots
from dalsegno._start import Start
from dalsegno._writer import OF_ONE_THING
from dalsegno.errors import (
    DalsegnoError,
    RunInterruptedError,
    RunNotFoundError,
    RunTakenOverError,
    UsageError,
)
from dalsegno.models import ActionRecord, Phase, RunRecord
from dalsegno.observers import Observer, notify
from dalsegno_storage.errors import StoreError

if TYPE_CHECKING:
    from dalsegno._elsewhere import Elsewhere

THREADS = 64
"""How many sync tasks of one engine run at once, not counting those called by sync tasks."""

LOOK = 0.5
"""How often it is looked whether somebody else wants a run stopped, or has taken it over; in seconds."""

LONGEST = 16.0
"""How long it is waited at most before the end of a run is tried again to be recorded, in seconds."""


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
        self._unrecorded: set[int] = set()
        """Those of the live runs whose record is on its way."""
        self._failed: dict[int, Future[RunRecord]] = {}
        """Of runs whose end could not be recorded here, what is told to whoever waits for them."""
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
        if start.may_begin and not self._observers:
            return await self._begin(start, nested)
        record: RunRecord = await self._tasks.start(self._drive, start, nested)
        return record

    async def _begin(self, start: Start, nested: bool) -> RunRecord:
        """Start a prepared run while it is being recorded; it is stopped if it cannot be, or if the caller is cancelled before.

        Whoever cancels the caller does not wait for the record: if it is written nevertheless, so is the end, behind it.
        """
        opening = start.opening(self._ledger)
        action = self._root(start, opening.run, opening.root, nested)
        self._enter(action.run, start)
        self._unrecorded.add(opening.run.id)
        self._tasks.start_soon(self._execute, action, start)
        try:
            await self._ledger.open(opening)
        except BaseException:
            action.run.stop()
            raise
        self._unrecorded.discard(opening.run.id)
        return opening.run

    def supervise(self, elsewhere: Elsewhere) -> None:
        """Wait for a run that has a process of its own."""
        self._elsewhere[elsewhere.run.id] = elsewhere
        self._tasks.start_soon(elsewhere.supervise, self._elsewhere.pop)

    def live(self, run_id: int) -> Future[RunRecord] | None:
        """The end to come of a run that is executed here, or could not be ended here; None for any other."""
        live = self._live.get(run_id) or self._elsewhere.get(run_id)
        return self._failed.get(run_id) if live is None else live.done

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
                tenures = self._ledger.tenures(self._live.keys() - self._unrecorded)
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
        try:
            action = self._root(start, record, root, nested)
        except BaseException:
            await give_back(self._ledger, record.id, start.resumed)
            raise
        self._failed.pop(record.id, None)
        self._enter(action.run, start)
        task_status.started(record)
        await self._execute(action, start)

    def _enter(self, live: LiveRun, start: Start) -> None:
        live.known.learn(start.values, start.encoded)
        self._live[live.record.id] = live

    async def _execute(self, action: LiveAction, start: Start) -> None:
        """Execute a run to its end."""
        live = action.run
        outcome: Outcome | None = None
        try:
            if self._observers:
                notify(self._observers, "run_started", live.record)
                notify(self._observers, "action_started", live.record, action.record)
            with captured(), live.scope:
                try:
                    outcome = await action.root_outcome()
                except BaseException as raised:  # before or after its body
                    outcome = action.failed(raised)
                error = outcome.error
                # What a task lets out of its own accord must not stop the other runs; what stops this one goes on.
                if isinstance(error, KeyboardInterrupt) or (
                    error is not None and is_cancellation(error) and is_being_cancelled()
                ):
                    raise error
        finally:
            with anyio.CancelScope(shield=True):
                if outcome is None:
                    await self._give_up(live, start)
                else:
                    await self._end(live, outcome)

    def _root(self, start: Start, record: RunRecord, root: ActionRecord, nested: bool) -> LiveAction:
        """The root of a run that is recorded, with all that its actions will share."""
        earlier = None if start.earlier is None else start.earlier()
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
            earlier=earlier,
            caching=start.caching,
            turns=self._turns,
            seqs=count(1 if earlier is None else earlier.next_seq),
        )
        counterpart = None if start.source is None else start.source.top
        return LiveAction(
            live,
            start.task,
            start.values,
            start.encoded,
            root,
            start.template,
            counterpart=counterpart,
        )

    async def _take_whole(self, start: Start) -> RunRecord:
        """Record a run that has ended as it begins: its root takes over a recorded result."""
        run = start.run._replace(phase=Phase.SUCCEEDED, ended_at=start.run.started_at)
        try:
            record, root = await start._replace(run=run).record(self._ledger)
        except RunNotFoundError:
            if start.run.relation is not None:
                raise
            # What was cached was removed since it was found.
            return await self.start(start._replace(taken=None, sources=()))
        if self._observers:
            notify(self._observers, "run_started", record)
            notify(self._observers, "action_reused", record, root)
            notify(self._observers, "run_finished", record)
        return record

    async def _give_up(self, live: LiveRun, start: Start) -> None:
        """Leave a run that could not even begin to somebody else."""
        live.ended = True
        live.stop()
        await give_back(self._ledger, live.record.id, start.resumed)
        del self._live[live.record.id]
        live.done.set_exception(RunInterruptedError(live.record.name))

    async def _end(self, live: LiveRun, outcome: Outcome) -> None:
        live.ended = True
        live.stop()
        left = live.left()
        try:
            ended = await live.record_end(outcome.end, left)
        except Exception as error:
            # Whoever waits for it is told, now and later.
            live.done.set_exception(error)
            self._failed[live.record.id] = live.done
            self._watching.start_soon(self._end_late, live, outcome, left, error)
        else:
            self._note_end(live, outcome, ended)
            live.done.set_result(ended)
        del self._live[live.record.id]
        self._unrecorded.discard(live.record.id)

    async def _end_late(self, live: LiveRun, outcome: Outcome, left: list[End], error: Exception) -> None:
        """Record the end of a run once the store can be written to again, or leave the run to somebody else."""
        pause = LOOK
        while isinstance(error, (StoreError, OSError)) and not isinstance(error, OF_ONE_THING):
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST)
            try:
                ended = await live.record_end(outcome.end, left)
            except Exception as again:
                error = again
            else:
                self._note_end(live, outcome, ended)
                self._failed.pop(live.record.id, None)
                return
        await give_back(self._ledger, live.record.id)
        if not isinstance(live.done.exception(), RunTakenOverError):
            self._failed.pop(live.record.id, None)

    def _note_end(self, live: LiveRun, outcome: Outcome, ended: RunRecord) -> None:
        self._ledger.holds.release(live.record.id)
        if self._observers:
            reused = outcome.end.record.origin is not None
            notify(
                self._observers,
                "action_reused" if reused else "action_finished",
                ended,
                outcome.end.record,
            )
            notify(self._observers, "run_finished", ended)
