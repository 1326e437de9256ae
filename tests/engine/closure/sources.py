"""Bundles that exist only in a test, and what a function in them reaches."""

import hashlib
from collections.abc import Mapping
from textwrap import dedent

from dalsegno.closure import (
    Closure,
    ModuleFacts,
    Outline,
    closure,
    module_facts,
    module_outline,
    module_words,
)

__all__ = ["Files", "FullFiles", "files", "reach"]


class Files:
    """Files by path as the sources of an analysis."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.data: dict[str, bytes] = {}
        self._texts: dict[str, tuple[bytes, bool]] = {}
        self._facts: dict[str, ModuleFacts] = {}
        for path, content in files.items():
            text = content.encode() if isinstance(content, str) else content
            if path.endswith(".py"):
                name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                self._texts[name] = text, path.endswith("/__init__.py")
            else:
                self.data[path] = hashlib.sha256(text).digest()
        self.modules = frozenset(self._texts)

    def facts(self, module: str) -> ModuleFacts | None:
        if module not in self._facts and module in self._texts:
            text, is_package = self._texts[module]
            made = module_facts(text, name=module, is_package=is_package)
            self._facts[module] = ModuleFacts.decode(made.encode())
        return self._facts.get(module)

    def outline(self, module: str) -> Outline:
        text, is_package = self._texts[module]
        made, _ = module_outline(text, module_words(text), name=module, is_package=is_package)
        return Outline.decode(made.encode())

    def is_package(self, module: str) -> bool:
        return self._texts[module][1]

    def text(self, module: str) -> bytes:
        return self._texts[module][0]


class FullFiles(Files):
    """The same, with every module read in full from the beginning."""

    def outline(self, module: str) -> Outline:
        return super().outline(module)._replace(is_quiet=False)


def files(text: str) -> dict[str, str]:
    """Files written below each other, each under a line `# file: path`."""
    found: dict[str, str] = {}
    for part in dedent(text).split("# file: ")[1:]:
        path, _, content = part.partition("\n")
        found[path.strip()] = content.strip("\n") + "\n"
    return found


def reach(program: Mapping[str, str | bytes], root: str = "main:main") -> Closure:
    """What the root, "module:name", reaches; it is the same whether outlines are used or not."""
    module, _, name = root.partition(":")
    found = closure(Files(program), module, name)
    assert found == closure(FullFiles(program), module, name)
    return found
