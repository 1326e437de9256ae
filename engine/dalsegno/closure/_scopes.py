"""Which names of a statement are the module's, which are imported on the spot, and which are local.

A use of a name is kept with the scope that it is in until the scope ends, since a name may be bound below its use.
What a scope binds ends there; the rest goes on to the next scope around it that functions can see, at last to the
module. So each statement is gone through once.
"""

from typing import Final

from dalsegno.closure._bits import (
    CALLS_PARAMETER,
    CHANGES_PARAMETER,
    DOCS,
    EAGER,
    LATER_REBOUND,
    LATER_STATEMENT,
    LATER_STORED,
    MUTABLE,
    REBOUND,
    SOFT,
    STORED,
)
from dalsegno.closure._tree import Chain

__all__ = ["DEFINITION", "LATER_CALLED", "PARAMETER", "Scope", "Use"]

STORES: Final = STORED | REBOUND | LATER_STORED | LATER_REBOUND
PARAMETER: Final = "="
"""Stands where the target of an import would: the name is bound to a value."""
DEFINITION: Final = "def"
CLASS_NAMES: Final = frozenset({"cls", "mcs", "klass", "metacls"})
LATER_CALLED: Final = 1 << 20
"""The name is called in the function that it is used in; only lives while a statement is gone through."""

Use = tuple[Chain, int, str | None]
"""A use of a chain: how, in bits, and the text that it is called or subscripted with, where that is written out."""


class Scope:
    """The module, a class, or something with local names: a function, a lambda, a comprehension, type parameters."""

    __slots__ = ("aliases", "bound", "elsewhere", "flags", "is_class", "is_comprehension", "parent", "uses")

    def __init__(
        self, parent: "Scope | None", *, is_class: bool = False, is_comprehension: bool = False
    ) -> None:
        self.parent = parent
        self.is_class = is_class
        self.is_comprehension = is_comprehension
        self.bound: dict[str, str] = {}
        self.aliases: dict[str, list[Chain]] = {}
        self.elsewhere: dict[str, bool] = {}
        self.uses: list[Use] = []
        self.flags = 0

    def declare(self, names: list[str], *, is_global: bool) -> None:
        """`global` or `nonlocal`."""
        self.elsewhere.update(dict.fromkeys(names, is_global))

    def bind(self, name: str, target: str = PARAMETER) -> None:
        """The name gets a value here; `target` is what an import brings.

        Of a name that several imports bind, all of them count.
        """
        scope = self
        while scope.is_comprehension and target is not PARAMETER and scope.parent is not None:
            scope = scope.parent
        if name in scope.elsewhere:
            if scope.elsewhere[name]:
                scope.module.bound.setdefault(name, PARAMETER)
            return
        known = scope.bound.get(name, PARAMETER)
        if known in (PARAMETER, DEFINITION):
            scope.bound[name] = target
        elif target not in (PARAMETER, DEFINITION) and target not in known.split():
            scope.bound[name] = f"{known} {target}"

    def alias(self, name: str, chain: Chain) -> None:
        """The name gets the value of a chain here, or something in it; so what is set there, is set in it too."""
        if self.parent is not None and not self.is_class:
            self.aliases.setdefault(name, []).append(chain)

    def bind_outside(self, name: str) -> None:
        """The name gets a value in the scope around the comprehensions, as `:=` does it."""
        scope = self
        while scope.is_comprehension and scope.parent is not None:
            scope = scope.parent
        scope.bind(name)

    @property
    def module(self) -> "Scope":
        """The outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def close(self) -> "Scope":
        """Ends the scope: its uses go where the names are bound. Gives the scope around it."""
        assert self.parent is not None
        around = self.parent
        while around.is_class and around.parent is not None:
            around = around.parent
        module = self.module
        module.flags |= self.flags
        if self.aliases:
            self.uses += self._by_alias()
        for chain, how, key in self.uses:
            root = chain[0]
            target = self.bound.get(root)
            if root in self.elsewhere:
                (module if self.elsewhere[root] else around).uses.append((chain, how & ~LATER_CALLED, key))
            elif target is None:
                around.uses.append((chain, how & ~LATER_CALLED, key))
            elif target is DEFINITION or target is PARAMETER:
                module.flags |= _local(chain, how, is_parameter=target is PARAMETER)
                if self.is_class and around is module:  # before it is bound, the module's is meant
                    module.uses.append((chain, (how & EAGER) | SOFT, key))
            else:
                for each in target.split():
                    module.uses.append(((each, *chain[1:]), how & ~LATER_CALLED, key))
        return self.parent

    def _by_alias(self) -> list[Use]:
        """What is set by other names."""
        found: list[Use] = []
        for chain, how, key in self.uses:
            if not how & STORES or chain[0] not in self.aliases:
                continue
            waiting, seen = [chain[0]], set()
            while waiting:
                name = waiting.pop()
                if name not in seen:
                    seen.add(name)
                    for alias in self.aliases.get(name, ()):
                        found.append(((*alias, *chain[1:]), how, key))
                        waiting.append(alias[0])
        return found


def _local(chain: Chain, how: int, *, is_parameter: bool) -> int:
    """What the use of a local name says."""
    flags = 0
    if "__doc__" in chain:
        flags |= DOCS
    if (
        how & STORES
        and (chain[0] in CLASS_NAMES or "__class__" in chain)
        or chain[0] in CLASS_NAMES
        and (how & LATER_STATEMENT or len(chain) > 2)
    ):
        flags |= MUTABLE
    if is_parameter and how & LATER_CALLED and len(chain) == 1:
        flags |= CALLS_PARAMETER
    if (
        is_parameter
        and chain[0] != "self"
        and (how & LATER_REBOUND or (how & STORES and "__dict__" in chain))
    ):
        flags |= CHANGES_PARAMETER
    return flags
