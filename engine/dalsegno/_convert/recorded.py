"""Kinds made from a recorded JSON Schema, for inputs whose code cannot be loaded.

What comes out is plain: dicts for objects, real dates for date formats. The code, once it is loaded, takes these as
natural values. Schemas that pydantic and JSON Schema share are understood, others are true of every value.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path as FilePath
from typing import Any
from uuid import UUID

from dalsegno._convert.base import ANYTHING, FAILED, Anything, FileUse, Kind, Path, Report, Source, shorten
from dalsegno._convert.choices import Choice
from dalsegno._convert.containers import Either, Fixed, Many, Table
from dalsegno._convert.records import Field, Later, Record
from dalsegno._convert.scalars import SCALARS, Scalar
from dalsegno._module_names import recorded_module_name

Schema = Mapping[str, Any]

_TYPES: dict[str, type] = {
    "integer": int,
    "number": float,
    "boolean": bool,
    "string": str,
    "null": type(None),
}
_FORMATS: dict[str, type] = {
    "date-time": datetime,
    "date": date,
    "time": time,
    "duration": timedelta,
    "uuid": UUID,
    "binary": bytes,
    "path": FilePath,
}
_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("at least {}", lambda value, limit: value >= limit),
    "maximum": ("at most {}", lambda value, limit: value <= limit),
    "exclusiveMinimum": ("greater than {}", lambda value, limit: value > limit),
    "exclusiveMaximum": ("less than {}", lambda value, limit: value < limit),
    "multipleOf": ("a multiple of {}", lambda value, limit: value % limit == 0),
    "minLength": ("of at least {} characters", lambda value, limit: len(value) >= limit),
    "maxLength": ("of at most {} characters", lambda value, limit: len(value) <= limit),
    "minItems": ("of at least {} items", lambda value, limit: len(value) >= limit),
    "maxItems": ("of at most {} items", lambda value, limit: len(value) <= limit),
    "pattern": ("matching {}", lambda value, limit: re.search(limit, value) is not None),
}


def kind_from(schema: Schema, classes: Iterable[tuple[str, str]] = ()) -> Kind:
    """Compile a schema; live instances of the named (module, qualified name) classes are kept as they are."""
    return _Reader(schema.get("$defs", {}), frozenset(classes)).read(schema)


@dataclass(frozen=True, slots=True)
class _Reader:
    defs: Mapping[str, Schema]
    classes: frozenset[tuple[str, str]]

    def read(self, schema: Schema) -> Kind:
        kind = self._base(schema)
        limits = tuple((name, schema[name]) for name in _LIMITS if name in schema)
        if limits and not isinstance(kind, Fixed | Either):
            kind = Limited(kind, limits)
        return Living(kind, self.classes) if self.classes and not isinstance(kind, Scalar) else kind

    def _base(self, schema: Schema) -> Kind:
        if "$ref" in schema:
            return Later(cache(lambda: self.read(self.defs.get(_name(schema), {}))))
        if "const" in schema or "enum" in schema:
            return Choice(tuple(schema.get("enum", [schema.get("const")])))
        if alternatives := schema.get("anyOf") or schema.get("oneOf"):
            return Either(tuple(map(self.read, alternatives)))
        if len(schema.get("allOf", ())) == 1:
            return self.read(schema["allOf"][0])
        kind = schema.get("type")
        if isinstance(kind, list):
            return Either(tuple(self.read({**schema, "type": item}) for item in kind))
        if kind == "array":
            return self._array(schema)
        if kind == "object":
            return self._object(schema)
        if kind == "string":
            return SCALARS[_FORMATS.get(schema.get("format", ""), str)]
        return SCALARS[_TYPES[kind]] if kind in _TYPES else ANYTHING

    def _array(self, schema: Schema) -> Kind:
        if "prefixItems" in schema or schema.get("maxItems") == 0:
            places = tuple(map(self.read, schema.get("prefixItems", ())))
            least = schema.get("minItems", len(places))
            lengths = [Fixed(places[:count]) for count in range(len(places), least - 1, -1)]
            return lengths[0] if len(lengths) == 1 else Either(tuple(lengths))
        item = self.read(schema.get("items", {}))
        if schema.get("uniqueItems") and self._is_single(schema.get("items", {})):
            return Many(item, "a set", set, set, (set, frozenset))
        return Many(item, "a list", list, list, (list, tuple, set, frozenset))

    def _is_single(self, schema: Schema) -> bool:
        """Whether the values can be members of a set."""
        schema = self.defs.get(_name(schema), {}) if "$ref" in schema else schema
        return "enum" in schema or "const" in schema or schema.get("type") in _TYPES

    def _object(self, schema: Schema) -> Kind:
        more = schema.get("additionalProperties", "properties" not in schema)
        other = None if more is False else ANYTHING if more is True else self.read(more)
        if "properties" not in schema:
            names = schema.get("propertyNames")
            return Table(self.read({"type": "string", **names}) if names else _KEY, other or ANYTHING)
        required = schema.get("required", ())
        properties: Mapping[str, Schema] = schema["properties"]
        fields = {name: Field(self.read(item), name in required) for name, item in properties.items()}
        return Record(schema.get("title", "object"), None, lambda: fields, more=other)


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


class _Key(Anything):
    """A key of a dict: a schema does not tell its type, so a program's keys and JSON's strings are kept."""

    __slots__ = ()

    def text(self, text: str, path: Path, report: Report) -> object:
        return text


_KEY = _Key()


@dataclass(frozen=True, slots=True)
class Limited(Kind):
    """A kind whose values must also keep the limits of a schema."""

    base: Kind
    limits: tuple[tuple[str, Any], ...]

    @property
    def expected(self) -> str:
        words = [_LIMITS[name][0].format(limit) for name, limit in self.limits]
        return f"{self.base.expected} {' and '.join(words)}"

    @property
    def file(self) -> FileUse:
        return self.base.file

    def holds(self, value: object) -> bool:
        return self.base.holds(value) and self._fits(value)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        return self._check(self.base.take(value, source, path, report), path, report)

    def text(self, text: str, path: Path, report: Report) -> object:
        return self._check(self.base.text(text, path, report), path, report)

    def _check(self, value: object, path: Path, report: Report) -> object:
        if value is FAILED or self._fits(value):
            return value
        return report.refuse(path, self.expected, shorten(value))

    def _fits(self, value: object) -> bool:
        try:
            return all(_LIMITS[name][1](value, limit) for name, limit in self.limits)
        except (TypeError, re.error):
            return True  # a limit for another type, or a pattern in another dialect


@dataclass(frozen=True, slots=True)
class Living(Kind):
    """A kind known from its schema, of whose classes a program may give instances."""

    base: Kind
    classes: frozenset[tuple[str, str]]

    @property
    def expected(self) -> str:
        return self.base.expected

    @property
    def file(self) -> FileUse:
        return self.base.file

    def holds(self, value: object) -> bool:
        cls = type(value)
        return (recorded_module_name(cls.__module__), cls.__qualname__) in self.classes or self.base.holds(
            value
        )

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        return self.base.convert(value, source, path, report)

    def text(self, text: str, path: Path, report: Report) -> object:
        return self.base.text(text, path, report)
