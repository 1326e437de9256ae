"""A run that this process executes: what its actions share, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from dalsegno._cache import CacheUse
from dalsegno._ledger import Ledger
from dalsegno._loops import Home
from dalsegno._reuse import Source
from dalsegno.errors import RunAbortedError
from dalsegno.models import RunRecord
from dalsegno.observers import Observer

if TYPE_CHECKING:
    from dalsegno._code import RunCode
    from dalsegno._runner import LiveAction

T = TypeVar("T")


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
    source: Source | None = None
    caching: CacheUse = "use"
    turns: Path | None = None
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
