"""Reading the store beside the event loop that serves all pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import to_thread

P = ParamSpec("P")
T = TypeVar("T")


async def beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function that blocks gives, called in a worker thread."""
    return await to_thread.run_sync(partial(function, *args, **kwargs))
