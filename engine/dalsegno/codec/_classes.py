"""Objects of user classes: enum members, named tuples, dataclasses, pydantic models, subclasses of builtins.

They are written as the name of the class and the attributes that are there, whatever the annotations say, and
rebuilt without `__init__`, `__new__`, `__post_init__` or validation. A class that defines its own pickling, or
cannot be found by name, is left to cloudpickle.
"""

import enum
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dalsegno.errors import DecodeError

from ._format import Buffer, Payload, Tag
from ._state import pickles_itself, shape_of

if TYPE_CHECKING:
    from ._decode import Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer"]

Written = tuple[Tag, Payload] | None

_EXACT: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
    bytearray: lambda value: bytearray(memoryview(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    deque: lambda value: deque(deque.__iter__(value), value.maxlen),
    defaultdict: lambda value: defaultdict(value.default_factory, _items(value)),
    OrderedDict: lambda value: OrderedDict(OrderedDict.items(value)),
    Counter: lambda value: Counter(_items(value)),
    dict: lambda value: _items(value),
}
"""Bases whose subclasses are kept, and how to see a subclass's value as one of the base's. The first that fits wins."""

_IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)


def _items(value: dict[Any, Any]) -> dict[Any, Any]:
    return dict(dict.items(value))


def find_writer(kind: type) -> Callable[["Writer", Any], Written] | None:
    """What writes objects of this class; None when it is none of ours."""
    if issubclass(kind, enum.Enum):
        return _write_enum
    if issubclass(kind, BaseException) or pickles_itself(kind):
        return None
    base = _base_of(kind)
    if base is not None:
        if not _allocates(base, kind):
            return None
        return _write_named_tuple if _is_named_tuple(kind) else partial(_write_subclass, exact=_EXACT[base])
    if is_dataclass(kind) and _allocates(object, kind):
        return _write_dataclass
    if _is_model(kind):
        return _write_model
    return _write_secret if _is_secret(kind) else None


def _base_of(kind: type) -> type | None:
    return next((base for base in reversed(_BY_DEPTH) if issubclass(kind, base)), None)


_BY_DEPTH = sorted(_EXACT, key=lambda base: len(base.__mro__))


def _allocates(base: Any, kind: type) -> bool:
    """Whether `base` can make an empty object of `kind`, which it refuses for classes written in C."""
    try:
        base.__new__(kind)
    except TypeError:
        return False
    return True


def _write_enum(writer: "Writer", value: enum.Enum) -> Written:
    kind = type(value)
    name = writer.reference(kind)
    if name is None:
        return None
    if kind._member_map_.get(value._name_) is value:
        return Tag.ENUM, [*name, value._name_]
    # A combination of flags has no name of its own.
    return (Tag.ENUM, [*name, int(value._value_)]) if isinstance(value, enum.Flag) else None


def _read_enum(reader: "Reader", data: Buffer) -> enum.Enum:
    module, name, member = reader.fields(data, 3)
    kind = _class(reader, module, name, lambda found: issubclass(found, enum.Enum), "an enum")
    if type(member) is int and issubclass(kind, enum.Flag):
        combined: enum.Enum = kind(member)
        return combined
    if member not in kind._member_map_:
        raise DecodeError(
            f"the enum {module}.{name} has no member {member!r}; it has {', '.join(kind._member_map_)}"
        )
    found: enum.Enum = kind._member_map_[member]
    return found


def _is_named_tuple(kind: type) -> bool:
    names = getattr(kind, "_fields", None)
    return issubclass(kind, tuple) and type(names) is tuple and kind.__dictoffset__ == 0


def _write_named_tuple(writer: "Writer", value: Any) -> Written:
    kind = type(value)
    name = writer.reference(kind)
    members = dict(zip(kind._fields, tuple.__iter__(value), strict=False))
    if name is None or len(members) != tuple.__len__(value):
        return None
    return Tag.NAMED_TUPLE, [*name, members]


def _read_named_tuple(reader: "Reader", data: Buffer) -> Any:
    module, name, members = reader.fields(data, 3)
    kind = _class(reader, module, name, _is_named_tuple, "a named tuple")
    if tuple(members) != kind._fields:
        raise DecodeError(
            f"{module}.{name} has the fields {kind._fields}, but {tuple(members)} were recorded"
        )
    return tuple.__new__(kind, members.values())


def _write_subclass(writer: "Writer", value: Any, *, exact: Callable[[Any], Any]) -> Written:
    kind = type(value)
    name, state = writer.reference(kind), shape_of(kind).state(value)
    return None if name is None or state is None else (Tag.SUBCLASS, [*name, exact(value), state])


def _read_subclass(reader: "Reader", data: Buffer) -> Any:
    module, name, content, state = reader.fields(data, 4)
    base: Any = type(content)
    kind = _class(reader, module, name, lambda found: _base_of(found) is base, f"a kind of {base.__name__}")
    if issubclass(kind, enum.Enum):
        raise DecodeError(f"{module}.{name} is an enum now and was none when recorded")
    if base in _IMMUTABLE:
        value = base.__new__(kind, content)
    else:
        value = base.__new__(kind)
        _fill(value, base, content)
    shape_of(kind).restore(value, reader.mapping(state))
    return value


def _fill(value: Any, base: Any, content: Any) -> None:
    if base is deque:
        deque.__init__(value, content, content.maxlen)
    elif base is OrderedDict:
        for key, item in content.items():
            OrderedDict.__setitem__(value, key, item)
    elif issubclass(base, dict):
        dict.update(value, content)
        if base is defaultdict:
            vars(defaultdict)["default_factory"].__set__(value, content.default_factory)
    else:
        base.__init__(value, content)


def _write_dataclass(writer: "Writer", value: Any) -> Written:
    kind = type(value)
    name, state = writer.reference(kind), shape_of(kind).state(value)
    return None if name is None or state is None else (Tag.DATACLASS, [*name, state])


def _read_dataclass(reader: "Reader", data: Buffer) -> Any:
    module, name, state = reader.fields(data, 3)
    kind = _class(reader, module, name, is_dataclass, "a dataclass")
    value = object.__new__(kind)
    shape_of(kind).restore(value, reader.mapping(state))
    return value


def _is_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic.main")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _write_model(writer: "Writer", value: Any) -> Written:
    kind = type(value)
    name, state = writer.reference(kind), shape_of(kind).state(value)
    if name is None or state is None:
        return None
    given = sorted(value.__pydantic_fields_set__)
    return Tag.MODEL, [*name, state, given, value.__pydantic_extra__, value.__pydantic_private__]


def _read_model(reader: "Reader", data: Buffer) -> Any:
    module, name, state, given, extra, private = reader.fields(data, 6)
    kind = _class(reader, module, name, _is_model, "a pydantic model")
    value = object.__new__(kind)
    object.__setattr__(value, "__dict__", reader.mapping(state))
    object.__setattr__(value, "__pydantic_fields_set__", set(given))
    object.__setattr__(value, "__pydantic_extra__", extra)
    object.__setattr__(value, "__pydantic_private__", private)
    return value


def _is_secret(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic.types")
    return pydantic is not None and kind in (pydantic.SecretStr, pydantic.SecretBytes)


def _write_secret(writer: "Writer", value: Any) -> Written:
    return Tag.SECRET, [type(value).__name__, value.get_secret_value()]


def _read_secret(reader: "Reader", data: Buffer) -> Any:
    import pydantic

    name, content = reader.fields(data, 2)
    return {"SecretStr": pydantic.SecretStr, "SecretBytes": pydantic.SecretBytes}[name](content)


def _class(reader: "Reader", module: str, name: str, fits: Callable[[type], bool], sort: str) -> Any:
    found = reader.resolve(module, name)
    if not isinstance(found, type) or not fits(found):
        raise DecodeError(f"{module}.{name} is not {sort}, as it was when recorded")
    return found


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {
    Tag.ENUM: _read_enum,
    Tag.NAMED_TUPLE: _read_named_tuple,
    Tag.SUBCLASS: _read_subclass,
    Tag.DATACLASS: _read_dataclass,
    Tag.MODEL: _read_model,
    Tag.SECRET: _read_secret,
}
