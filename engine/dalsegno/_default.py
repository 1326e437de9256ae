"""The engine behind the module-level functions: one per process, opened at first use in a thread of its own.

It is closed, after the runs that are still live have ended, when the interpreter exits.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from dalsegno._context import current
from dalsegno._logs import LOG_LIMIT
from dalsegno._loops import wait_future
from dalsegno._redaction import Redact
from dalsegno.config import Config, find_config, read_config
from dalsegno.engine import Engine
from dalsegno.errors import UsageError
from dalsegno.settings import Durability

T = TypeVar("T")

_logger = logging.getLogger("dalsegno")

_lock = threading.RLock()
_stack: ExitStack | None = None
_portal: Any = None
_engine: Engine | None = None
_config: Config | None = None
_overrides: dict[str, Any] = {}
_is_fixed = False
_left_behind: list[object] = []


def init(
    store: str | Path | None = None,
    *,
    project: str | None = None,
    domain: str | None = None,
    durability: Durability = "full",
    redact: Redact = True,
    log_limit: int = LOG_LIMIT,
) -> None:
    """Choose the store, project and domain of the default engine; without this the configuration decides.

    `redact` and `log_limit` are those of `Engine`.

    An engine that is open already is closed first, which waits for its live runs; inside a task that is a UsageError.
    Code that is loaded for a rerun may call this at its top level: the engine that loads it stays as it is.
    """
    if not _may_change():
        return
    close()
    global _config
    config = find_config(store=store)
    with _lock:
        _config = Config(config.store, project or config.project, domain or config.domain)
        _overrides.update(durability=durability, redact=redact, log_limit=log_limit)


def init_from_config(path: str | Path | None = None) -> None:
    """The same from a TOML file with a `[tool.dalsegno]` table; without a path, from where the code runs."""
    if not _may_change():
        return
    close()
    global _config
    config = find_config() if path is None else read_config(path)
    with _lock:
        _config = config
        _overrides.clear()


def close() -> None:
    """Wait for the live runs of the default engine and close it; the next use opens it again."""
    global _stack, _portal, _engine
    with _lock:
        stack, _stack = _stack, None
    if stack is None:
        return
    try:
        stack.close()  # a task that starts a run meanwhile still finds this engine
    finally:
        with _lock:
            _portal = _engine = None


@contextmanager
def instead(store: str | Path, **options: Any) -> Iterator[Engine]:
    """Another default engine for the block, which `init` leaves as it is; afterwards the one before is used again.

    `options` are those of `Engine`. Leaving the block waits for the live runs of that engine.
    """
    global _stack, _portal, _engine, _config, _overrides, _is_fixed
    with _lock:
        before = _stack, _portal, _engine, _config, _overrides, _is_fixed
        _stack = _portal = _engine = None
        found = find_config(store=store)
        project, domain = options.pop("project", None), options.pop("domain", None)
        _config = Config(found.store, project or found.project, domain or found.domain)
        _overrides, _is_fixed = options, True
    try:
        yield default_engine()
    finally:
        try:
            close()
        finally:
            with _lock:
                _stack, _portal, _engine, _config, _overrides, _is_fixed = before


def _may_change() -> bool:
    """Whether the default engine may be exchanged from where the caller is."""
    if _is_fixed:
        _logger.warning("init() is ignored while a test has an engine of its own")
        return False
    if _engine is not None and _engine.is_here():
        _logger.warning("init() is ignored in code that the engine is loading or running")
        return False
    if current.get() is not None:
        raise UsageError(
            "init() was called inside a task, which the engine would wait for; call it before the run"
        )
    return True


def portal() -> Any:
    """The way into the event loop of the default engine's thread."""
    _open()
    return _portal


def default_engine() -> Engine:
    """The default engine, open."""
    return _open()


async def in_portal(function: Callable[[], Awaitable[T]]) -> T:
    """Await `function()` in the default engine's event loop, from any other."""
    engine = default_engine()
    if engine.is_here():
        return await function()
    result: T = await wait_future(portal().start_task_soon(function))
    return result


def _open() -> Engine:
    global _stack, _portal, _engine
    with _lock:
        if _engine is None:
            from anyio.from_thread import start_blocking_portal

            _close_at_exit()
            config = _config or find_config()
            stack = ExitStack()
            try:
                _portal = stack.enter_context(start_blocking_portal("asyncio"))
                engine = Engine(config.store, project=config.project, domain=config.domain, **_overrides)
                opened: AbstractContextManager[Engine] = _portal.wrap_async_context_manager(engine)
                _engine = stack.enter_context(opened)
            except BaseException:
                stack.close()
                _portal = None
                raise
            _stack = stack
        return _engine


@cache
def _close_at_exit() -> None:
    """Close when the interpreter exits, before it shuts down the thread pools that live runs may be using.

    `atexit` would come after that. What was registered last is called first, and the pools register when imported.
    """
    import concurrent.futures.thread  # noqa: F401 - registers before us

    getattr(threading, "_register_atexit", atexit.register)(close)


def _forget() -> None:
    """In a forked child the engine's threads are gone, so it is put aside, neither used nor closed."""
    global _stack, _portal, _engine, _lock
    _lock = threading.RLock()
    if _portal is not None:
        with suppress(RuntimeError, StopIteration):  # else whoever clears it away waits for the thread
            _portal.stop().send(None)
        _left_behind.append((_stack, _portal, _engine))
    _stack = _portal = _engine = None


os.register_at_fork(after_in_child=_forget)
