"""`importlib` and `pkgutil` as recorded code sees them: names of its bundle mean its bundle.

The functions that take a module by name are wrapped; everything else is the real thing.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from types import ModuleType
from typing import Any, Protocol

_NAMED = {
    "importlib": {"import_module": 2},
    "importlib.util": {"find_spec": 2},
    "importlib.resources": dict.fromkeys(
        (
            "as_file",
            "contents",
            "files",
            "is_resource",
            "open_binary",
            "open_text",
            "path",
            "read_binary",
            "read_text",
        ),
        1,
    ),
    "pkgutil": {"get_data": 1, "resolve_name": 1},
}
"""By module and function, how many of the first arguments are names of modules."""

_KEYWORDS = frozenset({"name", "package", "anchor"})


class Translator(Protocol):
    """What a shim asks about names."""

    def actual(self, name: str) -> str:
        """The name in `sys.modules` for a name as recorded code writes it; ModuleNotFoundError if it may not have it."""

    def asking(self) -> AbstractContextManager[None]:
        """Imports in the block are made for the bundle."""

    @property
    def builtins(self) -> dict[str, Any]:
        """What the code runs with."""


class Shim(ModuleType):
    """Stands for a real module; what is not wrapped is looked up there when it is wanted."""

    def __init__(self, real: ModuleType, space: Translator) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update(_real=real, _space=space, _made={})

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["_real"], name)
        made, space = self.__dict__["_made"], self.__dict__["_space"]
        if isinstance(value, ModuleType) and value.__name__ in _NAMED:
            return made.setdefault(name, Shim(value, space))
        if (self.__name__, name) == ("importlib", "__import__"):
            return space.builtins["__import__"]
        count = _NAMED[self.__name__].get(name)
        return value if count is None else made.setdefault(name, _translating(value, space, count))

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_real"])


def is_shimmed(name: str) -> bool:
    """Whether recorded code gets a shim for this module."""
    return name in _NAMED


def _translating(function: Callable[..., Any], space: Translator, count: int) -> Callable[..., Any]:
    def translated(value: Any) -> Any:
        return space.actual(value) if isinstance(value, str) and not value.startswith(".") else value

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if not args and not options:
            # Since Python 3.12 `files()` means the caller's own package, which would be this one.
            args = (sys._getframe(1).f_globals["__name__"],)
        try:
            args = (*map(translated, args[:count]), *args[count:])
            options = {
                key: translated(value) if key in _KEYWORDS else value for key, value in options.items()
            }
        except ModuleNotFoundError:
            if function.__name__ == "find_spec":
                return None
            raise
        with space.asking():
            return function(*args, **options)

    return call
