"""The engine: opens a store, runs tasks and runs them again."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

import anyio

from dalsegno import _rerun
from dalsegno._closing import close
from dalsegno._driver import Driver
from dalsegno._identity import ROOT_NAME
from dalsegno._ledger import Ledger
from dalsegno._listing import Query
from dalsegno._logs import LOG_LIMIT
from dalsegno._loops import Home
from dalsegno._module_names import recorded_module_name
from dalsegno._ownership import meeting_place
from dalsegno._redaction import Redact, Redactor
from dalsegno._request import Request, check_named
from dalsegno._resume import RECOVERIES, Wish, prepare
from dalsegno._secrets import Secrets
from dalsegno._start import Start
from dalsegno._stubs import in_place
from dalsegno.codec import encode_map
from dalsegno.config import find_config
from dalsegno.errors import (
    CannotResumeError,
    ConfigError,
    DalsegnoError,
    EngineClosedError,
    RunTakenOverError,
    UsageError,
)
from dalsegno.models import Phase, RunRecord
from dalsegno.observers import Observer
from dalsegno.run_context import RunContext
from dalsegno.runs import POLL, Run
from dalsegno.settings import (
    Durability,
    RunOptions,
    RunSettings,
    checked_limit,
    checked_redactor,
)
from dalsegno.task import Task
from dalsegno_storage import Store, open_store

if TYPE_CHECKING:
    from dalsegno._code import RunCode
    from dalsegno._codebase import Codebase

__all__ = ["Engine"]

P = ParamSpec("P")
R = TypeVar("R")

_logger = logging.getLogger("dalsegno")

_CLOSED = "the engine is not open; use it inside `async with Engine(…) as engine:`"


class Engine:
    """Records and executes runs in one store; an async context manager, for asyncio and trio.

    `store` is a path, a URL (`lmdb:///…`, `sqlite:///…`, `memory:`) or an open store, which then stays open;
    without one the configuration decides. Tasks run in the event loop that entered the engine; leaving the block
    waits for the runs that are still live, or aborts them when an exception leaves it. The engine installs no
    signal handlers, sets up no logging and shares nothing with other engines.

    `redact` says what is kept out of recorded environment variables, logs and errors: True what looks like a secret,
    patterns or a function from text to text besides, False nothing. `log_limit` is how many bytes of one action's log
    are kept.

    With `resume_interrupted` the engine goes on with the runs of its project and domain whose process is gone as soon as it
    is opened. A run that was resumed `max_recoveries` times is parked: it is resumed only if that is forced.
    """

    def __init__(
        self,
        store: str | Path | Store | None = None,
        *,
        project: str | None = None,
        domain: str | None = None,
        durability: Durability = "full",
        observers: Iterable[Observer] = (),
        redact: Redact = True,
        log_limit: int = LOG_LIMIT,
        resume_interrupted: bool = False,
        max_recoveries: int = RECOVERIES,
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
        self._redactor = checked_redactor(redact)
        self._log_limit = checked_limit("log_limit", log_limit)
        self._store: Store | None = None
        self._ledger: Ledger | None = None
        self._codebase: Codebase | None = None
        self._driver: Driver | None = None
        self._max_recoveries = checked_limit("max_recoveries", max_recoveries)
        self._resume_interrupted = resume_interrupted

    async def __aenter__(self) -> Self:
        if self._ledger is not None:
            raise UsageError("this engine is open already; make another one to open the store twice")
        self._store = self._given or open_store(self._place)
        self._ledger = Ledger(self._store)
        folder = getattr(self._store, "path", None)
        from dalsegno._codebase import Codebase  # code is captured and loaded by an open engine only

        self._codebase = Codebase(self._ledger, Path(folder) if folder is not None else None)
        turns = None if folder is None else meeting_place(Path(folder))
        self._driver = Driver(self._ledger, self._observers, self._redactor, self._log_limit, turns)
        self._home = self._driver.home
        await self._driver.open()
        if self._resume_interrupted:
            try:
                await self.resume_all()
            except BaseException as error:
                await self.__aexit__(type(error), error, error.__traceback__)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._driver is not None:
                await self._driver.close(abort=error is not None)
        finally:
            if self._ledger is not None:
                self._ledger.close()
            if self._store is not None and self._given is None:
                self._store.close()
            self._store = self._ledger = self._codebase = self._driver = None

    # Running

    async def run(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Start a run of `task`; comes back once it is recorded and started.

        The body of an async task may begin a moment before the record is on disk; if that fails, or the caller is cancelled
        before, it is stopped, and nothing is recorded or that it was aborted. That of a sync or `at_most_once` task, of a run with a name of your own,
        and in an engine with observers begins after it. Raises InputError for inputs that do not fit, before anything is recorded.
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
        return Run(self, await self.driver.start(start))

    async def start_elsewhere(self, settings: RunSettings, request: Request) -> Run[Any]:
        """Start a rerun in a process of its own, which the engine waits for when it is closed."""
        if self._given is not None:
            raise UsageError(
                f"isolation={settings.isolation!r} needs an engine that was given the path or URL of its store"
            )
        if in_place():
            raise UsageError(
                f"isolation={settings.isolation!r} and a stub exclude each other: a stub is in this process only"
            )
        environment = None
        if settings.isolation == "environment":
            environment = await _rerun.environment_for(self, settings, request)
        from dalsegno._elsewhere import start  # subprocesses are rare and take long to import

        about_logs = {"redact": self._redactor.setting(), "log_limit": self._log_limit}
        inputs = encode_map(request.changed.items(), module_name=recorded_module_name)
        await self.ledger.store([self.ledger.file(*blob) for blob in inputs.blobs])
        elsewhere = await start(
            self.ledger,
            (self._place, self._settings, settings, request, inputs.data, about_logs, environment),
        )
        self.driver.supervise(elsewhere)
        return Run(self, elsewhere.run)

    # Going on with runs, and stopping them

    async def resume(
        self,
        run_name: str,
        *,
        task_template: Task[..., Any] | None = None,
        take_over: bool = False,
        force: bool = False,
        env_vars: Mapping[str, str] | None = None,
        project: str | None = None,
        domain: str | None = None,
    ) -> Run[Any]:
        """Go on with a run whose process is gone: the same run, with its recorded code; comes back once it is started.

        Actions that have ended are not executed again; those that had begun are, as another attempt. `take_over` takes the
        run from a process that is stuck, which can record nothing for it from then on. `force` resumes a run that is parked,
        because it was resumed `max_recoveries` times. `task_template` is refused if its code is not the recorded one.
        `env_vars` are those of the run whose values are secret and were not recorded. Raises CannotResumeError for a run
        that has ended, that is being executed, or that somebody else resumes at this moment.
        """
        run = self.get_run(run_name, project=project, domain=domain).record
        wish = Wish(
            task_template=task_template, take_over=take_over, force=force, env_vars=dict(env_vars or {})
        )
        return await self._resume(run, wish)

    async def resume_all(self) -> list[Run[Any]]:
        """Resume every interrupted run of the engine's project and domain, the oldest first; gives those that go on.

        A run that is left as it is, because it is parked or for another reason, is named in a warning. One that somebody
        wanted stopped before its process was gone ends as aborted.
        """
        resumed: list[Run[Any]] = []
        for run in reversed(self.list_runs(in_phase=Phase.INTERRUPTED, limit=sys.maxsize)):
            try:
                stop = self.ledger.tenure(run.record.id).stop
                if stop is not None:
                    await close(self.ledger, run.record, stop)
                else:
                    resumed.append(await self._resume(run.record, Wish()))
            except DalsegnoError as error:
                _logger.warning("%s", error)
        return resumed

    async def _resume(self, run: RunRecord, wish: Wish) -> Run[Any]:
        try:
            return await self.start(prepare(self, run, wish, self._max_recoveries))
        except RunTakenOverError:
            raise CannotResumeError(
                run.name, "somebody else resumed or ended it at the same time", "wait for its end"
            ) from None

    async def abort(self, run_id: int, reason: str, *, take_over: bool = False) -> None:
        """Have a run stopped, whoever executes it, and wait for its end; one that has ended stays as it is.

        A run whose process is gone ends as aborted at once, and so does with `take_over` one whose process is stuck.
        """
        reason = Secrets(self._redactor, {})(reason)
        if self.stop(run_id, reason):
            return await Run(self, self.ledger.run(run_id)).wait.aio()
        asked = False
        while not (run := self.ledger.run(run_id)).phase.is_terminal:
            if take_over or run.phase is Phase.INTERRUPTED:
                with suppress(RunTakenOverError):  # then look again
                    await close(self.ledger, run, reason)
            elif asked:
                await anyio.sleep(POLL)
            else:
                asked = True
                await self.ledger.ask_to_stop(run_id, reason)
        return None

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
            raise EngineClosedError(_CLOSED)
        return self._ledger

    @property
    def driver(self) -> Driver:
        """The runs that this engine executes."""
        if self._driver is None:
            raise EngineClosedError(_CLOSED)
        return self._driver

    @property
    def codebase(self) -> Codebase:
        """The code that is here and the code that is recorded."""
        if self._codebase is None:
            raise EngineClosedError(_CLOSED)
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
    def redactor(self) -> Redactor:
        """What takes secrets out of texts before they are recorded."""
        return self._redactor

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
        return None if self._driver is None else self._driver.live(run_id)

    def stop(self, run_id: int, reason: str) -> bool:
        """Cancel a run that this engine executes; says whether it does."""
        return self._driver is not None and self._driver.stop(run_id, reason)

    def _place_of(self, project: str | None, domain: str | None) -> tuple[str, str]:
        return project or self._settings.project or "", domain or self._settings.domain or ""


def _phases(phases: Phase | str | Iterable[Phase | str] | None) -> frozenset[Phase] | None:
    if phases is None:
        return None
    if isinstance(phases, str):
        phases = (phases,)
    return frozenset(Phase(phase) for phase in phases)
