"""Where the import system meets the bundles that are loaded.

One importer at the head of `sys.meta_path` serves all spaces. It only knows names that belong to one, so it costs
other imports a dictionary lookup. The locks of the import system make concurrent imports safe.
"""

import linecache
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType

from dalsegno._module_names import private as recorded_names
from dalsegno.bundle._module_loader import ModuleLoader
from dalsegno.bundle._space import Space

_spaces: dict[str, Space] = {}
_lock = RLock()


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
