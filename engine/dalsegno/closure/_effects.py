"""Which statements change what others hold when modules are executed: registrations, replacements, seeds.

A statement that is executed at import, an effect, may change

- what it assigns to: `mod.x = 1` changes the name x of mod, `REG["a"] = f` changes REG
- what it calls may change: the state that can be reached from the callee, and from what is given to it
- everything: a call outside of the bundle whose result is thrown away, such as `random.seed(1)`, an assignment to
  something outside of it, and calls of functions that do such things

Random numbers are state as well, once something seeds them: each draw at import changes the next.

State is what a name is bound to if it is no plain function, class, import or constant. A function that is given to
another is only gone into if something that the other reaches calls what it was given; so decorators that wrap a
function tie nothing together but what they hold themselves. Tasks that share a task environment are not tied.

An effect belongs to every closure that holds something it may change. To find these without looking at each pair, the
names that can be reached from all effects are made one graph, once for each bundle; going through it backwards, from
what a closure holds, leads to the effects.
"""

from collections.abc import Iterable
from typing import Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import (
    CHANGING,
    EXECUTING,
    OWN,
    PURE_BASES,
    PURE_DECORATORS,
    SHARED,
    below,
    is_harmless,
    is_random,
)
from dalsegno.closure._program import WHOLE, Name, Program
from dalsegno.closure._state import State
from dalsegno.closure.facts import Unit

__all__ = ["EVERYTHING", "Effect", "Effects", "RANDOM"]

Effect = tuple[str, int]
"""A module and the number of a unit in it."""

EVERYTHING: Final[Name] = ("", WHOLE)
"""Stands for what every task sees."""

RANDOM: Final[Name] = ("", "random")
"""Stands for the state of random numbers, if something seeds them."""

_DOES: Final = bits.CALLS_PARAMETER | bits.CHANGES_PARAMETER
_STORES: Final = bits.STORED | bits.REBOUND
_LATE: Final = bits.LATER_STORED | bits.LATER_REBOUND


class Effects:
    """The effects of one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._roots: dict[Name, list[Effect]] = {}
        self._touching: dict[Name, list[Effect]] = {}
        self._by_module: dict[str, set[Name]] = {}
        self._before: dict[Name, list[Name]] = {}
        self._after: dict[Name, tuple[Name, ...]] = {}
        self._stored: set[Name] = set()
        self._state = State(program)
        self._seeds = False
        self._doing: dict[Name, int] = {}
        self._next: dict[Name, tuple[Name, ...]] = {}
        self.outside: dict[Effect, set[str]] = {}
        for module in sorted(program.sources.modules):
            for number, unit in enumerate(() if program.is_quiet(module) else program.units(module)):
                if unit.may_affect:
                    self._enter((module, number), unit)
        self._build()

    # What a closure asks

    def of(self, name: Name, seen: set[Name]) -> set[Effect]:
        """The effects that may change what a name holds; `seen` are the names gone through before, and grows."""
        found = {*self._touching.get(name, ()), *self._touching.get((name[0], WHOLE), ())}
        if name not in self._after and name not in self._before and name not in self._roots:
            return found
        if name in seen or not (name == EVERYTHING or name in self._stored or self.is_state(name)):
            return found
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each not in seen:
                seen.add(each)
                found.update(self._roots.get(each, ()))
                waiting += self._before.get(each, ())
        return found

    def names_of(self, module: str) -> set[Name]:
        """The names of a module that effects may change, those that it does not bind itself included."""
        return self._by_module.get(module, set())

    def is_changed(self, name: Name) -> bool:
        """Whether some effect may change what the name holds."""
        return (
            name in self._touching
            or (name[0], WHOLE) in self._touching
            or (name in self._roots or name in self._before)
            and (name in self._stored or self.is_state(name))
        )

    # Effects

    def _enter(self, effect: Effect, unit: Unit) -> None:
        roots, touched, everything = self._reach_of(effect[0], unit)
        for name in touched:
            self._touching.setdefault(name, []).append(effect)
            self._by_module.setdefault(name[0], set()).add(name)
            if self.is_state(name):
                roots.add(name)
        for name in roots:
            self._roots.setdefault(name, []).append(effect)
        if everything:
            self._roots.setdefault(EVERYTHING, []).append(effect)

    def _reach_of(self, module: str, unit: Unit) -> tuple[set[Name], set[Name], bool]:
        """What executing a unit may change through others, what it changes itself, and whether it may change all."""
        program = self._program
        roots: set[Name] = set()
        touched: set[Name] = set()
        outside: set[str] = set()
        everything = bool(unit.flags & bits.UNKNOWN_CALL and unit.kind == "statement")
        is_script = unit.flags & bits.SCRIPT
        calls = into = bool(unit.flags & (bits.CALLER | bits.UNKNOWN_CALL)) and not is_script
        does = 0
        if unit.flags & bits.NAMESPACE and unit.kind in ("value", "statement", "block"):
            touched |= {(module, name) for name in program.bindings(module)}
        for written, how in unit.uses.items():
            if how & _STORES:
                places, away = self.stored_places(module, written, how & bits.REBOUND, how & bits.INSIDE)
                touched |= places
                outside |= away
                everything |= bool(away)
            if is_script or not how & bits.CALLED:
                continue
            found = program.resolve(module, written)
            if found.ends and all(map(program.is_environment, found.ends)):
                continue
            if found.outside and not found.ends and not found.modules:
                if self._changes_all(found.outside, how):
                    everything = True
                    outside |= {each.partition(".")[0] for each in found.outside}
                if any(map(is_random, found.outside)):
                    roots.add(RANDOM)
                is_pure = how & bits.DEFINER and all(below(each, PURE_DECORATORS) for each in found.outside)
                calls |= not is_pure and not all(below(each, OWN) for each in found.outside)
                continue
            calls = True
            roots |= {*found.ends}
            roots |= {(each, WHOLE) for each, _ in found.modules}
            everything |= bool(found.files) or bool(found.missing and how & bits.STATEMENT)
            for end in found.ends:
                does |= self._does(end)
        if unit.kind == "class" and not is_script:
            above, registering = self._hooks(module, unit)
            roots |= above
            touched |= registering
        if calls:
            own = {(module, name) for name in unit.names}
            into = into or bool(does & bits.CALLS_PARAMETER)
            given = self._given(module, unit, into=into)
            touched |= self._exposed(module, unit, changed=bool(does & bits.CHANGES_PARAMETER)) - own
            roots |= given - own
            if into and unit.kind in ("function", "class"):
                roots |= own
            elif into:
                inside: dict[Name, None] = {}
                self._leads_to(module, unit, inside)
                roots |= inside.keys() - own
        if everything:
            self.outside[module, self._number(module, unit)] = outside
        return roots, touched, everything

    def _changes_all(self, outside: Iterable[str], how: int) -> bool:
        """Whether a call outside of the bundle may change what every task sees."""
        names = [each for each in outside if not is_harmless(each)]
        self._seeds |= any("seed" in each for each in names)
        if any(each in EXECUTING for each in names):
            return True
        if any(
            CHANGING.search(each.rpartition(".")[2]) for each in names if not each.startswith("builtins.")
        ):
            return True
        return bool(how & bits.STATEMENT and names)

    def _number(self, module: str, unit: Unit) -> int:
        return next(number for number, each in enumerate(self._program.units(module)) if each is unit)

    def _given(self, module: str, unit: Unit, *, into: bool) -> set[Name]:
        """What a statement that calls something reads: state, and functions and classes if these are called."""
        return {
            end
            for written, how in unit.uses.items()
            if how & bits.EAGER or (how & bits.RUN and unit.kind in ("value", "statement"))
            for end in self._program.resolve(module, written).ends
            if self.is_state(end) or into
        }

    def _exposed(self, module: str, unit: Unit, *, changed: bool) -> set[Name]:
        """The modules that are given to what a statement calls, and if that sets attributes, functions and classes."""
        found: set[Name] = set()
        for written, how in unit.uses.items():
            if how & bits.EAGER and not how & (bits.CALLED | bits.DEFINER):
                each = self._program.resolve(module, written)
                if not (how & bits.SOFT and each.missing == "name"):  # bound in the body of a class
                    found.update((whole, WHOLE) for whole, _ in each.modules)
                found.update(each.ends if changed else ())
        return found

    def stored_places(
        self, module: str, written: str, rebinds: int, inside: int
    ) -> tuple[set[Name], set[str]]:
        """The names that an assignment changes, and the packages outside of the bundle."""
        program = self._program
        if not rebinds:
            found = program.resolve(module, written)
            places = {*found.ends} | {(each, WHOLE) for each, _ in found.modules}
            held, away = self._held(found.ends, inside=bool(inside))
            away |= {each.partition(".")[0] for each in found.outside if not places}
            return places | held or {*found.names}, away
        holder, _, attribute = written.rpartition(".")
        if not holder or ":" in attribute:
            holder, _, attribute = written.rpartition(":")
            holder += ":"
        found = program.resolve(module, holder)
        places = {*found.ends} | {(each, attribute) for each, _ in found.modules}
        held, away = self._held(found.ends, inside=True)
        return places | held, away | {each.partition(".")[0] for each in found.outside if not places}

    def _held(self, names: Iterable[Name], *, inside: bool) -> tuple[set[Name], set[str]]:
        """What else an assignment to these names changes: functions and classes that they are other names of or, if
        it is `inside`, that they hold; and the packages that share with others what they gave."""
        held: set[Name] = set()
        away: set[str] = set()
        seen: set[Name] = set()
        waiting = [*names]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for _, unit in self._program.definitions(name):
                if unit.kind not in ("value", "block"):
                    continue
                for written, how in unit.uses.items():
                    found = self._program.resolve(name[0], written)
                    if not how & bits.CALLED:
                        if inside and how & bits.EAGER:
                            waiting += found.ends
                    elif unit.flags & bits.RESULT:
                        away |= {
                            each.partition(".")[0]
                            for each in found.outside
                            if SHARED.search(each.rpartition(".")[2]) and not is_harmless(each)
                        }
            if not self.is_state(name):
                held.add(name)
        return held, away

    def _hooks(self, module: str, unit: Unit) -> tuple[set[Name], set[Name]]:
        """The classes above a class, if one of them does something when others are derived from it; and those of
        them of which it is not known, since they come from elsewhere."""
        seen: set[Name] = set()
        unknown: set[Name] = set()
        is_hooked = False
        waiting: list[tuple[str, Unit, Name | None]] = [(module, unit, None)]
        while waiting:
            where, each, own = waiting.pop()
            for written, how in each.uses.items():
                if not how & bits.DEFINER or how & bits.CALLED:
                    continue
                found = self._program.resolve(where, written)
                if own is not None and any(
                    name.partition(".")[0] not in PURE_BASES for name in found.outside
                ):
                    unknown.add(own)
                for end in found.ends:
                    if end in seen:
                        continue
                    seen.add(end)
                    for _, base in self._program.definitions(end):
                        is_hooked |= bool(base.flags & bits.HOOK)
                        if base.kind == "class":
                            waiting.append((end[0], base, end))
                        elif self.is_state(end):
                            unknown.add(end)
        return (seen if is_hooked else set()), unknown

    def _does(self, name: Name) -> int:
        """What something that a name reaches does to what it is given, in bits."""
        known = self._doing.get(name)
        if known is None:
            known = 0
            seen: set[Name] = set()
            waiting = [name]
            while waiting:
                each = waiting.pop()
                if each not in seen:
                    seen.add(each)
                    for _, unit in self._program.definitions(each):
                        known |= unit.flags & (_DOES | bits.EVAL)
                    waiting += self._successors(each)
            if known & bits.EVAL:
                known |= _DOES
            self._doing[name] = known
        return known

    def is_state(self, name: Name) -> bool:
        """Whether a name holds something that can change."""
        return self._seeds if name == RANDOM else self._state.holds(name)

    # The graph

    def _build(self) -> None:
        waiting = [*self._roots]
        while waiting:
            name = waiting.pop()
            if name in self._after:
                continue
            after = self._after[name] = self._successors(name)
            for each in after:
                self._before.setdefault(each, []).append(name)
            self._by_module.setdefault(name[0], set()).add(name)
            waiting += after

    def _successors(self, name: Name) -> tuple[Name, ...]:
        """The names that a name leads to at once."""
        known = self._next.get(name)
        if known is None:
            module, own = name
            found: dict[Name, None] = {}
            if own == WHOLE and module:
                found.update(dict.fromkeys((module, each) for each in self._program.bindings(module)))
            elif module:
                for _, unit in self._program.definitions(name):
                    if unit.kind != "import":
                        found.update(dict.fromkeys((module, each) for each in unit.names))  # set by `global`
                        self._leads_to(module, unit, found)
            known = self._next[name] = tuple(found)
        return known

    def _leads_to(self, module: str, unit: Unit, found: dict[Name, None]) -> None:
        if unit.flags & bits.EVAL:
            found[EVERYTHING] = None
        if unit.flags & bits.NAMESPACE:
            found[module, WHOLE] = None
        for written, how in unit.uses.items():
            if not how & (bits.RUN | bits.SOFT):
                continue
            each = self._program.resolve(module, written)
            found.update(dict.fromkeys(each.ends))
            if any(map(is_random, each.outside)):
                found[RANDOM] = None
            found.update(dict.fromkeys((whole, WHOLE) for whole, _ in each.modules))
            if how & _LATE:
                places, away = self.stored_places(
                    module, written, how & bits.LATER_REBOUND, how & bits.INSIDE
                )
                self._stored |= places
                found.update(dict.fromkeys(places))
                if away:
                    found[EVERYTHING] = None
            if how & bits.LATER_STATEMENT and not each.ends and _changes_outside(each.outside):
                self._seeds |= any("seed" in name for name in each.outside)
                found[EVERYTHING] = None


def _changes_outside(outside: Iterable[str]) -> bool:
    return any(not is_harmless(each) and not each.startswith("builtins.") for each in outside)
