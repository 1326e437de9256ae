"""The user's modules: where each comes from, found without importing anything.

A module that is loaded is where it was loaded from; a submodule is looked for in the folders of its package; a
top-level name is asked of the importers of this process, import hooks of editable installs included.

What is recorded for a loaded module is the text that it was loaded from, for that is what runs. The first time
that a module is seen, its file is taken for that text if it did not change since the process started; otherwise
if its cached bytecode was made from the file as it is and every function in the module is one that the file
defines. From then on the text is kept for as long as the module stays the same: an edit of the file alone changes
nothing, `importlib.reload` (which gives a module a new spec) does. A module whose text cannot be known that way
is "stale": the file is recorded and the caller is told. An edit that changes constants only, made between the
import and the first look, is found through the bytecode cache alone.
"""

# ruff: noqa: PTH100, PTH116, PTH118, PTH120 - strings: Paths would double the cost

import marshal
import os
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER
from inspect import unwrap
from os.path import abspath, dirname, join, realpath
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Literal

from dalsegno.bundle._files import Identity, SourceText, is_current, listing, source_text
from dalsegno.bundle._roots import is_user_folder, root_of
from dalsegno.errors import BundleCaptureError

State = Literal["loaded", "edited", "stale", "unloaded"]
"""How the recorded text of a module stands to the process: loaded from it; loaded from it, but the file was edited
since; loaded, perhaps from another text; not loaded."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Pin:
    module: ModuleType
    spec: ModuleSpec | None
    file: str
    text: SourceText


_pins: dict[str, _Pin] = {}
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
            names = self._names(folder)
            inside = join(folder, tail)
            if tail in names and "__init__.py" in self._names(inside):
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
            text, state = source_text(file), "unloaded"
        else:
            text, state = _loaded_text(name, module, file)
        return Source(name, path, file, root, folders, text, state) if text else None

    def _namespace(self, folders: Iterable[str]) -> Namespace | None:
        own = tuple(folder for folder in map(abspath, folders) if is_user_folder(folder))
        return Namespace(own) if own else None

    def _names(self, folder: str) -> frozenset[str]:
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


def _loaded_text(name: str, module: ModuleType, file: str) -> tuple[SourceText | None, State]:
    """The text that a loaded module was made from, as well as it can be known; None when there is no file."""
    spec = getattr(module, "__spec__", None)
    pin = _pins.get(name)
    if pin is not None and pin.module is module and pin.spec is spec and pin.file == file:
        return pin.text, "loaded" if is_current(file, pin.text) else "edited"
    try:
        text = source_text(file)
    except BundleCaptureError:
        return None, "stale"
    if not _was_loaded_from(module, spec, file, text.text):
        return text, "stale"
    _pins[name] = _Pin(module, spec, file, text)
    return text, "loaded"


def _was_loaded_from(module: ModuleType, spec: ModuleSpec | None, file: str, text: bytes) -> bool:
    status = Path(file).stat()
    if max(status.st_mtime_ns, status.st_ctime_ns) < _PROCESS_START:
        return True
    if type(getattr(module, "__loader__", None)) is not SourceFileLoader:
        return True
    cached = _bytecode(spec)
    if cached and cached[:8] != struct.pack(
        "<II", int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
    ):
        return False
    try:
        code = marshal.loads(cached[8:]) if cached else compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, EOFError, TypeError):
        return False
    defined = set(_codes(code))
    return all(live in defined for live in _live_codes(module, file))


def _bytecode(spec: ModuleSpec | None) -> bytes | None:
    """The bytecode cache of a module from its source's mtime and size on, None when nothing is to be learnt from it."""
    if spec is None or spec.cached is None or sys.dont_write_bytecode:
        return None
    with suppress(OSError):
        cached = Path(spec.cached).read_bytes()
        if cached[:4] == MAGIC_NUMBER and cached[4:8] == bytes(4):
            return cached[8:]
    return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _live_codes(module: ModuleType, file: str) -> Iterator[CodeType]:
    """The code of the functions and methods in a module that came from its file."""
    values = list(vars(module).values())
    for value in [
        *values,
        *(part for kind in values if isinstance(kind, type) for part in vars(kind).values()),
    ]:
        with suppress(Exception):  # whatever a user's object does when it is looked at
            function = unwrap(value)
            if isinstance(function, FunctionType) and function.__code__.co_filename == file:
                yield function.__code__


def _process_start() -> int:
    """When this process started, in nanoseconds since the epoch and a little early; 0 where that cannot be told."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return 0
    return time.time_ns() - age - 50_000_000


_PROCESS_START = _process_start()
