"""Running one action: bind, convert, encode, identify, execute, record, return.

The way of one call, which is also the order to read in:

    task(x)  ->  LiveAction.call / call_async      in the caller's own thread or event loop task
             ->  recorded_call of _call.py: inputs accepted and encoded, key and record made
             ->  served of _earlier.py where the run is resumed and the call has ended already; that is all
             ->  taken of _taken.py    where a recorded result still holds, it goes on to the caller; that is all
             ->  began       "running" is noted if it lasts
             ->  run_body / run_blocking of _body.py: the function runs with this action as the current one; outcome encoded
             ->  Ledger.complete           in one commit, waited for when durability is "full"
             ->  settle      the value, or the exception itself, goes on to the caller

A body gets its own copy of mutable inputs: values cross the border of a task as they would from the record, so that
a child that changes its argument does the same to its parent in the first run and in a replayed one: nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine, Sequence
from contextlib import nullcontext
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from dalsegno._body import run_blocking, run_body
from dalsegno._cache import call_digest, turn
from dalsegno._call import recorded_call
from dalsegno._context import current_group
from dalsegno._earlier import served
from dalsegno._inputs import store_inputs, store_inputs_blocking, waits
from dalsegno._inside import Inside
from dalsegno._live import LiveRun
from dalsegno._loops import is_cancellation
from dalsegno._puts import End, Kept, Outcome, Put, small
from dalsegno._retry import delay
from dalsegno._secrets import of_inputs
from dalsegno._slots import Aside, gives_way
from dalsegno._taken import records, records_blocking, settle, taken
from dalsegno._values import Encoded, encode_named, own_copies, parts_of
from dalsegno.errors import (
    TaskExitError,
    TaskTimeoutError,
    UsageError,
)
from dalsegno.failures import aborted, failure_of, is_interruption
from dalsegno.models import ActionRecord, Attempt, Phase
from dalsegno.observers import notify
from dalsegno.task import Task
from dalsegno_storage.errors import StoreError

if TYPE_CHECKING:
    from dalsegno._code import Recorded

T = TypeVar("T")

_logger = logging.getLogger("dalsegno")

MOST_SECONDS = 10**9
"""Longer waits are recorded as so many seconds."""

_AGAIN = b"+"
"""Behind the key of a call: what counts those that are equal to it."""

_LEFT = Encoded(b"")
"""What is kept of the encoded inputs when the body has returned, since very many may wait for the disk then."""

_STAYS: nullcontext[None] = nullcontext()


class LiveAction(Inside):
    """A task call that is running, and the parent of the calls made in it."""

    __slots__ = (
        "_attempt_began", "_calls", "_encoded", "cache_key", "counterpart", "finished", "forced", "in_thread", "noted", "puts",
        "template",
    )  # fmt: skip

    parent: LiveAction | None

    def __init__(
        self,
        run: LiveRun,
        task: Task[Any, Any],
        values: dict[str, Any] | None,
        encoded: Encoded,
        record: ActionRecord,
        template: Recorded,
        parent: LiveAction | None = None,
        counterpart: ActionRecord | None = None,
        puts: Sequence[Put] = (),
    ) -> None:
        super().__init__(run, task, record, parent, values)
        self.finished = False
        self.noted = parent is None
        """Whether it is recorded, or on its way to that, that the action runs."""
        source = run.source
        self.counterpart = counterpart
        """The recorded action that this one stands for, where results are taken from another run."""
        self.forced: bool = (parent is not None and parent.forced) or (
            source is not None and source.is_forced(counterpart)
        )
        """Whether it was asked for that this action, or one above it, is executed whatever is recorded."""
        self._attempt_began = (
            record.failed_attempts[-1].ended_at if record.failed_attempts else record.started_at
        )
        self.template = template
        self.puts = puts
        """The objects among the inputs, until a record refers to them that is on disk."""
        self.cache_key = b""
        """The digest of the call, if it may be taken from the cache or be left there."""
        if task.cache is not None and run.caching != "off" and not record.opaque_inputs:
            self.cache_key = call_digest(
                task, task.cache, template.basis, parts_of(encoded.values), record.classes, run.code.stubs
            )
        self.in_thread: bool = parent is not None and (parent.in_thread or not parent.task.is_async)
        self._encoded = encoded
        self._calls: dict[bytes, object] = {}
        """A mark for the key of each call that it has made, and below a longer key a counter for those equal to it."""
        if record.failed_attempts and run.earlier is not None:
            for key, number in run.earlier.calls(record).items():
                self._calls[key], self._calls[key + _AGAIN] = None, count(number)

    # Calls of children

    def call(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a sync child in this thread, or in one that can be left behind if it has limits of time."""
        if task.limits is not None:
            group = current_group()
            return self.in_loop(lambda: self._call_async(task, args, kwargs, group))
        child = self._begin(task, args, kwargs, current_group())
        if child.record.phase is not Phase.RUNNING:
            return served(child)
        with self._aside(child, child.serialized), turn(child):
            outcome = taken(child)
            if outcome is not None and records_blocking(child, outcome):
                return settle(child, outcome)
            with self._aside(child):
                if waits(child):
                    store_inputs_blocking(child)
                child.began()
                outcome = run_blocking(child)
                if child.claim_end(outcome.end):
                    try:
                        self.run.ledger.complete_blocking(outcome.end)
                    except BaseException as error:
                        child.complete_later(outcome.end, error)
                        raise
                    self.run.ending.pop(child.record.seq, None)
        return child.settle(outcome)

    def call_async(
        self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Coroutine[Any, Any, Any]:
        """Run a child in this event loop task, the body of a sync one in a worker thread."""
        return self._call_async(task, args, kwargs, current_group())

    async def _call_async(
        self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], group: str
    ) -> Any:
        child = self._begin(task, args, kwargs, group)
        if child.record.phase is not Phase.RUNNING:
            return served(child)
        if self.owner().seat is None and not child.serialized:
            outcome = taken(child)
            if outcome is not None and await records(child, outcome):
                return settle(child, outcome)
            return child.settle(await child._executed())
        async with self._aside(child, child.serialized), turn(child):
            outcome = taken(child)
            if outcome is not None and await records(child, outcome):
                return settle(child, outcome)
            async with self._aside(child):
                outcome = await child._executed()
        return child.settle(outcome)

    async def _executed(self) -> Outcome:
        """The outcome of the body, recorded."""
        outcome = await store_inputs(self) if waits(self) else None
        if outcome is None:
            self.began()
            outcome = await run_body(self)
        end = outcome.end
        if self.claim_end(end):
            try:
                if end.puts or end.record.phase is Phase.ABORTED:
                    with anyio.CancelScope(shield=end.record.phase is Phase.ABORTED):
                        await self.run.ledger.complete(end)
                else:
                    ticket = self.run.ledger.completing(end)
                    if ticket is not None:
                        await ticket.waiter
                        ticket.outcome()
            except BaseException as error:
                self.complete_later(end, error)
                raise
            self.run.ending.pop(self.record.seq, None)
        return outcome

    def _aside(self, child: LiveAction, wanted: bool = True) -> Aside | nullcontext[None]:
        """The block in which this body waits for a call of its own, with its slots given back."""
        seat = self.owner().seat if wanted else None
        return _STAYS if seat is None or not gives_way(child.task) else seat.aside()

    def _begin(
        self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], group: str
    ) -> LiveAction:
        if self.run.ended or self._is_over():
            raise UsageError(
                f"{task.name} was called by {self.record.name} of run {self.run.record.name!r}, which has ended already; "
                "await everything that a task starts before it returns"
            )
        self.note()
        return LiveAction(self.run, task, *recorded_call(self, task, args, kwargs, group))

    def equal_calls(self, key: bytes) -> int:
        """How many calls with this key it has made before; it may be asked by several threads at once."""
        mine = object()
        if self._calls.setdefault(key, mine) is mine:
            return 0
        again: Any = self._calls.setdefault(key + _AGAIN, count(1))
        return cast(int, next(again))

    # The life of this action

    @property
    def serialized(self) -> bool:
        """Whether it may have to wait until another call has ended."""
        return self.task.cache is not None and self.task.cache.serialize

    async def root_outcome(self) -> Outcome:
        """The outcome of the root, which may have to wait for its turn before it is executed."""
        refused = taken(self) if self.task.at_most_once else None
        if refused is not None:
            return refused
        if self.cache_key and self.serialized:
            try:
                async with turn(self):
                    outcome = taken(self)
                    if outcome is not None and await records(self, outcome):
                        return outcome
                    return await run_body(self)
            except BaseException as error:
                return self.failed(error)
        return await run_body(self)

    @property
    def kept(self) -> Kept:
        """What keeps its template in the store."""
        return self.template.kept

    @property
    def has_files(self) -> bool:
        """Whether there are files among the inputs."""
        return bool(self._encoded.blobs)

    def claim_end(self, end: End) -> bool:
        """Whether the caller is the one to record its end: once, and not when the run's end has closed it already.

        Until that is acknowledged the run keeps the end, and records it should its own end come first.
        """
        run, seq = self.run, self.record.seq
        run.ending[seq] = self, end  # at every moment the action is in one of the two
        if run.open.pop(seq, None) is None:
            run.ending.pop(seq, None)
            return False
        return True

    def complete_later(self, end: End, error: BaseException) -> None:
        """Have it recorded how the action ended, after its caller got this error while it waited for that.

        It has failed with that error, as its caller has seen; if it was cancelled it has ended as it did, but with nothing
        that is too large to go along with something else.
        """
        ended = is_cancellation(error) and small(end.puts)
        try:
            self.run.ledger.complete_soon(end if ended else self.failed(error).end)
        except StoreError:  # it is closed, and the error says enough
            return
        self.run.ending.pop(self.record.seq, None)

    def closed_with_run(self) -> End:
        """The end of an action that goes on when its run has ended."""
        reason = self.run.abort_reason or "its run ended before it did"
        return self.end(self._ended(Phase.ABORTED, failure=aborted(self.redacted(reason))))

    def began(self) -> None:
        """Note that the action runs."""
        run = self.run
        run.open[self.record.seq] = self
        run.ledger.writer.notice(self.note)
        if run.observers:
            notify(run.observers, "action_started", run.record, self.record)

    def note(self) -> None:
        """Have it recorded that the action runs, unless that is recorded or it ends before it is written.

        Called when it has lasted a moment, and before it makes a call: no record is ever without that of its caller.
        """
        if not (self.noted or self.finished):
            self._note()

    def _note(self) -> None:
        self.noted = True
        self.run.ledger.began_soon(self)

    def settle(self, outcome: Outcome) -> Any:
        """Hand the outcome to the caller, once it is recorded."""
        if self.run.observers:
            notify(self.run.observers, "action_finished", self.run.record, outcome.end.record)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def own_values(self) -> dict[str, Any]:
        """What the function is called with: the inputs, as copies where they could be changed."""
        values = own_copies(
            self.values, self._encoded, self.run.code.resolve, self.run.ledger.part, self.run.ledger.blob
        )
        if self.values is None:
            self.revealed = tuple(of_inputs(values))
        return values

    def tried(self, error: BaseException) -> float | None:
        """Note that an attempt failed; gives the seconds to wait before the next, None when there is none."""
        # The thread of an attempt that ran out of time may still be at work.
        lingers = isinstance(error, TaskTimeoutError) and not self.task.is_async
        record = self.record
        failed = record.attempts - sum(is_interruption(each.failure) for each in record.failed_attempts)
        wait = None if self.finished or lingers else delay(self.task.retries, failed, error)
        if wait is not None:
            now = time.time_ns()
            attempt = Attempt(self._attempt_began, now, failure_of(error, self.redacted))
            self._attempt_began = now + int(min(wait, MOST_SECONDS) * 1e9)
            self.record = record._replace(
                attempts=record.attempts + 1, failed_attempts=(*record.failed_attempts, attempt)
            )
            self._note()
        return wait

    def succeeded(self, value: Any) -> Outcome:
        """The outcome of a body that returned."""
        interface, run = self.task.interface, self.run
        self._encoded = _LEFT
        packed = interface.pack_outputs(value)
        outputs = dict(zip((output.name for output in interface.outputs), packed, strict=True))
        encoded = encode_named(outputs.items(), run.known)
        puts = run.ledger.objects(encoded) if encoded.objects or encoded.blobs else ()
        if self.parent is not None:
            outputs = own_copies(outputs, encoded, run.code.resolve, run.ledger.part, run.ledger.blob)
        record = self._ended(Phase.SUCCEEDED, outputs=encoded.values, opaque_outputs=encoded.opaque)
        # A caller may read a file as soon as it has it.
        durable = run.durable or bool(encoded.blobs)
        end = self.end(record, puts, durable=durable, call=self.cache_key)
        return Outcome(end, interface.unpack_outputs(tuple(outputs.values())))

    def failed(self, error: BaseException, *, timed_out: bool = False) -> Outcome:
        """The outcome of a body that raised, and is not tried again."""
        if isinstance(error, SystemExit):
            # As it is, it would end the event loop of whoever waits for this action in a task of its own.
            left = TaskExitError(error.code)
            left.__cause__ = error
            error = left
        if is_cancellation(error):
            reason = self.run.abort_reason or f"cancelled ({type(error).__name__})"
            record = self._ended(Phase.ABORTED, failure=aborted(self.redacted(reason)))
        else:
            phase = Phase.TIMED_OUT if timed_out else Phase.FAILED
            record = self._ended(phase, failure=failure_of(error, self.redacted))
        return Outcome(self.end(record), error=error)

    def _is_over(self) -> bool:
        """Whether this action or one above it has ended, so that nothing may be called here any more."""
        action: LiveAction | None = self
        while action is not None:
            if action.finished:
                return True
            action = action.parent
        return False

    def end(
        self,
        record: ActionRecord,
        puts: Sequence[Put] = (),
        *,
        durable: bool | None = None,
        call: bytes = b"",
    ) -> End:
        """The end with this record, which refers to these objects besides the inputs."""
        durable = self.run.durable if durable is None else durable
        return End(record, [*self.puts, *puts] if self.puts else puts, durable, call, self.template.kept)

    def _ended(self, phase: Phase, **facts: Any) -> ActionRecord:
        self.finished = True
        if self.log is not None:
            self.log.close()
        return self.record._replace(phase=phase, ended_at=time.time_ns(), **facts)
