"""Which action the calling code belongs to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from dalsegno.errors import InvalidNameError
from dalsegno.models import NOTHING

if TYPE_CHECKING:
    from dalsegno.task import Task

T = TypeVar("T")

__all__ = ["ActionContext", "TaskContext", "ctx", "current", "group"]


class ActionContext(NamedTuple):
    """Names the action that is running."""

    name: str
    run_name: str
    project: str
    domain: str


class TaskContext(NamedTuple):
    """What a running task can know about itself; false outside of a run.

    `run_start_time` is in nanoseconds since the epoch; `attempt_number` counts from 0; `group_data` is the
    innermost `group` with those around it, joined by "/", or "". `idempotency_key` is the same for every attempt of an
    action, and another one for every other action and rerun: hand it to services that do a thing once per key.
    """

    action: ActionContext | None = None
    attempt_number: int = 0
    run_start_time: int = 0
    mode: str = "local"
    group_data: str = ""
    idempotency_key: str = ""
    custom_context: Mapping[str, str] = NOTHING
    labels: Mapping[str, str] = NOTHING
    env_vars: Mapping[str, str] = NOTHING

    def __bool__(self) -> bool:
        return self.action is not None


class Caller(Protocol):
    """A running action, seen by the code that runs in it."""

    def call(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a sync task as a child in the calling thread."""

    def call_async(
        self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Coroutine[Any, Any, Any]:
        """Run a task as a child, a sync one in a worker thread."""

    def in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await `function()` in the run's event loop, from a thread of the action's."""

    def context(self, group: str) -> TaskContext:
        """What `ctx()` shows."""

    def print(self, stream: str, text: str) -> None:
        """Take a piece of the action's log."""

    def environ(self) -> dict[str, str]:
        """The environment variables that the action sees above the process's own.

        It may change them; one that it deletes keeps its key, with the value "\\0", and hides the process's.
        """


current: ContextVar[Caller | None] = ContextVar("dalsegno_action", default=None)
_group: ContextVar[str] = ContextVar("dalsegno_group", default="")


def current_group() -> str:
    """The group that a call made now belongs to."""
    return _group.get()


def ctx() -> TaskContext:
    """The context of the task that is running; false when none is."""
    action = current.get()
    return TaskContext() if action is None else action.context(_group.get())


def group(name: str) -> AbstractContextManager[None]:
    """Put the task calls made inside the block under a heading; groups nest.

    The group is part of an action's identity: the same call in another group is another action. Raises
    InvalidNameError at once if `name` is not text, or has lone surrogates and so cannot be recorded.
    """
    if not isinstance(name, str):
        raise InvalidNameError("group", repr(name), f"it is {type(name).__name__}, not text")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidNameError("group", name, "it is not valid Unicode text") from None
    return _grouped(name)


@contextmanager
def _grouped(name: str) -> Iterator[None]:
    outer = _group.get()
    token = _group.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        _group.reset(token)


class entered:
    """Make `action` the current one for the block, in no group."""

    __slots__ = ("_action", "_group_token", "_token")

    def __init__(self, action: Caller) -> None:
        self._action = action

    def __enter__(self) -> None:
        self._token = current.set(self._action)
        self._group_token = _group.set("")

    def __exit__(self, *raised: object) -> None:
        _group.reset(self._group_token)
        current.reset(self._token)
