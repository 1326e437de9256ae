"""Which names hold something that can change: no plain functions, classes and constants, and no task environments."""

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import PURE_BUILTINS, PURE_DECORATORS, UNCHANGING, below
from dalsegno.closure._program import WHOLE, Name, Program
from dalsegno.closure.facts import Unit

__all__ = ["State"]


class State:
    """The state of one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._states: dict[Name, bool] = {}

    def holds(self, name: Name) -> bool:
        """Whether a name is bound to something that can change."""
        known = self._states.get(name)
        if known is None:
            known = name[1] == WHOLE or any(
                self._is_state(name, unit) for _, unit in self._program.definitions(name)
            )
            known = self._states[name] = known and not self._program.is_environment(name)
        return known

    def _is_state(self, name: Name, unit: Unit) -> bool:
        if unit.kind in ("function", "class"):
            is_own = unit.names[0] == name[1]
            return not is_own or bool(unit.flags & bits.MUTABLE) or not self._is_plain(name[0], unit)
        if unit.kind == "value" and unit.flags & bits.RESULT:
            return not self._is_unchanging(name[0], unit)
        return unit.kind in ("value", "statement")

    def _is_unchanging(self, module: str, unit: Unit) -> bool:
        """Whether it is the result of a call that is known to give something that does not change."""
        called = [
            written for written, how in unit.uses.items() if how & bits.CALLED or written in PURE_BUILTINS
        ]
        found = [self._program.resolve(module, written) for written in called]
        return bool(found) and all(
            each.outside and not each.ends and all(below(name, UNCHANGING) for name in each.outside)
            for each in found
        )

    def _is_plain(self, module: str, unit: Unit) -> bool:
        """Whether all decorators are known to leave nothing in the function that changes."""
        if not unit.flags & bits.DECORATED:
            return True
        for written, how in unit.uses.items():
            if how & bits.DEFINER and how & bits.CALLED:
                found = self._program.resolve(module, written)
                if found.ends:
                    if not all(map(self._program.is_environment, found.ends)):
                        return False
                elif not found.outside or not all(below(each, PURE_DECORATORS) for each in found.outside):
                    return False
        return True
