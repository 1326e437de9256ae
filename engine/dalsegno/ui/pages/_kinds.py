"""Which field an input gets, told from its recorded JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Schema = dict[str, Any]
Kind = Literal["switch", "choice", "number", "text", "date", "time", "list", "json", "kept"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The field of an input; `choices` are those of a choice, `item` is what a list holds, "text" or "number"."""

    kind: Kind
    nullable: bool = False
    choices: tuple[Any, ...] = ()
    item: str = ""


def shape_of(schema: Schema) -> Shape:
    """The field for a schema; what is not simple is edited as JSON."""
    defs: Schema = schema.get("$defs", {})
    essence, nullable = _essence(schema, defs)
    kind = essence.get("type")
    if "enum" in essence or "const" in essence:
        choices = tuple(essence["enum"] if "enum" in essence else [essence["const"]])
        if all(isinstance(each, (str, int, float, bool)) for each in choices):
            return Shape("choice", nullable, choices)
    if kind == "boolean":
        return Shape("switch" if not nullable else "choice", nullable, (True, False) if nullable else ())
    if kind in ("integer", "number"):
        return Shape("number", nullable)
    if kind == "string":
        return Shape(_of_string(str(essence.get("format", ""))), nullable)
    if _is_decimal(essence):
        return Shape("text", nullable)
    if kind == "array" and "prefixItems" not in essence:
        item, empty = _essence(essence.get("items") or {}, defs)
        if not empty and "enum" not in item and item.get("type") in ("string", "integer", "number"):
            return Shape("list", nullable, item="text" if item["type"] == "string" else "number")
    return Shape("json", nullable)


_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "of the form {}",
}


def words_of(schema: Schema) -> str:
    """What a schema says to people: its description, and the limits of its values."""
    essence, _ = _essence(schema, schema.get("$defs", {}))
    limits = ", ".join(words.format(essence[name]) for name, words in _LIMITS.items() if name in essence)
    description = str(schema.get("description") or essence.get("description") or "")
    return " · ".join(filter(None, [description, limits[:1].upper() + limits[1:]]))


def _of_string(form: str) -> Kind:
    match form:
        case "date":
            return "date"
        case "time":
            return "time"
        case "binary":
            return "json"
    return "text"


def _is_decimal(essence: Schema) -> bool:
    kinds = [each.get("type") for each in essence.get("anyOf", ()) if isinstance(each, dict)]
    return sorted(map(str, kinds)) == ["number", "string"]


def _essence(schema: Schema, defs: Schema) -> tuple[Schema, bool]:
    """What is behind references and the alternative of null, and whether there is that."""
    seen = 0
    nullable = False
    while seen < 20:
        seen += 1
        if "$ref" in schema:
            schema = defs.get(str(schema["$ref"]).rpartition("/")[2], {})
            continue
        others = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
        if len(others) == len(schema.get("anyOf", ())) or len(others) != 1:
            if "anyOf" in schema and len(others) < len(schema["anyOf"]):
                return {**schema, "anyOf": others}, True
            return schema, nullable
        schema, nullable = others[0], True
    return {}, nullable
