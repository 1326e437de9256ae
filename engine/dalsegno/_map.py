"""Many calls of one task, as a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import anyio

from dalsegno._context import current, group
from dalsegno._loops import in_event_loop, is_cancellation
from dalsegno.errors import RunAbortedError, SyncTaskCallInAsyncContextError
from dalsegno.task import Task

__all__ = ["map"]


class _Map:
    """Call a task with the elements of one or more iterables, concurrently, as the built-in `map` does in turn.

    In a sync task `map(task, xs, ys)` iterates over the results in order; in an async one write
    `async for result in map.aio(task, xs, ys)`. `concurrency` bounds how many run at once, 0 being no bound.
    With `return_exceptions` a failed call gives its exception in place of a result; without, the first failure in
    order is raised. The calls are in a group of their own, named `group_name` or after the task.
    """

    def __call__(
        self,
        task: Task[..., Any],
        *iterables: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> Iterator[Any]:
        caller = current.get()
        if caller is None:
            return _plain(task, zip(*iterables, strict=False), return_exceptions)
        if in_event_loop():
            raise SyncTaskCallInAsyncContextError("map")
        return iter(
            caller.in_loop(lambda: _results(task, iterables, group_name, concurrency, return_exceptions))
        )

    async def aio(
        self,
        task: Task[..., Any],
        *iterables: Iterable[Any],
        group_name: str | None = None,
        concurrency: int = 0,
        return_exceptions: bool = True,
    ) -> AsyncIterator[Any]:
        """The same in async code."""
        for result in await _results(task, iterables, group_name, concurrency, return_exceptions):
            yield result


map = _Map()


def _plain(task: Task[..., Any], calls: Iterable[tuple[Any, ...]], return_exceptions: bool) -> Iterator[Any]:
    """The calls outside of a run, in turn."""
    for args in calls:
        try:
            yield task.function(*args)
        except Exception as error:
            if not return_exceptions:
                raise
            yield error


async def _results(
    task: Task[..., Any],
    iterables: tuple[Iterable[Any], ...],
    group_name: str | None,
    concurrency: int,
    return_exceptions: bool,
) -> list[Any]:
    calls = list(zip(*iterables, strict=False))
    results: list[Any] = [None] * len(calls)
    bound = anyio.Semaphore(concurrency) if concurrency > 0 else None

    async def one(index: int, args: tuple[Any, ...]) -> None:
        try:
            if bound is None:
                results[index] = await task.aio(*args)
            else:
                async with bound:
                    results[index] = await task.aio(*args)
        except Exception as error:
            results[index] = error
            failed.add(index)
        except BaseException as error:
            if not is_cancellation(error):
                raise
            # A call that was stopped by itself must not pass for a result; when everything is being stopped, the
            # code that waits for the group is too.
            results[index] = RunAbortedError(f"call {index} of map", type(error).__name__)
            failed.add(index)

    failed: set[int] = set()
    with group(group_name or task.short_name):
        async with anyio.create_task_group() as tasks:
            for index, args in enumerate(calls):
                tasks.start_soon(one, index, args)
    if failed and not return_exceptions:
        raise results[min(failed)]
    return results
