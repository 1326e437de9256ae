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
from operator import is_
from pathlib import Path
from typing import Any

from dalsegno._module_names import recorded_module_name
from dalsegno._redaction import MASK
from dalsegno.codec import decode, encode
from dalsegno.errors import RecordedError
from dalsegno.models import Failure

__all__ = ["aborted", "failure_of", "interrupted", "is_interruption", "revive"]

TEXT_LIMIT = 64 << 10
"""Longer messages and tracebacks lose their middle; in characters."""

STATE_LIMIT = 64 << 10
"""An exception with a larger encoded state is recorded without what makes it large; in bytes."""

SLACK = 8 << 10
"""What is left of that for names and stand-ins when a state is put together from parts that fit."""

STAND_IN = 1000
"""How much a text that is too long has left of it, in characters."""

DEEPEST = 20
"""Texts that are nested deeper in what an exception holds are not looked at one by one."""

_OWN_FOLDER = f"{Path(__file__).parent}{os.sep}"

_INTERRUPTED = "dalsegno.errors:RunInterruptedError"

_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    OSError: ("errno", "strerror", "filename", "filename2"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
    SystemExit: ("code",),
}
"""What built-in classes keep beside their arguments and attributes."""


Redact = Callable[[str], str]


def aborted(reason: str) -> Failure:
    """The record of an action that was stopped from outside."""
    return Failure("dalsegno.errors:RunAbortedError", reason, "")


def interrupted() -> Failure:
    """The record of an attempt whose process ended before it did."""
    return Failure(_INTERRUPTED, "its process ended before it did", "")


def is_interruption(failure: Failure) -> bool:
    """Whether it is that record."""
    return failure.kind == _INTERRUPTED


def failure_of(error: BaseException, redact: Redact = str) -> Failure:
    """The record of an exception: class, message, traceback with source lines and causes, and its state.

    There is one for every exception, and it can always be stored: what cannot be had is said in its place, and so is what
    `redact` takes out of a text.
    """
    return Failure(
        _text("class", lambda: _name(type(error))),
        _text("message", lambda: redact(str(error))),
        _text("traceback", lambda: redact(_traceback(error))),
        _state(error, redact),
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


def _text(what: str, make: Callable[[], str]) -> str:
    """What `make` gives, as text of limited length that UTF-8 can say."""
    try:
        text = str.encode(make(), "utf-8", "backslashreplace").decode()
    except BaseException as broken:  # a class's own code, which may do anything
        text = f"<{type(broken).__name__} while making the {what}>"
    if len(text) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        text = f"{text[:half]}\n  … {len(text) - TEXT_LIMIT} characters left out …\n{text[-half:]}"
    return text


def _name(kind: type[BaseException]) -> str:
    return f"{recorded_module_name(kind.__module__)}:{kind.__qualname__}"


def _state(error: BaseException, redact: Redact) -> bytes:
    """The encoded parts of the exception; without those that cannot be encoded, are too large or secret, if there are any."""
    try:
        parts = _without(_parts(error, redact), redact)
        data = _encoded(parts)
        if data is None:
            data = _encoded(_lean(*parts))
        if data is not None and _shows(data, redact):  # it is in an object of a class
            data = _encoded(((redact(str(error)),), {}, {}, parts[3]))
    except Exception:  # properties of its class that fail
        data = None
    return data or b""


_Parts = tuple[tuple[object, ...], dict[str, object], dict[str, object], list[tuple[object, ...]]]


def _shows(data: bytes, redact: Redact) -> bool:
    """Whether encoded text has something that is not to be recorded."""
    text = data.decode("utf-8", "replace")
    return redact(text) != text


def _without(value: Any, redact: Redact, depth: int = 0) -> Any:
    """The same with its texts as they are to be recorded, as far as they are in plain containers; itself if it may stay."""
    kind = type(value)
    if kind is str:
        return redact(value)
    if depth > DEEPEST:
        return value
    if kind in (list, tuple, set, frozenset):
        items = [_without(item, redact, depth + 1) for item in value]
        return value if all(map(is_, items, value)) else kind(items)
    if kind is dict:
        new = {_without(key, redact): _named(key, item, redact, depth + 1) for key, item in value.items()}
        return value if all(map(is_, new.values(), value.values())) and [*new] == [*value] else new
    return value


def _named(name: object, value: object, redact: Redact, depth: int) -> object:
    """A value in a dict: its name may say that it is secret."""
    if type(name) is str and type(value) is str:
        beside = f"{name}={value!r}"
        if redact(beside) != beside:
            return redact(value) if redact(value) != value else MASK
    return _without(value, redact, depth)


def _parts(error: BaseException, redact: Redact) -> _Parts:
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
            inner = failure_of(member, redact)
            members.append((inner.kind, inner.message, "", inner.state))
    return args, dict(error.__dict__), fields, members


def _lean(
    args: tuple[object, ...],
    attributes: dict[str, object],
    fields: dict[str, object],
    members: list[tuple[object, ...]],
) -> _Parts:
    """The parts that fit, each by itself; an argument that does not leaves a text in its place."""
    room = STATE_LIMIT - SLACK

    def fits(value: object) -> bool:
        nonlocal room
        data = _encoded(value)
        if data is None or len(data) > room:
            return False
        room -= len(data)
        return True

    return (
        tuple(value if fits(value) else _stand_in(value) for value in args),
        {name: value for name, value in attributes.items() if fits(value)},
        {name: value for name, value in fields.items() if fits(value)},
        members,
    )


def _stand_in(value: object) -> str:
    if type(value) is str:  # what kept it out is its length
        return f"{value[:STAND_IN]} … {len(value) - STAND_IN} characters were not recorded"
    return f"<{type(value).__name__} that was not recorded>"


def _encoded(value: object) -> bytes | None:
    """The bytes of a value; None if there are none, or too many."""
    try:
        data = encode(value, module_name=recorded_module_name).data
    except Exception:  # not only EncodeError: the value is the user's, and so is the code that pickles it
        return None
    return data if len(data) <= STATE_LIMIT else None


def _traceback(error: BaseException) -> str:
    report = traceback.TracebackException.from_exception(error)
    _drop_own_frames(report)
    return "".join(report.format())


def _drop_own_frames(report: traceback.TracebackException) -> None:
    """Leave out the engine's frames, which say nothing about the user's error."""
    theirs = [frame for frame in report.stack if not frame.filename.startswith(_OWN_FOLDER)]
    if theirs:
        report.stack = traceback.StackSummary.from_list(theirs)
    for other in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if other is not None:
            _drop_own_frames(other)
