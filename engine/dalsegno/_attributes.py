"""What a program has set on functions and classes, beyond what their text says.

A function or class among the inputs counts with the code that its text reaches. When a program sets `f.n = 5` or
`Config.rate = 2` before it passes them on, the text says nothing of it, so that counts as well:

- every attribute of a function, but those that `functools` sets
- of a class and its bases, attributes that the class body does not bind, unless a metaclass may have made them, and those
  that the body binds once, to a literal, and that have another value now

Where nothing was set there is nothing, so a class that is not loaded counts like one that nobody has touched. What
the body binds to anything but a literal is not compared with it.
"""

from __future__ import annotations

import ast
import secrets
import warnings
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from operator import is_
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import msgpack

from dalsegno._module_names import recorded_module_name
from dalsegno.closure.values import set_on
from dalsegno.codec import encode
from dalsegno.errors import EncodeError

if TYPE_CHECKING:
    from dalsegno.bundle import LoadedBundle

__all__ = ["Attributes"]

_MISSING, _UNTOLD = object(), object()
_METACLASSES = (type, ABCMeta)
_UNCHANGING = frozenset({type(None), bool, int, float, complex, str, bytes})
_OF_TUPLES = frozenset({"_field_defaults", "_fields"})


class Attributes:
    """Looks at functions and classes; `text` gives the text of the user's modules by recorded name, b"" for others."""

    def __init__(self, text: Callable[[str], bytes]) -> None:
        self._text = text
        self._bodies: dict[tuple[str, str], dict[str, object]] = {}
        self._looks: dict[type, tuple[tuple[str, ...], list[object], list[tuple[str, object]]]] = {}
        """Classes without attributes that may have changed in themselves, as they were when last looked at."""

    def encoded(self, names: Iterable[tuple[str, str]], loaded: LoadedBundle) -> bytes:
        """What is set on the things of these recorded names in a bundle, as bytes; never equal where a value has none."""
        found = b""
        for module, qualname in names:
            for home in loaded.loaded(module) if loaded.bundle.has_module(module) else ():
                for name, value in self.of(home, qualname):
                    try:
                        data, opaque, _, _ = encode(value, module_name=recorded_module_name)
                    except EncodeError:
                        data, opaque = b"", True
                    found += msgpack.packb([module, name, secrets.token_bytes(16) if opaque else data])
        return found

    def of(self, home: ModuleType, qualname: str) -> Iterator[tuple[str, object]]:
        """What is set on something in a loaded module: names and values."""
        thing: Any = home
        for part in qualname.split("."):
            thing = vars(thing).get(part) if isinstance(thing, (ModuleType, type)) else None
        if isinstance(thing, FunctionType):
            yield from set_on(thing)
        elif isinstance(thing, type) and not issubclass(thing, Enum):
            for above in thing.__mro__[:-1]:
                names, values = tuple(vars(above)), list(vars(above).values())
                look = self._looks.get(above)
                if look is None or look[0] != names or not all(map(is_, look[1], values)):
                    found = list(self._of_class(above))
                    look = names, values, found
                    if all(type(value) in _UNCHANGING for _, value in set_on(above)):
                        self._looks[above] = look
                yield from look[2]

    def _of_class(self, kind: type) -> Iterator[tuple[str, object]]:
        body = self._body(recorded_module_name(kind.__module__), kind.__qualname__)
        for name, value in set_on(kind) if body else ():
            written = body.get(name, _MISSING)
            if name in _OF_TUPLES:
                continue
            if type(kind) in _METACLASSES if written is _MISSING else not _is_same(written, value):
                yield f"{kind.__qualname__}.{name}", value

    def _body(self, module: str, qualname: str) -> dict[str, object]:
        """What the body of a class binds its names to; empty when it cannot be seen."""
        key = (module, qualname)
        if key not in self._bodies:
            text = self._text(module)
            self._bodies[key] = _body(text, qualname) if text else {}
        return self._bodies[key]


def _is_same(written: object, value: object) -> bool:
    try:
        return written is _UNTOLD or (type(written) is type(value) and repr(written) == repr(value))
    except Exception:  # whatever is in a container
        return False


def _body(text: bytes, qualname: str) -> dict[str, object]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            statements = ast.parse(text).body
    except (SyntaxError, SystemError, ValueError, RecursionError, MemoryError):
        return {}
    for part in qualname.split("."):
        found = [each for each in statements if isinstance(each, ast.ClassDef) and each.name == part]
        if len(found) != 1:
            return {}
        statements = found[0].body
    names: dict[str, object] = {"__module__": _UNTOLD}
    for statement in statements:
        for name, value in _bound(statement):
            names[name] = _UNTOLD if name in names else value
    return names


def _bound(statement: ast.stmt) -> Iterator[tuple[str, object]]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, _UNTOLD
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            try:
                yield name, ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                yield name, _UNTOLD
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (((each.asname or each.name).partition(".")[0], _UNTOLD) for each in aliases)
        case ast.AnnAssign():
            pass
        case _:
            for each in ast.walk(statement):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield each.id, _UNTOLD
