"""The graph of what a function captures, but for functions, classes and modules, which `values` adds.

Every thing that is met gets a number and, when its turn comes, is filled in: a label, and edges to what it consists of.
What can be had by name in one of the user's modules is the digest of what that name reaches there, elsewhere the name.
"""

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from dalsegno.closure._code_form import Reads, constant
from dalsegno.closure._graph import Node
from dalsegno.closure._parts import (
    ENUM_STATE,
    PARTS,
    PLAIN,
    REDUCED,
    SCALARS,
    STATELESS_BASES,
    is_named,
    kind_name,
    part_of,
    plain_items,
    state_of,
)

__all__ = ["Known", "Leaf", "Static", "Things"]

_OWN = frozenset({"__main__", "dalsegno", "dalsegno_storage"})
_TYPING = frozenset({"collections.abc", "types", "typing", "typing_extensions"})


class Static(NamedTuple):
    """What a name in a module of the user's reaches: the digest of its text, and the names that are in it, each with
    its module; "*" is every name of a module."""

    digest: bytes
    names: Sequence[tuple[str, str]] = ()


class Known(NamedTuple):
    """What the caller knows of names and values; `function_digest` says how each is meant."""

    importable: Callable[[object], tuple[str, str] | None]
    is_user: Callable[[str], bool]
    static: Callable[[str, str], Static]
    encode: Callable[[object], tuple[bytes, bool]]
    unwrap: Callable[[object], object]
    module: Callable[[str], ModuleType | None]


class Leaf(NamedTuple):
    """What a name stands for, without edges."""

    label: bytes


class Things:
    """The nodes so far, what waits to be filled in, and what was seen on the way."""

    def __init__(self, known: Known) -> None:
        self.packages: set[str] = set()
        self.environ = False
        self.widened: set[tuple[str, str]] = set()
        self.opaque = False
        self.statics: set[tuple[str, str]] = set()
        self.live: dict[tuple[str, str], None] = {}
        self.known = known
        self.nodes: list[Node] = []
        self.waiting: list[tuple[Node, Any, str, bool]] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._kept: list[object] = []

    def number(self, value: Any, where: str, decorated: bool) -> int:
        """The number of the node that stands for a value; what is met for the first time waits to be filled in."""
        kind = type(value)
        if kind in SCALARS:
            self.nodes.append(Node())
            self.nodes[-1].label = repr(constant(value, False, Reads())).encode()
            return len(self.nodes) - 1
        key = (id(value), decorated and kind is FunctionType)
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(Node())
            self._kept.append(value)  # so that no other thing gets its id
            self.waiting.append((self.nodes[-1], value, where, decorated))
        return self._numbers[key]

    def edge(self, node: Node, value: Any, where: str, decorated: bool = True) -> None:
        """An edge to a value; what can be had by name is not looked into."""
        inner = self.known.unwrap(value)
        if is_named(value, self.known.unwrap):
            place = self.known.importable(value)
            if place is not None:
                inner = self.named(*place)
        node.edges.append(self.number(inner, where, decorated or inner is not value))

    def named(self, module: str, name: str) -> Leaf:
        """What can be had by name; the values that a name of the user's reaches are noted in `live`."""
        if self.known.is_user(module):
            self.statics.add((module, name))
            digest, names = self.known.static(module, name)
            self.live.update(dict.fromkeys(names))
            return Leaf(b"static:" + digest)
        if (module, name) in (("os", "getenv"), ("os", "getenvb")):
            self.environ = True
        self.package(module)
        return Leaf(repr(("named", module, name)).encode())

    def package(self, module: str) -> None:
        """Note what a module comes with, unless that is Python or us."""
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in _OWN:
            self.packages.add(top)

    def widen(self, what: str, reason: str, *, opaque: bool = True) -> None:
        """Note something that cannot be told; `opaque`: so that the digest leaves it out."""
        self.widened.add((what, reason))
        self.opaque |= opaque

    def is_foreign(self, module: str) -> bool:
        """Whether a module is covered by the version of its package, or of Python."""
        found = sys.modules.get(module)
        return getattr(found, "__spec__", None) is not None and not self.known.is_user(module)

    def parts(self, node: Node, label: str, parts: Iterable[object], where: str) -> None:
        """Fill in what is told apart by its parts, in order."""
        node.label = label.encode("utf-8", "surrogatepass")
        for part in parts:
            self.edge(node, part, where)

    def container(self, node: Node, value: Any, where: str) -> None:
        """Fill in a builtin container, or something derived from one."""
        kind = type(value)
        if kind in (dict, list, tuple, set, frozenset):
            parts = [part for item in list(value.items()) for part in item] if kind is dict else list(value)
            if PLAIN.issuperset(map(type, parts)):
                self.encoded(node, value, where)
            else:
                self.parts(node, f"{kind.__name__} {len(parts)}", parts, where)
                node.ordered = kind not in (set, frozenset)
        else:
            state = [("items", plain_items(value)), *state_of(value)]
            if issubclass(kind, defaultdict):
                state.append(("default_factory", value.default_factory))
            elif issubclass(kind, deque):
                state.append(("maxlen", value.maxlen))
            self.instance(node, value, state, where)

    def object_(self, node: Node, value: Any, where: str) -> None:
        """Fill in an instance of any other class."""
        kind = type(value)
        known = next((kind_name(above) for above in kind.__mro__ if kind_name(above) in PARTS), None)
        arguments = getattr(value, "__args__", None) if kind.__module__ in _TYPING else None
        if known is not None and (known != "builtins.object" or kind is object):
            parts = [(name, part_of(value, name)) for name in PARTS[known]]
            extra = () if known == kind_name(kind) else state_of(value)
            self.instance(node, value, [*parts, *extra], where, decorated=not known.startswith("builtins."))
        elif kind_name(kind) in REDUCED:
            self.parts(node, kind_name(kind), value.__reduce__()[:2], where)
        elif isinstance(arguments, tuple):
            parts = [(name, part_of(value, name)) for name in ("__origin__", "__args__", "__metadata__")]
            self.instance(node, value, parts, where)
        elif kind.__module__ in ("typing", "typing_extensions"):
            node.label = repr(("typing", kind.__name__, repr(value))).encode()
        elif issubclass(kind, Enum):
            state = [(name, part) for name, part in state_of(value) if name not in ENUM_STATE]
            self.instance(node, value, state, where)
        elif all(self.is_transparent(above) for above in kind.__mro__):
            self.instance(node, value, state_of(value), where)
        else:
            self.encoded(node, value, where)
            self.edge(node, kind, where)

    def is_transparent(self, kind: type) -> bool:
        """Whether all that instances have by this class is attributes."""
        if kind is object or kind_name(kind) in STATELESS_BASES or "__dataclass_fields__" in vars(kind):
            return True
        place = self.known.importable(kind)
        return not self.is_foreign(kind.__module__) if place is None else self.known.is_user(place[0])

    def instance(
        self, node: Node, value: object, parts: list[tuple[str, Any]], where: str, decorated: bool = True
    ) -> None:
        """Fill in something that is told apart by its class and these parts."""
        node.label = repr(("instance", [name for name, _ in parts])).encode()
        for part in (type(value), *(part for _, part in parts)):
            self.edge(node, part, where, decorated)

    def encoded(self, node: Node, value: object, where: str) -> None:
        """Fill in something that is told apart by its bytes."""
        label = kind_name(type(value)).encode()
        try:
            data, opaque = self.known.encode(value)
        except Exception as error:  # it runs the code of the value
            self.widen(where, f"{kind_name(type(value))} cannot be encoded: {error}")
        else:
            if opaque:
                self.widen(where, f"{kind_name(type(value))} has no canonical bytes")
            else:
                label += b":" + data
        node.label = label
