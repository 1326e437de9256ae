"""What an action sees and leaves of the process: environment variables, printed and logged text.

While runs are live, three things of the process are exchanged for ones that ask which action is current and fall
through to the original when there is none: the dictionary inside `os.environ`, `sys.stdout` and `sys.stderr`, and
`logging.Logger.callHandlers`. Handlers, levels and loggers are not touched. The last run to end puts everything
back, except a stream that somebody else has exchanged meanwhile.

Code that keeps its own reference to the old stream writes past the log; a thread that the user starts without
copying the context belongs to no action; a child process inherits the real environment only.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from dalsegno._context import current

_inside_logging: ContextVar[bool] = ContextVar("dalsegno_logging", default=False)
_lock = threading.Lock()
_live = 0
_undo: list[Any] = []
_formatter = logging.Formatter("%(levelname)s %(name)s: %(message)s")


@contextmanager
def captured() -> Iterator[None]:
    """Exchange the process's streams and environment for the length of the block; blocks may overlap."""
    global _live
    with _lock:
        _live += 1
        if _live == 1:
            _exchange()
    try:
        yield
    finally:
        with _lock:
            _live -= 1
            if _live == 0:
                while _undo:
                    _undo.pop()()


def _exchange() -> None:
    for name in ("stdout", "stderr"):
        original = getattr(sys, name)
        if original is not None:
            tee = _Tee(original, name)
            setattr(sys, name, tee)
            _undo.append(lambda name=name, tee=tee, original=original: _put_back(name, tee, original))

    variables: Any = os.environ
    data = variables._data
    variables._data = _Overlay(data, variables.encodekey, variables.encodevalue)
    _undo.append(lambda: setattr(variables, "_data", data))

    handle = logging.Logger.callHandlers
    logging.Logger.callHandlers = _capturing(handle)  # type: ignore[method-assign]  # the only hook around handlers
    _undo.append(lambda: setattr(logging.Logger, "callHandlers", handle))


def _put_back(name: str, tee: _Tee, original: TextIO) -> None:
    if getattr(sys, name) is tee:
        setattr(sys, name, original)


def _capturing(handle: Any) -> Any:
    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:
        action = current.get()
        if action is None:
            handle(self, record)
            return
        action.print("log", _formatter.format(record) + "\n")
        token = _inside_logging.set(True)
        try:
            handle(self, record)
        finally:
            _inside_logging.reset(token)

    return callHandlers


class _Tee:
    """A text stream that also gives what is written to the action that writes."""

    def __init__(self, original: TextIO, name: str) -> None:
        self._original = original
        self._name = name

    def write(self, text: str) -> int:
        action = current.get()
        if action is not None and text and not _inside_logging.get():
            action.print(self._name, text)
        return self._original.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _Overlay(MutableMapping[Any, Any]):
    """The dictionary inside `os.environ`, under the variables of the current action.

    Keys and values are in the encoding that `os.environ` keeps. A task that assigns one of the variables that its
    run sets changes it for that run; any other assignment goes to the process, as it would without us.
    """

    def __init__(self, base: MutableMapping[Any, Any], encode_key: Any, encode_value: Any) -> None:
        self._base = base
        self._key = encode_key
        self._value = encode_value

    def _run(self) -> dict[str, str]:
        action = current.get()
        return action.environ() if action is not None else {}

    def _merged(self) -> dict[Any, Any]:
        run = {self._key(key): self._value(value) for key, value in self._run().items()}
        return {**self._base, **run}

    def __getitem__(self, key: Any) -> Any:
        run = self._run()
        if run and (name := os.fsdecode(key)) in run:
            return self._value(run[name])
        return self._base[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        run = self._run()
        if run and (name := os.fsdecode(key)) in run:
            run[name] = os.fsdecode(value)
        else:
            self._base[key] = value

    def __delitem__(self, key: Any) -> None:
        run = self._run()
        if run and (name := os.fsdecode(key)) in run:
            del run[name]
        else:
            del self._base[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._merged())

    def __len__(self) -> int:
        return len(self._merged())

    def copy(self) -> dict[Any, Any]:
        return self._merged()
