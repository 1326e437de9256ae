"""The modules that code may import under computed names: all that lie where the name can lead.

That is a package and everything in it, or, where nothing is known of the name, all that lies beside the code. What is no
name in Python, does not parse, or is never the user's is left out, and so is what lies beside the code for others to use:
tests, examples, what builds it. When there are too many, the rest is left out too, and whoever captures is told.
"""

from collections.abc import Iterator
from os.path import realpath

from dalsegno.bundle._computed import meant
from dalsegno.bundle._imports import absolute_names
from dalsegno.bundle._modules import Finder, Source

__all__ = ["MANY", "Meant"]

MANY = 2000
"""How many modules, and how many folders without any, are looked at for one capture."""

_NO_MODULES = frozenset({"__init__", "__main__", "node_modules"})
_BESIDE = frozenset(
    [
        "benchmarks",
        "build",
        "conftest",
        "dist",
        "docs",
        "examples",
        "fabfile",
        "noxfile",
        "setup",
        "test",
        "tests",
    ]
)


class Meant:
    """Finds the modules that computed names may mean, each place once; `cut` are the modules whose imports are too many."""

    def __init__(self, finder: Finder) -> None:
        self.cut: set[str] = set()
        self._finder = finder
        self._known: dict[tuple[str, str], bool] = {}
        self._left = MANY

    def by(self, source: Source) -> Iterator[str]:
        """The names of the modules that the computed imports in a module may mean, but for those that were given before."""
        for place in self._places(source):
            if place not in self._known:
                yield from self._below(*place)
                self._known[place] = self._left > 0
            if not self._known[place]:
                self.cut.add(source.name)

    def _places(self, source: Source) -> Iterator[tuple[str, str]]:
        """Packages, and source roots without a package."""
        own = (source.package.partition(".")[0], "" if source.package else source.root)
        beside = ("", source.root)
        for found in source.text.scan.computed:
            package = meant(found, source.name, source.package)
            if found.kind in ("exact", "below") and package:
                yield package, ""
                continue
            yield own
            if found.kind == "imported":
                for each in source.text.scan.imports:
                    yield from ((name, "") for name in absolute_names(each, source.package))
            elif found.kind != "own":
                yield beside

    def _below(self, package: str, root: str) -> Iterator[str]:
        """The package and all modules in it, or all modules in a source root."""
        start = self._finder.find(package) if package else None
        folders = start.folders if start is not None else (root,) if root else ()
        waiting = [(package, tuple(folders or ()))]
        if package:
            yield package
        inside: set[str] = set()
        while waiting:
            above, folders = waiting.pop()
            for folder in folders:
                real = realpath(folder)
                if real in inside:
                    continue
                inside.add(real)
                for tail in sorted({name.removesuffix(".py") for name in self._finder.names(folder)}):
                    if self._left <= 0:
                        return
                    if not tail.isidentifier() or tail in _NO_MODULES:
                        continue
                    if not above and (tail in _BESIDE or tail.startswith("test_")):
                        continue
                    name = f"{above}.{tail}" if above else tail
                    found = self._finder.find(name)
                    if found is None:
                        continue
                    self._left -= 1
                    if found.folders is not None:
                        waiting.append((name, found.folders))
                    if isinstance(found, Source) and (found.text.scan.parses or found.state != "unloaded"):
                        yield name
