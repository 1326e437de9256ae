"""Runs and actions as objects to look at and wait for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import anyio

from dalsegno._blocking import blocking_method
from dalsegno._loops import Home, wait_future
from dalsegno._reading import LogLine
from dalsegno._recorded import Recorded, Records
from dalsegno.environment import EnvironmentLine, lines
from dalsegno.errors import RunInterruptedError
from dalsegno.models import ActionRecord, Phase, Relation, RunRecord

if TYPE_CHECKING:
    from dalsegno._why import Why

__all__ = ["Action", "Run"]

T = TypeVar("T")

POLL = 0.05
"""How often a run that another process executes is looked at, in seconds."""


class Run(Recorded, Generic[T]):
    """One execution of a root task, live or long past.

    Got from `run`, `rerun`, `Run.get` or `Run.listall`. What can still change is read from the store each time.
    """

    def __init__(self, records: Records, record: RunRecord) -> None:
        self._records = records
        self._record = record

    @property
    def home(self) -> Home:
        """The event loop of the engine that gave it out."""
        return self._records.home

    def _fresh(self) -> RunRecord:
        if not self._record.phase.is_terminal:
            self._record = self._records.ledger.run(self._record.id)
        return self._record

    def _action(self) -> ActionRecord:
        return self._records.ledger.root(self._record.id)

    def _label(self) -> str:
        return f"run {self.name!r}"

    @property
    def name(self) -> str:
        """The name, unique in the project and domain."""
        return self._record.name

    @property
    def project(self) -> str:
        """The project it belongs to."""
        return self._record.project

    @property
    def domain(self) -> str:
        """The domain of the project it belongs to."""
        return self._record.domain

    @property
    def task(self) -> str:
        """The full name of the root task."""
        return self._record.task

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        return self._fresh().phase

    @property
    def url(self) -> str:
        """The store and the run in one text."""
        return f"{self._records.url}#{self.project}/{self.domain}/{self.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels it was given."""
        return self._record.labels

    @property
    def env_vars(self) -> Mapping[str, str]:
        """The environment variables that its tasks see above those of the process."""
        return self._record.env_vars

    @property
    def relation(self) -> Relation | None:
        """Where it came from, None for a run that is nobody's rerun."""
        return self._record.relation

    @property
    def record(self) -> RunRecord:
        """The whole record."""
        return self._fresh()

    @property
    def started_at(self) -> datetime:
        """When it was recorded, in UTC."""
        return moment(self._record.started_at)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC."""
        ended = self._fresh().ended_at
        return None if ended is None else moment(ended)

    def environment(self) -> tuple[EnvironmentLine, ...]:
        """What surrounded it, beside what is here: Python, platform, packages, and the variables that it was given."""
        return lines(self._records.ledger, self._record)

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._fresh().phase.is_terminal

    @blocking_method
    async def wait(self) -> None:
        """Wait until it has ended; does not raise what it failed with. Awaitable as `run.wait.aio()`.

        Raises RunInterruptedError when its process is gone, and RunTakenOverError when it is this process that executes it
        and another one takes it over.
        """
        live = self._records.live(self._record.id)
        if live is not None:
            self._record = await wait_future(live)
        while not self.done():
            if self._record.phase is Phase.INTERRUPTED:
                raise RunInterruptedError(self.name)
            await anyio.sleep(POLL)

    @blocking_method
    async def result(self) -> T:
        """Wait, then give what the root task returned, or raise what it failed with. Awaitable as `.aio()`."""
        await self.wait.aio()
        return cast(T, self._value(self._action()))

    @blocking_method
    async def abort(self, reason: str = "aborted by request", *, take_over: bool = False) -> None:
        """Stop it and wait for its end, whichever process executes it; a run that has ended stays as it is.

        A process that executes it notices within a second; with `take_over` one that is stuck is not waited for, and can
        record nothing more. Awaitable as `.aio()`.
        """
        await self._records.abort(self._record.id, reason, take_over=take_over)

    def actions(self) -> list[Action]:
        """Its recorded actions in the order in which they began; the first is `a0`."""
        return [Action(self, action) for action in self._records.ledger.actions(self._record.id)]

    def action(self, name: str = "a0") -> Action:
        """The action of that name; ActionNotFoundError with near matches."""
        return Action(self, self._records.ledger.action(self._record, name))

    def why(self, action_name: str | None = None) -> list[Why]:
        """Why each of its actions was executed, or not; of one action if it is named.

        In the order in which they began. Told from the records, nothing is loaded for it.
        """
        from dalsegno._why import explain

        found = explain(self._records.ledger, self._fresh())
        if action_name is None:
            return found
        name = self.action(action_name).name
        return [each for each in found if each.action == name]

    def logs(self) -> list[LogLine]:
        """What its actions printed and logged, action by action."""
        return self._records.ledger.log_lines(self._record.id)

    def show_logs(self) -> None:
        """Print its log."""
        _show(self.logs())

    def __repr__(self) -> str:
        return f"<run {self.name} {self.phase.value}>"

    @classmethod
    def get(cls, name: str, *, project: str | None = None, domain: str | None = None) -> Run[Any]:
        """The run of that name in the default engine's store; RunNotFoundError with near matches."""
        from dalsegno._default import default_engine

        return default_engine().get_run(name, project=project, domain=domain)

    @classmethod
    def listall(cls, **filters: Any) -> list[Run[Any]]:
        """Runs of the default engine's store, newest first; the filters are those of `Engine.list_runs`."""
        from dalsegno._default import default_engine

        return default_engine().list_runs(**filters)


class Action(Recorded):
    """One task call inside a run."""

    def __init__(self, run: Run[Any], record: ActionRecord) -> None:
        self._records = run._records
        self._run = run
        self._record = record

    def _action(self) -> ActionRecord:
        if not self._record.phase.is_terminal:
            self._record = self._records.ledger.action_by_seq(self._record.run_id, self._record.seq)
        return self._record

    def _label(self) -> str:
        return f"action {self.name!r} of run {self._run.name!r}"

    @property
    def record(self) -> ActionRecord:
        """The whole record."""
        return self._action()

    @property
    def run(self) -> Run[Any]:
        """The run it belongs to."""
        return self._run

    @property
    def name(self) -> str:
        """The name, unique in the run."""
        return self._record.name

    @property
    def task(self) -> str:
        """The full name of its task."""
        return self.template.name

    @property
    def phase(self) -> Phase:
        """Where it is in its life; interrupted, if it goes on in a run that is."""
        action = self._action()
        interrupted = not action.phase.is_terminal and self._run.phase is Phase.INTERRUPTED
        return Phase.INTERRUPTED if interrupted else action.phase

    @property
    def key(self) -> bytes:
        """Its identity below its parent, 16 bytes."""
        return self._record.key

    @property
    def group(self) -> str:
        """The groups it was called in, joined by "/"."""
        return self._record.group

    @property
    def parent(self) -> Action | None:
        """The action that called it, None for `a0`."""
        parent = self._record.parent
        if parent is None:
            return None
        return Action(self._run, self._records.ledger.action_by_seq(self._record.run_id, parent))

    @property
    def children(self) -> list[Action]:
        """The actions that it called, in the order in which they began.

        One that took over a result has those of the action that really ran, which belong to another run.
        """
        ran = self.origin or self
        return [action for action in ran.run.actions() if action.record.parent == ran.record.seq]

    @property
    def origin(self) -> Action | None:
        """The action that really ran, for one that took over its result; None for one that ran itself."""
        origin = self._action().origin
        if origin is None:
            return None
        ledger = self._records.ledger
        run = Run[Any](self._records, ledger.run(origin.run_id))
        return Action(run, ledger.action_by_seq(origin.run_id, origin.seq))

    def why(self) -> Why:
        """Why it was executed, or not."""
        [found] = self._run.why(self.name)
        return found

    @property
    def started_at(self) -> datetime:
        """When it began, in UTC."""
        return moment(self._record.started_at)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC."""
        ended = self._action().ended_at
        return None if ended is None else moment(ended)

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._action().phase.is_terminal

    def result(self) -> Any:
        """What it returned; raises what it failed with, RunNotDoneError while it runs."""
        return self._value(self._action())

    def logs(self) -> list[LogLine]:
        """What it printed and logged itself."""
        return self._records.ledger.log_lines(self._record.run_id, self._record.seq)

    def show_logs(self) -> None:
        """Print its log."""
        _show(self.logs())

    def __repr__(self) -> str:
        return f"<action {self.name} {self.phase.value} of run {self._run.name}>"


def moment(nanoseconds: int) -> datetime:
    """A recorded time, in UTC, to the microsecond."""
    return datetime.fromtimestamp(nanoseconds // 1000 / 1_000_000, UTC)


def _show(lines: Sequence[LogLine]) -> None:
    for line in lines:
        sys.stdout.write(line.text)
