"""What tests of flows need: an engine of their own, other bodies for tasks, a clock, and what was executed.

    from dalsegno import testing

    with testing.engine() as engine, testing.stub(flow.fetch, returns=[1, 2]):
        run = engine.run(flow.main)
        run.wait()
        assert testing.ran(run) == ["flow.main", "flow.fetch", "flow.total"]

Nothing here needs pytest. Its plugin, which is installed with dalsegno, has the fixtures.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dalsegno import _body, durable, sdk
from dalsegno._default import instead
from dalsegno._manual_clock import Clock, start_of
from dalsegno._stubs import Stub, put
from dalsegno.engine import Engine
from dalsegno.errors import UsageError
from dalsegno.models import DURABLE
from dalsegno.observers import Observer
from dalsegno.runs import Run
from dalsegno.settings import Durability
from dalsegno.task import Task
from dalsegno.verification import verify

__all__ = ["Clock", "Ran", "Stubbed", "TemporaryEngine", "clock", "engine", "ran", "reused", "stub"]

_NOTHING: Any = object()


class TemporaryEngine:
    """An engine with a store of its own, which is the default engine meanwhile; made by `engine`.

    So `dalsegno.run` and all the other functions of `dalsegno` use it too. Each has a blocking form and, with `.aio`, one to
    await in any event loop.
    """

    run = sdk.run
    rerun = sdk.rerun
    resume = sdk.resume
    with_runcontext = staticmethod(sdk.with_runcontext)
    verify = verify

    def __init__(self, opened: Engine, store: Path) -> None:
        self.engine = opened
        """The engine itself, whose own methods belong into its own event loop."""
        self.store = store
        """The folder that the store is in."""
        self.imported: set[int] = set()
        """The ids of the runs that were not made here, but came from a capsule."""
        self.get_run = opened.get_run
        self.list_runs = opened.list_runs

    def move_to(self, run: Run[Any]) -> None:
        """Be in the project and domain of a run from now on."""
        self.engine._settings = replace(self.engine._settings, project=run.project, domain=run.domain)


@contextmanager
def engine(
    store: str | Path | None = None, *, durability: Durability = "relaxed", observers: Sequence[Observer] = ()
) -> Iterator[TemporaryEngine]:
    """An engine for the block, and the default one: in this folder, or in a temporary one that is removed afterwards.

    Leaving the block waits for the runs that are still live. `dalsegno.init` leaves this engine as it is, so that no code under
    test can get at another store.
    """
    with tempfile.TemporaryDirectory(prefix="dalsegno-") as folder:
        place = Path(folder, "store") if store is None else Path(store)
        with instead(place, durability=durability, observers=tuple(observers)) as opened:
            yield TemporaryEngine(opened, place)


class Stubbed:
    """A body in the place of a task's; `calls` are the inputs that it was called with, by name, in order."""

    def __init__(self, body: Callable[..., Any]) -> None:
        self.calls: list[dict[str, Any]] = []
        self._body = body

    def _called(self, **inputs: Any) -> Any:
        self.calls.append(inputs)
        return self._body(**inputs)

    async def _awaited(self, **inputs: Any) -> Any:
        found = self._called(**inputs)
        return await found if inspect.isawaitable(found) else found


@contextmanager
def stub(
    task: Task[..., Any],
    body: Callable[..., Any] | None = None,
    *,
    returns: Any = _NOTHING,
    raises: BaseException | type[BaseException] | None = None,
) -> Iterator[Stubbed]:
    """Put another body in the place of a task's for the runs that are started in the block.

    It is `body`, which gets the inputs by name and may call tasks, or one that returns or raises what is given. A run that is
    started in the block keeps it to its end, whatever thread started it; calls of the task outside of runs, and runs in other
    processes, do not get it.

    Stubbed is as good as edited: results that the stub had a hand in are never taken over by runs without it, by `recover` or
    from a cache, and such a run is neither resumed nor verified without it. What does not reach the task is reused as
    ever. A rerun that is started after the block executes the task's own body.
    """
    if not isinstance(task, Task):
        raise UsageError(f"stub() takes a task, made with @env.task, not {task!r}")
    if task.module == DURABLE:
        raise UsageError(
            f"{task.name} cannot have a stub; use dalsegno.testing.clock, or set its inputs apart"
        )
    given = [body is not None, returns is not _NOTHING, raises is not None]
    if sum(given) != 1:
        raise UsageError("stub() takes one of a body, returns= and raises=")
    if inspect.iscoroutinefunction(body) and not task.is_async:
        raise UsageError(f"{task.name} is no async task, so its stub is no async function either")
    if body is None:
        body = partial(_raised, raises) if raises is not None else partial(_returned, returns)
    stubbed = Stubbed(body)
    with put(Stub(task, stubbed._awaited if task.is_async else stubbed._called)):
        yield stubbed


def _returned(value: Any, /, **inputs: Any) -> Any:
    return value


def _raised(error: BaseException | type[BaseException], /, **inputs: Any) -> Any:
    raise error


@contextmanager
def clock(start: datetime | float | None = None, *, jumps: bool = True) -> Iterator[Clock]:
    """A clock for the block, beginning at `start`, in seconds since the epoch or as datetime; now if nothing is said.

    `dalsegno.durable` tells its time; durable sleeps, waits before further attempts and the limits of a `Timeout` go by it.
    It jumps to the next of these as soon as nothing happens any more while somebody sleeps; with `jumps=False` only
    `advance` moves it. The times in records are the real ones.
    """
    made = Clock(start_of(start), jumps=jumps)
    with (
        patch.multiple(durable, _clock=made.time, _pause=made.sleep, _sleep_here=made.sleep_here),
        patch.multiple(_body, sleep=made.sleep, end_after=made.end_after),
    ):
        yield made


class Ran(list[str]):
    """Full names of tasks in the order in which their calls began; `reasons` say of each call why it was so.

    With dalsegno's plugin pytest shows the reasons when such a list is not the expected one.
    """

    def __init__(self, calls: Sequence[tuple[str, str]]) -> None:
        super().__init__(name for name, _ in calls)
        self.reasons = tuple(reason for _, reason in calls)


def ran(run: Run[Any]) -> Ran:
    """The tasks and traced functions that were executed in a run, each call once; waits for the end of the run."""
    return _calls(run, executed=True)


def reused(run: Run[Any]) -> Ran:
    """Those whose recorded results were taken over by calls of a run; what these once called is not among them."""
    return _calls(run, executed=False)


def explained(found: Ran, expected: Sequence[object]) -> list[str]:
    """How what was found differs from what was expected, as lines, with the reasons."""
    lines = [f"{list(found)} == {expected}"]
    matcher = SequenceMatcher(None, found, list(map(str, expected)), autojunk=False)
    for change, begin, end, first, last in matcher.get_opcodes():
        sign = " " if change == "equal" else "+"
        for number in range(begin, end):
            lines.append(f"  {sign} {found[number]}: {found.reasons[number]}")
        if change != "equal":
            lines += [f"  - {name}" for name in expected[first:last]]
    return lines


def _calls(run: Run[Any], *, executed: bool) -> Ran:
    if not run.done():
        run.wait()
    reasons = {each.action: each.reason for each in run.why()}
    return Ran(
        [
            (action.task, reasons[action.name])
            for action in run.actions()
            if action.template.kind != "durable" and (action.record.origin is None) is executed
        ]
    )
