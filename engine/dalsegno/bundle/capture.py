"""Capture: from the modules that hold the tasks to the list of files that they need.

Taken are the modules asked for, what they import from the user's source roots, statically and to any depth, lazy
imports and imports for type checkers included, what they may import under computed names (`_meant`), and every module
that is loaded from those roots. A source root is
the folder above a top-level package, or the folder of a script. A file is recorded by its module's name, so equal
code gives equal bundles wherever it lies.

A second capture looks at every file and folder that the first one looked at, with one `stat` each, and is done
when nothing changed and no module was loaded, reloaded or dropped since.
"""

# ruff: noqa: PTH100, PTH118, PTH120 - strings: Paths would double the cost

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from os.path import abspath, join, relpath
from pathlib import Path
from threading import RLock

from dalsegno.bundle._files import Identity, blob_of, is_current, listing, read_again
from dalsegno.bundle._importer import space_of
from dalsegno.bundle._imports import absolute_names
from dalsegno.bundle._meant import Meant
from dalsegno.bundle._modules import Finder, Source, file_of, is_ours, main_name
from dalsegno.bundle._roots import environment_around, is_user_folder
from dalsegno.bundle._walk import Walk
from dalsegno.bundle.model import Bundle, BundleFile, checked
from dalsegno.errors import BundleCaptureError
from dalsegno.models import CopyStyle

__all__ = ["Capture", "capture"]


_REMEMBERED = 64


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """A bundle that is not stored yet, and where its content is.

    `imports` are the top-level names that the code imports from elsewhere, for the manifest. When a file was edited
    since its module was loaded, what is loaded is recorded, not the edit; `stale` are the recorded names of modules
    that may have been loaded from another text than the recorded one, because it was gone before anyone looked. `cut`
    are those of modules that compute the names of what they import, where so much may be meant that not all was taken.
    """

    bundle: Bundle
    imports: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    _readers: Mapping[bytes, Callable[[], bytes]] = field(default_factory=dict, repr=False)

    def read(self, blob: bytes) -> bytes:
        """The content with this digest; BundleCaptureError when its file changed since the capture."""
        return self._readers[blob]()


def capture(
    modules: Iterable[str],
    *,
    needed: Iterable[str] = (),
    root_dir: str | os.PathLike[str] | None = None,
    include: Sequence[tuple[str | os.PathLike[str], str]] = (),
    copy_style: CopyStyle = "loaded_modules",
    exclude_dirs: AbstractSet[Identity] = frozenset(),
) -> Capture:
    """Record the code that these loaded modules need.

    `needed` are recorded names of further modules, which need not be loaded nor exist: `PickledFunction.modules`.
    `root_dir` is a further source root. `include` are pairs of a folder and a glob pattern below it; the files are
    recorded relative to the source root that the folder is in, else to the folder. `exclude_dirs` are (device,
    inode) pairs of files and folders that are neither opened nor recorded: see `identities`. Modules that were
    loaded from a bundle give that bundle again.

    Installed modules are not recorded, so a bundle may be empty. BundleCaptureError when a module is not
    loaded or its file is gone, a pattern matches nothing, or two files want the same recorded path.
    """
    names = tuple(dict.fromkeys(modules))
    again = _from_bundle(names)
    if again is not None:
        return again
    roots = frozenset() if root_dir is None else frozenset({abspath(root_dir)})
    starts = frozenset({*filter(None, map(_start, names)), *needed})
    closure = _closure(starts, roots, frozenset(exclude_dirs))
    _check_all_recorded(names, closure)
    extra = _Content()
    if include:
        code = [
            name for file in _included(include, closure.roots, exclude_dirs) for name in _module_names(file)
        ]
        closure = _closure(starts.union(code), roots, frozenset(exclude_dirs)) if code else closure
        for path, file in _included(include, closure.roots, exclude_dirs):
            extra.file(path, file, closure)
    if copy_style == "all":
        for root in sorted(roots or closure.roots):
            for file in Walk(root, root, exclude_dirs).everything():
                extra.file(_below(file, closure.roots, root), file, closure)
    if copy_style == "none":
        return replace(closure.capture, bundle=Bundle(()), _readers={})
    return _extended(closure.capture, extra) if extra.readers else closure.capture


class _Content:
    """Files beside the modules, gathered for one capture."""

    def __init__(self) -> None:
        self.files: dict[str, BundleFile] = {}
        self.readers: dict[bytes, Callable[[], bytes]] = {}
        self._origins: dict[str, str] = {}

    def file(self, path: str, file: str, closure: "_Closure") -> None:
        source = closure.sources.get(path)
        if source is not None and Path(source.file).samefile(file):
            return
        entry = BundleFile(path, blob_of(file), Path(file).stat().st_size)
        other = closure.files.get(path) or self.files.get(path)
        if other is not None and other.blob != entry.blob:
            origin = source.file if source is not None else self._origins[path]
            raise _collision(path, origin, file)
        if other is None:
            self.files[path] = entry
            self._origins[path] = file
            self.readers[entry.blob] = lambda: read_again(file, entry.blob)


@dataclass(frozen=True, slots=True, eq=False)
class _Closure:
    """The modules that some modules need, what they make as a capture, and what that rests on."""

    sources: dict[str, Source]
    files: dict[str, BundleFile]
    roots: frozenset[str]
    capture: Capture
    specs: tuple[tuple[object, object], ...]
    listings: tuple[tuple[str, frozenset[str]], ...]
    process: tuple[object, ...]

    def holds(self) -> bool:
        """Whether making it again would give the same."""
        return (
            self.process == _process()
            and all(getattr(module, "__spec__", None) is spec for module, spec in self.specs)
            and all(listing(folder) is names for folder, names in self.listings)
            and all(
                is_current(source.file, source.text) is (source.state != "edited")
                for source in self.sources.values()
            )
        )


_closures: dict[object, _Closure] = {}
_lock = RLock()


def _closure(starts: frozenset[str], roots: frozenset[str], exclude: frozenset[Identity]) -> _Closure:
    key = (starts, roots, exclude)
    with _lock:
        known = _closures.get(key)
        if known is not None and known.holds():
            return known
        made = _make_closure(starts, roots, exclude)
        _closures.pop(key, None)
        while len(_closures) >= _REMEMBERED:
            _closures.pop(next(iter(_closures)))
        _closures[key] = made
        return made


def _make_closure(starts: frozenset[str], roots: frozenset[str], exclude: frozenset[Identity]) -> _Closure:
    process = _process()
    finder = Finder(exclude)
    meant = Meant(finder)
    sources: dict[str, Source] = {}
    own_roots = set(roots)
    elsewhere: set[str] = set()
    seen: set[str] = set()
    waiting = set(starts)
    while waiting:
        while waiting:
            name = waiting.pop()
            seen.add(name)
            waiting |= set(_parents(name)) - seen
            found = finder.find(name)
            if found is None:
                elsewhere.add(name)
            elif isinstance(found, Source):
                other = sources.setdefault(found.path, found)
                if other is not found and other.text.blob != found.text.blob:
                    raise _collision(found.path, other.file, found.file)
                own_roots.add(found.root)
                waiting |= {*_needed(found, finder), *meant.by(found)} - seen
        waiting = set(_loaded_below(own_roots)) - seen
    files = {
        path: BundleFile(path, source.text.blob, len(source.text.text))
        for path, source in sorted(sources.items())
    }
    taken = Capture(
        bundle=checked(Bundle(tuple(files.values()))),
        imports=_top_names(elsewhere, finder),
        stale=tuple(sorted(source.name for source in sources.values() if source.state == "stale")),
        cut=tuple(sorted(meant.cut)),
        _readers={source.text.blob: source.text.read for source in sources.values()},
    )
    modules = [sys.modules.get(name) for name in (*(source.name for source in sources.values()), "__main__")]
    return _Closure(
        sources=sources,
        files=files,
        roots=frozenset(own_roots),
        capture=taken,
        specs=tuple((module, getattr(module, "__spec__", None)) for module in modules),
        listings=tuple((folder, listing(folder)) for folder in sorted(finder.looked_into | own_roots)),
        process=process,
    )


def _process() -> tuple[object, ...]:
    """What in this process decides which modules there are, apart from files."""
    loaded = sys.modules.copy()
    return tuple(loaded), tuple(map(id, loaded.values())), tuple(sys.path), tuple(map(id, sys.meta_path))


def _needed(source: Source, finder: Finder) -> Iterator[str]:
    for found in source.text.scan.imports:
        names = list(absolute_names(found, source.package))
        yield from names
        if names and "*" in found.names:
            target = finder.find(names[-1])
            if isinstance(target, Source):
                yield from (f"{names[-1]}.{name}" for name in target.text.scan.exports)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _loaded_below(roots: AbstractSet[str]) -> Iterator[str]:
    """The recorded names of the loaded modules whose files are below one of the roots."""
    starts = tuple(join(root, "") for root in roots)
    for name, module in sys.modules.copy().items():
        file = file_of(module)
        if file is not None and file.startswith(starts) and not is_ours(getattr(module, "__loader__", None)):
            recorded = main_name() if name in ("__main__", "__mp_main__") else name
            if recorded is not None and is_user_folder(os.path.dirname(file)):
                yield recorded


def _top_names(names: Iterable[str], finder: Finder) -> tuple[str, ...]:
    """The top-level names among modules that are not the user's, without the standard library."""
    tops = {
        name.partition(".")[0]
        for name in names
        if not isinstance(finder.find(name.partition(".")[0]), Source)
    }
    return tuple(sorted(tops - sys.stdlib_module_names - {"", "__main__"}))


def _start(name: str) -> str | None:
    """The recorded name of a module that a caller names; None when it has no file."""
    if name not in sys.modules:
        raise BundleCaptureError(
            f"module {name!r} cannot be recorded because it is not loaded; import it first"
        )
    return main_name() if name in ("__main__", "__mp_main__") else name


def _check_all_recorded(names: Iterable[str], closure: _Closure) -> None:
    recorded = {source.name for source in closure.sources.values()}
    for name in names:
        file = file_of(sys.modules.get(name))
        start = _start(name)
        if file is None or start is None or start in recorded:
            continue
        environment = environment_around(file)
        if environment:
            raise BundleCaptureError(
                f"module {name!r} cannot be recorded because {file} is inside the virtual environment {environment};"
                " move it out"
            )
        if is_user_folder(os.path.dirname(file)):
            raise BundleCaptureError(f"module {name!r} cannot be recorded because {file} is gone or excluded")


def _from_bundle(names: Sequence[str]) -> Capture | None:
    """The capture of modules that came from a bundle themselves; None when none did."""
    found = {name: space_of(name) for name in names}
    bundles = {loaded.bundle.digest: loaded for loaded in found.values() if loaded is not None}
    if not bundles:
        return None
    if len(bundles) > 1 or None in found.values():
        raise BundleCaptureError(
            f"modules {', '.join(map(repr, found))} cannot be recorded together because they are from different code:"
            " a bundle holds one version of each"
        )
    [loaded] = bundles.values()
    return Capture(
        bundle=loaded.bundle,
        imports=loaded.imports(),
        _readers={blob: partial(loaded.content, blob) for blob in loaded.bundle.blobs()},
    )


def _extended(base: Capture, extra: _Content) -> Capture:
    bundle = checked(Bundle((*base.bundle.files, *extra.files.values())))
    return replace(base, bundle=bundle, _readers={**base._readers, **extra.readers})


def _included(
    include: Sequence[tuple[str | os.PathLike[str], str]],
    roots: AbstractSet[str],
    exclude: AbstractSet[Identity],
) -> Iterator[tuple[str, str]]:
    """The recorded path and the file of everything that the patterns match."""
    for base, pattern in include:
        folder = abspath(base)
        within = _innermost(folder, roots) or folder
        for file in Walk(folder, within, exclude).matching(pattern):
            yield _below(file, roots, within), file


def _innermost(path: str, roots: AbstractSet[str]) -> str | None:
    around = [root for root in roots if path == root or path.startswith(join(root, ""))]
    return max(around, key=len, default=None)


def _below(file: str, roots: AbstractSet[str], otherwise: str) -> str:
    """The recorded path of a file that is no module: below the innermost root around it."""
    return relpath(file, _innermost(file, roots) or otherwise).replace(os.sep, "/")


def _module_names(file: tuple[str, str]) -> Iterator[str]:
    path = file[0]
    if path.endswith(".py"):
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if all(part.isidentifier() for part in name.split(".")):
            yield name


def _collision(path: str, one: str, other: str) -> BundleCaptureError:
    return BundleCaptureError(
        f"{one} and {other} would both be recorded as {path!r} but differ; rename one or make its folder a package"
    )
