"""How the import system makes one module of a bundle, and what it can be asked about it afterwards."""

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from threading import local
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dalsegno.bundle._resources import BundleResources
    from dalsegno.bundle._space import Space


class _Importing(local):
    """Which module this thread is executing for the first time."""

    module = ""


_importing = _Importing()


@contextmanager
def importing(module: str) -> Iterator[None]:
    """In the block this thread imports the module with this recorded name."""
    before, _importing.module = _importing.module, module
    try:
        yield
    finally:
        _importing.module = before


def being_imported() -> str:
    """The recorded name of the module that this thread is importing, "" for none."""
    return _importing.module


class ModuleLoader:
    """Makes one module of a space; `path` is None for a package without a file."""

    def __init__(self, space: "Space", path: str | None) -> None:
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
            with importing(self.recorded_name(module.__name__)):
                exec(code, namespace)
