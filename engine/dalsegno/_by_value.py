"""The closure of a task that has no source in the bundle: its code objects, and the values that it captures."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from types import ModuleType
from typing import Any, TypeVar

from dalsegno.bundle import (
    Bundle,
    importable_name,
    is_user_module,
    live_module,
    lookup,
    recorded_module_name,
)
from dalsegno.closure import Closure, Symbol, Widening
from dalsegno.closure.values import Static, function_digest
from dalsegno.codec import encode
from dalsegno.models import ClassCode
from dalsegno.task import Task

__all__ = ["closure_by_value"]

T = TypeVar("T")


def closure_by_value(
    task: Task[Any, Any],
    bundle: Bundle,
    *,
    reach: Callable[[str, str], Closure],
    class_code: Callable[[tuple[tuple[str, str], ...]], ClassCode | None],
) -> Closure:
    """What the task reaches. `reach` gives the closure of a name in a module of the user's, `class_code` the code of the
    classes and functions in a value."""
    names = _Names(reach)

    def encoded(value: object) -> tuple[bytes, bool]:
        found = encode(value, module_name=recorded_module_name)
        code = class_code(found.classes)
        return found.data + (b"" if code is None else code.digest), found.opaque

    found = function_digest(
        task.function,
        importable=names.importable,
        is_user=lambda name: bundle.has_module(recorded_module_name(name)) or is_user_module(name),
        static=names.static,
        encode=encoded,
        unwrap=lambda thing: thing.function if isinstance(thing, Task) else thing,
        module=names.loaded,
    )
    module, name = recorded_module_name(task.module), task.qualname
    digest = secrets.token_bytes(16) if found.opaque else found.digest[:16]
    own = Symbol(module, f"{name} by value", digest)
    others = list(names.closures.values())
    return Closure(
        module,
        name,
        symbols=tuple(sorted({own, *chain.from_iterable(each.symbols for each in others)})),
        packages=_merged(found.packages, (each.packages for each in others)),
        files=_merged(_data(bundle), (each.files for each in others)),
        environ=_merged(found.environ, (each.environ for each in others)),
        widened=_merged(
            tuple(Widening(module, what, "value", reason) for what, reason in found.widened),
            (each.widened for each in others),
        ),
    )


def _data(bundle: Bundle) -> tuple[tuple[str, bytes], ...]:
    """All data files, since nobody has looked which of them such a task reads."""
    return tuple((each.path, each.blob) for each in bundle.files if not each.path.endswith(".py"))


class _Names:
    """The names of one task's surroundings, which may be those of recorded code that is loaded behind a prefix."""

    def __init__(self, reach: Callable[[str, str], Closure]) -> None:
        self.closures: dict[tuple[str, str], Closure] = {}
        self._reach = reach
        self._prefixes: set[str] = set()

    def importable(self, thing: Any) -> tuple[str, str] | None:
        """The recorded name of exactly this thing."""
        if lookup(thing) is not thing:
            return None
        self._recorded(thing.__module__)
        return importable_name(thing)

    def static(self, module: str, qualname: str) -> Static:
        """What a name reaches by its text."""
        found = self.closures[module, qualname] = self._reach(self._recorded(module), qualname)
        return Static(found.digest, [symbol[:2] for symbol in found.symbols])

    def loaded(self, module: str) -> ModuleType | None:
        """The module with a recorded name that the task has to do with."""
        for prefix in self._prefixes:
            if prefix + module in sys.modules:
                return sys.modules[prefix + module]
        return live_module(module)

    def _recorded(self, module: str) -> str:
        recorded = recorded_module_name(module)
        if module.endswith(f".{recorded}"):
            self._prefixes.add(module.removesuffix(recorded))
        return recorded


def _merged(first: tuple[T, ...], more: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    found: list[Any] = sorted({*first, *chain.from_iterable(more)})
    return tuple(found)
