"""The modules of one bundle, in `sys.modules` under their own names or behind a prefix, and what they may import."""

# ruff: noqa: PTH100, PTH120 - strings, as in the import system

import builtins
import importlib
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.machinery import ModuleSpec
from os.path import abspath, dirname
from pathlib import Path
from threading import RLock, local
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from dalsegno._module_names import private as recorded_names
from dalsegno.bundle._imports import absolute_names, scan
from dalsegno.bundle._module_loader import ModuleLoader
from dalsegno.bundle._modules import importable, is_ours
from dalsegno.bundle._roots import is_user_folder
from dalsegno.bundle._shims import Shim, is_shimmed
from dalsegno.bundle.disk import write_files
from dalsegno.bundle.model import Bundle, ReadBlob
from dalsegno.bundle.pickles import unpickle_function

if TYPE_CHECKING:
    from importlib.abc import Loader

_lock = RLock()


class _Asking(local):
    """Which space an import of this thread is made for."""

    space: "Space | None" = None


_asking = _Asking()


class Space:
    """The modules of one bundle. All content is read here and now, so the store may be closed afterwards."""

    def __init__(self, bundle: Bundle, read_blob: ReadBlob, *, private: bool) -> None:
        self.bundle = bundle
        self.prefix = f"_dalsegno_{bundle.short}" if private else ""
        self.label = f"<bundle {bundle.short}>"
        self.texts = {file.path: read_blob(file.blob) for file in bundle.files if file.path.endswith(".py")}
        self.modules = modules_of(bundle)
        self.tops = tops_of(self.modules)
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        self._data = {file.path: read_blob(file.blob) for file in bundle.files if file.path not in self.texts}
        self._place = str(self.folder) if self._data else self.label
        self._admitted: set[str] = set()
        self._checked_path = list(sys.path)
        self._ready: dict[str, ModuleType] = {}
        self._shims: dict[str, Shim] = {}

    @cached_property
    def folder(self) -> Path:
        """All files of the bundle on disk, private, gone when the space or the process is."""
        import tempfile

        with _lock:
            folder = tempfile.mkdtemp(prefix=f"dalsegno-{self.bundle.short}-")
            weakref.finalize(self, _remove, folder, os.getpid())
            write_files(self.bundle, self._contents().__getitem__, folder)
            return Path(folder)

    def behind_prefix(self) -> "Space":
        """The same code with a prefix."""
        return Space(self.bundle, self.content, private=True)

    def content(self, blob: bytes) -> bytes:
        """The bytes of the file with this digest."""
        return self._contents()[blob]

    def _contents(self) -> dict[bytes, bytes]:
        content = {**self.texts, **self._data}
        return {file.blob: content[file.path] for file in self.bundle.files}

    def module(self, name: str) -> ModuleType:
        """The module with this recorded name, imported now if need be."""
        found = self._ready.get(name)
        if found is None or sys.modules.get(found.__name__) is not found:
            with self.asking(), self._own_words():
                found = self._ready[name] = importlib.import_module(self.actual(name))
        return found

    def holds(self) -> bool:
        """Whether its names still mean this space: always with a prefix, else as long as nobody else provides them."""
        if self.prefix:
            return True
        loaders = [getattr(sys.modules[top], "__loader__", None) for top in self.tops if top in sys.modules]
        if not all(isinstance(loader, ModuleLoader) and loader.space is self for loader in loaders):
            return False
        if self._checked_path != sys.path:
            if any(importable(top) for top in self.tops if top not in sys.modules):
                return False
            self._checked_path = list(sys.path)
        return True

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Imports of this thread in the block are made for this space."""
        before, _asking.space = _asking.space, self
        try:
            yield
        finally:
            _asking.space = before

    def unpickle(self, data: bytes) -> Callable[..., object]:
        """The function that was pickled by value."""
        return unpickle_function(
            data,
            lambda module: self.module(module) if self.owns(module) else None,
            self.builtins,
        )

    def imports(self) -> tuple[str, ...]:
        """The top-level names that the code imports from elsewhere."""
        found: set[str] = set()
        for name, path in self.modules.items():
            if path is not None:
                package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
                for imported in scan(self.texts[path]).imports:
                    found.update(name for name in absolute_names(imported, package) if not self.owns(name))
        return tuple(sorted({name.partition(".")[0] for name in found} - sys.stdlib_module_names - self.tops))

    def owns(self, name: str) -> bool:
        """Whether this name, as recorded code writes it, can only mean the bundle.

        A top-level package without `__init__` may be continued in the environment.
        """
        if name in self.modules:
            return True
        top = name.partition(".")[0]
        return top in self.modules and self.modules[top] is not None

    def actual(self, name: str) -> str:
        """The name in `sys.modules`; ModuleNotFoundError when it is neither the bundle's nor the environment's."""
        if self.prefix and f"{name}.".startswith(f"{self.prefix}."):
            return name
        if not self.owns(name):
            self._admit(name)
            return name
        return f"{self.prefix}.{name}" if self.prefix else name

    def recorded(self, name: str) -> str:
        """The opposite of `actual`."""
        return name.removeprefix(f"{self.prefix}.") if self.prefix else name

    def spec(self, fullname: str) -> ModuleSpec | None:
        """How the import system is to make one of the modules; None when the bundle does not have it."""
        if fullname == self.prefix:
            return ModuleSpec(fullname, _loader(self, None), is_package=True)
        name = self.recorded(fullname)
        if name not in self.modules:
            return None
        path = self.modules[name]
        package = path is None or path.endswith("/__init__.py")
        place = None if path is None else f"{self._place}/{path}"
        spec = ModuleSpec(fullname, _loader(self, path), origin=place, is_package=package)
        spec.has_location = path is not None
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(f"{self.label}/{name.replace('.', '/')}")
        if self.prefix:
            recorded_names[fullname] = name
        return spec

    def is_meant(self, name: str) -> bool:
        """Whether an import of one of the names themselves is for the bundle and not for somebody's own package."""
        top, _, below = name.partition(".")
        if not below:
            return _asking.space is self
        loader = getattr(sys.modules.get(top), "__loader__", None)
        return isinstance(loader, ModuleLoader) and loader.space is self

    def children(self, folder: str) -> list[tuple[str, bool]]:
        """The modules right below a package's folder, and whether each is a package itself."""
        above = folder.removeprefix(self.label).strip("/").replace("/", ".")
        found = []
        for name, path in self.modules.items():
            parent, _, tail = name.rpartition(".")
            if parent == above and path is not None:
                found.append((tail, path.endswith("/__init__.py")))
        return sorted(found)

    @contextmanager
    def _own_words(self) -> Iterator[None]:
        """Say what is missing by the name that recorded code has for it."""
        try:
            yield
        except ModuleNotFoundError as error:
            if not self.prefix or not error.name or not error.name.startswith(f"{self.prefix}."):
                raise
            missing = self.recorded(error.name)
            raise ModuleNotFoundError(
                f"No module named {missing!r} in bundle {self.bundle.short}", name=missing
            ) from None

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` for the code in the bundle."""
        with self._own_words():
            if level:
                self._check_level(level, globals or {})
                return builtins.__import__(name, globals, locals, fromlist, level)
            actual = self.actual(name)
            if actual == name and not self.owns(name):
                module = builtins.__import__(name, globals, locals, fromlist, 0)
            else:
                with self.asking():
                    module = builtins.__import__(actual, globals, locals, fromlist, 0)
        if not fromlist and actual != name:
            return sys.modules[f"{self.prefix}.{name.partition('.')[0]}"]
        if is_shimmed(module.__name__):
            return self._shims.setdefault(module.__name__, Shim(module, self))
        return module

    def _check_level(self, level: int, namespace: Mapping[str, Any]) -> None:
        """Above the top-level package is nothing, although there is a prefix there."""
        package = namespace.get("__package__") or ""
        if self.prefix and level > package.count("."):
            raise ImportError("attempted relative import beyond top-level package")

    def _admit(self, name: str) -> None:
        """Refuse what would come from the caller's folders or from another bundle."""
        top = name.partition(".")[0]
        if top in self._admitted:
            return
        module = sys.modules.get(top)
        spec = importable(top) if module is None else None
        if module is not None:
            places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
            other = is_ours(getattr(module, "__loader__", None))
        else:
            places = [spec.origin if spec.has_location else None] if spec else []
            places += spec.submodule_search_locations or () if spec else ()
            other = False
        folders = [abspath(place) for place in places if place]
        own = bool(folders) and all(
            is_user_folder(dirname(place)) and is_user_folder(place) for place in folders
        )
        if other or own:
            raise ModuleNotFoundError(
                f"No module named {name!r} in bundle {self.bundle.short}: it was not recorded, and"
                f" {folders[0] if own else 'what is loaded'} is not an installed package",
                name=name,
            )
        self._admitted.add(top)


def modules_of(bundle: Bundle) -> dict[str, str | None]:
    """The path by module name; None for folders without `__init__`, which are packages too."""
    modules: dict[str, str | None] = {}
    for file in bundle.files:
        above = file.path.rpartition("/")[0]
        while above:
            modules.setdefault(above.replace("/", "."), None)
            above = above.rpartition("/")[0]
        if file.path.endswith("/__init__.py"):
            modules[file.path.removesuffix("/__init__.py").replace("/", ".")] = file.path
        elif file.path.endswith(".py"):
            name = file.path.removesuffix(".py").replace("/", ".")
            modules[name] = modules.get(name) or file.path
    return modules


def tops_of(modules: Iterable[str]) -> frozenset[str]:
    """The names among modules that have no package above them."""
    return frozenset(name for name in modules if "." not in name)


def _loader(space: Space, path: str | None) -> "Loader":
    # It has the methods but not the base class, whose module takes some milliseconds to import.
    return cast("Loader", ModuleLoader(space, path))


def _remove(folder: str, process: int) -> None:
    """A forked child must not remove what its parent still uses."""
    import shutil

    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
