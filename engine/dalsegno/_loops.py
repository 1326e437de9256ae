"""The event loop that the calling code runs in, asyncio's or trio's, and how another thread reaches it.

Nothing here imports asyncio or trio: a program that runs in one of them has it loaded already, and a command that only
reads a store needs neither.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Wait(Protocol):
    """One thing to be waited for; `done` may be called from any thread, once."""

    def done(self) -> None: ...

    def __await__(self) -> Generator[Any, None, None]: ...


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The asyncio loop that the calling thread is running, if any."""
    module = sys.modules.get("asyncio")
    loop: asyncio.AbstractEventLoop | None = None if module is None else module._get_running_loop()
    return loop


def in_trio() -> bool:
    """Whether the calling code runs in a trio loop."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def in_event_loop() -> bool:
    """Whether the calling thread is running an event loop right now."""
    return asyncio_loop() is not None or in_trio()


def is_cancellation(error: BaseException) -> bool:
    """Whether an exception says that the code was stopped from outside, by its event loop or by the keyboard."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    return (
        isinstance(error, (KeyboardInterrupt, GeneratorExit))
        or (asyncio is not None and isinstance(error, asyncio.CancelledError))
        or (trio is not None and isinstance(error, trio.Cancelled))
    )


def is_being_cancelled() -> bool:
    """Whether the running asyncio task has been told to stop; in trio, where nothing else cancels, always."""
    if asyncio_loop() is None:
        return True
    task = sys.modules["asyncio"].current_task()
    return task is not None and bool(task.cancelling())


def cancel_again() -> None:
    """Have the running task cancelled where it waits next, after it was cancelled and went on; trio does so by itself."""
    if asyncio_loop() is not None:
        task = sys.modules["asyncio"].current_task()
        if task is not None:
            task.cancel()


class AsyncioWait:
    """A wait in an asyncio loop."""

    __slots__ = ("future", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()

    def done(self) -> None:
        if asyncio_loop() is self.loop:  # another thread would have to wake it
            return self._resolve()
        try:
            self.loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:  # the loop has been closed: nobody waits any more
            return None

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def __await__(self) -> Generator[Any, None, None]:
        return self.future.__await__()


class TrioWait:
    """A wait in a trio loop."""

    __slots__ = ("event", "token")

    def __init__(self) -> None:
        trio = sys.modules["trio"]
        self.token = trio.lowlevel.current_trio_token()
        self.event = trio.Event()

    def done(self) -> None:
        try:
            self.token.run_sync_soon(self.event.set)
        except sys.modules["trio"].RunFinishedError:  # nobody waits any more
            return

    def __await__(self) -> Generator[Any, None, None]:
        done: Generator[Any, None, None] = self.event.wait().__await__()
        return done


def new_wait() -> Wait:
    """A wait for the loop that the caller runs in."""
    loop = asyncio_loop()
    return TrioWait() if loop is None else AsyncioWait(loop)


async def wait_future(future: Future[T]) -> T:
    """The result of a future that another thread sets; cancelling the wait leaves the future alone."""
    if not future.done():
        waiting = new_wait()
        future.add_done_callback(lambda _: waiting.done())
        await waiting
    return future.result()


class Home:
    """The loop that a run lives in, for its threads to send coroutines to."""

    __slots__ = ("_loop", "_token")

    def __init__(self) -> None:
        self._loop = asyncio_loop()
        self._token: Any = None if self._loop else sys.modules["trio"].lowlevel.current_trio_token()

    def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await `function()` in the loop and give its result; for threads other than the loop's own."""
        if self._loop is not None:

            async def call() -> T:
                return await function()

            import asyncio

            return asyncio.run_coroutine_threadsafe(call(), self._loop).result()
        result: T = sys.modules["trio"].from_thread.run(function, trio_token=self._token)
        return result

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have `function()` called in the loop soon; from any thread. A loop that has ended ignores it."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)
            else:
                self._token.run_sync_soon(function)
        except RuntimeError:
            return

    def is_here(self) -> bool:
        """Whether the caller runs in this very loop."""
        if self._loop is not None:
            return asyncio_loop() is self._loop
        return in_trio() and sys.modules["trio"].lowlevel.current_trio_token() is self._token
