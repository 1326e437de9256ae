"""What an action sees and leaves of the process: environment variables, printed and logged text.

While runs are live, three things of the process are exchanged for ones that ask which action is current and fall
through to the original when there is none: the dictionary inside `os.environ`, `sys.stdout` and `sys.stderr`, and
`logging.Logger.callHandlers`. Handlers, levels and loggers are not touched. The last run to end puts everything
back, except a stream that somebody else has exchanged meanwhile; a stream of ours that turns up later only forwards.

The original always comes first, and what goes wrong with recording never reaches the code that prints or logs: it
may be a task left behind by a run whose engine is closed, a signal handler, or an object that prints when it is
collected, while this thread is recording. In a forked child everything is put back at once and nothing is recorded.

Code that keeps its own reference to the old stream writes past the log; a thread that the user starts without
copying the context belongs to no action; a child process inherits the real environment only.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TextIO

from dalsegno._context import Caller, current

_recording: ContextVar[bool] = ContextVar("dalsegno_recording", default=False)
_inside_logging: ContextVar[bool] = ContextVar("dalsegno_logging", default=False)

_lock = threading.Lock()
_live: set[object] = set()
_undo: list[Any] = []
_formatter = logging.Formatter("%(levelname)s %(name)s: %(message)s")


@contextmanager
def captured() -> Iterator[None]:
    """Exchange the process's streams and environment for the length of the block; blocks may overlap."""
    block = object()
    with _lock:
        if not _live:
            _exchange()
        _live.add(block)
    try:
        yield
    finally:
        with _lock:
            if block in _live:  # not so in a forked child
                _live.remove(block)
                if not _live:
                    _put_all_back()


def _exchange() -> None:
    for name in ("stdout", "stderr"):
        original = getattr(sys, name)
        if isinstance(original, _Tee):  # an earlier run's, which somebody had put aside
            original = original.original
        if original is not None:
            tee = _Tee(original, name)
            setattr(sys, name, tee)
            _undo.append(lambda name=name, tee=tee: _put_back(name, tee))

    variables: Any = os.environ
    overlay = _Overlay(variables._data, variables.encodekey, variables.encodevalue)
    variables._data = overlay
    _undo.append(lambda: _put_variables_back(variables, overlay))

    handle = logging.Logger.callHandlers
    logging.Logger.callHandlers = _capturing(handle)  # type: ignore[method-assign]  # the only hook around handlers
    _undo.append(lambda: setattr(logging.Logger, "callHandlers", handle))


def _put_all_back() -> None:
    while _undo:
        _undo.pop()()


def _put_back(name: str, tee: _Tee) -> None:
    tee.live = False
    if getattr(sys, name) is tee:
        setattr(sys, name, tee.original)


def _put_variables_back(variables: Any, overlay: _Overlay) -> None:
    variables._data = overlay.base
    for key in overlay.touched:
        if key in overlay.base:
            os.putenv(key, overlay.base[key])
        else:
            os.unsetenv(key)


def _forget() -> None:
    """A forked child executes no run; another thread of its parent may have held the lock."""
    global _lock
    _lock = threading.Lock()
    _live.clear()
    _put_all_back()


os.register_at_fork(after_in_child=_forget)


def _action() -> Caller | None:
    """The current action, unless no run is live in this process."""
    return current.get() if _live else None


def _record(action: Caller, stream: str, text: str) -> None:
    if _recording.get():
        return
    token = _recording.set(True)
    try:
        # The action's engine may be closed and its store full; who prints can do nothing about it.
        with suppress(Exception):
            if text:
                action.print(stream, text)
    finally:
        _recording.reset(token)


def _capturing(handle: Any) -> Any:
    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:
        action = _action()
        if action is None:
            handle(self, record)
            return
        _record(action, "log", _line(record))
        token = _inside_logging.set(True)
        try:
            handle(self, record)
        finally:
            _inside_logging.reset(token)

    return callHandlers


def _line(record: logging.LogRecord) -> str:
    """The record as a line of text; message and arguments side by side where they do not fit each other."""
    try:
        return _formatter.format(record) + "\n"
    except Exception:  # the arguments are the user's, and so is their formatting
        start = f"{record.levelname} {record.name}: "
        try:
            return f"{start}{record.msg!r} {record.args!r}\n"
        except Exception as broken:
            return f"{start}<{type(broken).__name__} while making the message>\n"


class _Tee:
    """A text stream that also gives what is written to the action that writes."""

    def __init__(self, original: TextIO, name: str) -> None:
        self.original = original
        self.live = True
        self._name = name

    def write(self, text: str) -> int:
        written = self.original.write(text)
        if self.live and isinstance(text, str):
            action = _action()
            if action is not None and not _inside_logging.get():
                _record(action, self._name, text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


DELETED = "\0"
"""Marks a variable of its run that an action has deleted; no variable can have this value."""


class _Overlay(MutableMapping[Any, Any]):
    """The dictionary inside `os.environ`, under the variables of the current action.

    Keys and values are in the encoding that `os.environ` keeps. A task that assigns or deletes one of the variables
    that its run sets does so for its action; any other change goes to the process, as it would without us.

    `os.environ` changes the C environment before it comes here, so what child processes inherit is changed with the
    action's own variables too; `touched` has those, to be made right when the last run ends.
    """

    def __init__(self, base: MutableMapping[Any, Any], encode_key: Any, encode_value: Any) -> None:
        self.base = base
        self.touched: set[Any] = set()
        self._key = encode_key
        self._value = encode_value

    def _run(self) -> dict[str, str]:
        action = _action()
        return action.environ() if action is not None else {}

    def _merged(self) -> dict[Any, Any]:
        merged = {**self.base}
        for name, value in self._run().items():
            if value == DELETED:
                merged.pop(self._key(name), None)
            else:
                merged[self._key(name)] = self._value(value)
        return merged

    def __getitem__(self, key: Any) -> Any:
        run = self._run()
        if not run or (name := os.fsdecode(key)) not in run:
            return self.base[key]
        if run[name] == DELETED:
            raise KeyError(key)
        return self._value(run[name])

    def __setitem__(self, key: Any, value: Any) -> None:
        run = self._run()
        if run and (name := os.fsdecode(key)) in run:
            self.touched.add(key)
            run[name] = os.fsdecode(value)
        else:
            self.base[key] = value

    def __delitem__(self, key: Any) -> None:
        run = self._run()
        if not run or (name := os.fsdecode(key)) not in run:
            del self.base[key]
            return
        self.touched.add(key)
        if run[name] == DELETED:
            raise KeyError(key)
        run[name] = DELETED

    def __iter__(self) -> Iterator[Any]:
        return iter(self._merged())

    def __len__(self) -> int:
        return len(self._merged())

    def copy(self) -> dict[Any, Any]:
        return self._merged()
