"""Whether the code of this process is the code of a bundle."""

# ruff: noqa: PTH113, PTH118 - strings: Paths would double the cost

import builtins
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from os.path import isfile, join
from types import ModuleType

from dalsegno.bundle._files import blob_of
from dalsegno.bundle._modules import Finder, Source, live_module
from dalsegno.bundle.model import Bundle
from dalsegno.bundle.pickles import unpickle_function
from dalsegno.errors import BundleCaptureError


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """The process's own modules, found to be a bundle's: what was compared, so that it can be compared again.

    `loaded` are name, module and its spec; `waiting` are files that may still be loaded, and their digests.
    """

    loaded: tuple[tuple[str, ModuleType, object], ...]
    waiting: tuple[tuple[str, bytes], ...]
    path: tuple[str, ...]
    names: frozenset[str]

    def holds(self) -> bool:
        """Whether the modules still are the bundle's: none was reloaded or replaced, no waiting file was edited."""
        return (
            self.path == tuple(sys.path)
            and all(
                live_module(name) is module and module.__spec__ is spec for name, module, spec in self.loaded
            )
            and all(_has_content(file, blob) for file, blob in self.waiting)
        )

    def module(self, name: str) -> ModuleType:
        """The live module with this recorded name, imported if it is not loaded yet."""
        return live_module(name) or importlib.import_module(name)

    def unpickle(self, data: bytes) -> Callable[..., object]:
        """The function that was pickled by value."""
        return unpickle_function(data, self._known, vars(builtins))

    def _known(self, name: str) -> ModuleType | None:
        return self.module(name) if name in self.names else live_module(name)


def live_files(bundle: Bundle) -> Live | None:
    """The process's own modules if every file of the bundle is one of them or lies beside them, else None."""
    finder = Finder()
    loaded: list[tuple[str, ModuleType, object]] = []
    waiting: list[tuple[str, bytes]] = []
    roots: set[str] = set()
    beside = []
    for file in bundle.files:
        name = _module_name(file.path)
        found = finder.find(name) if name else None
        if not isinstance(found, Source):
            beside.append(file)
            continue
        if found.path != file.path or found.text.blob != file.blob or found.state == "stale":
            return None
        roots.add(found.root)
        module = live_module(name)
        if found.state == "unloaded" or module is None:
            waiting.append((found.file, file.blob))
        else:
            loaded.append((name, module, module.__spec__))
    for file in beside:
        place = next(
            (path for path in (join(root, file.path) for root in sorted(roots)) if isfile(path)), None
        )
        if place is None or not _has_content(place, file.blob):
            return None
        waiting.append((place, file.blob))
    return Live(
        loaded=tuple(loaded),
        waiting=tuple(waiting),
        path=tuple(sys.path),
        names=frozenset(_module_name(file.path) for file in bundle.files),
    )


def _has_content(file: str, blob: bytes) -> bool:
    try:
        return blob_of(file) == blob
    except BundleCaptureError:
        return False


def _module_name(path: str) -> str:
    """The name of the module in a recorded file, empty when it is none."""
    return (
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") if path.endswith(".py") else ""
    )
