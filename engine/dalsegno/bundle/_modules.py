"""The user's modules: where each comes from, found without importing anything.

A module that is loaded is where it was loaded from; a submodule is looked for in the folders of its package; a
top-level name is asked of the importers of this process, import hooks of editable installs included.

What is recorded for a loaded module is the text that it was loaded from (`_loaded`), for any other that of its file.
"""

# ruff: noqa: PTH100, PTH116, PTH118, PTH120 - strings: Paths would double the cost

import os
import sys
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from os.path import abspath, dirname, join, realpath
from pathlib import Path
from types import ModuleType

from dalsegno.bundle._bytecode import refresh
from dalsegno.bundle._files import Identity, SourceText, listing, source_text
from dalsegno.bundle._loaded import State, loaded_text
from dalsegno.bundle._roots import is_user_folder, root_of


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A user's module: its recorded name and path, its file, its source root, the folders of its submodules."""

    name: str
    path: str
    file: str
    root: str
    folders: tuple[str, ...] | None
    text: SourceText
    state: State

    @property
    def package(self) -> str:
        """The package that relative imports in it start from."""
        return self.name if self.folders is not None else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Namespace:
    """A package without a file of its own."""

    folders: tuple[str, ...]


_mains: dict[str, tuple[object, object, str | None]] = {}


def path_of(name: str, *, package: bool) -> str:
    """The path under which a module is recorded."""
    return name.replace(".", "/") + ("/__init__.py" if package else ".py")


def file_of(module: object) -> str | None:
    """The Python file that a module says it was loaded from, absolute; None when it names none."""
    file = getattr(module, "__dict__", {}).get("__file__")
    return abspath(file) if isinstance(file, str) and file.endswith(".py") else None


def is_user_module(name: str) -> bool:
    """Whether a loaded module comes from one of the user's files."""
    file = file_of(sys.modules.get(name))
    return file is not None and is_user_folder(dirname(file))


def main_name() -> str | None:
    """The recorded name of `__main__`: its spec's name under `python -m`, else the name of its file.

    None when it has no file of the user's: a notebook, a shell, `python -c`, an installed program.
    """
    module = sys.modules.get("__main__")
    known = _mains.get("__main__")
    stated = getattr(module, "__file__", None)
    if known is None or known[0] is not module or known[1] != stated:
        known = _mains["__main__"] = (module, stated, _main_name(module))
    return known[2]


def live_module(name: str) -> ModuleType | None:
    """The loaded module whose recorded name this is."""
    module = sys.modules["__main__"] if name == main_name() else sys.modules.get(name)
    return module if isinstance(module, ModuleType) else None


def importable(name: str) -> ModuleSpec | None:
    """What the importers of this process, dalsegno's own left out, would load for a top-level name."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is None or is_ours(finder):
            continue
        with suppress(ImportError, ValueError):
            spec: ModuleSpec | None = find(name, None)
            if spec is not None:
                return spec
    return None


def is_ours(thing: object) -> bool:
    """Whether an importer or module loader is one of dalsegno's, so that what it gives comes from a bundle."""
    return type(thing).__module__.startswith("dalsegno.")


class Finder:
    """Finds modules by recorded name; remembers what it found and which folders it looked into."""

    def __init__(self, exclude: AbstractSet[Identity] = frozenset()) -> None:
        self.looked_into: set[str] = set()
        self._exclude = exclude
        self._found: dict[str, Source | Namespace | None] = {}
        self._excluded: dict[str, bool] = {}

    def find(self, name: str) -> Source | Namespace | None:
        """The module of that name, None when it is not the user's or does not exist."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> Source | Namespace | None:
        module = live_module(name)
        if module is not None and (module.__name__ == name or name == main_name()):
            file = _main_file(module) if name == main_name() else file_of(module)
            folders = vars(module).get("__path__")  # a module's own `__getattr__` may give anything
            if file is not None:
                return self._source(name, file, None if folders is None else tuple(folders), module)
            if folders is None or is_ours(getattr(module, "__loader__", None)):
                return None
            return self._namespace(folders)
        parent, _, tail = name.rpartition(".")
        if not parent:
            return self._top(name)
        above = self.find(parent)
        if above is None or above.folders is None:
            return None
        portions = []
        for folder in above.folders:
            names = self.names(folder)
            inside = join(folder, tail)
            if tail in names and "__init__.py" in self.names(inside):
                return self._source(name, join(inside, "__init__.py"), (inside,), None)
            if f"{tail}.py" in names:
                return self._source(name, f"{inside}.py", None, None)
            if tail in names:
                portions.append(inside)
        return self._namespace(portions)

    def _top(self, name: str) -> Source | Namespace | None:
        spec = importable(name) if name else None
        if spec is None:
            return None
        folders = spec.submodule_search_locations
        if spec.has_location and spec.origin and spec.origin.endswith(".py"):
            return self._source(name, abspath(spec.origin), None if folders is None else tuple(folders), None)
        return self._namespace(folders or ())

    def _source(
        self, name: str, file: str, folders: tuple[str, ...] | None, module: ModuleType | None
    ) -> Source | None:
        folder = dirname(file)
        if not is_user_folder(folder) or self.is_excluded(folder) or self.is_excluded(file):
            return None
        path = path_of(name, package=folders is not None)
        root = root_of(file, path)
        self.looked_into.update((root, folder, *(folders or ())))
        text: SourceText | None
        state: State
        if module is None:
            refresh(file)
            text, state = source_text(file), "unloaded"
        else:
            text, state = loaded_text(name, module, file)
        return Source(name, path, file, root, folders, text, state) if text else None

    def _namespace(self, folders: Iterable[str]) -> Namespace | None:
        own = tuple(folder for folder in map(abspath, folders) if is_user_folder(folder))
        return Namespace(own) if own else None

    def names(self, folder: str) -> frozenset[str]:
        """The names of the Python files and folders in a folder."""
        self.looked_into.add(folder)
        return listing(folder)

    def is_excluded(self, path: str) -> bool:
        """Whether a path, or a folder that it is in, is one of the excluded; opens nothing."""
        if not self._exclude:
            return False
        known = self._excluded.get(path)
        if known is None:
            with suppress(OSError):
                status = os.stat(path)
                known = (status.st_dev, status.st_ino) in self._exclude
            above = dirname(path)
            known = bool(known) or (above != path and self.is_excluded(above))
            self._excluded[path] = known
        return known


def _main_name(module: object) -> str | None:
    spec = getattr(module, "__spec__", None)
    file = _main_file(module)
    if file is None or not is_user_folder(dirname(file)):
        return None
    name: str = spec.name if spec is not None else Path(file).stem
    return None if spec is None and "." in name else name


def _main_file(module: object) -> str | None:
    """The file of `__main__`; a script's is where Python's own `sys.path[0]` says: links followed."""
    file = file_of(module)
    return realpath(file) if file and getattr(module, "__spec__", None) is None else file
