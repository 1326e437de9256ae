"""Runs and actions as objects to look at and wait for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import anyio

from dalsegno._blocking import blocking_method
from dalsegno._ledger import Ledger, LogLine
from dalsegno._loops import Home, wait_future
from dalsegno.codec import decode, view
from dalsegno.errors import RunAbortedError, RunNotDoneError
from dalsegno.failures import revive
from dalsegno.models import ActionRecord, Failure, Phase, Relation, RunRecord, TaskTemplate, Values

if TYPE_CHECKING:
    from dalsegno._code import RunCode

__all__ = ["Action", "Run"]

T = TypeVar("T")

POLL = 0.05
"""How often a run that another process executes is looked at, in seconds."""


class _Records(Protocol):
    """What a run needs of the engine that gave it out."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def url(self) -> str: ...

    @property
    def home(self) -> Home: ...

    def code(self, bundle: bytes) -> RunCode: ...

    def live(self, run_id: int) -> Future[RunRecord] | None: ...

    def stop(self, run_id: int, reason: str) -> bool: ...


class _Recorded:
    """What runs and actions have in common: one action record and the ways to look into it."""

    _records: _Records

    def _action(self) -> ActionRecord:
        raise NotImplementedError

    def _label(self) -> str:
        raise NotImplementedError

    @property
    def template(self) -> TaskTemplate:
        """The recorded description of the task."""
        return self._records.ledger.template(self._action().template)

    @property
    def attempts(self) -> int:
        """How often the body was begun."""
        return self._action().attempts

    @property
    def failure(self) -> Failure | None:
        """The recorded exception, if it failed."""
        return self._action().failure

    def inputs(self) -> dict[str, Any]:
        """The inputs by name, as Python values.

        Values of the user's own classes need the recorded code, which is loaded for them.
        """
        parts = self._records.ledger.named(self._action().inputs)
        return {name: self._decode(part) for name, part in parts.items()}

    def outputs(self) -> tuple[Any, ...]:
        """The outputs in order, `()` for a task that returns None; RunNotDoneError while there are none."""
        return tuple(self._outputs(self._action()))

    def io(self) -> dict[str, Any]:
        """Inputs and outputs in plain JSON terms, `{"inputs": {name: …}, "outputs": […]}`.

        Shows values without loading or running anything; `outputs` is empty when there are none.
        """
        action = self._action()
        return {"inputs": self._views(action.inputs), "outputs": list(self._views(action.outputs).values())}

    def _views(self, values: Values | None) -> dict[str, Any]:
        return {name: view(part) for name, part in self._records.ledger.named(values).items()}

    def _value(self, action: ActionRecord) -> Any:
        """The value returned, as the function returned it."""
        outputs = self._outputs(action)
        template = self._records.ledger.template(action.template)
        return self._records.code(template.bundle_digest).task(template).interface.unpack_outputs(outputs)

    def _outputs(self, action: ActionRecord) -> list[Any]:
        """The values of the outputs; raises what was recorded instead."""
        if action.failure is not None and action.phase is not Phase.ABORTED:
            raise revive(action.failure, self._resolve)
        if action.phase is Phase.ABORTED:
            raise RunAbortedError(self._label(), action.failure.message if action.failure else "")
        if action.outputs is None:
            raise RunNotDoneError(self._label(), action.phase)
        return [self._decode(part) for part in self._records.ledger.named(action.outputs).values()]

    def _resolve(self, module: str, qualname: str) -> Any:
        template = self._records.ledger.template(self._action().template)
        return self._records.code(template.bundle_digest).resolve(module, qualname)

    def _decode(self, data: bytes) -> Any:
        return decode(data, resolve=self._resolve, read_blob=self._records.ledger.blob)


class Run(_Recorded, Generic[T]):
    """One execution of a root task, live or long past.

    Got from `run`, `rerun`, `Run.get` or `Run.listall`. What can still change is read from the store each time.
    """

    def __init__(self, records: _Records, record: RunRecord) -> None:
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

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._fresh().phase.is_terminal

    @blocking_method
    async def wait(self) -> None:
        """Wait until it has ended; does not raise what it failed with. Awaitable as `run.wait.aio()`."""
        live = self._records.live(self._record.id)
        if live is not None:
            self._record = await wait_future(live)
        while not self.done():  # noqa: ASYNC110 - another process ends it, and it tells nobody
            await anyio.sleep(POLL)

    @blocking_method
    async def result(self) -> T:
        """Wait, then give what the root task returned, or raise what it failed with. Awaitable as `.aio()`."""
        await self.wait.aio()
        return cast(T, self._value(self._action()))

    @blocking_method
    async def abort(self, reason: str = "aborted by request") -> None:
        """Stop it and wait for its end; a run that has ended stays as it is. Awaitable as `.aio()`."""
        if self._records.stop(self._record.id, reason):
            await self.wait.aio()

    def actions(self) -> list[Action]:
        """Its recorded actions in the order in which they began; the first is `a0`."""
        return [Action(self, action) for action in self._records.ledger.actions(self._record.id)]

    def action(self, name: str = "a0") -> Action:
        """The action of that name; ActionNotFoundError with near matches."""
        return Action(self, self._records.ledger.action(self._record, name))

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


class Action(_Recorded):
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
        """Where it is in its life."""
        return self._action().phase

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
        """The actions that it called, in the order in which they began."""
        return [action for action in self._run.actions() if action.record.parent == self._record.seq]

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
