"""Traced functions: helpers of tasks whose calls are recorded too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

from dalsegno._context import current
from dalsegno.errors import TaskDefinitionError
from dalsegno.interface import Interface
from dalsegno.task import AsyncTask, SyncTask, Task, TaskEnvironment

__all__ = ["AsyncTrace", "SyncTrace", "trace"]

P = ParamSpec("P")
R = TypeVar("R")

_TRACES = TaskEnvironment("trace")


class SyncTrace(SyncTask[P, R]):
    """A traced plain function: its body runs in the thread that calls it, also in an async task."""

    is_trace = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        caller = current.get()
        if caller is None:
            return cast(R, self.function(*args, **kwargs))
        return cast(R, caller.call(self, args, kwargs))

    @classmethod
    def _made_again(
        cls, function: Callable[..., Any], environment: TaskEnvironment, settings: Mapping[str, Any]
    ) -> SyncTrace[Any, Any]:
        return cls(function, environment, _interface_of(function), settings)


class AsyncTrace(AsyncTask[P, R]):
    """A traced async function."""

    is_trace = True

    @classmethod
    def _made_again(
        cls, function: Callable[..., Any], environment: TaskEnvironment, settings: Mapping[str, Any]
    ) -> AsyncTrace[Any, Any]:
        return cls(function, environment, _interface_of(function), settings)


@overload
def trace(  # type: ignore[overload-overlap]  # a coroutine is an R too; the first match is meant
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTrace[P, R]: ...


@overload
def trace(function: Callable[P, R], /) -> SyncTrace[P, R]: ...


def trace(function: Callable[..., Any], /) -> Any:
    """Record the calls of a helper function: `@trace`.

    Called by a task, or by another traced function, each call is an action of its own below the caller's: with inputs,
    result or exception, log and code, to be shown, recovered, resumed and rerun like that of a task. It has no
    environment and no settings; it sees the variables of the task that calls it. Outside of a run it is the function.

    A plain function runs in the thread that calls it, be that an event loop's; `await helper.aio(...)` runs it in a worker
    thread. An async one runs in the caller's event loop task.

    Inputs and results cross the border as those of a task do: a value that can be changed is given as a copy. Parameters
    need no annotations. Raises TaskDefinitionError for what is no function, for generators, for methods, and for `*args`
    and `**kwargs`.
    """
    if isinstance(function, Task):
        raise TaskDefinitionError(f"{function.name} is recorded already; decorate the function once")
    if not inspect.isfunction(function):
        raise TaskDefinitionError(f"a traced function is made from a function, not from {function!r}")
    name = function.__qualname__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TaskDefinitionError(f"{name} is a generator; a traced function returns its result whole")
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is not None and first.name in ("self", "cls") and first.annotation is first.empty:
        raise TaskDefinitionError(
            f"{name} is a method, whose object would be a copy in every call; trace a function that takes what it needs"
        )
    kind = AsyncTrace if inspect.iscoroutinefunction(function) else SyncTrace
    return kind(function, _TRACES, _interface_of(function), {"trace": True})


def _interface_of(function: Callable[..., Any]) -> Interface:
    """The interface of a function of which not every parameter has to be annotated."""
    name = f"{_TRACES.name}.{function.__name__}"
    signature = inspect.signature(function)
    parameters = [
        each.replace(annotation=Any) if each.annotation is each.empty else each
        for each in signature.parameters.values()
    ]

    @wraps(function)
    def annotated() -> None: ...

    annotated.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what `inspect` asks for
    return Interface.of(annotated, name=name)
