"""The work list behind `closure`: names and statements are added until nothing new comes.

Facts say for each statement what it needs; `Reach` adds that. Three things can only be known at the end, and are then
added to everything that was reached: whether somebody reads docstrings, annotations, or the source itself.
"""

import re
import sys
from typing import Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._data import matching
from dalsegno.closure._effects import EVERYTHING, RANDOM, Effect, Effects
from dalsegno.closure._known import OWN, READS_ENVIRONMENT, is_random
from dalsegno.closure._late import Late
from dalsegno.closure._order import Order
from dalsegno.closure._program import AS_A_WHOLE, WHOLE, Found, Name, Program
from dalsegno.closure._results import NOT_IMPORTABLE, Digests, place, told
from dalsegno.closure.closure import Closure, Symbol, Widening
from dalsegno.closure.facts import Unit

__all__ = ["Reach"]

_READS: Final = bits.DOCS | bits.ANNOTATIONS | bits.SOURCE
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
_EXCUSED: Final = {"module": ("module",), "name": ("module", "name")}
_NOT_FOR_PROGRAMS: Final = (".pyi", "py.typed")
_IGNORED_PACKAGES: Final = OWN | {"builtins", "__future__"} | sys.stdlib_module_names
_KNOWN_PACKAGES: Final = _IGNORED_PACKAGES | {"flyte"}


class Reach:
    """What one function or class reaches."""

    def __init__(self, program: Program, module: str, qualname: str) -> None:
        self._program = program
        self._module = module
        self._qualname = qualname
        self._effects = effects_of(program)
        self._late = Late(program, self._effects)
        self._names: dict[Name, None] = {}
        self._units: dict[Effect, None] = {}
        self._whole: dict[str, None] = {}
        self._bundle = False
        self._reads = 0
        self._documented: set[Name] = set()
        self._noted: set[Name] = set()
        self._outside: set[str] = set()
        self._files: set[str] = set()
        self._environ: set[str] = set()
        self._widened: set[Widening] = set()
        self._all_data = False
        self._texts: set[str] = set()
        self._paths: set[str] = set()
        self._new_names: list[Name] = []
        self._new_units: list[Effect] = []
        self._gone_through: set[Name] = set()
        self._effect_units: set[Effect] = set()

    def closure(self) -> Closure:
        """Does the work."""
        root = self._qualname.partition(".")[0]
        facts = self._program.facts(self._module)
        if root == WHOLE:
            self._take_module(self._module)
        elif facts is None or facts.problem:
            reason = facts.problem if facts else f"there is no module {self._module}"
            self._take_bundle(self._module, root, reason)
        else:
            found = self._program.resolve(self._module, root)
            self._apply(self._module, root, found)
        for module in sorted(self._program.sources.modules):
            problem = self._program.problem(module)
            if problem and not problem.startswith(NOT_IMPORTABLE):
                self._take_bundle(module, WHOLE, f"it cannot be analysed ({problem})")
        self._add_effects(EVERYTHING)
        self._work()
        if self._bundle:
            return self._everything()
        packages = self._packages()
        order = Order(self._program, self._effects, self._units, self._effect_units)
        modules, symbols = order.of(self._module)
        environ = ("*",) if "*" in self._environ else tuple(sorted(self._environ))
        return Closure(
            self._module,
            self._qualname,
            tuple(sorted([*self._symbols(), *symbols], key=place)),
            tuple(sorted(packages)),
            tuple(sorted(self._data().items())),
            environ,
            tuple(sorted(self._widened)),
            modules,
        )

    def _everything(self) -> Closure:
        """All of the bundle, and by name what was reached before it came to that."""
        program = self._program
        self._whole = dict.fromkeys(program.sources.modules)
        imported: set[str] = set()
        for module in self._whole:
            for unit in program.units(module):
                self._reads |= unit.flags & _READS
                imported.update(target for _, target in unit.targets)
                imported.update(written.lstrip("!") for written in unit.uses if ":" in written)
        own = {module.partition(".")[0] for module in self._whole}
        self._outside.update(name.partition(":")[0] for name in imported if name[0] != ".")
        return Closure(
            self._module,
            self._qualname,
            tuple(sorted(self._symbols(), key=place)),
            tuple(sorted(self._packages() - own)),
            tuple(sorted(self._data().items())),
            ("*",),
            tuple(sorted(self._widened)),
        )

    # Adding

    def _work(self) -> None:
        while (self._new_units or self._new_names) and not self._bundle:
            while self._new_names:
                self._take_name(self._new_names.pop())
            if self._new_units:
                self._take_unit(self._new_units.pop())

    def _add_name(self, name: Name) -> None:
        if name not in self._names:
            self._names[name] = None
            self._new_names.append(name)

    def _add_unit(self, unit: Effect) -> None:
        if unit not in self._units:
            self._units[unit] = None
            self._new_units.append(unit)

    def _take_name(self, name: Name) -> None:
        for number, unit in self._program.definitions(name):
            if unit.kind != "import":
                self._add_unit((name[0], number))
        self._add_effects(name)
        for late in self._late.changing(name):
            self._add_unit(late)

    def _add_effects(self, name: Name) -> None:
        for effect in sorted(self._effects.of(name, self._gone_through)):
            self._effect_units.add(effect)
            self._add_unit(effect)

    def _take_unit(self, place: Effect) -> None:
        module, number = place
        unit = self._program.units(module)[number]
        for name in unit.names:
            self._add_name((module, name))
        self._take_flags(module, unit)
        noted = self._reads & bits.ANNOTATIONS or any((module, name) in self._noted for name in unit.names)
        excused = "module" if unit.flags & bits.GUARDED else ""
        for written, how in unit.uses.items():
            if how & (bits.RUN | bits.SOFT) or noted:
                self._take_use(module, unit, written, how, excused if how & bits.RUN else "name")
        self._environ.update(unit.environ)
        self._paths.update(unit.paths)
        if not any(self._program.is_environment((module, name)) for name in unit.names):
            self._take_texts(module, unit)
        if unit.kind in ("star", "import"):
            return
        for _, target in unit.targets:
            found = self._program.resolve(module, f"!{target}")
            self._apply(module, unit.name, found, excused)

    def _take_use(self, module: str, unit: Unit, written: str, how: int, excused: str) -> None:
        found = self._program.resolve(module, written)
        self._apply(module, unit.name, found, excused)
        if how & bits.DEFINER and unit.kind in ("function", "class") and self._is_foreign(found):
            self._documented.update((module, name) for name in unit.names)
        elif how & bits.CALLED and self._gives_away(found):
            self._note_given(module, unit)
        if any(end[0] != module and self._is_place(end, written) for end in found.ends):
            self._take_data(module, unit.name)
        if not self._is_told(module, written) and any(
            each.startswith(("os.environ", "os.getenv")) for each in found.outside
        ):
            self._environ.add("*")

    def _is_place(self, name: Name, written: str) -> bool:
        """Whether a name of another module is a folder beside the code, or a file there that leads to others."""
        return any(
            unit.flags & bits.FOLDER or (unit.paths and ".parent" in written)
            for _, unit in self._program.definitions(name)
        )

    def _is_foreign(self, found: Found) -> bool:
        """Whether it belongs to a package that may read docstrings and annotations of what it is given."""
        return any(each.partition(".")[0] not in _KNOWN_PACKAGES for each in found.outside)

    def _gives_away(self, found: Found) -> bool:
        return self._is_foreign(found) or any(
            self._program.is_environment(end)
            or any(unit.kind == "value" for _, unit in self._program.definitions(end))
            for end in found.ends
        )

    def _note_given(self, module: str, unit: Unit) -> None:
        """Functions and classes that are given to something at import may have their annotations and docstrings read."""
        for written, how in unit.uses.items():
            if not how & bits.EAGER or how & bits.DEFINER:
                continue
            for end in self._program.resolve(module, written).ends:
                if end not in self._noted:
                    self._noted.add(end)
                    self._documented.add(end)
                    self._new_units += [
                        (end[0], number)
                        for number, each in self._program.definitions(end)
                        if each.kind in ("function", "class")
                    ]

    def _is_told(self, module: str, written: str) -> bool:
        """Whether the facts say which variables a use of `os.environ` reads: where `os` is imported right there."""
        if ":" in written:
            return written.lstrip("!").startswith("os:")
        root = written.partition(".")[0]
        units = [unit for _, unit in self._program.definitions((module, root))]
        targets = [target for unit in units for own, target in unit.targets if own == root]
        return len(targets) == len(units) > 0 and all(target.startswith("os:") for target in targets)

    def _take_texts(self, module: str, unit: Unit) -> None:
        self._texts.update(unit.texts)
        for text in unit.texts:
            if text.endswith(".py"):
                self._take_file(module, unit, text)
            if not _DOTTED.fullmatch(text):
                continue
            parts = text.replace(":", ".").split(".")
            for end in range(len(parts), 0, -1):
                named = ".".join(parts[:end])
                if named in self._program.sources.modules and ("." in named or end < len(parts)):
                    found = self._program.resolve(module, f"{named}:{'.'.join(parts[end:])}")
                    self._apply(module, unit.name, found, "name")
                    break

    def _take_file(self, module: str, unit: Unit, text: str) -> None:
        """A text that may be the path of a module, which is executed or read."""
        last = text.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
        for each in (
            sorted(self._program.sources.modules) if last.isidentifier() and last != "__init__" else ()
        ):
            if each.rpartition(".")[2] == last:
                self._widened.add(
                    Widening(module, unit.name, "module", f"it names the file of the module {each}")
                )
                self._take_module(each)

    def _apply(self, module: str, name: str, found: Found, excused: str = "") -> None:
        """Takes what was found for a name; it may be that a "module", or any "name", is missing if that is excused."""
        for each in found.names:
            self._add_name(each)
        if found.reads_docs:
            self._documented.update(found.ends)
            kinds = {unit.kind for end in found.ends for _, unit in self._program.definitions(end)}
            if not kinds <= {"function", "class", "text"}:
                self._reads |= bits.DOCS
        self._outside.update(found.outside)
        if any(map(is_random, found.outside)):
            self._add_effects(RANDOM)
        self._files.update(found.files)
        if found.is_located:
            self._take_data(module, name)
        for whole, reason in found.modules:
            if reason == AS_A_WHOLE or found.missing not in _EXCUSED.get(excused, ()):
                self._widened.add(Widening(module, name, "module", told(whole, module, reason)))
                self._take_module(whole)

    def _take_flags(self, module: str, unit: Unit) -> None:
        flags = unit.flags
        if flags & bits.EVAL:
            self._take_bundle(module, unit.name, "it executes or imports what is computed")
        if flags & bits.NAMESPACE:
            self._widened.add(Widening(module, unit.name, "module", "it looks names up in its own module"))
            self._take_module(module)
        if flags & bits.LOCATOR:
            self._take_data(module, unit.name)
        more = flags & _READS & ~self._reads
        if more:
            self._reads |= more
            if more & bits.ANNOTATIONS:
                self._new_units += self._units

    def _take_data(self, module: str, name: str) -> None:
        self._all_data = True
        if self._program.sources.data:
            self._widened.add(Widening(module, name, "bundle", "it may read any data file"))

    def _take_module(self, module: str) -> None:
        """All of a module, and of the modules that are attributes of it: those it imports, and those in a package."""
        waiting = [module]
        while waiting:
            each = waiting.pop()
            if each in self._whole:
                continue
            self._whole[each] = None
            facts = self._program.facts(each)
            if facts is None:
                waiting += [name for name in self._program.sources.modules if name.startswith(f"{each}.")]
                continue
            if facts.problem:
                self._take_bundle(each, WHOLE, f"it cannot be analysed ({facts.problem})")
            if self._program.sources.is_package(each):
                waiting += [name for name in self._program.sources.modules if name.startswith(f"{each}.")]
            for number, unit in enumerate(facts.units):
                self._add_unit((each, number))
                for name, target in unit.targets:
                    found = self._program.resolve(each, target if name else f"!{target}")
                    waiting += [whole for whole, _ in found.modules if not found.missing]
                    self._apply(each, name or unit.name, found._replace(modules=()))
            for touched in self._effects.names_of(each):
                self._add_effects(touched)
            self._add_effects((each, WHOLE))

    def _take_bundle(self, module: str, name: str, reason: str) -> None:
        self._widened.add(Widening(module, name, "bundle", reason))
        if not self._bundle:
            self._bundle = True
            self._all_data = True
            self._new_names.clear()
            self._new_units.clear()

    # Results

    def _symbols(self) -> list[Symbol]:
        digests = Digests(self._program, self._reads, self._documented, self._noted)
        found = {name: digests.name(name) for name in self._names}
        for module, number in self._units:
            unit = self._program.units(module)[number]
            if not unit.names and unit.kind != "star" and module not in self._whole:
                found[module, unit.label] = digests.unit((module, unit.label), unit)
        found.update({(module, WHOLE): digests.module(module) for module in self._whole})
        if self._reads & bits.SOURCE:
            found.update({(module, WHOLE): digests.text(module) for module, _ in self._units})
        return [Symbol(*name, digest) for name, digest in found.items() if digest is not None]

    def _packages(self) -> set[str]:
        tops = {name.partition(".")[0] for name in self._outside}
        if tops & READS_ENVIRONMENT:
            self._environ.add("*")
        return tops - _IGNORED_PACKAGES

    def _data(self) -> dict[str, bytes]:
        data = {
            path: digest
            for path, digest in self._program.sources.data.items()
            if not path.endswith(_NOT_FOR_PROGRAMS)
        }
        if self._all_data:
            return data
        wanted = self._files | matching(data, self._texts, self._paths)
        return {path: data[path] for path in wanted}


def effects_of(program: Program) -> Effects:
    """The effects of a program, worked out once."""
    known = program.effects
    if not isinstance(known, Effects):
        known = program.effects = Effects(program)
    return known
