"""Functions that have no importable name, by value.

A function from a notebook, a shell, `python -c` or `exec`, and a function defined inside another one, is pickled
with the globals that it uses. What has an importable name in one of the user's files (also in the script that is
`__main__`) is only named in the pickle and comes from the bundle when it is loaded. Pickles depend on the Python
version and are no identity: the same function can give other bytes in another process.
"""

# ruff: noqa: PTH120 - strings, as in the import system

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import unwrap
from os.path import dirname
from types import FunctionType, ModuleType
from typing import Any, cast

from dalsegno.bundle._imports import absolute_names, code_imports
from dalsegno.bundle._modules import file_of, is_ours, main_name
from dalsegno.bundle._roots import is_user_folder
from dalsegno.errors import BundleCaptureError, BundleLoadError

__all__ = ["PickledFunction", "importable_name", "pickle_function", "unpickle_function"]


@dataclass(frozen=True, slots=True)
class PickledFunction:
    """A function by value, and the modules that it names or imports, under their recorded names."""

    data: bytes
    modules: tuple[str, ...]


def importable_name(function: object) -> tuple[str, str] | None:
    """The recorded module and qualified name under which a function can be had again, None when it has none.

    Lambdas and functions inside functions have none, nor has anything whose module was not loaded from a file.
    """
    module_name, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module_name, str) or not isinstance(name, str) or "<" in name:
        return None
    module = sys.modules.get(module_name)
    if module is None:
        return None
    recorded = _recorded_name(module)
    code = getattr(unwrap(cast("Callable[..., object]", function)), "__code__", None)
    typed_in = code is not None and code.co_filename.startswith("<") and not is_ours(module.__loader__)
    return None if recorded is None or typed_in or lookup(function) is None else (recorded, name)


def pickle_function(function: object) -> PickledFunction:
    """The function by value; BundleCaptureError when something that it uses cannot be pickled."""
    from dalsegno.bundle._pickling import Pickler

    buffer = io.BytesIO()
    pickler = Pickler(buffer)
    try:
        pickler.dump(function)
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        raise BundleCaptureError(
            f"function {name} has no importable name and cannot be pickled: {type(error).__name__}: {error};"
            " move it into a module"
        ) from error
    return PickledFunction(buffer.getvalue(), tuple(sorted(pickler.modules)))


def unpickle_function(
    data: bytes, module: Callable[[str], ModuleType | None], builtins: dict[str, Any]
) -> Callable[..., object]:
    """The function that was pickled.

    `module` gives the modules of the bundle by recorded name, None for other names, which come from the
    environment. `builtins` are what its code runs with, so that its own imports go through the bundle too.
    """
    from dalsegno.bundle._pickling import Unpickler

    function: Callable[..., object] = Unpickler(io.BytesIO(data), module, builtins).load()
    return function


def bundle_module(name: str) -> ModuleType:
    """Stands in pickles for a module of the bundle; only `unpickle_function` knows which one that is."""
    raise BundleLoadError(name, "its pickle was loaded outside of its bundle")


def bundle_object(module: str, name: str) -> object:
    """Stands in pickles for something in a module of the bundle, by qualified name."""
    raise BundleLoadError(module, "its pickle was loaded outside of its bundle")


def _recorded_name(module: ModuleType) -> str | None:
    """The name under which a module is recorded or installed; None when it was not loaded from anything."""
    loader = getattr(module, "__loader__", None)
    if is_ours(loader):
        return cast("str", cast("Any", loader).recorded_name(module.__name__))
    if module is sys.modules.get("__main__"):
        return main_name()
    return module.__name__ if getattr(module, "__spec__", None) is not None else None


def user_name(module: ModuleType) -> str | None:
    """The recorded name of a module of the user's, None for other modules."""
    if module is not sys.modules.get("__main__") and not is_ours(getattr(module, "__loader__", None)):
        file = file_of(module)
        folders = [dirname(file)] if file else list(getattr(module, "__path__", ()))
        if not any(map(is_user_folder, folders)):
            return None
    return _recorded_name(module)


def lookup(thing: object) -> object:
    """What is found now under the module and qualified name that a function or class carries."""
    found: object = sys.modules.get(getattr(thing, "__module__", ""))
    for part in getattr(thing, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found


def imported_by(function: FunctionType) -> Iterator[str]:
    package = function.__globals__.get("__package__") or ""
    for found in code_imports(function.__code__):
        yield from absolute_names(found, package)
