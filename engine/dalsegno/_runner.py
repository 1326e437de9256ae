"""Running one action: bind, convert, encode, identify, execute, record, return.

The way of one call, which is also the order to read in:

    task(x)  ->  LiveAction.call / call_async      in the caller's own thread or event loop task
             ->  _begin      inputs accepted and encoded, key and name made, "running" noted lazily
             ->  run_body / run_blocking   the function runs with this action as the current one; outcome encoded
             ->  Ledger.complete           in one commit, waited for when durability is "full"
             ->  settle      the value, or the exception itself, goes on to the caller

A body gets its own copy of mutable inputs: values cross the border of a task as they would from the record, so that
a child that changes its argument does the same to its parent in the first run and in a replayed one: nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import anyio
from anyio import to_thread

from dalsegno._context import ActionContext, TaskContext, current_group, entered
from dalsegno._identity import action_key, action_name, action_path
from dalsegno._ledger import Ledger, Put
from dalsegno._logs import ActionLog
from dalsegno._loops import Home, is_cancellation
from dalsegno._values import Encoded, encode_named, own_copies
from dalsegno.errors import RunAbortedError, TaskExitError, UsageError
from dalsegno.failures import aborted, failure_of
from dalsegno.models import ActionRecord, Phase, RunRecord
from dalsegno.observers import Observer, notify
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._code import RunCode

T = TypeVar("T")

_making = threading.Lock()
"""Held while an action's log or environment is made, which two of its threads may want at once."""


class Outcome(NamedTuple):
    """How an action ended: its record and what must be stored with it, and what its caller gets."""

    record: ActionRecord
    puts: list[Put]
    value: Any
    error: BaseException | None
    durable: bool


@dataclass(eq=False, slots=True)
class LiveRun:
    """A run that this process executes."""

    record: RunRecord
    ledger: Ledger
    code: RunCode
    observers: tuple[Observer, ...]
    durable: bool
    threads: anyio.CapacityLimiter
    home: Home
    scope: anyio.CancelScope
    done: Future[RunRecord]
    seqs: count[int] = field(default_factory=lambda: count(1))
    open: dict[int, LiveAction] = field(default_factory=dict)
    scopes: set[anyio.CancelScope] = field(default_factory=set)
    ended: bool = False
    abort_reason: str = ""

    def in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await `function()` in the run's event loop until the run is stopped; for its threads."""

        async def call() -> T:
            if not self.ended:
                with anyio.CancelScope() as scope:
                    self.scopes.add(scope)
                    try:
                        return await function()
                    finally:
                        self.scopes.discard(scope)
            raise RunAbortedError(f"run {self.record.name!r}", self.abort_reason or "it has ended")

        return self.home.run(call)

    def stop(self) -> None:
        """Cancel everything that the run does in its event loop, from there."""
        self.scope.cancel()
        for scope in list(self.scopes):
            scope.cancel()


class LiveAction:
    """A task call that is running, and the parent of the calls made in it."""

    __slots__ = (
        "_calls", "_encoded", "_environ", "_log", "_values", "finished", "in_thread", "parent", "record", "run", "task",
    )  # fmt: skip

    def __init__(
        self,
        run: LiveRun,
        task: Task[Any, Any],
        values: dict[str, Any] | None,
        encoded: Encoded,
        record: ActionRecord,
        parent: LiveAction | None = None,
    ) -> None:
        self.run = run
        self.task = task
        self.record = record
        """The action as it stands: running, in its newest attempt."""
        self.parent = parent
        self.finished = False
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
            custom_context=run.custom_context,
            labels=run.labels,
            env_vars=run.env_vars,
        )

    def environ(self) -> dict[str, str]:
        with _making:
            if self._environ is None:
                settings = {
                    **(self.task.environment.env_vars or {}),
                    **(self.task.settings.get("env_vars") or {}),
                }
                self._environ = {**settings, **self.run.record.env_vars}
            return self._environ

    def print(self, stream: str, text: str) -> None:
        if self._log is None:
            with _making:
                if self._log is None:
                    self._log = ActionLog(self.run.ledger.writer, self.record.run_id, self.record.seq)
        self._log.add(stream, text)
        if self.run.observers:
            notify(self.run.observers, "logged", self.run.record, self.record, stream, text)

    def in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.run.in_loop(function)

    # Calls of children

    def call(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a sync child in this thread."""
        child = self._begin(task, args, kwargs, current_group())
        ledger = self.run.ledger
        ledger.store_blocking(child.blobs())
        child.began()
        outcome = child.run_blocking()
        if child.claim_end():
            ledger.complete_blocking(outcome.record, outcome.puts, durable=outcome.durable)
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
        ledger = self.run.ledger
        blobs = child.blobs()
        if blobs:
            await ledger.store(blobs)
        child.began()
        outcome = await child.run_body()
        if child.claim_end():
            with anyio.CancelScope(shield=outcome.record.phase is Phase.ABORTED):
                await ledger.complete(outcome.record, outcome.puts, durable=outcome.durable)
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
        template, template_puts = run.code.template(task)
        if template_puts:
            run.ledger.put_soon(template_puts)
            run.code.stored(task)
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
            template=template,
            inputs=encoded.values,
            phase=Phase.RUNNING,
            attempts=1,
            started_at=time.time_ns(),
            opaque=encoded.opaque,
        )
        return LiveAction(run, task, values, encoded, record, self)

    # The life of this action

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

    async def run_body(self) -> Outcome:
        """Run the function, in a worker thread if it is a sync one, as often as its retries allow."""
        if not self.task.is_async:
            # A thread that waits for its children's threads must not keep them from getting one.
            limiter = anyio.CapacityLimiter(1) if self.in_thread else self.run.threads
            try:
                return await to_thread.run_sync(self.run_blocking, abandon_on_cancel=True, limiter=limiter)
            except BaseException as error:
                return self._failed(error)
        while True:
            try:
                with entered(self):
                    return self._succeeded(await self.task.function(**self._own_values()))
            except BaseException as error:
                if not self._retries(error):
                    return self._failed(error)

    def run_blocking(self) -> Outcome:
        """The same for a sync function, in this thread."""
        while True:
            try:
                with entered(self):
                    return self._succeeded(self.task.function(**self._own_values()))
            except BaseException as error:
                if not self._retries(error):
                    return self._failed(error)

    def settle(self, outcome: Outcome) -> Any:
        """Hand the outcome to the caller, once it is recorded."""
        if self.run.observers:
            notify(self.run.observers, "action_finished", self.run.record, outcome.record)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def _own_values(self) -> dict[str, Any]:
        return own_copies(
            self._values, self._encoded, self.run.code.resolve, self.run.ledger.part, self.run.ledger.blob
        )

    def _retries(self, error: BaseException) -> bool:
        if not isinstance(error, Exception) or self.finished or self.record.attempts > self.task.retries:
            return False
        self.record = self.record._replace(attempts=self.record.attempts + 1)
        return True

    def _succeeded(self, value: Any) -> Outcome:
        interface, run = self.task.interface, self.run
        packed = interface.pack_outputs(value)
        outputs = dict(zip((output.name for output in interface.outputs), packed, strict=True))
        encoded = encode_named(outputs.items())
        puts = run.ledger.objects(encoded)
        if encoded.blobs:
            puts = [*run.ledger.blobs(encoded.blobs), *puts]
        if self.parent is not None:
            outputs = own_copies(outputs, encoded, run.code.resolve, run.ledger.part, run.ledger.blob)
        opaque = self.record.opaque or encoded.opaque
        record = self._ended(Phase.SUCCEEDED, outputs=encoded.values, opaque=opaque)
        # A caller may read a file as soon as it has it.
        durable = run.durable or bool(encoded.blobs)
        return Outcome(record, puts, interface.unpack_outputs(tuple(outputs.values())), None, durable)

    def _failed(self, error: BaseException) -> Outcome:
        if isinstance(error, SystemExit):
            # As it is, it would end the event loop of whoever waits for this action in a task of its own.
            left = TaskExitError(error.code)
            left.__cause__ = error
            error = left
        if is_cancellation(error):
            reason = self.run.abort_reason or f"cancelled ({type(error).__name__})"
            record = self._ended(Phase.ABORTED, failure=aborted(reason))
        else:
            record = self._ended(Phase.FAILED, failure=failure_of(error))
        return Outcome(record, [], None, error, self.run.durable)

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
