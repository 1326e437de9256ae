"""From an annotation to the kind of its values."""

import collections
import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import cache, partial
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from dalsegno._convert.annotations import alias_value, is_alias, is_named_tuple, simplify
from dalsegno._convert.base import ANYTHING, Kind
from dalsegno._convert.choices import Choice, Member
from dalsegno._convert.containers import Either, Fixed, Many, Table
from dalsegno._convert.models import Checked, Model, adapter, is_model, takes_raw
from dalsegno._convert.records import Instance, Later, Record, fields_of, keys_of
from dalsegno._convert.scalars import SCALARS

_SETS = (set, frozenset, collections.abc.Set)
_MANY: dict[object, partial[Many]] = {
    list: partial(Many, words="a list", cls=list, build=list),
    tuple: partial(Many, words="a tuple", cls=tuple, build=tuple),
    set: partial(Many, words="a set", cls=set, build=set, also=_SETS),
    frozenset: partial(Many, words="a frozenset", cls=frozenset, build=frozenset, also=_SETS),
    collections.deque: partial(Many, words="a deque", cls=collections.deque, build=collections.deque),
    collections.abc.Sequence: partial(Many, words="a sequence", cls=collections.abc.Sequence, build=list),
    collections.abc.MutableSequence: partial(
        Many, words="a mutable sequence", cls=collections.abc.MutableSequence, build=list
    ),
    collections.abc.Collection: partial(
        Many, words="a collection", cls=collections.abc.Collection, build=list
    ),
    collections.abc.Set: partial(Many, words="a set", cls=collections.abc.Set, build=set, also=_SETS),
    collections.abc.MutableSet: partial(
        Many, words="a set", cls=collections.abc.MutableSet, build=set, also=_SETS
    ),
}
_TABLES: dict[object, partial[Table]] = {
    dict: partial(Table),
    collections.OrderedDict: partial(Table, cls=collections.OrderedDict, build=collections.OrderedDict),
    collections.abc.Mapping: partial(Table, cls=collections.abc.Mapping),
    collections.abc.MutableMapping: partial(Table, cls=collections.abc.MutableMapping),
}


def kind_of(annotation: object) -> Kind:
    """Compile an annotation; its classes are looked into only when a value must be converted to them."""
    annotation = simplify(annotation)
    origin, parts = get_origin(annotation) or annotation, get_args(annotation)
    if annotation is Any:
        return ANYTHING
    if isinstance(origin, type) and origin in SCALARS:
        return SCALARS[origin]
    if origin in (Union, types.UnionType):
        return Either(tuple(map(kind_of, parts)))
    if origin is Literal:
        return Choice(parts)
    if origin is Annotated:
        base = ANYTHING if takes_raw(annotation) else kind_of(parts[0])
        return Checked(base, adapter(annotation))
    if origin is tuple and parts and parts[-1] is not ...:
        return Fixed(tuple(map(kind_of, parts)))
    if origin is tuple and annotation == tuple[()] and annotation is not tuple:
        return Fixed(())
    if many := _MANY.get(origin):
        return many(kind_of(parts[0]) if parts else ANYTHING)
    if table := _TABLES.get(origin):
        key, value = parts or (Any, Any)
        return table(kind_of(key), kind_of(value))
    if is_alias(annotation):
        return Later(cache(lambda: kind_of(alias_value(annotation))))
    return _class(origin, annotation) if isinstance(origin, type) else ANYTHING


def _class(cls: type, annotation: object) -> Kind:
    name = cls.__name__
    if issubclass(cls, Enum):
        return Member(cls)
    if typing.is_typeddict(cls):
        return Record(name, None, keys_of(cls, kind_of))
    if is_model(cls):
        return Model(cls, adapter(annotation))
    if is_named_tuple(cls):
        return Record(name, cls, fields_of(cls, kind_of), cls, ordered=True)
    if dataclasses.is_dataclass(cls) or hasattr(cls, "__attrs_attrs__"):
        return Record(name, cls, fields_of(cls, kind_of), cast(Callable[..., object], cls))
    return Instance(cls, f"{cls.__module__}.{name}") if _is_testable(cls) else ANYTHING


def _is_testable(cls: type) -> bool:
    """Whether `isinstance` works, which protocols refuse unless they are made for it."""
    try:
        isinstance(None, cls)
    except TypeError:
        return False
    return True
