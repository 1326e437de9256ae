"""The import system's side of loading: modules made from a bundle, and what the code in them may import.

A `Space` is the modules of one bundle, in `sys.modules` under their own names or behind a prefix. One importer at
the head of `sys.meta_path` serves all spaces; it only knows names that belong to one, so it costs other
imports a dictionary lookup. The locks of the import system make concurrent imports safe.
"""

# ruff: noqa: PTH100, PTH120 - strings, as in the import system

import builtins
import importlib
import linecache
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from os.path import abspath, dirname
from pathlib import Path
from threading import RLock, local
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from dalsegno.bundle._imports import absolute_names, scan
from dalsegno.bundle._modules import importable, is_ours
from dalsegno.bundle._roots import is_user_folder
from dalsegno.bundle._shims import Shim, is_shimmed
from dalsegno.bundle.disk import write_files
from dalsegno.bundle.model import Bundle, ReadBlob
from dalsegno.bundle.pickles import unpickle_function

if TYPE_CHECKING:
    from importlib.abc import Loader  # which takes some milliseconds to import

    from dalsegno.bundle._resources import BundleResources

recorded_names: dict[str, str] = {}
"""Recorded name by name in `sys.modules`, for the modules that have a prefix."""

_spaces: dict[str, "Space"] = {}
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
        self.pickles = {pickle.name: read_blob(pickle.blob) for pickle in bundle.pickles}
        self.modules = modules_of(bundle)
        self.tops = tops_of(self.modules)
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        self._data = {file.path: read_blob(file.blob) for file in bundle.files if file.path not in self.texts}
        self._place = str(self.folder) if self._data else self.label
        self._admitted: set[str] = set()
        self._checked_path = list(sys.path)
        self._shims: dict[str, Shim] = {}

    @cached_property
    def folder(self) -> Path:
        """All files of the bundle on disk, private, gone when the space or the process is."""
        import tempfile

        with _lock:
            folder = tempfile.mkdtemp(prefix=f"dalsegno-{self.bundle.short}-")
            weakref.finalize(self, _remove, folder, os.getpid())
            content = {**self.texts, **self._data}
            blobs = {file.blob: content[file.path] for file in self.bundle.files}
            write_files(self.bundle, blobs.__getitem__, folder)
            return Path(folder)

    def behind_prefix(self) -> "Space":
        """The same code with a prefix."""
        return Space(self.bundle, self.content, private=True)

    def content(self, blob: bytes) -> bytes:
        """The bytes of the file or pickle with this digest."""
        content = {**self.texts, **self._data}
        found = {file.blob: content[file.path] for file in self.bundle.files}
        found.update((pickle.blob, self.pickles[pickle.name]) for pickle in self.bundle.pickles)
        return found[blob]

    def module(self, name: str) -> ModuleType:
        """The module with this recorded name, imported now if need be."""
        with self._asking(), self._own_words():
            return importlib.import_module(self.actual(name))

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
    def _asking(self) -> Iterator[None]:
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
            return ModuleSpec(fullname, ModuleLoader(self, None), is_package=True)
        name = self.recorded(fullname)
        if name not in self.modules:
            return None
        path = self.modules[name]
        package = path is None or path.endswith("/__init__.py")
        place = None if path is None else f"{self._place}/{path}"
        spec = ModuleSpec(
            fullname, cast("Loader", ModuleLoader(self, path)), origin=place, is_package=package
        )
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
                with self._asking():
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


class ModuleLoader:
    """Makes one module of a space; `path` is None for a package without a file."""

    def __init__(self, space: Space, path: str | None) -> None:
        self.space = space
        self.path = path

    def recorded_name(self, fullname: str) -> str:
        """The name of the module in the bundle."""
        return self.space.recorded(fullname)

    def create_module(self, spec: ModuleSpec) -> None:
        """The import system makes the module object."""

    def is_package(self, fullname: str) -> bool:
        """Whether the module may have submodules."""
        return self.path is None or self.path.endswith("/__init__.py")

    def get_source(self, fullname: str) -> str | None:
        """The text, for `inspect` and tracebacks."""
        return None if self.path is None else decode_source(self.space.texts[self.path])

    def get_code(self, fullname: str) -> CodeType | None:
        """The compiled text."""
        if self.path is None:
            return None
        return compile(
            self.space.texts[self.path], f"{self.space.label}/{self.path}", "exec", dont_inherit=True
        )

    def get_data(self, path: str) -> bytes:
        """The bytes of a file of the bundle, by a path that starts like the module's `__file__`."""
        for start in (self.space.label, str(self.space.folder)):
            if path.startswith(f"{start}/"):
                return (self.space.folder / path.removeprefix(f"{start}/")).read_bytes()
        raise FileNotFoundError(path)

    def get_resource_reader(self, fullname: str) -> "BundleResources":
        """What `importlib.resources` asks for the files of a package."""
        from dalsegno.bundle._resources import BundleResources

        below = self.recorded_name(fullname).replace(".", "/")
        return BundleResources(lambda: self.space.folder / below)

    def exec_module(self, module: ModuleType) -> None:
        """Run the text in the module."""
        namespace = vars(module)
        namespace["__builtins__"] = self.space.builtins
        code = self.get_code(module.__name__)
        if code is not None:
            linecache.lazycache(code.co_filename, namespace)
            exec(code, namespace)


class BundleFinder:
    """Gives the modules of all spaces."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is in a space."""
        space = _spaces.get(fullname.partition(".")[0])
        if space is None or not (space.prefix or space.is_meant(fullname)):
            return None
        return space.spec(fullname)


class FolderLister:
    """What `pkgutil` asks for the modules in a package of a bundle."""

    def __init__(self, path: str) -> None:
        spaces = [space for space in _spaces.values() if path.startswith(f"{space.label}/")]
        if not spaces:
            raise ImportError(path)
        self._space, self._path = spaces[0], path

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Never anything: `BundleFinder` was asked before."""
        return None

    def iter_modules(self, prefix: str = "") -> list[tuple[str, bool]]:
        """The names with a prefix put before them, and which of them are packages."""
        return [(prefix + name, package) for name, package in self._space.children(self._path)]


_finder = BundleFinder()


def open_space(space: Space) -> None:
    """Let the modules of a space be imported."""
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
            sys.path_hooks.append(FolderLister)
        _spaces.update(dict.fromkeys([space.prefix] if space.prefix else space.tops, space))


def close_space(space: Space) -> None:
    """Forget the modules of a space; objects that were made from them live on."""
    with _lock:
        for name in [name for name, owner in _spaces.items() if owner is space]:
            del _spaces[name]
        for name, module in sys.modules.copy().items():
            loader = getattr(module, "__loader__", None)
            if isinstance(loader, ModuleLoader) and loader.space is space:
                del sys.modules[name]
                recorded_names.pop(name, None)
        for place in [name for name in sys.path_importer_cache if name.startswith(space.label)]:
            del sys.path_importer_cache[place]
        for file in [name for name in linecache.cache if name.startswith(space.label)]:
            del linecache.cache[file]


def space_of(name: str) -> Space | None:
    """The space that a loaded module is in, None for modules that are not from a bundle."""
    loader = getattr(sys.modules.get(name), "__loader__", None)
    return loader.space if isinstance(loader, ModuleLoader) else None


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


def _remove(folder: str, process: int) -> None:
    """A forked child must not remove what its parent still uses."""
    import shutil

    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
