"""What a function depends on that has no source in the bundle: one from a notebook, a shell, or inside another one.

There is no text to read, but the function is here: its code objects, and the values that it captures. Both make a graph
(`_graph`). A node is a thing, its label what the thing is by itself, its edges what it refers to:

- a function: its code in a normal form (`_code_form`); its defaults, cells, attributes, and the globals that its code names
- a class: its bases, metaclass, annotations and attributes
- a container, an instance of the user's classes, a partial, a property, a type: its parts (`_parts`)
- any other value: the bytes that `encode` gives, without edges
- what can be had by name: the digest that `static` gives when it is the user's, the name otherwise

What the function reaches by way of a module of the user's goes by the text of that module, as it does for other tasks,
and by the values that the names so reached have now: who works in a notebook sets `shop.settings.RATES["a"] = 2` as
readily as a variable of the notebook. So there are edges from the root to those values, and to what was set on the
functions and classes reached.

What may surprise: values are those of now, so a global that is assigned or changed gives another digest, also one that a
helper counts or caches in; and digests of two versions of Python differ, since their code does.
"""

import os
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from hashlib import sha256
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from dalsegno.closure._code_form import (
    DYNAMIC,
    DYNAMIC_BUILTINS,
    ENVIRON,
    INTROSPECTION,
    LOCATORS,
    Reads,
    normal_form,
)
from dalsegno.closure._graph import Node, graph_digest
from dalsegno.closure._parts import (
    CLASS_STATE,
    DESCRIPTORS,
    PYDANTIC,
    cell_content,
    is_code_of,
    is_named,
    kind_name,
    set_on,
)
from dalsegno.closure._things import Known, Leaf, Static, Things

__all__ = ["Static", "ValueClosure", "function_digest", "set_on"]

_VERSION = b"values 2\0"


class ValueClosure(NamedTuple):
    """What a function and the values that it captures depend on.

    `packages` are the top-level names of what is neither the user's nor the standard library's, `environ` is ("*",) when
    the environment is read, `statics` are the (module, qualified name) of the user's things that were given by `static`,
    "*" for a module as a whole. `widened` are (what, reason), all sorted. `opaque` says that not all could be
    digested: then the digest leaves something out, and an equal one does not mean that nothing changed.
    """

    digest: bytes
    packages: tuple[str, ...]
    environ: tuple[str, ...]
    widened: tuple[tuple[str, str], ...]
    opaque: bool
    statics: tuple[tuple[str, str], ...]


def function_digest(
    function: object,
    *,
    importable: Callable[[object], tuple[str, str] | None],
    is_user: Callable[[str], bool],
    static: Callable[[str, str], Static],
    encode: Callable[[object], tuple[bytes, bool]],
    unwrap: Callable[[object], object] = lambda thing: thing,
    module: Callable[[str], ModuleType | None] = sys.modules.get,
) -> ValueClosure:
    """The closure of a function by its code objects and values; never raises for what it finds in them.

    `importable` gives the module and qualified name under which exactly this function, class or task can be had, None
    for none; the root's is not asked for. `is_user` says whether a module is recorded by its text, `static` what a name in
    such a module reaches; both get the module names of `importable`, of `__name__`, and of imports inside functions.
    `module` gives the loaded module of a name that `static` gave, None when it is not loaded. `encode` gives canonical
    bytes and whether they are opaque, and may raise. `unwrap` gives the function of a task, and anything else as it is.
    """
    introspection: frozenset[str] = frozenset()
    while True:
        walk = _Walk(Known(importable, is_user, static, encode, unwrap, module), introspection)
        digest = walk.digest_of(function)
        if walk.introspection == introspection:
            break
        introspection = walk.introspection
    packages = tuple(sorted(walk.packages))
    return ValueClosure(
        sha256(_VERSION + digest + repr(packages).encode()).digest(),
        packages,
        ("*",) if walk.environ else (),
        tuple(sorted(walk.widened)),
        walk.opaque,
        tuple(sorted(walk.statics)),
    )


_OWN_NAMES = frozenset({"__builtins__", "__doc__", "__name__", "__package__"})
_FUNCTOOLS_CACHES = frozenset({"_clear_cache", "cache_token", "dispatch_cache"})
_MISSING = object()


class _Module(NamedTuple):
    """A module, and the attributes that code takes of it."""

    module: ModuleType
    attributes: tuple[str, ...]


class _Expression(NamedTuple):
    """An annotation in quotes, and the names that it may use."""

    text: str
    namespace: dict[str, Any]


class _Walk(Things):
    """The graph below a function, and what was seen on the way.

    `introspection` are the words by which code looks at docstrings and annotations; where there are any, these count
    everywhere, so the walk is made again with them.
    """

    def __init__(self, known: Known, introspection: frozenset[str]) -> None:
        super().__init__(known)
        self.introspection = introspection
        self._docs = not introspection.isdisjoint({"__doc__", "getdoc"})
        self._annotations = bool(introspection - {"__doc__", "getdoc"})

    def digest_of(self, function: object) -> bytes:
        """The digest of the graph whose root is this function, wherever it can be had."""
        root = Node()
        self.nodes.append(root)
        root.edges.append(self.number(self.known.unwrap(function), "", decorated=True))
        self._fill_all()
        roles: dict[tuple[str, str], list[int]] = {}
        seen: set[tuple[str, str]] = set()
        while len(seen) < len(self.live):
            for name in [name for name in self.live if name not in seen]:
                seen.add(name)
                roles.update(self._values(*name))
            self._fill_all()
        root.label = repr([(name, len(roles[name])) for name in sorted(roles)]).encode()
        root.edges += [number for name in sorted(roles) for number in roles[name]]
        return graph_digest(self.nodes, 0)

    def _fill_all(self) -> None:
        while self.waiting:
            node, value, where, decorated = self.waiting.pop()
            self._fill(node, value, where, decorated)

    def _values(self, module: str, name: str) -> Iterator[tuple[tuple[str, str], list[int]]]:
        """The values that a name of the user's has now, and what is set on it; "*" is all names of the module."""
        home = self.known.module(module)
        if home is None:
            return
        values = dict(vars(home))
        for each in sorted(values) if name == "*" else [name]:
            value = values.get(each, _MISSING)
            if value is _MISSING or each.startswith("__") or issubclass(type(value), ModuleType):
                continue
            holder = Node()
            where = f"{module}.{each}"
            place = self.known.importable(value) if is_named(value, self.known.unwrap) else None
            if place is None or (place != (module, each) and place not in self.live):
                self.edge(holder, value, where)
            if place is not None and self.known.is_user(place[0]):
                for key, part in set_on(self.known.unwrap(value)):
                    self.edge(holder, key, where)
                    self.edge(holder, part, f"{where}.{key}")
            if holder.edges:
                yield (module, each), holder.edges

    def _fill(self, node: Node, value: Any, where: str, decorated: bool) -> None:
        kind = type(value)
        if kind is Leaf:
            node.label = value.label
        elif kind is _Module:
            self._module(node, value, where)
        elif kind is _Expression:
            self._expression(node, value, where)
        elif issubclass(kind, ModuleType):
            self._module(node, _Module(value, ()), where)
        elif kind is FunctionType:
            self._function(node, value, decorated)
        elif issubclass(kind, type):
            self._class(node, value)
        elif kind is types.MethodType:
            self.parts(node, "method", [value.__func__, value.__self__], where)
        elif kind in (types.BuiltinFunctionType, types.MethodWrapperType):
            self.parts(node, f"method {value.__name__}", [value.__self__], where)
        elif issubclass(kind, DESCRIPTORS):
            node.label = f"descriptor {kind_name(value.__objclass__)} {value.__name__}".encode()
        elif value is os.environ or value is os.environb:
            self.environ = True
            node.label = b"environ"
        elif issubclass(kind, (dict, list, tuple, set, frozenset, deque, types.MappingProxyType)):
            self.container(node, value, where)
        else:
            self.object_(node, value, where)

    def _function(self, node: Node, function: FunctionType, decorated: bool) -> None:
        name, code, home = function.__qualname__, function.__code__, str(function.__globals__.get("__name__"))
        reads = Reads()
        roles: list[object] = []
        if self.is_foreign(home) and is_code_of(code, sys.modules[home]):
            self.package(home)
            form: object = (home, code.co_qualname)
        else:
            form = normal_form(code, self._docs, reads)
            if decorated or self._annotations:
                for variable, annotation in self._annotations_of(function, name):
                    roles.append(("annotation", variable))
                    self._annotation(node, annotation, function.__globals__, name)
            roles += self._globals(node, reads, function.__globals__, name)
        skipped = _FUNCTOOLS_CACHES if home == "functools" else ()
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if variable not in skipped:
                roles.append(("cell", variable))
                self.edge(node, cell_content(cell), f"{variable} in {name}")
        for number, default in enumerate(function.__defaults__ or ()):
            roles.append(("default", number))
            self.edge(node, default, f"a default of {name}")
        for given in (function.__kwdefaults__ or {}, vars(function)):
            for key, value in sorted(given.items()):
                if key not in skipped:
                    roles.append(("value", key))
                    self.edge(node, value, f"{key} of {name}")
        doc = function.__doc__ if self._docs else None
        node.label = repr(("function", function.__name__, form, roles, doc)).encode()

    def _expression(self, node: Node, expression: _Expression, where: str) -> None:
        roles: list[object] = []
        try:
            code = compile(expression.text, "", "eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        else:
            reads = Reads()
            normal_form(code, False, reads)
            roles = self._globals(node, reads, expression.namespace, where)
        node.label = repr(("expression", expression.text, roles)).encode()

    def _annotations_of(self, thing: Any, where: str) -> list[tuple[str, Any]]:
        from inspect import get_annotations

        try:
            return list(get_annotations(thing).items())
        except Exception as error:  # Python 3.14 evaluates them now
            self.widen(where, f"its annotations cannot be evaluated: {error}")
            return []

    def _annotation(self, node: Node, value: object, namespace: dict[str, Any], where: str) -> None:
        if type(value) is str:
            node.edges.append(self.number(_Expression(value, namespace), where, decorated=True))
        else:
            self.edge(node, value, f"an annotation of {where}")

    def _globals(self, node: Node, reads: Reads, namespace: dict[str, Any], where: str) -> list[object]:
        """Edges to what code reads of its globals and imports; their names, in order."""
        roles: list[object] = []
        chains = set(reads.globals)
        words = reads.words | {chain[0] for chain in chains} | {module for _, module, _ in reads.imports}
        builtin = {name for name, *_ in chains if name not in namespace}
        self.introspection |= INTROSPECTION & words
        self.environ |= not ENVIRON.isdisjoint(words)
        for word in sorted((DYNAMIC & words) | (DYNAMIC_BUILTINS & builtin)):
            self.widen(where, f"{word} can reach anything")
        if words >= {"sys", "modules"}:
            self.widen(where, "sys.modules can reach anything")
        if "globals" in builtin:
            self.widen(where, "globals() reads any global", opaque=False)
            chains |= {(name,) for name in list(namespace) if not name.startswith("__")}
        for chain in sorted(chains):
            value = namespace.get(chain[0], _MISSING)
            if chain[0] in LOCATORS:
                self.widen(where, f"{chain[0]} leads to files that are not looked into")
            elif chain[0] not in _OWN_NAMES and value is not _MISSING:
                roles.append(chain[0])
                if issubclass(type(value), ModuleType):
                    value = _Module(value, chain[1:])
                self.edge(node, value, f"{chain[0]} in {where}", decorated=False)
        for level, module, names in sorted(reads.imports):
            roles.append(("import", level, module, names))
            package = str(namespace.get("__package__") or "").split(".")
            parts = package[: len(package) - level + 1] if level else []
            self._import(node, ".".join([*filter(None, parts), *filter(None, [module])]), names)
        return roles

    def _import(self, node: Node, module: str, names: tuple[str, ...]) -> None:
        for name in names or ("*",):
            if name != "*" and self.known.is_user(f"{module}.{name}"):
                found = self.named(f"{module}.{name}", "*")
            else:
                found = self.named(module, name)
            node.edges.append(self.number(found, "", decorated=True))

    def _module(self, node: Node, taken: _Module, where: str) -> None:
        module, attributes = taken
        while attributes and issubclass(type(vars(module).get(attributes[0])), ModuleType):
            module, attributes = vars(module)[attributes[0]], attributes[1:]
        name = module.__name__
        value = vars(module).get(attributes[0], _MISSING) if attributes else _MISSING
        node.label = b"module"
        if self.known.is_user(name):
            leaf = self.named(name, attributes[0] if attributes else "*")
            node.edges.append(self.number(leaf, where, decorated=True))
            if value is not _MISSING and not is_named(
                value, self.known.unwrap
            ):  # assigned from outside, maybe
                self.edge(node, value, where)
        elif self.is_foreign(name):
            leaf = self.named(name, ".".join(attributes[:1]))
            node.edges.append(self.number(leaf, where, decorated=True))
        elif value is not _MISSING:
            self.edge(node, value, f"{attributes[0]} of {where}")
        else:
            self.widen(where, f"module {name} was made by hand and is used as a whole")

    def _class(self, node: Node, cls: type) -> None:
        name = cls.__qualname__
        if not cls.__flags__ & (1 << 9):  # it is written in C, and only its module has a way to it
            self.package(cls.__module__)
            node.label = repr(("class", cls.__module__, name)).encode()
            return
        home = vars(sys.modules.get(cls.__module__, types.SimpleNamespace()))
        roles: list[object] = [len(cls.__bases__)]
        for above in (type(cls), *cls.__bases__):
            self.edge(node, above, f"a base of {name}")
        for variable, annotation in self._annotations_of(cls, name):
            roles.append(("annotation", variable))
            self._annotation(node, annotation, home, name)
        for key, value in sorted(vars(cls).items()):
            if key not in CLASS_STATE and (not key.startswith("__pydantic_") or key in PYDANTIC):
                roles.append(key)
                self.edge(node, value, f"{key} of {name}", decorated=False)
        doc = cls.__doc__ if self._docs else None
        node.label = repr(("class", cls.__name__, roles, doc)).encode()
