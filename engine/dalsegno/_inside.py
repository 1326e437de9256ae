"""What running code sees of its action, and leaves there: context, variables, log."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from dalsegno._context import ActionContext, TaskContext
from dalsegno._live import LiveRun
from dalsegno._logs import ActionLog
from dalsegno._secrets import of_inputs
from dalsegno.models import ActionRecord
from dalsegno.observers import notify
from dalsegno.task import Task

T = TypeVar("T")

_making = threading.Lock()
"""Held while an action's log or environment is made, which two of its threads may want at once."""


class Inside:
    """An action from inside."""

    __slots__ = ("_environ", "log", "parent", "record", "revealed", "run", "seat", "task", "values")

    def __init__(
        self,
        run: LiveRun,
        task: Task[Any, Any],
        record: ActionRecord,
        parent: Inside | None,
        values: dict[str, Any] | None,
    ) -> None:
        self.run = run
        self.task = task
        self.record = record
        """The action as it stands: running, in its newest attempt."""
        self.parent = parent
        self.values = values
        """The inputs; None where the body is to get what was recorded."""
        self.revealed: tuple[str, ...] = ()
        """Secrets among the inputs that were recorded."""
        self.seat = run.seat(task)
        self.log: ActionLog | None = None
        self._environ: dict[str, str] | None = None

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
            env_vars=self.run.variables,
        )

    def environ(self) -> dict[str, str]:
        owner = self.owner()
        if owner is not self:
            return owner.environ()
        with _making:
            if self._environ is None:
                self._environ = {**self.task.variables, **self.run.variables}
            return self._environ

    def print(self, stream: str, text: str) -> None:
        if self.log is None:
            self.note()
            with _making:
                if self.log is None:
                    redact = partial(self.run.secrets, more=self._secrets())
                    where = self.record.run_id, self.record.seq
                    # What an attempt before this one printed is kept, also where that was in another process.
                    first = 0 if self.record.attempts == 1 else self.run.ledger.next_log_number(*where)
                    self.log = ActionLog(
                        self.run.ledger.notes(where[0]), *where, redact, self.run.log_limit, first
                    )
        self.log.add(stream, text, self.record.attempts)
        if self.run.observers:
            notify(self.run.observers, "logged", self.run.record, self.record, stream, text)

    def _secrets(self) -> list[str]:
        """What this action and those above it were given that is secret."""
        found: list[str] = []
        action: Inside | None = self
        while action is not None:
            found += [*of_inputs(action.values or {}), *action.revealed]
            variables = action.task.variables
            found += [
                value for name, value in variables.items() if self.run.secrets.redactor.hides(name, value)
            ]
            action = action.parent
        return found

    def redacted(self, text: str) -> str:
        """A text as it is recorded."""
        return self.run.secrets(text, self._secrets())

    def in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.run.in_loop(function)

    @abstractmethod
    def note(self) -> None:
        """Have it recorded that the action runs, before anything that belongs to it is."""

    def owner(self) -> Inside:
        """The action whose variables the code sees: this one, for a traced function that of the task that called it."""
        action = self
        while action.task.is_trace and action.parent is not None:
            action = action.parent
        return action
