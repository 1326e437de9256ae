"""The inputs and outputs of a task, from a signature or from a record, and their recorded form.

A record is made of dicts, lists, strings, booleans, numbers and bytes:

    {"inputs": [{"name", "passing", "type", "classes": [[module, qualified name]], "schema",
                 and only with a default: "default": encoded bytes, "default_text"}],
     "outputs": [{"name", "type", "classes", "schema"}],
     "returns": "nothing" | "value" | "tuple" | "named",
     "returns_type": text}
"""

import inspect
import re
import reprlib
import sys
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, Optional, TypeAlias, cast, get_args, get_origin

from dalsegno._convert import FAILED, Kind, Report, kind_of
from dalsegno._convert.annotations import (
    classes_of,
    from_text,
    is_named_tuple,
    is_type,
    resolve,
    scope_of,
    simplify,
    text_of,
)
from dalsegno._convert.recorded import kind_from
from dalsegno._convert.records import hints_of
from dalsegno._schema import schema_of
from dalsegno.errors import TaskDefinitionError

Record: TypeAlias = Mapping[str, Any]
Passing: TypeAlias = Literal["positional", "keyword"]
Encode: TypeAlias = Callable[[object], bytes]
Decode: TypeAlias = Callable[[bytes], object]
Returns: TypeAlias = Literal["nothing", "value", "tuple", "named"]


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""Stands for a default that there is not."""

_PASSING: Final[dict[Any, Passing]] = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
}
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_EMPTY = inspect.Parameter.empty


class UnresolvedError(TaskDefinitionError):
    """An annotation names something that is not there yet; it may be by the time of the first call."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Variable:
    """One input or output.

    `annotation` is the live one, or the one that recorded text of built-in types stands for, or None where there is
    only a schema. `classes` are the (module, qualified name) of the classes in it.
    """

    name: str
    annotation: object | None
    type_text: str
    classes: tuple[tuple[str, str], ...]
    passing: Passing = "positional"
    load: Callable[[], object] | None = None
    recorded: Record | None = None

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.load is None

    @cached_property
    def kind(self) -> Kind:
        """What makes values right."""
        return kind_from(self.schema, self.classes) if self.annotation is None else kind_of(self.annotation)

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema; `{}` for types that have none."""
        return schema_of(self.annotation) if self.recorded is None else self.recorded["schema"]

    @cached_property
    def default(self) -> object:
        """The default, made right as if it had been given where that can be done; `MISSING` without one."""
        if self.load is None:
            return MISSING
        value = self.load()
        made = self.kind.take(value, "python", (), Report(self.name))
        return value if made is FAILED else made


@dataclass(frozen=True, slots=True)
class Types:
    """All that needs resolved annotations; `make` builds what a function with several outputs returned."""

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    returns: Returns
    returns_text: str
    make: Callable[[Iterable[object]], object] = tuple


def signature_of(
    function: Callable[..., object], name: str
) -> tuple[inspect.Signature, list[tuple[str, Passing]]]:
    """A function's signature and how each input is passed; TaskDefinitionError where it cannot be recorded."""
    if sys.version_info >= (3, 14):
        import annotationlib

        signature = inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    else:
        signature = inspect.signature(function)
    passings: list[tuple[str, Passing]] = []
    for parameter in signature.parameters.values():
        if parameter.kind in _STARS:
            raise TaskDefinitionError(
                f"task {name} cannot take {_STARS[parameter.kind]}{parameter.name}, since its inputs must have names "
                f"that can be recorded; name each input, or take one list or dict"
            )
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise TaskDefinitionError(
                f"task {name} cannot take {parameter.name!r} by position only, since a rerun gives inputs by name; "
                f"remove the '/' from its parameters"
            )
        if parameter.annotation is _EMPTY:
            raise TaskDefinitionError(
                f"task {name}: parameter {parameter.name!r} has no type; annotate it, "
                f"for example `{parameter.name}: int`, or `{parameter.name}: Any` if everything goes"
            )
        passings.append((parameter.name, _PASSING[parameter.kind]))
    return signature, passings


def live_types(name: str, function: Callable[..., object], signature: inspect.Signature) -> Types:
    """Resolve the annotations of a function; UnresolvedError if one names what is not there (yet)."""
    scope = scope_of(inspect.unwrap(function))
    inputs = []
    for parameter in signature.parameters.values():
        annotation = _resolved(name, f"parameter {parameter.name!r}", parameter.annotation, scope)
        default = parameter.default
        if default is None and simplify(annotation) is not Any:
            annotation = Optional[cast(Any, annotation)]  # noqa: UP045  # may be no class, which has no `|`
        load = None if default is _EMPTY else lambda default=default: default
        inputs.append(_variable(parameter.name, annotation, passing=_PASSING[parameter.kind], load=load))
    raw = signature.return_annotation
    returned = Any if raw is _EMPTY else simplify(_resolved(name, "the return value", raw, scope))
    returns, outputs = _outputs(returned)
    variables = tuple(_variable(output, annotation) for output, annotation in outputs)
    make = cast(Any, returned)._make if returns == "named" else tuple
    return Types(tuple(inputs), variables, returns, text_of(returned), make)


def _resolved(task: str, what: str, raw: object, scope: dict[str, object]) -> object:
    try:
        annotation = resolve(raw, scope)
    except (NameError, AttributeError) as error:
        raise UnresolvedError(
            f"task {task}: the type {raw!r} of {what} cannot be found: {error}; "
            f"define or import it in the task's module, not under `if TYPE_CHECKING`"
        ) from error
    except (SyntaxError, TypeError) as error:
        raise TaskDefinitionError(
            f"task {task}: the type {raw!r} of {what} cannot be read: {error}"
        ) from error
    if not is_type(annotation):
        raise TaskDefinitionError(
            f"task {task}: {what} is annotated with {raw!r}, which is not a type; write one, for example `int`"
        )
    return annotation


def _outputs(returned: object) -> tuple[Returns, list[tuple[str, object]]]:
    parts = get_args(returned)
    if returned is type(None):
        return "nothing", []
    if is_named_tuple(returned):
        hints = hints_of(cast(type, returned))
        fields: tuple[str, ...] = cast(Any, returned)._fields
        return "named", [(field, hints.get(field, Any)) for field in fields]
    if get_origin(returned) is tuple and parts and parts[-1] is not ...:
        return "tuple", [(f"o{index}", part) for index, part in enumerate(parts)]
    return "value", [("o0", returned)]


def _variable(name: str, annotation: object, **more: Any) -> Variable:
    return Variable(
        name=name,
        annotation=annotation,
        type_text=text_of(annotation),
        classes=classes_of(annotation),
        **more,
    )


def record_of(types: Types, encode: Encode) -> Record:
    """Write types down."""
    return {
        "inputs": [_recorded(each, encode) | {"passing": each.passing} for each in types.inputs],
        "outputs": [_recorded(each, encode) for each in types.outputs],
        "returns": types.returns,
        "returns_type": types.returns_text,
    }


def _recorded(variable: Variable, encode: Encode) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": variable.name,
        "type": variable.type_text,
        "classes": [list(each) for each in variable.classes],
        "schema": variable.schema,
    }
    if not variable.required:
        record |= {"default": encode(variable.default), "default_text": _words.repr(variable.default)}
    return record


def recorded_types(record: Record, decode: Decode) -> Types:
    """Read types back; defaults are decoded only when asked for."""
    inputs = tuple(_read(each, decode) for each in record["inputs"])
    outputs = tuple(_read(each, decode) for each in record["outputs"])
    returns: Returns = record["returns"]
    make: Callable[[Iterable[object]], object] = tuple
    if returns == "named":
        short = str(record["returns_type"]).rpartition(".")[2]
        make = cast(Any, namedtuple(short, [each.name for each in outputs]))._make  # names known only now
    return Types(inputs, outputs, returns, record["returns_type"], make)


def _read(record: Record, decode: Decode) -> Variable:
    try:
        annotation = from_text(record["type"])
    except ValueError:
        annotation = None
    data: bytes | None = record.get("default")
    return Variable(
        name=record["name"],
        annotation=annotation,
        type_text=record["type"],
        classes=tuple((module, name) for module, name in record["classes"]),
        passing=record.get("passing", "positional"),
        load=None if data is None else lambda: decode(data),
        recorded=record,
    )


class Option(NamedTuple):
    """What a command line or a form needs of one input.

    `type_text` is short (`list[Cfg] | None`); `choices` are the allowed values of an enum or literal as people
    type them; `default_text` is None without a default.
    """

    name: str
    type_text: str
    required: bool
    default_text: str | None
    is_bool: bool
    choices: tuple[str, ...]


_QUALIFIER = re.compile(r"""('[^']*'|"[^"]*")|(?:[A-Za-z_]\w*\.)+""")


def option_of(variable: Variable) -> Option:
    """Describe an input; of a recorded one nothing is decoded."""
    if variable.recorded is not None:
        default = variable.recorded.get("default_text")
    else:
        default = None if variable.required else _words.repr(variable.default)
    schema = _essence(variable.schema, variable.schema.get("$defs", {}))
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return Option(
        name=variable.name,
        type_text=_QUALIFIER.sub(lambda match: match[1] or "", variable.type_text),
        required=variable.required,
        default_text=default,
        is_bool=schema.get("type") == "boolean" and not choices,
        choices=tuple(str(choice) for choice in choices),
    )


def _essence(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference, without the alternative of null."""
    if "$ref" in schema:
        return _essence(defs.get(str(schema["$ref"]).rpartition("/")[2], {}), {})
    others = [item for item in schema.get("anyOf", ()) if item != {"type": "null"}]
    return _essence(others[0], defs) if len(others) == 1 else schema


class _Words(reprlib.Repr):
    """Default values in a few words that are the same in every process: no addresses, no order of sets."""

    def repr_instance(self, x: Any, level: int) -> str:
        match x:
            case Enum():
                return x.name
            case type():
                return x.__qualname__
            case float() | complex() | bytes() | bool() | None:
                return repr(x)
            case _ if type(x).__module__ in ("datetime", "decimal", "uuid") or type(x).__module__.startswith(
                "pathlib"
            ):
                return str(x)
            case _:
                return f"{type(x).__name__}(...)"


_words = _Words()
_words.maxstring = _words.maxother = 60
