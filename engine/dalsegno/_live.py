"""A run that this process executes: what its actions share, and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from dalsegno._earlier import Earlier
from dalsegno._ledger import Ledger
from dalsegno._logs import LOG_LIMIT
from dalsegno._loops import Home
from dalsegno._ownership import CacheUse
from dalsegno._puts import End, small
from dalsegno._reuse import Source
from dalsegno._secrets import Secrets
from dalsegno._slots import Limit, Seat, Slots
from dalsegno._values import Known
from dalsegno.errors import RunAbortedError
from dalsegno.failures import aborted
from dalsegno.models import Phase, RunRecord
from dalsegno.observers import Observer

if TYPE_CHECKING:
    from dalsegno._code import RunCode
    from dalsegno._runner import LiveAction
    from dalsegno.task import Task

T = TypeVar("T")

_NOT_AGAIN = "its run was resumed and did not call it again"


@dataclass(eq=False, slots=True)
class LiveRun:
    """A run that this process executes; `variables` are those that it sets, which the record has without secrets,
    and `most` how many of its bodies execute at once, 0 for any number."""

    record: RunRecord
    ledger: Ledger
    code: RunCode
    observers: tuple[Observer, ...]
    durable: bool
    threads: anyio.CapacityLimiter
    home: Home
    scope: anyio.CancelScope
    done: Future[RunRecord]
    secrets: Secrets
    variables: Mapping[str, str]
    slots: Slots
    most: int = 0
    log_limit: int = LOG_LIMIT
    source: Source | None = None
    earlier: Earlier | None = None
    caching: CacheUse = "use"
    turns: Path | None = None
    seqs: count[int] = field(default_factory=lambda: count(1))
    known: Known = field(default_factory=Known)
    open: dict[int, LiveAction] = field(default_factory=dict)
    ending: dict[int, tuple[LiveAction, End]] = field(default_factory=dict)
    scopes: set[anyio.CancelScope] = field(default_factory=set)
    ended: bool = False
    abort_reason: str = ""

    def seat(self, task: Task[Any, Any]) -> Seat | None:
        """The slots that an action of this task needs; None where no limit holds."""
        most = task.environment.max_concurrency
        if not (self.most or most) or task.is_trace:
            return None
        limits = (
            Limit(("run", str(self.record.id)), self.most),
            Limit(("environment", task.environment.name), most),
        )
        return Seat(self.slots, tuple(limit for limit in limits if limit.most), self.in_loop)

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

    def left(self) -> list[End]:
        """The ends of the actions that go on when the run has ended; they can record nothing themselves from then on."""
        left = []
        while self.open:
            with suppress(KeyError):  # a thread that goes on has just claimed the last one
                left.append(self.open.popitem()[1].closed_with_run())
        # What is too large to go along with the end of the run is not stored any more.
        left += [
            end if small(end.puts) else action.closed_with_run() for action, end in list(self.ending.values())
        ]
        return left

    async def record_end(self, end: End, left: Sequence[End]) -> RunRecord:
        """Record that the run has ended as its root has, and with it how actions have that go on, or went on before it was
        resumed; gives the run as recorded."""
        if self.earlier is not None:
            await self.ledger.store(())  # what is still to be written of its actions is in the record then
            named = {0, *(each.record.seq for each in left)}
            ended: dict[str, Any] = {
                "phase": Phase.ABORTED,
                "ended_at": time.time_ns(),
                "failure": aborted(_NOT_AGAIN),
            }
            begun = (action for action in self.earlier.left() if action.seq not in named)
            left = [*left, *(End(action._replace(**ended)) for action in begun)]
        return await self.ledger.end(self.record, end, left)

    def stop(self) -> None:
        """Cancel everything that the run does in its event loop, from there."""
        if not self.ended:
            self.scope.cancel()
        for scope in list(self.scopes):
            scope.cancel()
