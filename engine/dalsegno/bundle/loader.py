"""Loading: recorded code as modules of this process, straight from the store.

There are three ways, tried in this order.

- **live**: what this process has loaded, or would load, for every file of the bundle is the recorded text. Then
  its own modules are used. This is checked again whenever the bundle is asked for.
- **real**: no top-level name of the bundle is loaded, and no importer of this process knows one. Then the modules
  appear in `sys.modules` under their own names, from the moment when the bundle is first used. When the names
  come to mean something else before that moment, the third way is taken after all; somebody who adds a folder
  with the same names to `sys.path` after it and imports them gets the recorded modules, until `unload`.
- **private**: module `pkg.mod` appears as `_dalsegno_<12 digits of the digest>.pkg.mod`, so any number of
  versions live side by side. `__module__`, `__name__` and logger names carry the prefix, which
  `recorded_module_name` takes off. Code that spells its own name in a string for somebody else
  (`sys.modules["pkg.mod"]`, `patch("pkg.mod.x")`, an old pickle) is not understood; `importlib` and `pkgutil` are.

In the last two the code runs with builtins of its own, whose `__import__` obeys one rule: a name that the bundle has
comes from the bundle; any other comes from the environment (standard library and installed packages), and is
refused when it would come from a folder of the caller's. So nothing of the working tree leaks in. Tracebacks
show `<bundle 1a2b3c4d5e6f>/pkg/mod.py`; `__file__` says the same, except that a bundle with data files is put
into a private folder and `__file__` points there, so that code finds its data beside itself.
"""

import sys
from collections.abc import Callable
from threading import RLock
from types import ModuleType
from typing import Literal, cast

from dalsegno._module_names import recorded_module_name
from dalsegno.bundle._importer import close_space, open_space
from dalsegno.bundle._live import Live, live_files
from dalsegno.bundle._module_loader import importing
from dalsegno.bundle._modules import importable, live_module
from dalsegno.bundle._space import Space, modules_of, tops_of
from dalsegno.bundle.model import Bundle, ReadBlob
from dalsegno.errors import BundleLoadError

__all__ = ["How", "LoadedBundle", "load", "recorded_module_name", "unload"]

How = Literal["live", "real", "private"]
"""Where the modules of a loaded bundle are."""

_loaded: dict[tuple[bytes, bool], "LoadedBundle"] = {}
_lock = RLock()


class LoadedBundle:
    """Recorded code that can be used in this process; `load` makes it."""

    def __init__(self, bundle: Bundle, how: How, code: Live | Space) -> None:
        self.bundle = bundle
        self.how: How = how
        self._code = code

    def __repr__(self) -> str:
        return f"<LoadedBundle {self.bundle.short} {self.how}>"

    def module(self, name: str) -> ModuleType:
        """The module with this recorded name, imported now if need be.

        A name that is not the bundle's is that of an installed package. BundleLoadError names the module and the
        cause, whatever went wrong while the module ran.
        """
        try:
            with importing(name):
                return self._usable().module(name)
        except (Exception, SystemExit) as error:
            raise BundleLoadError(name, f"{type(error).__name__}: {error}") from error

    def loaded(self, name: str) -> list[ModuleType]:
        """The modules with this recorded name that are loaded: the bundle's, and this process's own."""
        own = live_module(name)
        code = self._code
        recorded = sys.modules.get(code.actual(name)) if isinstance(code, Space) and code.owns(name) else None
        return [each for each in (own, recorded if recorded is not own else None) if each is not None]

    def resolve(self, module: str, qualname: str) -> object:
        """What a module of the bundle calls by this qualified name; BundleLoadError when there is no such thing."""
        found: object = self.module(module)
        try:
            for part in qualname.split("."):
                found = getattr(found, part)
        except AttributeError as error:
            raise BundleLoadError(module, f"it has no {qualname}") from error
        return found

    def unpickle(self, data: bytes, name: str = "<function>") -> Callable[..., object]:
        """The function that `pickle_function` gave, with the modules of this bundle; `name` is for the error."""
        try:
            return self._usable().unpickle(data)
        except BundleLoadError:
            raise
        except Exception as error:
            raise BundleLoadError(name, f"{type(error).__name__}: {error}") from error

    def _usable(self) -> Live | Space:
        """The code, behind a prefix from now on if its own names have come to mean something else."""
        if self.how == "real" and isinstance(self._code, Space) and not self._code.holds():
            with _lock:
                close_space(self._code)
                self._code, self.how = self._code.behind_prefix(), "private"
                open_space(self._code)
        return self._code


def load(bundle: Bundle, read_blob: ReadBlob, *, isolation: Literal["private"] | None = None) -> LoadedBundle:
    """The bundle as usable code; the same object as before as long as it is right.

    `read_blob` is used before this returns and not afterwards. `isolation="private"` goes straight to the third
    way. Nothing of the user's is imported yet.
    """
    key = (bundle.digest, isolation == "private")
    known = _loaded.get(key)
    if known is not None and (known.how != "live" or cast("Live", known._code).holds()):
        return known
    with _lock:
        known = _loaded.get(key)
        if known is None or known.how == "live":
            known = _loaded[key] = _choose(bundle, read_blob, private=isolation == "private")
        return known


def unload(bundle_digest: bytes) -> None:
    """Take the modules of a bundle out of this process; what was made from them lives on."""
    with _lock:
        for private in (False, True):
            known = _loaded.pop((bundle_digest, private), None)
            if known is not None and isinstance(known._code, Space):
                close_space(known._code)


def _choose(bundle: Bundle, read_blob: ReadBlob, *, private: bool) -> LoadedBundle:
    live = None if private else live_files(bundle)
    if live is not None:
        return LoadedBundle(bundle, "live", live)
    other = _loaded.get((bundle.digest, not private))
    if other is not None and other.how == "private":
        return other
    tops = tops_of(modules_of(bundle))
    private = private or not tops or any(name in sys.modules or importable(name) for name in tops)
    space = Space(bundle, read_blob, private=private)
    open_space(space)
    return LoadedBundle(bundle, "private" if private else "real", space)
