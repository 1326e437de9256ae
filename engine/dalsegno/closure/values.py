"""What a function depends on that has no source in the bundle: one from a notebook, a shell, or inside another one.

There is no text to read, but the function is here: its code objects, and the values that it captures. Both make a graph.
A node is a thing, its label what the thing is by itself, its edges what it refers to:

- a function: its code in a normal form; its defaults, cells, attributes, and the globals that its code names
- a class: its bases, metaclass, annotations and attributes
- a container, an instance of the user's classes, a partial, a property, a type: its parts
- any other value: the bytes that `encode` gives, without edges
- what can be had by name: the digest that `static` gives when it is the user's, the name otherwise

The normal form of code is its instructions with constants, names and jump targets resolved. Line numbers, file names,
docstrings, the padding that keeps lines apart for debuggers, and the names of local variables are not in it. Whatever
the function reaches by way of a module of the user's goes by the text of that module, as it does for other tasks.

The digest of the graph is that of what can be seen by following edges from the root, so neither the order of sets nor
addresses count. Nodes that lead into no cycle are hashed from the leaves up. The others are hashed all at once, round by
round, each round from the hashes of the round before, until a round tells no more nodes apart than the last did. The set
of those hashes then determines all that the rest of the graph can look like, and goes into the digest of the root. So two
digests are equal exactly when nobody who follows edges can tell the graphs apart.

One file, because the normal form, the graph and the walk are of no use to anything else.

What may surprise: values are those of now, so a global that is assigned or changed gives another digest; and digests of
two versions of Python differ, since their code does.
"""

import dis
import os
import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from hashlib import sha256
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

__all__ = ["ValueClosure", "function_digest"]

_VERSION = b"values 1\0"


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
    static: Callable[[str, str], bytes],
    encode: Callable[[object], tuple[bytes, bool]],
    unwrap: Callable[[object], object] = lambda thing: thing,
) -> ValueClosure:
    """The closure of a function by its code objects and values; never raises for what it finds in them.

    `importable` gives the module and qualified name under which exactly this function, class or task can be had, None
    for none; the root's is not asked for. `is_user` says whether a module is recorded by its text, `static` gives the
    digest of what a name in such a module reaches; both get the module names of `importable`, of `__name__`, and of
    imports inside functions. `encode` gives canonical bytes and whether they are opaque, and may raise. `unwrap` gives
    the function of a task, and anything else as it is.
    """
    introspection: frozenset[str] = frozenset()
    while True:
        walk = _Walk(importable, is_user, static, encode, unwrap, introspection)
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


_SKIPPED = frozenset({"NOP", "EXTENDED_ARG", "CACHE"})
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
"""Instructions that stand for two when both are of one line."""

_OF_THE_TEXT = frozenset({"__doc__", "__firstlineno__", "__qualname__", "__static_attributes__"})
_GLOBAL_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTE_READS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_READS_LOCALS = frozenset({"dir", "eval", "exec", "locals", "vars"})
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_KINDS = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x200
"""The flags of a code object that say what kind of function it is."""


class _Reads:
    """What code reads, that of functions inside it too.

    `globals` are names, each with the attributes that are taken of it, `imports` are (level, module, names), and `words`
    are all names of globals and attributes.
    """

    def __init__(self) -> None:
        self.globals: dict[tuple[str, ...], None] = {}
        self.imports: dict[tuple[int, str, tuple[str, ...]], None] = {}
        self.words: set[str] = set()


def _constant(value: object, docs: bool, reads: _Reads) -> object:
    """Something whose repr is canonical."""
    if isinstance(value, CodeType):
        return _normal(value, docs, reads)
    if isinstance(value, (tuple, frozenset)):
        parts = [_constant(item, docs, reads) for item in value]
        return type(value).__name__, parts if isinstance(value, tuple) else sorted(map(repr, parts))
    return type(value).__name__, hex(value) if type(value) is int else repr(value)


def _normal(code: CodeType, docs: bool, reads: _Reads) -> object:
    """The normal form of code, docstrings in it if they count; what the code reads is added to `reads`."""
    listing: Any = dis.Bytecode(code)
    at: dict[int, int] = {}
    form: list[tuple[str, object]] = []
    jumps: list[tuple[int, int]] = []
    chain: tuple[str, ...] = ()
    before: list[Any] = [None, None]
    for found in listing:
        at[found.offset] = len(form)
        name, value = found.opname, found.argval
        if name in _SKIPPED:
            continue
        if chain and name not in _ATTRIBUTE_READS:
            reads.globals[chain] = None
            chain = ()
        if name in _GLOBAL_READS:
            chain = (value,)
        elif chain:
            chain = (*chain, value)
        if name == "IMPORT_NAME":
            reads.imports[before[0] or 0, value, tuple(before[1] or ())] = None
        before = [before[1], value]
        if name == "STORE_NAME" and value in _OF_THE_TEXT and not (value == "__doc__" and docs):
            form.pop()
        elif name in _PAIRS:
            form += zip(_PAIRS[name], divmod(found.arg or 0, 16), strict=True)
        elif found.opcode in dis.hasconst:
            form.append((name, _constant(value, docs, reads)))
        elif found.opcode in _JUMPS:
            jumps.append((len(form), value))
            form.append((name, None))
        elif found.opcode in dis.hasname:
            form.append((name, found.argrepr))
            if not name.endswith("_NAME") or value not in ("__annotations__", "__doc__"):
                reads.words.add(value)
        else:
            form.append((name, found.arg))
    at[len(code.co_code)] = len(form)
    for number, target in jumps:
        form[number] = form[number][0], at[target]
    handlers: list[tuple[int, ...]] = []
    for entry in listing.exception_entries:
        start, end, *rest = at[entry.start], at[entry.end], at[entry.target], entry.depth, int(entry.lasti)
        if handlers and handlers[-1][1:] == (start, *rest):
            start = handlers.pop()[0]
        if start < end:
            handlers.append((start, end, *rest))
    parameters = (
        code.co_argcount + code.co_kwonlyargcount + sum(bool(code.co_flags & flag) for flag in (4, 8))
    )
    named = docs or not _READS_LOCALS.isdisjoint(code.co_names)
    return (
        (
            code.co_name,
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags & _KINDS,
        ),
        (code.co_varnames if named else code.co_varnames[:parameters], code.co_cellvars, code.co_freevars),
        code.co_consts[0] if docs and code.co_consts and isinstance(code.co_consts[0], str) else "",
        form,
        handlers,
    )


class _Node:
    """A thing in the graph: what it is by itself, and the numbers of those that it refers to."""

    __slots__ = ("edges", "label", "ordered")

    def __init__(self) -> None:
        self.label = b""
        self.edges: list[int] = []
        self.ordered = True

    def hashed(self, hashes: Mapping[int, bytes]) -> bytes:
        below = [hashes.get(edge, b"") for edge in self.edges]
        parts = [self.label, *(below if self.ordered else sorted(below))]
        return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


def _graph_digest(nodes: list[_Node], root: int) -> bytes:
    """The digest of what can be seen from the root."""
    above: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for edge in node.edges:
            above[edge].append(number)
    missing = [len(node.edges) for node in nodes]
    ready = [number for number, count in enumerate(missing) if not count]
    hashes: dict[int, bytes] = {}
    while ready:
        number = ready.pop()
        hashes[number] = nodes[number].hashed(hashes)
        for other in above[number]:
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    if root in hashes:
        return hashes[root]
    cyclic = [number for number in range(len(nodes)) if number not in hashes]
    classes, told_apart = 0, 1
    while classes != told_apart:
        classes = told_apart
        hashes |= {number: nodes[number].hashed(hashes) for number in cyclic}
        told_apart = len({hashes[number] for number in cyclic})
    return sha256(b"".join([hashes[root], *sorted({hashes[number] for number in cyclic})])).digest()


_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_NAMED_KINDS = (FunctionType, type, types.BuiltinFunctionType)
_NAMED = frozenset({"functools._lru_cache_wrapper", "numpy.ufunc"})
_DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_STATELESS_BASES = frozenset({"abc.ABC", "typing.Generic", "typing.Protocol"})
_PARTS: Mapping[str, tuple[str, ...]] = {
    "builtins.object": (),
    "builtins.property": ("fget", "fset", "fdel"),
    "builtins.staticmethod": ("__func__",),
    "builtins.classmethod": ("__func__",),
    "functools.partial": ("func", "args", "keywords", "__dict__"),
    "functools.partialmethod": ("func", "args", "keywords"),
    "functools.cached_property": ("func", "attrname"),
    "functools.singledispatchmethod": ("func", "dispatcher"),
    "functools._lru_cache_wrapper": ("__wrapped__",),
    "enum.property": ("name", "fget", "fset", "fdel"),
    "dataclasses._HAS_DEFAULT_FACTORY_CLASS": (),
    "dataclasses._MISSING_TYPE": (),
    "dataclasses._FIELD_BASE": ("name",),
    "dataclasses.Field": (
        "name", "type", "default", "default_factory", "init", "repr", "hash", "compare", "metadata", "kw_only", "_field_type",
    ),
    "logging.Logger": ("name",),
    "logging.RootLogger": ("name",),
    "pydantic._internal._decorators.Decorator": ("cls_var_name", "func", "shim", "info"),
    "pydantic.fields.FieldInfo": ("annotation", "metadata", "_attributes_set"),
    "pydantic_core._pydantic_core.PydanticUndefinedType": (),
    "re.Pattern": ("pattern", "flags"),
    "types.DynamicClassAttribute": ("fget", "fset", "fdel"),
    "types.SimpleNamespace": ("__dict__",),
    "typing.ForwardRef": ("__forward_arg__",),
    "typing.NewType": ("__name__", "__supertype__"),
    "typing.TypeVar": ("__name__", "__bound__", "__constraints__"),
    "typing.TypeAliasType": ("__name__", "__value__"),
    "_thread.lock": (),
    "_thread.RLock": (),
}  # fmt: skip
"""The parts of what has no bytes of its own, by kind. A lock is like another, a logger is its name."""

_REDUCED = frozenset(
    {
        "_collections._tuplegetter",
        "collections._tuplegetter",
        "operator.attrgetter",
        "operator.itemgetter",
        "operator.methodcaller",
    }
)
_CLASS_STATE = frozenset(
    {
        "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__",
        "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__qualname__", "__signature__", "__static_attributes__",
        "__weakref__", "_abc_impl",
    }
)  # fmt: skip
"""Attributes of classes that say where the class is, or follow from others."""

_ENUM_STATE = frozenset({"__objclass__", "_inverted_", "_sort_order_"})
_PYDANTIC = frozenset({"__pydantic_decorators__", "__pydantic_fields__"})
"""What pydantic makes the rest of its own attributes of models from."""

_OWN_NAMES = frozenset({"__builtins__", "__doc__", "__name__", "__package__"})
_LOCATORS = frozenset({"__file__", "__loader__", "__path__", "__spec__"})
_ENVIRON = frozenset({"environ", "environb", "getenv", "getenvb"})
_INTROSPECTION = frozenset(
    {
        "__annotations__",
        "__doc__",
        "get_annotations",
        "get_type_hints",
        "getdoc",
        "getfullargspec",
        "signature",
    }
)
_DYNAMIC_BUILTINS = frozenset({"__import__", "compile", "eval", "exec"})
_DYNAMIC = frozenset(
    {"__subclasses__", "getsource", "getsourcelines", "import_module", "run_module", "run_path"}
)
_FUNCTOOLS_CACHES = frozenset({"_clear_cache", "cache_token", "dispatch_cache"})
_TYPING = frozenset({"collections.abc", "types", "typing", "typing_extensions"})
_MISSING = object()


class _Module(NamedTuple):
    """A module, and the attributes that code takes of it."""

    module: ModuleType
    attributes: tuple[str, ...]


class _Expression(NamedTuple):
    """An annotation in quotes, and the names that it may use."""

    text: str
    namespace: dict[str, Any]


class _Leaf(NamedTuple):
    """What a name stands for, without edges."""

    label: bytes


class _Walk:
    """The graph below a function, and what was seen on the way.

    `introspection` are the words by which code looks at docstrings and annotations; where there are any, these count
    everywhere, so the walk is made again with them.
    """

    def __init__(
        self,
        importable: Callable[[object], tuple[str, str] | None],
        is_user: Callable[[str], bool],
        static: Callable[[str, str], bytes],
        encode: Callable[[object], tuple[bytes, bool]],
        unwrap: Callable[[object], object],
        introspection: frozenset[str],
    ) -> None:
        self.packages: set[str] = set()
        self.environ = False
        self.widened: set[tuple[str, str]] = set()
        self.opaque = False
        self.statics: set[tuple[str, str]] = set()
        self.introspection = introspection
        self._docs = not introspection.isdisjoint({"__doc__", "getdoc"})
        self._annotations = bool(introspection - {"__doc__", "getdoc"})
        self._importable, self._is_user, self._static = importable, is_user, static
        self._encode, self._unwrap = encode, unwrap
        self._nodes: list[_Node] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._waiting: list[tuple[_Node, Any, str, bool]] = []
        self._kept: list[object] = []

    def digest_of(self, function: object) -> bytes:
        """The digest of the graph whose root is this function, wherever it can be had."""
        root = self._number(self._unwrap(function), "", decorated=True)
        while self._waiting:
            node, value, where, decorated = self._waiting.pop()
            self._fill(node, value, where, decorated)
        return _graph_digest(self._nodes, root)

    def _number(self, value: Any, where: str, decorated: bool) -> int:
        kind = type(value)
        if kind in _SCALARS:
            self._nodes.append(_Node())
            self._nodes[-1].label = repr(_constant(value, False, _Reads())).encode()
            return len(self._nodes) - 1
        key = (id(value), decorated and kind is FunctionType)
        if key not in self._numbers:
            self._numbers[key] = len(self._nodes)
            self._nodes.append(_Node())
            self._kept.append(value)  # so that no other thing gets its id
            self._waiting.append((self._nodes[-1], value, where, decorated))
        return self._numbers[key]

    def _edge(self, node: _Node, value: Any, where: str, decorated: bool = True) -> None:
        """An edge to a value; what can be had by name is not looked into."""
        inner = self._unwrap(value)
        kind = type(value)
        if inner is not value or issubclass(kind, _NAMED_KINDS) or _name(kind) in _NAMED:
            place = self._importable(value)
            if place is not None:
                inner = self._named(*place)
        node.edges.append(self._number(inner, where, decorated or inner is not value))

    def _named(self, module: str, name: str) -> _Leaf:
        if self._is_user(module):
            self.statics.add((module, name))
            return _Leaf(b"static:" + self._static(module, name))
        if (module, name) in (("os", "getenv"), ("os", "getenvb")):
            self.environ = True
        self._package(module)
        return _Leaf(repr(("named", module, name)).encode())

    def _package(self, module: str) -> None:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("__main__", "dalsegno", "dalsegno_storage"):
            self.packages.add(top)

    def _widen(self, what: str, reason: str, *, opaque: bool = True) -> None:
        self.widened.add((what, reason))
        self.opaque |= opaque

    def _is_foreign(self, module: str) -> bool:
        """Whether a module is covered by the version of its package, or of Python."""
        found = sys.modules.get(module)
        return getattr(found, "__spec__", None) is not None and not self._is_user(module)

    def _fill(self, node: _Node, value: Any, where: str, decorated: bool) -> None:
        kind = type(value)
        if kind is _Leaf:
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
            self._parts(node, "method", [value.__func__, value.__self__], where)
        elif kind in (types.BuiltinFunctionType, types.MethodWrapperType):
            self._parts(node, f"method {value.__name__}", [value.__self__], where)
        elif issubclass(kind, _DESCRIPTORS):
            node.label = f"descriptor {_name(value.__objclass__)} {value.__name__}".encode()
        elif value is os.environ or value is os.environb:
            self.environ = True
            node.label = b"environ"
        elif issubclass(kind, (dict, list, tuple, set, frozenset, deque, types.MappingProxyType)):
            self._container(node, value, where)
        else:
            self._object(node, value, where)

    def _parts(self, node: _Node, label: str, parts: Iterable[object], where: str) -> None:
        node.label = label.encode("utf-8", "surrogatepass")
        for part in parts:
            self._edge(node, part, where)

    def _function(self, node: _Node, function: FunctionType, decorated: bool) -> None:
        name, code, home = function.__qualname__, function.__code__, str(function.__globals__.get("__name__"))
        reads = _Reads()
        roles: list[object] = []
        if self._is_foreign(home) and _is_code_of(code, sys.modules[home]):
            self._package(home)
            form: object = (home, code.co_qualname)
        else:
            form = _normal(code, self._docs, reads)
            if decorated or self._annotations:
                for variable, annotation in self._annotations_of(function, name):
                    roles.append(("annotation", variable))
                    self._annotation(node, annotation, function.__globals__, name)
            roles += self._globals(node, reads, function.__globals__, name)
        skipped = _FUNCTOOLS_CACHES if home == "functools" else ()
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if variable not in skipped:
                roles.append(("cell", variable))
                self._edge(node, _content(cell), f"{variable} in {name}")
        for number, default in enumerate(function.__defaults__ or ()):
            roles.append(("default", number))
            self._edge(node, default, f"a default of {name}")
        for given in (function.__kwdefaults__ or {}, vars(function)):
            for key, value in sorted(given.items()):
                if key not in skipped:
                    roles.append(("value", key))
                    self._edge(node, value, f"{key} of {name}")
        doc = function.__doc__ if self._docs else None
        node.label = repr(("function", function.__name__, form, roles, doc)).encode()

    def _expression(self, node: _Node, expression: _Expression, where: str) -> None:
        roles: list[object] = []
        try:
            code = compile(expression.text, "", "eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        else:
            reads = _Reads()
            _normal(code, False, reads)
            roles = self._globals(node, reads, expression.namespace, where)
        node.label = repr(("expression", expression.text, roles)).encode()

    def _annotations_of(self, thing: Any, where: str) -> list[tuple[str, Any]]:
        from inspect import get_annotations

        try:
            return list(get_annotations(thing).items())
        except Exception as error:  # Python 3.14 evaluates them now
            self._widen(where, f"its annotations cannot be evaluated: {error}")
            return []

    def _annotation(self, node: _Node, value: object, namespace: dict[str, Any], where: str) -> None:
        if type(value) is str:
            node.edges.append(self._number(_Expression(value, namespace), where, decorated=True))
        else:
            self._edge(node, value, f"an annotation of {where}")

    def _globals(self, node: _Node, reads: _Reads, namespace: dict[str, Any], where: str) -> list[object]:
        """Edges to what code reads of its globals and imports; their names, in order."""
        roles: list[object] = []
        chains = set(reads.globals)
        words = reads.words | {chain[0] for chain in chains} | {module for _, module, _ in reads.imports}
        builtin = {name for name, *_ in chains if name not in namespace}
        self.introspection |= _INTROSPECTION & words
        self.environ |= not _ENVIRON.isdisjoint(words)
        for word in sorted((_DYNAMIC & words) | (_DYNAMIC_BUILTINS & builtin)):
            self._widen(where, f"{word} can reach anything")
        if words >= {"sys", "modules"}:
            self._widen(where, "sys.modules can reach anything")
        if "globals" in builtin:
            self._widen(where, "globals() reads any global", opaque=False)
            chains |= {(name,) for name in list(namespace) if not name.startswith("__")}
        for chain in sorted(chains):
            value = namespace.get(chain[0], _MISSING)
            if chain[0] in _LOCATORS:
                self._widen(where, f"{chain[0]} leads to files that are not looked into")
            elif chain[0] not in _OWN_NAMES and value is not _MISSING:
                roles.append(chain[0])
                if issubclass(type(value), ModuleType):
                    value = _Module(value, chain[1:])
                self._edge(node, value, f"{chain[0]} in {where}", decorated=False)
        for level, module, names in sorted(reads.imports):
            roles.append(("import", level, module, names))
            package = str(namespace.get("__package__") or "").split(".")
            parts = package[: len(package) - level + 1] if level else []
            self._import(node, ".".join([*filter(None, parts), *filter(None, [module])]), names)
        return roles

    def _import(self, node: _Node, module: str, names: tuple[str, ...]) -> None:
        for name in names or ("*",):
            if name != "*" and self._is_user(f"{module}.{name}"):
                found = self._named(f"{module}.{name}", "*")
            else:
                found = self._named(module, name)
            node.edges.append(self._number(found, "", decorated=True))

    def _module(self, node: _Node, taken: _Module, where: str) -> None:
        module, attributes = taken
        while attributes and issubclass(type(vars(module).get(attributes[0])), ModuleType):
            module, attributes = vars(module)[attributes[0]], attributes[1:]
        name = module.__name__
        value = vars(module).get(attributes[0], _MISSING) if attributes else _MISSING
        node.label = b"module"
        if self._is_user(name):
            leaf = self._named(name, attributes[0] if attributes else "*")
            node.edges.append(self._number(leaf, where, decorated=True))
            if type(value) in _SCALARS:  # it may have been assigned from outside of the module
                self._edge(node, value, where)
        elif self._is_foreign(name):
            leaf = self._named(name, ".".join(attributes[:1]))
            node.edges.append(self._number(leaf, where, decorated=True))
        elif value is not _MISSING:
            self._edge(node, value, f"{attributes[0]} of {where}")
        else:
            self._widen(where, f"module {name} was made by hand and is used as a whole")

    def _class(self, node: _Node, cls: type) -> None:
        name = cls.__qualname__
        if not cls.__flags__ & (1 << 9):  # it is written in C, and only its module has a way to it
            self._package(cls.__module__)
            node.label = repr(("class", cls.__module__, name)).encode()
            return
        home = vars(sys.modules.get(cls.__module__, types.SimpleNamespace()))
        roles: list[object] = [len(cls.__bases__)]
        for above in (type(cls), *cls.__bases__):
            self._edge(node, above, f"a base of {name}")
        for variable, annotation in self._annotations_of(cls, name):
            roles.append(("annotation", variable))
            self._annotation(node, annotation, home, name)
        for key, value in sorted(vars(cls).items()):
            if key not in _CLASS_STATE and (not key.startswith("__pydantic_") or key in _PYDANTIC):
                roles.append(key)
                self._edge(node, value, f"{key} of {name}", decorated=False)
        doc = cls.__doc__ if self._docs else None
        node.label = repr(("class", cls.__name__, roles, doc)).encode()

    def _container(self, node: _Node, value: Any, where: str) -> None:
        kind = type(value)
        if kind in (dict, list, tuple, set, frozenset):
            parts = [part for item in list(value.items()) for part in item] if kind is dict else list(value)
            if _PLAIN.issuperset(map(type, parts)):
                self._encoded(node, value, where)
            else:
                self._parts(node, f"{kind.__name__} {len(parts)}", parts, where)
                node.ordered = kind not in (set, frozenset)
        else:
            state = [("items", _plain(value)), *_state(value)]
            if issubclass(kind, defaultdict):
                state.append(("default_factory", value.default_factory))
            elif issubclass(kind, deque):
                state.append(("maxlen", value.maxlen))
            self._instance(node, value, state, where)

    def _object(self, node: _Node, value: Any, where: str) -> None:
        kind = type(value)
        known = next((_name(above) for above in kind.__mro__ if _name(above) in _PARTS), None)
        arguments = getattr(value, "__args__", None) if kind.__module__ in _TYPING else None
        if known is not None and (known != "builtins.object" or kind is object):
            parts = [(name, _part(value, name)) for name in _PARTS[known]]
            extra = () if known == _name(kind) else _state(value)
            self._instance(node, value, [*parts, *extra], where, decorated=not known.startswith("builtins."))
        elif _name(kind) in _REDUCED:
            self._parts(node, _name(kind), value.__reduce__()[:2], where)
        elif isinstance(arguments, tuple):
            parts = [(name, _part(value, name)) for name in ("__origin__", "__args__", "__metadata__")]
            self._instance(node, value, parts, where)
        elif kind.__module__ in ("typing", "typing_extensions"):
            node.label = repr(("typing", kind.__name__, repr(value))).encode()
        elif issubclass(kind, Enum):
            state = [(name, part) for name, part in _state(value) if name not in _ENUM_STATE]
            self._instance(node, value, state, where)
        elif all(self._is_transparent(above) for above in kind.__mro__):
            self._instance(node, value, _state(value), where)
        else:
            self._encoded(node, value, where)
            self._edge(node, kind, where)

    def _is_transparent(self, kind: type) -> bool:
        """Whether all that instances have by this class is attributes."""
        if kind is object or _name(kind) in _STATELESS_BASES or "__dataclass_fields__" in vars(kind):
            return True
        place = self._importable(kind)
        return not self._is_foreign(kind.__module__) if place is None else self._is_user(place[0])

    def _instance(
        self, node: _Node, value: object, parts: list[tuple[str, Any]], where: str, decorated: bool = True
    ) -> None:
        node.label = repr(("instance", [name for name, _ in parts])).encode()
        for part in (type(value), *(part for _, part in parts)):
            self._edge(node, part, where, decorated)

    def _encoded(self, node: _Node, value: object, where: str) -> None:
        label = _name(type(value)).encode()
        try:
            data, opaque = self._encode(value)
        except Exception as error:  # it runs the code of the value
            self._widen(where, f"{_name(type(value))} cannot be encoded: {error}")
        else:
            if opaque:
                self._widen(where, f"{_name(type(value))} has no canonical bytes")
            else:
                label += b":" + data
        node.label = label


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_code_of(code: CodeType, module: ModuleType) -> bool:
    return code.co_filename == getattr(module, "__file__", None) or code.co_filename.startswith("<frozen ")


def _content(cell: types.CellType) -> object:
    """What is in the cell; a name for nothing when it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return NotImplemented


def _plain(value: Any) -> object:
    """The items of something derived from a builtin container, without asking its class."""
    match value:
        case OrderedDict():
            return list(OrderedDict.items(value))
        case dict():
            return dict(dict.items(value))
        case types.MappingProxyType():
            return dict(value)
        case set():
            return frozenset(set.__iter__(value))
        case frozenset():
            return frozenset(frozenset.__iter__(value))
        case list():
            return list(list.__iter__(value))
        case tuple():
            return list(tuple.__iter__(value))
    return list(deque.__iter__(value))


def _part(value: object, name: str) -> object:
    """An attribute; a name for nothing when it is not there or cannot be evaluated."""
    try:
        return getattr(value, name)
    except Exception:  # Python 3.12 evaluates bounds and aliases of types now
        return NotImplemented


def _state(value: object) -> list[tuple[str, Any]]:
    """The attributes of an instance, those in slots too, without asking its class."""
    found: dict[str, Any] = {}
    for kind in type(value).__mro__:
        for name, slot in vars(kind).items():
            if type(slot) is types.MemberDescriptorType:
                with suppress(AttributeError):
                    found[name] = slot.__get__(value)
    with suppress(AttributeError):
        found |= object.__getattribute__(value, "__dict__")
    return sorted(found.items())
