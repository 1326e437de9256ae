"""Which text a loaded module was made from: that is recorded, for that is what runs.

The first time that a module is seen, its file is taken for that text if it did not change since the process started, and
was not loaded from a bytecode cache of another text. Where it changed later, its text has to compile to what can still
be seen of the module: the bytecode that Python kept, the code of every function, the constants that are bound to a name
once. From then on the text is kept for as long as the module stays the same: an edit of the file alone changes nothing,
`importlib.reload` (which gives a module a new spec) does. A module whose text cannot be known that way is "stale": the
file is recorded and the caller is told.

What is loaded by import hooks of others is not compared with its file, since they may load what they like.
"""

# ruff: noqa: PTH116, PTH108 - strings: Paths would double the cost

import dis
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from inspect import unwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Literal

from dalsegno.bundle._bytecode import cached_code, may_be_outdated
from dalsegno.bundle._files import SourceText, is_current, source_text
from dalsegno.errors import BundleCaptureError

__all__ = ["State", "loaded_text"]

State = Literal["loaded", "edited", "stale", "unloaded"]
"""How the recorded text of a module stands to the process: loaded from it; loaded from it, but the file was edited
since; loaded, perhaps from another text; not loaded."""

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})


@dataclass(frozen=True, slots=True, eq=False)
class _Pin:
    module: ModuleType
    spec: ModuleSpec | None
    file: str
    text: SourceText | None


_pins: dict[str, _Pin] = {}


def loaded_text(name: str, module: ModuleType, file: str) -> tuple[SourceText | None, State]:
    """The text that a loaded module was made from, as well as it can be known; None when there is no file."""
    spec = getattr(module, "__spec__", None)
    pin = _pins.get(name)
    known = pin is not None and pin.module is module and pin.spec is spec and pin.file == file
    if known and pin is not None and pin.text is not None:
        return pin.text, "loaded" if is_current(file, pin.text) else "edited"
    try:
        text = source_text(file)
    except BundleCaptureError:
        return None, "stale"
    if known:  # once it is not known, it never will be
        return text, "stale"
    was_loaded = _was_loaded_from(module, spec, file, text.text)
    _pins[name] = _Pin(module, spec, file, text if was_loaded else None)
    return text, "loaded" if was_loaded else "stale"


def _was_loaded_from(module: ModuleType, spec: ModuleSpec | None, file: str, text: bytes) -> bool:
    if type(getattr(module, "__loader__", None)) is not SourceFileLoader:
        return True
    status = os.stat(file)
    is_old = max(status.st_mtime_ns, status.st_ctime_ns) < _PROCESS_START
    cached = spec.cached if spec is not None else None
    suspicious = cached is not None and may_be_outdated(file, cached)
    if is_old and not suspicious:
        return True
    try:
        code = compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    kept = cached_code(file, cached) if cached is not None else None
    if kept is not None and kept.code != code:
        if kept.is_taken and cached is not None:
            with suppress(OSError):
                os.unlink(cached)  # so that the next process loads the file
            return False
        if not is_old and not sys.dont_write_bytecode:
            return False
    return is_old or _is_made_from(module, file, code)


def _is_made_from(module: ModuleType, file: str, code: CodeType) -> bool:
    """Whether the functions and constants in a module are those of its code."""
    defined = list(_codes(code))
    bodies: dict[str, list[CodeType]] = {}
    for each in defined:
        bodies.setdefault(each.co_qualname, []).append(each)
    functions = set(defined)
    return (
        all(live in functions for live in _live_codes(module, file))
        and _has_constants(vars(module), code)
        and all(
            len(bodies.get(kind.__qualname__, ())) != 1
            or _has_constants(vars(kind), bodies[kind.__qualname__][0])
            for kind in vars(module).values()
            if isinstance(kind, type) and kind.__module__ == module.__name__
        )
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _live_codes(module: ModuleType, file: str) -> Iterator[CodeType]:
    """The code of the functions and methods in a module that came from its file."""
    values = list(vars(module).values())
    for value in [
        *values,
        *(part for kind in values if isinstance(kind, type) for part in vars(kind).values()),
    ]:
        with suppress(Exception):  # whatever a user's object does when it is looked at
            function = unwrap(value)
            if isinstance(function, FunctionType) and function.__code__.co_filename == file:
                yield function.__code__


def _has_constants(namespace: Mapping[str, Any], code: CodeType) -> bool:
    """Whether the names that code binds once, to a constant, have that value."""
    bound: Counter[str] = Counter()
    constants: dict[str, object] = {}
    before: dis.Instruction | None = None
    for each in dis.get_instructions(code):
        if each.opname in ("STORE_NAME", "DELETE_NAME"):
            bound[each.argval] += 1
            if before is not None and before.opname.startswith(("LOAD_CONST", "LOAD_SMALL_INT")):
                constants[each.argval] = before.argval
        before = each
    elsewhere = {
        each.argval
        for inner in _codes(code)
        for each in dis.get_instructions(inner)
        if each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")
    }
    return all(
        (type(live), repr(live)) == (type(value), repr(value))
        for name, value in constants.items()
        if bound[name] == 1
        and name not in elsewhere
        and type(live := namespace.get(name, ...)) in _SCALARS
        and type(value) in _SCALARS
    )


def _process_start() -> int:
    """When this process started, in nanoseconds since the epoch and a little early; 0 where that cannot be told."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return 0
    return time.time_ns() - age - 50_000_000


_PROCESS_START = _process_start()
