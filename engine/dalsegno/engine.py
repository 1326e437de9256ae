"""The engine: opens a store, runs tasks and runs them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

import anyio
from anyio.abc import TaskStatus

from dalsegno._cache import meeting_place
from dalsegno._capture import captured
from dalsegno._context import current
from dalsegno._identity import ROOT_NAME
from dalsegno._ledger import Ledger
from dalsegno._listing import Query
from dalsegno._live import LiveRun
from dalsegno._loops import Home, is_being_cancelled, is_cancellation
from dalsegno._module_names import recorded_module_name
from dalsegno._request import Request, check_named
from dalsegno._runner import LiveAction, Outcome
from dalsegno._start import Start
from dalsegno.codec import encode_map
from dalsegno.config import find_config
from dalsegno.errors import ConfigError, EngineClosedError, UsageError
from dalsegno.models import Phase, RunRecord
from dalsegno.observers import Observer, notify
from dalsegno.run_context import RunContext
from dalsegno.runs import Run
from dalsegno.settings import Durability, RunOptions, RunSettings
from dalsegno.task import Task
from dalsegno_storage import Store, open_store

if TYPE_CHECKING:
    from dalsegno._code import RunCode
    from dalsegno._codebase import Codebase
    from dalsegno._elsewhere import Elsewhere

__all__ = ["Engine"]

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 64
"""How many sync tasks of one engine run at once, not counting those called by sync tasks."""


class Engine:
    """Records and executes runs in one store; an async context manager, for asyncio and trio.

    `store` is a path, a URL (`lmdb:///…`, `sqlite:///…`, `memory:`) or an open store, which then stays open;
    without one the configuration decides. Tasks run in the event loop that entered the engine; leaving the block
    waits for the runs that are still live, or aborts them when an exception leaves it. The engine installs no
    signal handlers, sets up no logging and shares nothing with other engines.
    """

    def __init__(
        self,
        store: str | Path | Store | None = None,
        *,
        project: str | None = None,
        domain: str | None = None,
        durability: Durability = "full",
        observers: Iterable[Observer] = (),
    ) -> None:
        if not (store is None or isinstance(store, (str, Path)) or hasattr(store, "read")):
            raise ConfigError(f"store is a path, a URL or an open store, not {store!r}")
        config = find_config(store=store if isinstance(store, (str, Path)) else None)
        self._settings = RunSettings(
            project=project or config.project, domain=domain or config.domain, durability=durability
        )
        self._given = None if store is None or isinstance(store, (str, Path)) else store
        self._place = config.store if self._given is None else str(getattr(store, "path", "memory:"))
        self._observers = tuple(observers)
        self._store: Store | None = None
        self._ledger: Ledger | None = None
        self._codebase: Codebase | None = None
        self._live: dict[int, LiveRun] = {}
        self._elsewhere: dict[int, Elsewhere] = {}

    async def __aenter__(self) -> Self:
        if self._ledger is not None:
            raise UsageError("this engine is open already; make another one to open the store twice")
        self._store = self._given or open_store(self._place)
        self._ledger = Ledger(self._store)
        folder = getattr(self._store, "path", None)
        self._turns = None if folder is None else meeting_place(Path(folder))
        from dalsegno._codebase import Codebase  # code is captured and loaded by an open engine only

        self._codebase = Codebase(self._ledger, Path(folder) if folder is not None else None)
        self._home = Home()
        self._threads = anyio.CapacityLimiter(THREADS)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._tasks.cancel_scope.cancel()
        try:
            # The error is the caller's own: it goes on as it is, not in a group with what it cancelled.
            await self._tasks.__aexit__(None, None, None)
        finally:
            if self._ledger is not None:
                self._ledger.close()
            if self._store is not None and self._given is None:
                self._store.close()
            self._store = self._ledger = self._codebase = None

    # Running

    async def run(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Start a run of `task`; comes back once it is recorded and started.

        Raises InputError for inputs that do not fit, before anything is recorded.
        """
        return await self.with_runcontext().run(task, *args, **kwargs)

    async def rerun(self, run_name: str, action_name: str = ROOT_NAME, **options: Any) -> Run[Any]:
        """Start a new run from a recorded run or from one of its actions; see `RunContext.rerun`."""
        return await self.with_runcontext().rerun(run_name, action_name, **options)

    def with_runcontext(self, **settings: Unpack[RunOptions]) -> RunContext:
        """The same engine with settings for the next run; they are those of `RunSettings`."""
        return RunContext(self, RunSettings(**settings))

    async def start(self, start: Start) -> Run[Any]:
        """Record a prepared run and start it."""
        if not self.is_here():
            raise UsageError("an engine runs tasks in the event loop that opened it; await this call there")
        ledger = self.ledger
        if start.taken is not None:
            return await self._take_over(start, ledger)
        nested = current.get() is not None
        started: Run[Any] = await self._tasks.start(self._drive, start, ledger, nested)
        return started

    async def start_elsewhere(self, settings: RunSettings, request: Request) -> Run[Any]:
        """Start a rerun in a process of its own, which the engine waits for when it is closed."""
        if self._given is not None:
            raise UsageError(
                "isolation='process' needs an engine that was given the path or URL of its store"
            )
        from dalsegno._elsewhere import start  # subprocesses are rare and take long to import

        inputs = encode_map(request.changed.items(), module_name=recorded_module_name)
        await self.ledger.store(self.ledger.blobs(inputs.blobs))
        elsewhere = await start(self.ledger, (self._place, self._settings, settings, request, inputs.data))
        run_id = elsewhere.run.id
        self._elsewhere[run_id] = elsewhere
        self._tasks.start_soon(elsewhere.supervise, self._elsewhere.pop)
        return Run(self, elsewhere.run)

    async def _drive(
        self, start: Start, ledger: Ledger, nested: bool, *, task_status: TaskStatus[Run[Any]]
    ) -> None:
        """Record a run, say so, and execute it to its end.

        All in one task of the engine's, so that whoever cancels the start or closes the engine meanwhile cannot leave a
        recorded run behind that nobody executes.
        """
        with anyio.CancelScope(shield=True):
            record, root = await ledger.create(start.run, start.root_record, start.puts)
        start.code.stored(start.template)
        live = LiveRun(
            record=record,
            ledger=ledger,
            code=start.code,
            observers=self._observers,
            durable=start.durable,
            # A run that a task of another run waits for must not wait for that task's thread.
            threads=anyio.CapacityLimiter(THREADS) if nested else self._threads,
            home=self._home,
            scope=anyio.CancelScope(),
            done=Future(),
            source=start.source,
            caching=start.caching,
            turns=self._turns,
        )
        self._live[record.id] = live
        counterpart = None if start.source is None else start.source.top
        action = LiveAction(
            live,
            start.task,
            start.values,
            start.encoded,
            root,
            start.template.basis,
            counterpart=counterpart,
        )
        task_status.started(Run(self, record))
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

    async def _take_over(self, start: Start, ledger: Ledger) -> Run[Any]:
        """Record a run that has ended as it begins: its root takes over a recorded result."""
        run = start.run._replace(phase=Phase.SUCCEEDED, ended_at=start.run.started_at)
        record, root = await ledger.create(run, start.root_record, start.puts)
        start.code.stored(start.template)
        if self._observers:
            notify(self._observers, "run_started", record)
            notify(self._observers, "action_reused", record, root)
            notify(self._observers, "run_finished", record)
        return Run(self, record)

    async def _end(self, live: LiveRun, outcome: Outcome | None) -> None:
        live.ended = True
        live.stop()
        left = [action.closed_with_run() for action in live.open.values()]
        live.open.clear()
        try:
            assert outcome is not None  # run_body gives an outcome for everything that can be raised
            ended = await live.ledger.end(live.record, outcome.end, left)
        except Exception as error:
            # The store failed: whoever waits for the run is told, now and later.
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
        live.done.set_result(ended)
        del self._live[live.record.id]

    # Looking

    def get_run(self, name: str, *, project: str | None = None, domain: str | None = None) -> Run[Any]:
        """The run of that name; RunNotFoundError with near matches."""
        check_named("a run", name)
        return Run(self, self.ledger.find_run(*self._place_of(project, domain), name))

    def list_runs(
        self,
        *,
        project: str | None = None,
        domain: str | None = None,
        task: str | None = None,
        in_phase: Phase | str | Iterable[Phase | str] | None = None,
        with_labels: Mapping[str, str] | None = None,
        source_run: str | None = None,
        limit: int = 100,
        before: Run[Any] | None = None,
        everywhere: bool = False,
    ) -> list[Run[Any]]:
        """Up to `limit` runs of a project and domain that match, newest first.

        `task` is a full task name; `in_phase` one phase or several; `source_run` the name of a run that the wanted
        ones are reruns of; `before` continues after the last run of an earlier page; `everywhere` looks into all
        projects and domains.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise UsageError(f"limit is a number of runs from 1 up, not {limit!r}")
        if before is not None and not isinstance(before, Run):
            raise UsageError(f"before is the last run of an earlier page, not {before!r}")
        own_project, own_domain = self._place_of(project, domain)
        query = Query(
            project=project if everywhere else own_project,
            domain=domain if everywhere else own_domain,
            task=task,
            phases=_phases(in_phase),
            labels=with_labels,
            source=None if source_run is None else (own_project, own_domain, source_run),
        )
        found = self.ledger.runs(query, limit=limit, before=None if before is None else before.record.id)
        return [Run(self, record) for record in found]

    # What runs ask of the engine they belong to

    @property
    def ledger(self) -> Ledger:
        """The records of the store."""
        if self._ledger is None:
            raise EngineClosedError("the engine is not open; use it inside `async with Engine(…) as engine:`")
        return self._ledger

    @property
    def codebase(self) -> Codebase:
        """The code that is here and the code that is recorded."""
        if self._codebase is None:
            raise EngineClosedError("the engine is not open; use it inside `async with Engine(…) as engine:`")
        return self._codebase

    @property
    def url(self) -> str:
        """Where the store is."""
        return self._place

    @property
    def settings(self) -> RunSettings:
        """What holds for runs that say nothing else."""
        return self._settings

    @property
    def home(self) -> Home:
        """The event loop that opened the engine."""
        return self._home

    def is_here(self) -> bool:
        """Whether the caller runs in the event loop that opened the engine."""
        return self._home.is_here()

    def code(self, bundle: bytes) -> RunCode:
        """The recorded code with that digest."""
        return self.codebase.recorded(bundle)

    def live(self, run_id: int) -> Future[RunRecord] | None:
        """The end to come of a run that this engine executes, None for any other."""
        live = self._live.get(run_id)
        return None if live is None else live.done

    def stop(self, run_id: int, reason: str) -> bool:
        """Cancel a run that this engine executes; says whether it does."""
        elsewhere = self._elsewhere.get(run_id)
        if elsewhere is not None:
            elsewhere.stop(reason)
            return True
        live = self._live.get(run_id)
        if live is None:
            return False
        live.abort_reason = reason
        live.home.call_soon(live.stop)
        return True

    def _place_of(self, project: str | None, domain: str | None) -> tuple[str, str]:
        return project or self._settings.project or "", domain or self._settings.domain or ""


def _phases(phases: Phase | str | Iterable[Phase | str] | None) -> frozenset[Phase] | None:
    if phases is None:
        return None
    if isinstance(phases, str):
        phases = (phases,)
    return frozenset(Phase(phase) for phase in phases)
