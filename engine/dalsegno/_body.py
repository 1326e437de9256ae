"""Running a task's function: once, or as often as its retries allow, within its limits of time.

An async function runs in the caller's own event loop task, a sync one in a worker thread, or in the caller's thread when
that is a sync task itself. What cannot be stopped is left behind: when the thread of a sync function is out of time, the
action fails on time, and the thread can call no more tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import sleep, to_thread

from dalsegno._context import entered
from dalsegno._loops import is_cancellation
from dalsegno._retry import Limits
from dalsegno.errors import RunAbortedError, TaskTimeoutError

if TYPE_CHECKING:
    from dalsegno._puts import Outcome
    from dalsegno._runner import LiveAction


_FREE: nullcontext[None] = nullcontext()


async def run_body(action: LiveAction) -> Outcome:
    """The outcome of the function; it is also one when the function failed or was cancelled."""
    task = action.task
    try:
        if task.limits is not None:
            return await _in_time(action, task.limits)
        if not task.is_async:
            if task.by_place:  # a value, which takes no time
                return run_blocking(action)
            return await _in_thread(partial(run_blocking, action), _limiter(action))
    except BaseException as error:
        return action.failed(error)
    while True:
        try:
            return await _seated(action)
        except BaseException as error:
            wait = action.tried(error)
            if wait is None:
                return action.failed(error)
        if wait:
            try:
                await sleep(wait)
            except BaseException as error:
                return action.failed(error)


def run_blocking(action: LiveAction) -> Outcome:
    """The same for a sync function, in this thread."""
    while True:
        try:
            return _seated_blocking(action)
        except BaseException as error:
            wait = action.tried(error)
            if wait is None:
                return action.failed(error)
        if wait:
            try:
                action.in_loop(partial(sleep, wait))
            except BaseException as error:
                return action.failed(error)


async def _in_time(action: LiveAction, limits: Limits) -> Outcome:
    """The outcome of a function with limits of time; raises what cancels it from outside."""
    whole = anyio.CancelScope()
    with whole:
        end_after(whole, limits.deadline)
        while True:
            scope, limit = anyio.CancelScope(), "max_runtime"
            error: BaseException
            try:
                with scope:
                    end_after(scope, limits.max_queued_time)
                    limit = "max_queued_time"
                    async with _FREE if action.task.is_async else _limiter(action), action.seat or _FREE:
                        end_after(scope, limits.max_runtime)
                        limit = "max_runtime"
                        if action.task.is_async:
                            return await _attempt(action)
                        return await _in_thread(partial(_attempt_blocking, action), anyio.CapacityLimiter(1))
                error = _late(action, limits, limit)
            except BaseException as raised:
                if is_cancellation(raised):
                    raise
                error = raised
            wait = action.tried(error)
            if wait is None:
                return action.failed(error, timed_out=scope.cancelled_caught)
            await sleep(wait)
    return action.failed(_late(action, limits, "deadline"), timed_out=True)


def end_after(scope: anyio.CancelScope, seconds: float | None) -> None:
    """Have a block cancelled so many seconds from now, whatever was asked before; None for never.

    `dalsegno.testing.clock` puts another one here, and in the place of `sleep`.
    """
    scope.deadline = math.inf if seconds is None else anyio.current_time() + seconds


def _late(action: LiveAction, limits: Limits, limit: str) -> TaskTimeoutError:
    return TaskTimeoutError(action.task.name, limit, getattr(limits, limit))


async def _seated(action: LiveAction) -> Outcome:
    if action.seat is None:
        return await _attempt(action)
    async with action.seat:
        return await _attempt(action)


def _seated_blocking(action: LiveAction) -> Outcome:
    if action.seat is None:
        return _attempt_blocking(action)
    with action.seat:
        if action.finished:
            raise RunAbortedError(
                f"action {action.record.name!r}", "it was cancelled while it waited for its turn"
            )
        return _attempt_blocking(action)


async def _attempt(action: LiveAction) -> Outcome:
    with entered(action):
        return action.succeeded(await _function(action)(**action.own_values()))


def _attempt_blocking(action: LiveAction) -> Outcome:
    with entered(action):
        return action.succeeded(_function(action)(**action.own_values()))


def _function(action: LiveAction) -> Callable[..., Any]:
    code = action.run.code
    return code.body(action.task) if code.stubs else action.task.function


def _limiter(action: LiveAction) -> anyio.CapacityLimiter:
    # A thread that waits for its children's threads must not keep them from getting one.
    return anyio.CapacityLimiter(1) if action.in_thread else action.run.threads


async def _in_thread(function: Callable[[], Outcome], limiter: anyio.CapacityLimiter) -> Outcome:
    return await to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)
