"""The two ends of a pickle. Apart from `pickles`, because cloudpickle takes a third of the time that importing all
of dalsegno may take.
"""

import io
import pickle
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from dalsegno.bundle import pickles
from dalsegno.bundle.pickles import (
    bundle_module,
    bundle_object,
    importable_name,
    imported_by,
    lookup,
    user_name,
)
from dalsegno.errors import BundleLoadError


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no annotations
    """Names what the user's files hold instead of copying it, and notes the modules."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, ModuleType):
            name = user_name(obj)
            if name is not None:
                self.modules.add(name)
                return bundle_module, (name,)
        elif isinstance(obj, (type, FunctionType)):
            place = importable_name(obj)
            by_name = place is not None and lookup(obj) is obj
            if place is not None and by_name and user_name(sys.modules[obj.__module__]) is not None:
                self.modules.add(place[0])
                return bundle_object, place
            if isinstance(obj, FunctionType) and not by_name:
                self.modules.update(imported_by(obj))
        return super().reducer_override(obj)


class Unpickler(pickle.Unpickler):
    """Takes modules from a bundle, and gives the functions that it makes the builtins of the bundle."""

    def __init__(
        self, file: io.BytesIO, module: Callable[[str], ModuleType | None], builtins: dict[str, Any]
    ) -> None:
        super().__init__(file)
        self._module = module
        self._builtins = builtins

    def find_class(self, module_name: str, name: str) -> Any:
        if module_name == pickles.__name__ and name == "bundle_module":
            return self._required
        if module_name == pickles.__name__ and name == "bundle_object":
            return self._named
        if module_name == "cloudpickle.cloudpickle" and name == "_make_function":
            return self._make_function
        if self._module(module_name) is not None:
            return self._named(module_name, name)
        return super().find_class(module_name, name)

    def _required(self, name: str) -> ModuleType:
        found = self._module(name)
        if found is None:
            raise BundleLoadError(name, "the bundle does not have it")
        return found

    def _named(self, module_name: str, name: str) -> object:
        found: object = self._required(module_name)
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def _make_function(
        self, code: CodeType, namespace: dict[str, Any], name: str, defaults: Any, closure: Any
    ) -> FunctionType:
        namespace["__builtins__"] = self._builtins
        return FunctionType(code, namespace, name, defaults, closure)
