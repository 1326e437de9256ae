"""JSON Schemas of annotations.

They have the shape that pydantic gives them, with sorted keys, but are written here: pydantic (70 to 190 ms of
import) is asked only about its own models and constraints, and a class that nobody can describe leaves `{}`, which
is true of every value, at its place instead of an error for the whole.
"""

import collections
import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from dalsegno._convert.annotations import alias_value, is_alias, is_named_tuple, simplify
from dalsegno._convert.models import is_model
from dalsegno._convert.records import hints_of
from dalsegno._module_names import recorded_module_name

Schema = dict[str, Any]

_SCALARS: dict[object, Schema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    bytes: {"format": "binary", "type": "string"},
    complex: {"type": "string"},
    type(None): {"type": "null"},
    datetime: {"format": "date-time", "type": "string"},
    date: {"format": "date", "type": "string"},
    time: {"format": "time", "type": "string"},
    timedelta: {"format": "duration", "type": "string"},
    UUID: {"format": "uuid", "type": "string"},
    Decimal: {"anyOf": [{"type": "number"}, {"type": "string"}]},
}
_JSON_TYPES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
}
_ARRAYS = (
    *(list, tuple, collections.deque),
    *(collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection),
)
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_OBJECTS = (dict, collections.OrderedDict, collections.abc.Mapping, collections.abc.MutableMapping)


def schema_of(annotation: object) -> Schema:
    """The JSON Schema (draft 2020-12) of what an annotation takes; the same for equal annotations everywhere."""
    writer = _Writer()
    schema = writer.write(annotation)
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if len(schema) == 1 and name in writer.defs and not writer.is_recursive(name):
        schema = writer.defs.pop(name)
    if writer.defs:
        schema = {**schema, "$defs": writer.defs}
    return cast(Schema, _sorted(schema))


def _sorted(schema: Any, keep: bool = False) -> Any:
    """The schema with sorted keys; properties and default values keep their order, since it means something."""
    if isinstance(schema, list):
        return [_sorted(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    keys = schema if keep else sorted(schema)
    return {
        key: schema[key]
        if key == "default" and not keep
        else _sorted(schema[key], key == "properties" and not keep)
        for key in keys
    }


class _Writer:
    """Writes one schema; classes go to `defs` under their name."""

    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}
        self._owners: dict[str, object] = {}
        self._open: list[object] = []

    def is_recursive(self, name: str) -> bool:
        return f"'#/$defs/{name}'" in repr(list(self.defs.values()))

    def write(self, annotation: object) -> Schema:
        annotation = simplify(annotation)
        origin, parts = get_origin(annotation) or annotation, get_args(annotation)
        if isinstance(origin, type) and origin in _SCALARS:
            return dict(_SCALARS[origin])
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.write(part) for part in parts]}
        if origin is Literal:
            schema = _enumerated([part.value if isinstance(part, Enum) else part for part in parts])
            return schema if len(parts) > 1 else {"const": schema.pop("enum")[0], **schema}
        if origin is Annotated:
            return self._ask_pydantic(annotation)
        if origin is tuple and annotation is not tuple and (not parts or parts[-1] is not ...):
            return _places([self.write(part) for part in parts], len(parts))
        if origin in _ARRAYS or origin in _SETS:
            item = self.write(parts[0]) if parts else {}
            return {"items": item, "type": "array"} | ({"uniqueItems": True} if origin in _SETS else {})
        if origin in _OBJECTS:
            return self._object(*(parts or (Any, Any)))
        if is_alias(annotation) and parts:
            return self._generic(annotation)
        if is_alias(annotation):
            return self._define(annotation, lambda: self.write(alias_value(annotation)))
        return self._class(origin) if isinstance(origin, type) else {}

    def _generic(self, annotation: object) -> Schema:
        if annotation in self._open:
            return {}
        self._open.append(annotation)
        schema = self.write(alias_value(annotation))
        self._open.pop()
        return schema

    def _object(self, key: object, value: object) -> Schema:
        content, names = self.write(value), self.write(key)
        schema: Schema = {"additionalProperties": content or True, "type": "object"}
        if names.get("type") == "string" and len(names) > 1:
            schema["propertyNames"] = {name: names[name] for name in names if name != "type"}
        return schema

    def _class(self, cls: type) -> Schema:
        if issubclass(cls, PurePath):
            return {"format": "path", "type": "string"}
        if issubclass(cls, Enum):
            members = _enumerated([member.value for member in cls])
            return self._define(cls, lambda: {**_described(cls), **members, "title": cls.__name__})
        if typing.is_typeddict(cls):
            required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
            return self._define(
                cls, lambda: self._fields(cls, {name: name in required for name in hints_of(cls)}, {})
            )
        if is_model(cls):
            return self._ask_pydantic(cls)
        if is_named_tuple(cls):
            return self._define(cls, lambda: self._named_tuple(cls))
        if dataclasses.is_dataclass(cls):
            return self._define(cls, lambda: self._dataclass(cls))
        return {}

    def _define(self, owner: Any, write: Callable[[], Schema]) -> Schema:
        name: str = owner.__name__
        if self._owners.get(name, owner) is not owner and not self._adopt(name, owner, write):
            name = f"{recorded_module_name(owner.__module__)}.{getattr(owner, '__qualname__', name)}".replace(
                ".", "__"
            )
        if name not in self._owners:
            self._owners[name] = owner
            self.defs[name] = {}
            self.defs[name] = write()
        return {"$ref": f"#/$defs/{name}"}

    def _adopt(self, name: str, owner: object, write: Callable[[], Schema]) -> bool:
        """Whether what pydantic wrote under a name is what would be written for the owner."""
        if self._owners[name] is not None:
            return False
        self._owners[name] = owner
        if _sorted(write()) != _sorted(self.defs[name]):
            self._owners[name] = None
        return self._owners[name] is owner

    def _dataclass(self, cls: type) -> Schema:
        parameters = [
            (name, parameter.default)
            for name, parameter in inspect.signature(cls).parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        required = {name: default is inspect.Parameter.empty for name, default in parameters}
        return self._fields(cls, required, dict(parameters))

    def _fields(self, cls: type, required: Mapping[str, bool], defaults: Mapping[str, object]) -> Schema:
        hints = hints_of(cls)
        properties = {name: self._field(name, hints.get(name, Any), defaults) for name in required}
        schema: Schema = {
            **_described(cls),
            "properties": properties,
            "title": cls.__name__,
            "type": "object",
        }
        if needed := [name for name in required if required[name]]:
            schema["required"] = needed
        return schema

    def _field(self, name: str, hint: object, defaults: Mapping[str, object]) -> Schema:
        schema = self.write(hint)
        alternatives = [item for item in schema.get("anyOf", [schema]) if item != _SCALARS[type(None)]]
        if len(alternatives) != 1 or "$ref" not in alternatives[0]:
            schema = {"title": name.title().replace("_", " ").strip(), **schema}
        try:
            return {**schema, "default": _plain(defaults[name])}
        except (KeyError, TypeError):
            return schema

    def _named_tuple(self, cls: Any) -> Schema:
        hints, defaults = hints_of(cls), cls._field_defaults
        places = [self._field(name, hints.get(name, Any), defaults) for name in cls._fields]
        return _places(places, len(places) - len(defaults))

    def _ask_pydantic(self, annotation: Any) -> Schema:
        schema = _from_pydantic(annotation)
        defs = schema.pop("$defs", {})
        if any(name in self.defs and self.defs[name] != written for name, written in defs.items()):
            return {}
        self.defs |= defs
        self._owners |= dict.fromkeys(defs.keys() - self._owners.keys())
        if "$ref" in schema or not isinstance(annotation, type):
            return schema
        return self._define(annotation, lambda: schema)


def _from_pydantic(annotation: Any) -> Schema:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
    from pydantic_core.core_schema import CoreSchema

    class Tolerant(GenerateJsonSchema):
        def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchemaValue:
            return {}

        def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
            """What cannot be described is left out in silence."""

    try:
        return TypeAdapter(annotation).json_schema(schema_generator=Tolerant)
    except Exception:  # hooks of the user's classes may raise anything
        return {}


def _described(cls: type) -> Schema:
    text = cls.__dict__.get("__doc__")
    written = isinstance(text, str) and not text.startswith(f"{cls.__name__}(")
    return {"description": inspect.cleandoc(text)} if text and written else {}


def _enumerated(values: list[object]) -> Schema:
    schema: Schema = {"enum": [_plain(value) for value in values]}
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and (name := _JSON_TYPES.get(kinds.pop())):
        schema["type"] = name
    return schema


def _places(places: list[Schema], least: int) -> Schema:
    bounds: Schema = {"maxItems": len(places), "minItems": least, "type": "array"}
    return {**bounds, "prefixItems": places} if places else bounds


def _plain(value: object) -> Any:
    """The value as JSON has it; TypeError where that is not sure to be the same everywhere."""
    match value:
        case Enum():
            return _plain(value.value)
        case None | bool() | int() | str():
            return value
        case float() if isfinite(value):
            return value
        case date() | time() if not isinstance(value, datetime):
            return value.isoformat()
        case UUID() | PurePath() | Decimal():
            return str(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _plain(item) for key, item in value.items()}
        case _:
            raise TypeError(type(value).__name__)
