"""What things consist of, by kind: the parts by which they are told apart, got at without running their own code."""

import types
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = [
    "CLASS_STATE", "DESCRIPTORS", "ENUM_STATE", "NAMED", "NAMED_KINDS", "PARTS", "PLAIN", "PYDANTIC", "REDUCED", "SCALARS",
    "STATELESS_BASES", "cell_content", "is_code_of", "is_named", "kind_name", "part_of", "plain_items", "set_on", "state_of",
]  # fmt: skip

SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})
PLAIN = frozenset({type(None), bool, int, float, str, bytes})
NAMED_KINDS = (FunctionType, type, types.BuiltinFunctionType)
NAMED = frozenset({"functools._lru_cache_wrapper", "numpy.ufunc"})
DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
STATELESS_BASES = frozenset({"abc.ABC", "typing.Generic", "typing.Protocol"})
PARTS: Mapping[str, tuple[str, ...]] = {
    "__future__._Feature": ("optional",),
    "asyncio.locks.Condition": (),
    "asyncio.locks.Lock": (),
    "asyncio.locks.Semaphore": (),
    "builtins.object": (),
    "builtins.property": ("fget", "fset", "fdel"),
    "builtins.staticmethod": ("__func__",),
    "builtins.classmethod": ("__func__",),
    "concurrent.futures.process.ProcessPoolExecutor": (),
    "concurrent.futures.thread.ThreadPoolExecutor": (),
    "functools.partial": ("func", "args", "keywords", "__dict__"),
    "functools.partialmethod": ("func", "args", "keywords"),
    "functools.cached_property": ("func", "attrname"),
    "functools.singledispatchmethod": ("func", "dispatcher"),
    "functools._lru_cache_wrapper": ("__wrapped__",),
    "enum.property": ("name", "fget", "fset", "fdel"),
    "dalsegno.task.TaskEnvironment": ("name",),
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
    "threading.Condition": (),
    "threading.Semaphore": (),
    "types.DynamicClassAttribute": ("fget", "fset", "fdel"),
    "types.SimpleNamespace": ("__dict__",),
    "typing.ForwardRef": ("__forward_arg__",),
    "typing.NewType": ("__name__", "__supertype__"),
    "typing.TypeVar": ("__name__", "__bound__", "__constraints__"),
    "typing.TypeAliasType": ("__name__", "__value__"),
    "_thread.lock": (),
    "_thread.RLock": (),
}  # fmt: skip
"""The parts of what has no bytes of its own, by kind. Locks and pools are like others of their kind, a logger is its
name."""

REDUCED = frozenset(
    {
        "_collections._tuplegetter",
        "collections._tuplegetter",
        "operator.attrgetter",
        "operator.itemgetter",
        "operator.methodcaller",
    }
)
CLASS_STATE = frozenset(
    {
        "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__",
        "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__qualname__", "__signature__", "__static_attributes__",
        "__weakref__", "_abc_impl",
    }
)  # fmt: skip
"""Attributes of classes that say where the class is, or follow from others."""

FUNCTION_STATE = frozenset(
    {"__wrapped__", "_clear_cache", "cache_token", "dispatch", "dispatch_cache", "registry"}
)
"""What `functools` sets on functions."""

ENUM_STATE = frozenset({"__objclass__", "_inverted_", "_sort_order_"})
PYDANTIC = frozenset({"__pydantic_decorators__", "__pydantic_fields__"})
"""What pydantic makes the rest of its own attributes of models from."""


def kind_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def is_code_of(code: CodeType, module: ModuleType) -> bool:
    """Whether code is from the file of a module, so that the version of its package says what it is."""
    return code.co_filename == getattr(module, "__file__", None) or code.co_filename.startswith("<frozen ")


def is_named(value: object, unwrap: Callable[[object], object]) -> bool:
    """Whether it is something that may be had by name: a function, a class, a task, and what is like them."""
    kind = type(value)
    return unwrap(value) is not value or issubclass(kind, NAMED_KINDS) or kind_name(kind) in NAMED


def set_on(thing: object) -> list[tuple[str, Any]]:
    """The attributes of a function, and those of a class that are no code and not made from others."""
    attributes = dict(getattr(thing, "__dict__", {}))
    if not isinstance(thing, type):
        return [(name, attributes[name]) for name in sorted(attributes) if name not in FUNCTION_STATE]
    if issubclass(thing, Enum):
        return []
    return [
        (name, attributes[name])
        for name in sorted(attributes)
        if not name.startswith("__") and name not in CLASS_STATE and not _is_code(attributes[name])
    ]


def _is_code(value: object) -> bool:
    return isinstance(value, NAMED_KINDS) or hasattr(type(value), "__get__")


def cell_content(cell: types.CellType) -> object:
    """What is in the cell; a name for nothing when it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return NotImplemented


def plain_items(value: Any) -> object:
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


def part_of(value: object, name: str) -> object:
    """An attribute; a name for nothing when it is not there or cannot be evaluated."""
    try:
        return getattr(value, name)
    except Exception:  # Python 3.12 evaluates bounds and aliases of types now
        return NotImplemented


def state_of(value: object) -> list[tuple[str, Any]]:
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
