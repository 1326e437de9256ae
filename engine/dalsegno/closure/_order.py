"""In which order the statements of a closure are executed, where that matters.

It matters for effects, for statements that read at import what an effect changes, and for the several statements that
bind one name that is changed. Modules are executed in the order in which the root's module, imported first, would import
them; which module a program really imports first is not known.
"""

from collections.abc import Collection, Iterator
from hashlib import sha256

from dalsegno.closure import _bits as bits
from dalsegno.closure._effects import Effect, Effects
from dalsegno.closure._program import Program
from dalsegno.closure.closure import Symbol
from dalsegno.closure.facts import Unit

__all__ = ["Order"]


class Order:
    """The order of the statements of one closure."""

    def __init__(
        self, program: Program, effects: Effects, units: Collection[Effect], changing: Collection[Effect]
    ) -> None:
        self._program = program
        self._effects = effects
        self._places: dict[str, set[int]] = {}
        outside: set[str] = set()
        for place in changing:
            outside |= effects.outside.get(place, set())
        changes = set(changing)
        if not changes:
            return
        for place in units:
            if place in changes or self._depends(place, outside):
                self._places.setdefault(place[0], set()).add(place[1])

    def of(self, root: str) -> tuple[tuple[str, ...], list[Symbol]]:
        """The modules in their order, and for each module with several such statements a symbol."""
        if not self._places:
            return (), []
        order: list[str] = []
        seen: set[str] = set()
        for module in self._executed(root):
            seen.add(module)
            if not order or order[-1] != module:
                order.append(module)
        order += [f"?{module}" for module in sorted(self._places) if module not in seen]
        symbols = [
            Symbol(module, "<order>", self._digest(module, numbers))
            for module, numbers in self._places.items()
            if len(numbers) > 1
        ]
        return tuple(order), symbols

    def _depends(self, place: Effect, outside: set[str]) -> bool:
        module, number = place
        unit = self._program.units(module)[number]
        if unit.kind in ("import", "star", "text"):
            return False
        changed = [name for name in unit.names if self._effects.is_changed((module, name))]
        if any(len(self._program.definitions((module, name))) > 1 for name in changed):
            return True
        if unit.kind not in ("value", "statement", "block", "class", "function"):
            return False
        for written, how in unit.uses.items():
            if how & bits.EAGER and not how & bits.DEFINER:
                found = self._program.resolve(module, written)
                if any(self._effects.is_changed(end) for end in found.ends):
                    return True
                if outside and any(each.partition(".")[0] in outside for each in found.outside):
                    return True
        return False

    def _executed(self, root: str) -> Iterator[str]:
        """The modules in the order of their statements; a module comes again after what it imports in between."""
        begun: set[str] = set()
        stack: list[tuple[str, Iterator[str | None]]] = []

        def begin(name: str) -> None:
            parts = name.split(".")
            for end in range(len(parts), 0, -1):
                module = ".".join(parts[:end])
                if module not in begun and module in self._program.sources.modules:
                    begun.add(module)
                    stack.append((module, self._steps(module)))

        begin(root)
        while stack:
            module, steps = stack[-1]
            step = next(steps, "")
            if step == "":
                stack.pop()
            elif step is None:
                yield module
            else:
                begin(step)

    def _steps(self, module: str) -> Iterator[str | None]:
        """The modules that a module imports, and None for each statement that matters."""
        places = self._places.get(module, set())
        if not places and self._program.is_quiet(module):
            yield from self._program.imports(module)
            return
        for number, unit in enumerate(self._program.units(module)):
            if not unit.flags & bits.SCRIPT:
                yield from self._imported(unit)
            if number in places:
                yield None

    def _imported(self, unit: Unit) -> Iterator[str]:
        for _, target in unit.targets:
            where, _, attribute = target.rpartition(":")
            yield where
            if attribute:
                yield f"{where}.{attribute}"
        for written, how in unit.uses.items():
            if ":" in written and how & bits.EAGER and not written.startswith("!"):
                yield written.partition(":")[0]

    def _digest(self, module: str, numbers: set[int]) -> bytes:
        units = self._program.units(module)
        names = "\n".join(units[number].name for number in sorted(numbers))
        return sha256(names.encode("utf-8", "surrogatepass")).digest()[:16]
