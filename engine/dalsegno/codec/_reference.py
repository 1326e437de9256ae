"""Names for classes and functions: how they are written, and how they are found again."""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

from dalsegno.errors import DecodeError

from ._format import ModuleName

__all__ = ["FUNCTIONS", "Resolve", "default_resolve", "identity", "reference"]

Resolve = Callable[[str, str], Any]
"""Finds what a recorded (module, qualified name) stands for; raises DecodeError when it is not there."""

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)

_UNNAMED = {kind: name for name, kind in vars(types).items() if isinstance(kind, type)}


def identity(module: str) -> str:
    """Modules are recorded under the names that they have."""
    return module


def reference(thing: Any, module_name: ModuleName = identity) -> tuple[str, str] | None:
    """The recorded name of a class or function; None when it could not be found again under it."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if type(module) is not str or type(name) is not str:
        return None
    if _walk(sys.modules.get(module), name) is not thing:
        # NoneType and its like say that they are in builtins, but only `types` has them.
        if not isinstance(thing, type) or thing not in _UNNAMED:
            return None
        return "types", _UNNAMED[thing]
    recorded = module_name(_public(module, name, thing))
    # Another process has another __main__.
    return None if recorded is None or recorded == "__main__" else (recorded, name)


def _public(module: str, name: str, thing: Any) -> str:
    """The standard library moves its classes between private modules from one release to the next."""
    package, dot, _ = module.partition("._")
    if dot and package.partition(".")[0] in sys.stdlib_module_names:
        return package if _walk(sys.modules.get(package), name) is thing else module
    return module


def _walk(found: Any, name: str) -> Any:
    if "." not in name:
        return getattr(found, name, None)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def default_resolve(module: str, qualname: str) -> Any:
    """Import the module and walk the name; DecodeError names both when that fails."""
    found = sys.modules.get(module)
    if found is None:
        try:
            found = importlib.import_module(module)
        except Exception as error:
            raise DecodeError(
                f"{module}.{qualname} cannot be loaded: importing {module} failed: {error}"
            ) from error
    for part in qualname.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise DecodeError(
                f"{module}.{qualname} cannot be loaded: the module has no {qualname!r}"
            ) from None
    return found
