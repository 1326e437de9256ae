"""Running one action: bind, convert, encode, identify, execute, record, return.

The way of one call, which is also the order to read in:

    task(x)  ->  LiveAction.call / call_async      in the caller's own thread or event loop task
             ->  _begin      inputs accepted and encoded, key and name made
             ->  taken       where a recorded result still holds, it goes on to the caller; that is all
             ->  began       "running" is noted lazily
             ->  run_body / run_blocking of _body.py: the function runs with this action as the current one; outcome encoded
             ->  Ledger.complete           in one commit, waited for when durability is "full"
             ->  settle      the value, or the exception itself, goes on to the caller

A body gets its own copy of mutable inputs: values cross the border of a task as they would from the record, so that
a child that changes its argument does the same to its parent in the first run and in a replayed one: nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple, TypeVar

import anyio

from dalsegno._body import run_blocking, run_body
from dalsegno._cache import Turn, cached, call_digest, turn
from dalsegno._context import ActionContext, TaskContext, current_group
from dalsegno._identity import action_key, action_name, action_path
from dalsegno._live import LiveRun
from dalsegno._logs import ActionLog
from dalsegno._loops import is_cancellation
from dalsegno._puts import End, Put
from dalsegno._retry import delay
from dalsegno._reuse import Basis, taken_over
from dalsegno._values import Encoded, encode_named, own_copies, parts_of
from dalsegno.codec import decode
from dalsegno.errors import (
    BundleLoadError,
    DamagedObjectError,
    DecodeError,
    ObjectNotFoundError,
    TaskExitError,
    TaskTimeoutError,
    UsageError,
)
from dalsegno.failures import aborted, failure_of
from dalsegno.models import ActionRecord, Attempt, Phase
from dalsegno.observers import notify
from dalsegno.task import Task

T = TypeVar("T")

_logger = logging.getLogger("dalsegno")

MOST_SECONDS = 10**9
"""Longer waits are recorded as so many seconds."""

_making = threading.Lock()
"""Held while an action's log or environment is made, which two of its threads may want at once."""


class Outcome(NamedTuple):
    """How an action ended, for the record and for its caller."""

    end: End
    value: Any = None
    error: BaseException | None = None


class LiveAction:
    """A task call that is running, and the parent of the calls made in it."""

    __slots__ = (
        "_attempt_began", "_basis", "_call", "_calls", "_encoded", "_environ", "_log", "_values", "counterpart", "finished", "forced",
        "in_thread", "parent", "record", "run", "task",
    )  # fmt: skip

    def __init__(
        self,
        run: LiveRun,
        task: Task[Any, Any],
        values: dict[str, Any] | None,
        encoded: Encoded,
        record: ActionRecord,
        basis: Basis,
        parent: LiveAction | None = None,
        counterpart: ActionRecord | None = None,
    ) -> None:
        self.run = run
        self.task = task
        self.record = record
        """The action as it stands: running, in its newest attempt."""
        self.parent = parent
        self.finished = False
        source = run.source
        self.counterpart = counterpart
        """The recorded action that this one stands for, where results are taken from another run."""
        self.forced: bool = (parent is not None and parent.forced) or (
            source is not None and source.is_forced(counterpart)
        )
        """Whether it was asked for that this action, or one above it, is executed whatever is recorded."""
        self._attempt_began = record.started_at
        self._basis = basis
        self._call = b""
        if task.cache is not None and run.caching != "off" and not record.opaque_inputs:
            self._call = call_digest(task, task.cache, basis, parts_of(encoded.values), record.classes)
        self.in_thread: bool = parent is not None and (parent.in_thread or not parent.task.is_async)
        self._values = values
        self._encoded = encoded
        self._calls: dict[tuple[str, bytes, str], count[int]] = {}
        self._environ: dict[str, str] | None = None
        self._log: ActionLog | None = None

    # What running code sees of its action

    def context(self, group: str) -> TaskContext:
        run = self.run.record
        return TaskContext(
            action=ActionContext(self.record.name, run.name, run.project, run.domain),
            attempt_number=self.record.attempts - 1,
            run_start_time=run.started_at,
            group_data=group,
            idempotency_key=sha256(run.id.to_bytes(8, "big") + self.record.path).hexdigest()[:32],
            custom_context=run.custom_context,
            labels=run.labels,
            env_vars=run.env_vars,
        )

    def environ(self) -> dict[str, str]:
        with _making:
            if self._environ is None:
                self._environ = {**self.task.variables, **self.run.record.env_vars}
            return self._environ

    def print(self, stream: str, text: str) -> None:
        if self._log is None:
            with _making:
                if self._log is None:
                    self._log = ActionLog(self.run.ledger.writer, self.record.run_id, self.record.seq)
        self._log.add(stream, text, self.record.attempts)
        if self.run.observers:
            notify(self.run.observers, "logged", self.run.record, self.record, stream, text)

    def in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.run.in_loop(function)

    # Calls of children

    def call(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a sync child in this thread, or in one that can be left behind if it has limits of time."""
        if task.limits is not None:
            group = current_group()
            return self.in_loop(lambda: self._call_async(task, args, kwargs, group))
        child = self._begin(task, args, kwargs, current_group())
        with child.turn():
            taken = child.taken()
            if taken is not None:
                return child.settle_taken(taken)
            ledger = self.run.ledger
            ledger.store_blocking(child.blobs())
            child.began()
            outcome = run_blocking(child)
            if child.claim_end():
                ledger.complete_blocking(outcome.end)
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
        async with child.turn():
            taken = child.taken()
            if taken is not None:
                return child.settle_taken(taken)
            ledger = self.run.ledger
            blobs = child.blobs()
            if blobs:
                await ledger.store(blobs)
            child.began()
            outcome = await run_body(child)
            if child.claim_end():
                with anyio.CancelScope(shield=outcome.end.record.phase is Phase.ABORTED):
                    await ledger.complete(outcome.end)
        return child.settle(outcome)

    def _begin(
        self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], group: str
    ) -> LiveAction:
        if self.run.ended or self._is_over():
            raise UsageError(
                f"{task.name} was called by {self.record.name} of run {self.run.record.name!r}, which has ended already; "
                "await everything that a task starts before it returns"
            )
        run = self.run
        values = task.interface.accept(args, kwargs)
        encoded = encode_named(values.items())
        ordinal = next(self._calls.setdefault((task.name, encoded.digest, group), count()))
        key = action_key(task.full_name, encoded.digest, ordinal, group.encode())
        variables = task.variables or run.record.env_vars
        if task.variables and run.record.env_vars:
            variables = {**task.variables, **run.record.env_vars}
        template = run.code.template(task, variables)
        if template.puts:
            run.ledger.put_soon(template.puts)
            run.code.stored(template)
        run.ledger.put_soon(run.ledger.objects(encoded))
        path = action_path(self.record.path, key)
        record = ActionRecord(
            run_id=run.record.id,
            seq=next(run.seqs),
            parent=self.record.seq,
            name=action_name(task.short_name, path),
            short_name=task.short_name,
            key=key,
            path=path,
            group=group,
            template=template.digest,
            inputs=encoded.values,
            phase=Phase.RUNNING,
            attempts=1,
            started_at=time.time_ns(),
            opaque_inputs=encoded.opaque,
            classes=run.code.class_code(encoded.classes),
        )
        counterpart = None
        if run.source is not None and not self.forced:
            counterpart = run.source.counterpart(self.counterpart, key)
        return LiveAction(run, task, values, encoded, record, template.basis, self, counterpart)

    # The life of this action

    def turn(self) -> Turn | nullcontext[None]:
        """A block to be in while it is found out whether the action has to be executed, and executed."""
        serialized = self.task.cache is not None and self.task.cache.serialize
        above = self.parent if serialized else None
        while above is not None:
            if above._call == self._call:  # it would wait for a call that waits for it
                return nullcontext()
            above = above.parent
        return turn(self.task.cache, self.run.turns, self._call)

    def taken(self) -> Outcome | None:
        """The outcome that may be taken over from a recorded action; None when this one has to be executed."""
        run = self.run
        if self.forced:
            return None
        found, kind = None, "recover"
        if run.source is not None:
            found = run.source.result_for(self.record, self._basis, self.counterpart)
        again = (
            self.parent is None and run.record.relation is not None
        )  # a rerun is wanted to execute its root
        if found is None and self._call and run.caching == "use" and not again:
            found, kind = cached(run.ledger, self.task.cache, self._call), "cache"
        if found is None:
            return None
        try:
            value = self._value_of(found)
        except (BundleLoadError, DecodeError, DamagedObjectError, ObjectNotFoundError) as error:
            _logger.warning(
                "the recorded result of %s cannot be used, it is executed: %s", self.record.name, error
            )
            return None
        return Outcome(End(taken_over(self.record, found, kind, time.time_ns()), [], durable=False), value)

    async def root_outcome(self) -> Outcome:
        """The outcome of the root, which may have to wait for its turn before it is executed."""
        if self._call and self.task.cache is not None and self.task.cache.serialize:
            async with self.turn():
                return self.taken() or await run_body(self)
        return await run_body(self)

    def settle_taken(self, outcome: Outcome) -> Any:
        """Note lazily that a result was taken over, and hand it to the caller: it is on disk already."""
        self.finished = True
        self.run.ledger.complete_soon(outcome.end)
        if self.run.observers:
            notify(self.run.observers, "action_reused", self.run.record, outcome.end.record)
        return outcome.value

    def _value_of(self, record: ActionRecord) -> Any:
        """The value that a recorded action returned."""
        ledger, resolve = self.run.ledger, self.run.code.resolve
        parts = ledger.named(record.outputs).values()
        return self.task.interface.unpack_outputs(
            [decode(part, resolve=resolve, read_blob=ledger.blob) for part in parts]
        )

    def blobs(self) -> list[Put]:
        """The files among the inputs, to be stored before the body may read them."""
        return self.run.ledger.blobs(self._encoded.blobs) if self._encoded.blobs else []

    def claim_end(self) -> bool:
        """Whether the caller is the one to record its end: once, and not when the run's end has closed it already."""
        return self.run.open.pop(self.record.seq, None) is not None

    def closed_with_run(self) -> ActionRecord:
        """The record of an action that goes on when its run has ended."""
        reason = self.run.abort_reason or "its run ended before it did"
        return self._ended(Phase.ABORTED, failure=aborted(reason))

    def began(self) -> None:
        """Note that the action runs."""
        self.run.open[self.record.seq] = self
        self.run.ledger.began(self.record, lambda: not self.finished)
        if self.run.observers:
            notify(self.run.observers, "action_started", self.run.record, self.record)

    def settle(self, outcome: Outcome) -> Any:
        """Hand the outcome to the caller, once it is recorded."""
        if self.run.observers:
            notify(self.run.observers, "action_finished", self.run.record, outcome.end.record)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def own_values(self) -> dict[str, Any]:
        """What the function is called with: the inputs, as copies where they could be changed."""
        return own_copies(
            self._values, self._encoded, self.run.code.resolve, self.run.ledger.part, self.run.ledger.blob
        )

    def tried(self, error: BaseException) -> float | None:
        """Note that an attempt failed; gives the seconds to wait before the next, None when there is none."""
        # The thread of an attempt that ran out of time may still be at work.
        lingers = isinstance(error, TaskTimeoutError) and not self.task.is_async
        record = self.record
        wait = None if self.finished or lingers else delay(self.task.retries, record.attempts, error)
        if wait is not None:
            now = time.time_ns()
            attempt = Attempt(self._attempt_began, now, failure_of(error))
            self._attempt_began = now + int(min(wait, MOST_SECONDS) * 1e9)
            self.record = record._replace(
                attempts=record.attempts + 1, failed_attempts=(*record.failed_attempts, attempt)
            )
        return wait

    def succeeded(self, value: Any) -> Outcome:
        """The outcome of a body that returned."""
        interface, run = self.task.interface, self.run
        packed = interface.pack_outputs(value)
        outputs = dict(zip((output.name for output in interface.outputs), packed, strict=True))
        encoded = encode_named(outputs.items())
        puts = run.ledger.objects(encoded)
        if encoded.blobs:
            puts = [*run.ledger.blobs(encoded.blobs), *puts]
        if self.parent is not None:
            outputs = own_copies(outputs, encoded, run.code.resolve, run.ledger.part, run.ledger.blob)
        record = self._ended(Phase.SUCCEEDED, outputs=encoded.values, opaque_outputs=encoded.opaque)
        # A caller may read a file as soon as it has it.
        durable = run.durable or bool(encoded.blobs)
        end = End(record, puts, durable, self._call)
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
            record = self._ended(Phase.ABORTED, failure=aborted(reason))
        else:
            phase = Phase.TIMED_OUT if timed_out else Phase.FAILED
            record = self._ended(phase, failure=failure_of(error))
        return Outcome(End(record, [], self.run.durable), error=error)

    def _is_over(self) -> bool:
        """Whether this action or one above it has ended, so that nothing may be called here any more."""
        action: LiveAction | None = self
        while action is not None:
            if action.finished:
                return True
            action = action.parent
        return False

    def _ended(self, phase: Phase, **facts: Any) -> ActionRecord:
        self.finished = True
        return self.record._replace(phase=phase, ended_at=time.time_ns(), **facts)
