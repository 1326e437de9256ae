"""The attributes of an object: what is in its `__dict__` and in its slots, in an order that does not depend on history."""

import sys
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from inspect import getattr_static
from types import MemberDescriptorType
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["Shape", "pickles_itself", "shape_of"]

_OWN_PICKLING = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__")


@dataclass(frozen=True, slots=True)
class Shape:
    """Where objects of one class keep their attributes.

    `fields` come first, in their order, all others follow sorted by name. `cached_property` values are left
    out: they can be had again, and whether somebody looked must not change the bytes.
    """

    fields: tuple[str, ...]
    slots: dict[str, MemberDescriptorType]
    has_dict: bool
    cached: frozenset[str]

    def state(self, value: Any) -> dict[str, Any] | None:
        """The attributes by name; None when some have names that are no strings."""
        attributes: dict[str, Any] = object.__getattribute__(value, "__dict__") if self.has_dict else {}
        if not self.slots and tuple(attributes) == self.fields:
            return dict(attributes)
        if any(type(name) is not str for name in attributes):
            return None
        held = {name: item for name, item in attributes.items() if name not in self.cached}
        for name, slot in self.slots.items():
            try:
                held[name] = slot.__get__(value)
            except AttributeError:
                continue  # a slot that was never set
        first = [name for name in self.fields if name in held]
        rest = sorted(held.keys() - set(self.fields))
        return {name: held[name] for name in (*first, *rest)}

    def restore(self, value: Any, state: dict[str, Any]) -> None:
        """Set the attributes without calling any `__setattr__`."""
        if self.slots:
            state = dict(state)
            for name, slot in self.slots.items():
                if name in state:
                    slot.__set__(value, state.pop(name))
        if not state:
            return
        if not self.has_dict:
            raise ValueError(f"{type(value).__qualname__} has no room for {', '.join(map(repr, state))}")
        attributes = object.__getattribute__(value, "__dict__")
        for name, item in state.items():
            attributes[sys.intern(name)] = item


_shapes: WeakKeyDictionary[type, Shape] = WeakKeyDictionary()


def shape_of(kind: type) -> Shape:
    """The shape of a class, worked out once."""
    shape = _shapes.get(kind)
    if shape is None:
        shape = _shapes[kind] = Shape(
            fields=_field_names(kind),
            slots=_slots(kind),
            has_dict=kind.__dictoffset__ != 0,
            cached=frozenset(
                name
                for base in kind.__mro__
                for name, item in vars(base).items()
                if _is_cached(kind, name, item)
            ),
        )
    return shape


def _is_cached(kind: type, name: str, item: object) -> bool:
    return isinstance(item, cached_property) and isinstance(getattr_static(kind, name), cached_property)


def _field_names(kind: type) -> tuple[str, ...]:
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    return tuple(getattr(kind, "__pydantic_fields__", ()))


def _slots(kind: type) -> dict[str, MemberDescriptorType]:
    slots: dict[str, MemberDescriptorType] = {}
    for base in reversed(kind.__mro__):
        # Only classes written in Python say `__slots__`; the members of others are their own business.
        if "__slots__" in vars(base) and base.__module__ != "pydantic.main":
            slots |= {n: item for n, item in vars(base).items() if isinstance(item, MemberDescriptorType)}
    return slots


def pickles_itself(kind: type) -> bool:
    """Whether the class, or a base outside of the standard library, says how it wants to be pickled."""
    for base in kind.__mro__:
        root = base.__module__.partition(".")[0]
        if root == "pydantic" or (root in sys.stdlib_module_names and root != "__main__"):
            continue
        for name in _OWN_PICKLING:
            method = vars(base).get(name)
            if method is not None and getattr(method, "__module__", "") != "dataclasses":
                return True
    return False
