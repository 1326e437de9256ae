"""All modules of a bundle as one program: what a chain of names in one of them leads to.

A chain is followed as the interpreter would follow it, with all alternatives where only execution tells: a name that is
bound in several places has all of them, a star import brings what the other module exports, an attribute of a package
may be a name in it and a submodule. What cannot be followed ends at a module that is used as a whole.
"""

import builtins
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import ENVIRONMENTS, MODULE_NAMES
from dalsegno.closure.facts import ModuleFacts, Outline, Unit

__all__ = ["Found", "Name", "Program", "Sources", "program_of"]

Name = tuple[str, str]
"""A module and a name in it."""

WHOLE: Final = "*"
AS_A_WHOLE: Final = "it is used as a whole"
_LOCATORS: Final = frozenset({"__file__", "__path__", "__spec__", "__loader__"})
_BUILTINS: Final = frozenset(dir(builtins))
_LIBRARIES: Final = (".so", ".pyd")


class Sources(Protocol):
    """The modules and files of a bundle, as the caller has them; they do not change while they are used."""

    @property
    def modules(self) -> Collection[str]:
        """The names of all modules."""

    @property
    def data(self) -> Mapping[str, bytes]:
        """The digests of the files that are no modules, by path."""

    def facts(self, module: str) -> ModuleFacts | None:
        """What the text of a module says; None when it is not a module of the bundle."""

    def outline(self, module: str) -> Outline:
        """What the top level of a module of the bundle says."""

    def is_package(self, module: str) -> bool:
        """Whether a module of the bundle is a package."""

    def text(self, module: str) -> bytes:
        """The text of a module of the bundle."""


class Found(NamedTuple):
    """What a chain leads to.

    `names` are those on the way and at the end, `ends` only the latter; `modules` are used as a whole, with the reason;
    `outside` are dotted names of other packages, the standard library and builtins; `missing` says what was not found,
    if anything, a "module" or a "name".
    """

    names: tuple[Name, ...]
    ends: tuple[Name, ...]
    modules: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]
    files: tuple[str, ...]
    missing: str
    reads_docs: bool
    is_located: bool


class Program:
    """The modules of one bundle; remembers what was found."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.effects: object = None
        self._facts: dict[str, ModuleFacts] = {}
        self._bindings: dict[str, dict[str, list[int]]] = {}
        self._stars: dict[str, list[tuple[int, str]]] = {}
        self._found: dict[tuple[str, str], Found] = {}
        self._environments: dict[Name, bool] = {}
        self._folders = {
            ".".join(parts[:end]) for parts in _parts(sources.modules) for end in range(1, len(parts))
        }
        self._tops = {name.partition(".")[0] for name in sources.modules}
        self._outlines: dict[str, Outline] = {}
        self._assigning: dict[str, list[str]] | None = None
        self._libraries: dict[str, list[str]] = {}
        for path in sources.data:
            if path.endswith(_LIBRARIES):
                folder, _, file = path.rpartition("/")
                name = ".".join(filter(None, [*folder.split("/"), file.partition(".")[0]]))
                self._libraries.setdefault(name, []).append(path)
        self._own = self._tops | {name.partition(".")[0] for name in self._libraries}

    def facts(self, module: str) -> ModuleFacts | None:
        """What is known of a module; None when the bundle has none of that name."""
        known = self._facts.get(module)
        if known is None and module in self.sources.modules:
            known = self.sources.facts(module)
            if known is not None:
                self._facts[module] = known
        return known

    def _outline(self, module: str) -> Outline:
        known = self._outlines.get(module)
        if known is None:
            known = self._outlines[module] = self.sources.outline(module)
        return known

    def problem(self, module: str) -> str:
        """Why nothing is known of a module of the bundle, "" for most."""
        return self._outline(module).problem

    def is_quiet(self, module: str) -> bool:
        """Whether executing a module of the bundle does nothing but bind its names."""
        outline = self._outline(module)
        return outline.is_quiet and self._own.isdisjoint(outline.assumes)

    def imports(self, module: str) -> tuple[str, ...]:
        """What a quiet module imports, in order, whether that is a module or a name in one."""
        return self._outline(module).imports

    def assigning(self, word: str) -> list[str]:
        """The modules with functions that may change something of that name."""
        if self._assigning is None:
            self._assigning = {}
            for module in sorted(self.sources.modules):
                for each in self._outline(module).assigned:
                    self._assigning.setdefault(each, []).append(module)
        return self._assigning.get(word, [])

    def units(self, module: str) -> tuple[Unit, ...]:
        """The units of a module, in order."""
        facts = self.facts(module)
        return facts.units if facts is not None else ()

    def bindings(self, module: str) -> Mapping[str, list[int]]:
        """The numbers of the units that bind a name, by name."""
        known = self._bindings.get(module)
        if known is None:
            known = self._bindings[module] = {}
            stars = self._stars[module] = []
            for number, unit in enumerate(self.units(module)):
                for name in unit.names:
                    known.setdefault(name, []).append(number)
                if unit.kind == "star":
                    stars.append((number, unit.targets[0][1][:-1]))
        return known

    def definitions(self, name: Name) -> list[tuple[int, Unit]]:
        """The units that bind a name themselves, in order."""
        module, own = name
        units = self.units(module)
        return [(number, units[number]) for number in self.bindings(module).get(own, ())]

    def providers(self, name: Name) -> list[tuple[int, str]]:
        """The star imports that bring a name, each with its place and the module of the bundle that it imports."""
        module, own = name
        self.bindings(module)
        return [(number, star) for number, star in self._stars[module] if self._exports(star, own)]

    def _exports(self, module: str, name: str) -> bool:
        waiting, seen = [module], set()
        while waiting:
            each = waiting.pop()
            facts = self.facts(each)
            if each in seen or facts is None:
                continue
            seen.add(each)
            if facts.exports is not None and not facts.computed_exports:
                if name not in facts.exports:
                    continue
            elif name.startswith("_") and not facts.computed_exports:
                continue
            if name in self.bindings(each) or self._is_module(f"{each}.{name}"):
                return True
            waiting += [star for _, star in self._stars[each]]
        return False

    def _is_module(self, name: str) -> bool:
        return name in self.sources.modules or name in self._folders or name in self._libraries

    def resolve(self, module: str, written: str) -> Found:
        """What a chain in a module leads to, as it is written in the facts."""
        key = (module, written)
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = _Search(self, module).run(written)
        return known

    def is_environment(self, name: Name) -> bool:
        """Whether a name is bound to a task environment and nothing else."""
        known = self._environments.get(name)
        if known is None:
            self._environments[name] = False
            units = [unit for _, unit in self.definitions(name)]
            known = bool(units) and all(self._makes_environment(name[0], unit) for unit in units)
            self._environments[name] = known
        return known

    def _makes_environment(self, module: str, unit: Unit) -> bool:
        if unit.kind != "value" or len(unit.names) != 1:
            return False
        for written, how in unit.uses.items():
            if not how & bits.CALLED:
                continue
            found = self.resolve(module, written)
            last = written.rpartition(".")[2].rpartition(":")[2]
            if any(
                each.partition(".")[0] in ENVIRONMENTS and each.endswith(".TaskEnvironment")
                for each in found.outside
            ):
                return True
            if last == "clone_with" and found.ends and all(map(self.is_environment, found.ends)):
                return True
        return False


def _parts(names: Collection[str]) -> Iterator[list[str]]:
    return (name.split(".") for name in names)


_programs: "WeakKeyDictionary[Sources, Program]" = WeakKeyDictionary()


def program_of(sources: Sources) -> Program:
    """The program of these sources; the same one as long as they live, so keeping them saves time."""
    try:
        known = _programs.get(sources)
        if known is None:
            known = _programs[sources] = Program(sources)
    except TypeError:  # cannot be hashed or referred to weakly
        return Program(sources)
    return known


class _Step(NamedTuple):
    """The rest of a chain, to be looked for in a module.

    `importer` is the module that leads there. `is_root`: names are looked up as in the module itself, builtins included.
    `may_fail`: the code expects that it may not be there.
    """

    module: str
    parts: tuple[str, ...]
    importer: str
    is_root: bool = False
    may_fail: bool = False


class _Search:
    """One chain being followed; what is still to be followed waits on a list, since re-exports may go in circles."""

    def __init__(self, program: Program, module: str) -> None:
        self._program = program
        self._module = module
        self._names: dict[Name, None] = {}
        self._ends: dict[Name, None] = {}
        self._modules: dict[str, str] = {}
        self._outside: dict[str, None] = {}
        self._files: dict[str, None] = {}
        self._missing = ""
        self._reads_docs = False
        self._is_located = False
        self._waiting: list[_Step] = []

    def run(self, written: str) -> Found:
        only_imported = written.startswith("!")
        module, colon, rest = written.lstrip("!").rpartition(":")
        parts = tuple(rest.split(".")) if rest else ()
        if colon:
            self._waiting.append(_Step(module, parts, self._module))
        else:
            self._waiting.append(_Step(self._module, parts, self._module, is_root=True))
        seen: set[_Step] = set()
        while self._waiting:
            step = self._waiting.pop()
            if step not in seen:
                seen.add(step)
                self._take(step)
        if only_imported:
            self._modules = {name: why for name, why in self._modules.items() if why != AS_A_WHOLE}
        return Found(
            tuple(self._names),
            tuple(self._ends),
            tuple(self._modules.items()),
            tuple(self._outside),
            tuple(self._files),
            self._missing,
            self._reads_docs,
            self._is_located,
        )

    def _take(self, step: "_Step") -> None:
        """Takes the next name of a chain."""
        program = self._program
        module, parts, is_root = step.module, step.parts, step.is_root
        if program.facts(module) is None:
            self._elsewhere(step)
            return
        if not parts:
            self._modules[module] = AS_A_WHOLE
            return
        name, rest = parts[0], parts[1:]
        here = (module, name)
        definitions = program.definitions(here)
        providers = program.providers(here)
        submodule = f"{module}.{name}"
        targets = [(target, unit) for _, unit in definitions for own, target in unit.targets if own == name]
        facts = program.facts(module)
        if definitions or providers:
            self._names[here] = None
            for target, unit in targets:
                where, _, attribute = target.rpartition(":")
                chain = (attribute, *rest) if attribute else rest
                may_fail = step.may_fail or bool(unit.flags & bits.GUARDED)
                self._waiting.append(_Step(where, chain, module, may_fail=may_fail))
            for _, star in providers:
                self._waiting.append(_Step(star, parts, module))
            if any(
                name not in {own for own, _ in unit.targets} or unit.kind != "import"
                for _, unit in definitions
            ):
                self._ends[here] = None
                self._reads_docs |= "__doc__" in rest
            taken = is_root or any(target.rpartition(":")[0] == submodule for target, _ in targets)
            if not taken and program._is_module(submodule):
                self._waiting.append(_Step(submodule, rest, module))
        elif program._is_module(submodule) and (not is_root or program.sources.is_package(module)):
            self._waiting.append(_Step(submodule, rest, module))
        elif facts is not None and facts.problem:
            self._names[here] = None
            self._modules[module] = "it cannot be analysed"
        elif name in MODULE_NAMES:
            self._is_located |= name in _LOCATORS and not is_root
            if name == "__dict__":
                self._modules[module] = AS_A_WHOLE
        elif is_root and name in _BUILTINS:
            self._names[here] = None
            self._outside[".".join(("builtins", *parts))] = None
            self._from_outside(step)
        else:
            self._not_found(step)

    def _not_found(self, step: "_Step") -> None:
        module, name = step.module, step.parts[0]
        self._names[module, name] = None
        if self._from_outside(step):
            return
        if not step.is_root and "__getattr__" in self._program.bindings(module):
            self._names[module, "__getattr__"] = self._ends[module, "__getattr__"] = None
            self._modules[module] = "its __getattr__ makes names"
            return
        if not step.may_fail:
            if step.is_root:
                self._modules.update(
                    (star, f"it may export {name!r}") for _, star in self._program._stars[module]
                )
            self._modules[module] = f"nothing that can be seen binds {name!r}"
            self._missing = "name"

    def _from_outside(self, step: "_Step") -> bool:
        """Whether a star import from outside of the bundle may bring the name."""
        stars = [star for _, star in self._program._stars[step.module] if self._program.facts(star) is None]
        for star in stars:
            self._elsewhere(_Step(star, step.parts, step.module))
        return bool(stars)

    def _elsewhere(self, step: "_Step") -> None:
        """A module without facts: a library, a folder without `__init__.py`, another package, or one that is missing."""
        program = self._program
        module, parts = step.module, step.parts
        if module in program._libraries:
            self._files.update(dict.fromkeys(program._libraries[module]))
        elif module in program._folders:
            if not parts:
                self._modules[module] = AS_A_WHOLE
            elif program._is_module(f"{module}.{parts[0]}"):
                self._waiting.append(_Step(f"{module}.{parts[0]}", parts[1:], module))
            elif parts[0] in MODULE_NAMES:
                self._is_located = True
            else:
                self._is_missing(f"{module}.{parts[0]}", step)
        elif module.startswith(".") or module.partition(".")[0] in program._tops:
            self._is_missing(module, step)
        else:
            self._outside[".".join([module, *parts])] = None

    def _is_missing(self, module: str, step: "_Step") -> None:
        if not step.may_fail:
            self._missing = self._missing or "module"
            self._modules.setdefault(step.importer, f"there is no module {module}")
