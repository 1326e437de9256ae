"""Which functions change, when they are called, what a task reads: the task before it may have called them.

Nobody can tell from the text which task calls what before which other one runs, so everyone who changes a name belongs to
whoever reads it. What counts is an assignment to an attribute or an item, or a call of a method that is called as those of lists,
sets and dictionaries that change them.
"""

from typing import Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._assigned import CHANGING_METHODS
from dalsegno.closure._effects import Effect, Effects
from dalsegno.closure._program import WHOLE, Name, Program
from dalsegno.closure.facts import Unit

__all__ = ["Late"]

_STORES: Final = bits.LATER_STORED | bits.LATER_REBOUND


class Late:
    """The functions of one program that change what others read."""

    def __init__(self, program: Program, effects: Effects) -> None:
        self._program = program
        self._effects = effects

    def changing(self, name: Name) -> list[Effect]:
        """The functions and classes that change, in their bodies, what a name of the bundle holds."""
        module, own = name
        if own == WHOLE or not module:
            return []
        return [
            (each, number)
            for each in self._program.assigning(own)
            for number, unit in enumerate(self._program.units(each))
            if self._changes(each, unit, name)
        ]

    def _changes(self, module: str, unit: Unit, name: Name) -> bool:
        for written, how in unit.uses.items():
            if how & _STORES:
                places, _ = self._effects.stored_places(
                    module, written, how & bits.LATER_REBOUND, how & bits.INSIDE
                )
                if name in places:
                    return True
            elif (
                how & bits.LATER_STATEMENT
                and written.rpartition(".")[2] in CHANGING_METHODS
                and name in self._program.resolve(module, written).ends
            ):
                return True
        return False
