"""One adapter that gives an async function a blocking form: `f(...)` blocks, `await f.aio(...)` does not.

Functions run in the event loop of the default engine's own thread, methods in that of the engine they belong to.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from dalsegno._loops import Home
from dalsegno.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Owner")


def block(function: Callable[[], Awaitable[R]]) -> R:
    """Await `function()` in the default engine's event loop and give its result to this thread."""
    from dalsegno._default import default_engine, portal

    loader = sys.modules.get("dalsegno.bundle._module_loader")
    if loader is not None and (module := loader.being_imported()):
        raise UsageError(
            f"{module} waits for a run while it is imported from the recorded code, and the run would wait for that import; "
            'put what starts runs below `if __name__ == "__main__":`'
        )
    if default_engine().is_here():
        raise UsageError(
            "the blocking form would stop the engine's own event loop; write `await ….aio(...)` in async tasks"
        )
    result: R = portal().call(function)
    return result


class Owner(Protocol):
    """Something that lives in an engine."""

    @property
    def home(self) -> Home:
        """The engine's event loop."""


class Blocking(Generic[P, R]):
    """An async method with a blocking form, which runs in the event loop of the engine that the object belongs to."""

    def __init__(self, function: Callable[P, Awaitable[R]], owner: Owner) -> None:
        self._function = function
        self._owner = owner

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        home = self._owner.home
        if home.is_here():
            raise UsageError(
                "the blocking form would stop the event loop that the run needs; write `await ….aio(...)` here"
            )
        return home.run(lambda: self._function(*args, **kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The awaitable form."""
        return await self._function(*args, **kwargs)


class blocking_method(Generic[S, P, R]):
    """The same for a method."""

    def __init__(self, function: Callable[Concatenate[S, P], Awaitable[R]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> blocking_method[S, P, R]: ...

    @overload
    def __get__(self, instance: S, owner: type) -> Blocking[P, R]: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        bound: Any = self._function.__get__(instance, owner)
        return Blocking(bound, instance)
