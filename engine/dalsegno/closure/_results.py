"""How what was reached is told: in which order, in which words, and by which digest."""

from hashlib import sha256
from typing import Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._program import AS_A_WHOLE, WHOLE, Name, Program
from dalsegno.closure.closure import Symbol
from dalsegno.closure.facts import SIZE, Unit

__all__ = ["Digests", "NOT_IMPORTABLE", "place", "told"]

NOT_IMPORTABLE: Final = (
    "SyntaxError",
    "IndentationError",
    "TabError",
    "ValueError: source code string cannot contain",
)
"""How the problems of modules begin that nobody can import, so that it does not matter what they would do."""


def place(symbol: Symbol) -> tuple[bool, Symbol]:
    """Names first, since they say more."""
    return symbol.name in (WHOLE, "<order>"), symbol


class Digests:
    """The digests of what was reached.

    `reads` says in bits what else is read besides code; `documented` and `noted` are the names whose docstrings and
    annotations are.
    """

    def __init__(self, program: Program, reads: int, documented: set[Name], noted: set[Name]) -> None:
        self._program = program
        self._reads = reads
        self._documented = documented
        self._noted = noted

    def name(self, name: Name) -> bytes | None:
        """That of what binds a name, in order; None when nothing does."""
        program = self._program
        parts = [(number, self.unit(name, unit)) for number, unit in program.definitions(name)]
        if program.facts(name[0]) is not None:
            parts += [(number, b"star " + star.encode()) for number, star in program.providers(name)]
        return _joined([part for _, part in sorted(parts)]) if parts else None

    def unit(self, name: Name, unit: Unit) -> bytes:
        """That of a unit as it binds a name; of an import, what it brings."""
        if unit.kind == "import":
            targets = [target for own, target in unit.targets if own == name[1]]
            return _joined([target.encode("utf-8", "surrogatepass") for target in targets])
        parts = [unit.digest]
        if unit.documented and (self._reads & bits.DOCS or name in self._documented):
            parts.append(unit.documented)
        if unit.noted and (self._reads & bits.ANNOTATIONS or name in self._noted):
            parts.append(unit.noted)
        return _joined(parts)

    def module(self, module: str) -> bytes | None:
        """That of all of a module, its imports in any order; None for a folder that is a package without a file."""
        facts = self._program.facts(module)
        if facts is None:
            return None
        if facts.problem:
            return self.text(module)
        imports = sorted(unit.digest for unit in facts.units if unit.kind == "import")
        others = [
            self.unit((module, unit.name), unit)
            for unit in facts.units
            if unit.kind != "import" and (unit.kind != "text" or self._reads & bits.DOCS)
        ]
        return _joined([*imports, *others])

    def text(self, module: str) -> bytes:
        """That of the text itself."""
        return sha256(self._program.sources.text(module)).digest()[:SIZE]


def told(whole: str, module: str, reason: str) -> str:
    """The reason of a widening to all of a module, for a reader who sees where it was found."""
    if reason == AS_A_WHOLE:
        return f"the module {whole} is used as a whole"
    return reason if whole == module else f"{reason} in {whole}"


def _joined(parts: list[bytes]) -> bytes:
    if len(parts) == 1 and len(parts[0]) == SIZE:
        return parts[0]
    return sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()[:SIZE]
