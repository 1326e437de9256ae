"""Exceptions as they are recorded, and back.

A recorded exception keeps its class, arguments and attributes, so that `except ValueError` works as well on a
replayed failure as on a fresh one. It is brought back without calling the class's own `__init__`, which may want
other arguments than the ones it handed on.
"""

from __future__ import annotations

import builtins
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dalsegno.bundle import recorded_module_name
from dalsegno.codec import decode, encode
from dalsegno.errors import DalsegnoError, RecordedError
from dalsegno.models import Failure

__all__ = ["failure_of", "revive"]

TEXT_LIMIT = 64 << 10
"""Longer tracebacks lose their middle."""

_OWN_FOLDER = f"{Path(__file__).parent}{os.sep}"

_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    OSError: ("errno", "strerror", "filename", "filename2"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
    SystemExit: ("code",),
}
"""What built-in classes keep beside their arguments and attributes."""


def failure_of(error: BaseException) -> Failure:
    """The record of an exception: class, message, traceback with source lines and causes, and its state."""
    kind = type(error)
    try:
        state = encode(_state(error), module_name=recorded_module_name).data
    except DalsegnoError:
        state = b""
    try:
        message = str(error)
    except Exception as broken:  # a class may have a __str__ that fails
        message = f"<{type(broken).__name__} while making the message>"
    return Failure(
        f"{recorded_module_name(kind.__module__)}:{kind.__qualname__}", message, _text(error), state
    )


def revive(failure: Failure, resolve: Callable[[str, str], Any]) -> BaseException:
    """The exception again, of its own class where that can be had, a RecordedError where not.

    `resolve` gives the object for a module and a qualified name. Runs recorded code.
    """
    module, _, qualname = failure.kind.partition(":")
    try:
        kind = resolve(module, qualname)
        args, attributes, fields, members = decode(failure.state, resolve=resolve)
        if not issubclass(kind, BaseException):
            raise TypeError(failure.kind)
        if members:
            args = (args[0], [revive(Failure(*member), resolve) for member in members])
        error: BaseException
        if kind.__module__ == builtins.__name__:
            error = kind(*args)
        else:
            error = kind.__new__(kind, *args)
            error.args = args
        error.__dict__.update(attributes)
        for name, value in fields.items():
            setattr(error, name, value)
    except Exception:  # whatever is missing or broken, the recorded text still tells what happened
        error = RecordedError(failure.kind.replace(":", "."), failure.message)
    return error


def _state(error: BaseException) -> tuple[object, ...]:
    """All that makes the exception: arguments, attributes, fields of built-in classes, members of a group."""
    fields = {
        name: value
        for kind, names in _FIELDS.items()
        if isinstance(error, kind)
        for name in names
        if (value := getattr(error, name)) is not None
    }
    args: tuple[object, ...] = error.args
    members: list[tuple[object, ...]] = []
    if isinstance(error, BaseExceptionGroup):
        args = args[:1]
        for member in error.exceptions:
            inner = failure_of(member)
            members.append((inner.kind, inner.message, "", inner.state))
    return args, dict(error.__dict__), fields, members


def _text(error: BaseException) -> str:
    report = traceback.TracebackException.from_exception(error)
    _drop_own_frames(report)
    text = "".join(report.format())
    if len(text) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        text = f"{text[:half]}\n  … {len(text) - TEXT_LIMIT} characters left out …\n{text[-half:]}"
    return text


def _drop_own_frames(report: traceback.TracebackException) -> None:
    """Leave out the engine's frames, which say nothing about the user's error."""
    theirs = [frame for frame in report.stack if not frame.filename.startswith(_OWN_FOLDER)]
    if theirs:
        report.stack = traceback.StackSummary.from_list(theirs)
    for other in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if other is not None:
            _drop_own_frames(other)
