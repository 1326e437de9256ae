"""Annotations: resolving them, checking that they are types, writing them down, reading them back.

The text of an annotation is its reference in the record: builtins by name, everything else as module and
qualified name. Text that names only types of the standard library listed here can be read back without any
code of the user; all other text cannot.
"""

import ast
import collections
import collections.abc
import datetime
import decimal
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterator
from dataclasses import InitVar
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from dalsegno._module_names import recorded_module_name

_PLAIN: tuple[type, ...] = (
    *(int, float, bool, str, bytes, complex, list, tuple, dict, set, frozenset),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID),
    *(pathlib.Path, pathlib.PosixPath, pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath),
    *(collections.deque, collections.OrderedDict),
    *(collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection),
    *(
        collections.abc.Set,
        collections.abc.MutableSet,
        collections.abc.Mapping,
        collections.abc.MutableMapping,
    ),
)
_WRAPPERS: tuple[object, ...] = tuple(
    form
    for name in ("Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
    if (form := getattr(typing, name, None)) is not None
)
_NOTHING_KNOWN: tuple[object, ...] = (Any, object, typing.Never, typing.NoReturn, typing.Self)
_PYDANTIC = ("pydantic", "pydantic_core", "annotated_types")


def scope_of(function: Callable[..., object]) -> dict[str, object]:
    """The names that annotations of a function may use: its module's and those it closes over."""
    scope: dict[str, object] = dict(getattr(function, "__globals__", {}))
    code: types.CodeType | None = getattr(function, "__code__", None)
    cells: tuple[types.CellType, ...] = getattr(function, "__closure__", None) or ()
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            scope[name] = cell.cell_contents
        except ValueError:
            continue
    return scope


def resolve(raw: object, scope: dict[str, object]) -> object:
    """The annotation with all text in it evaluated; NameError or AttributeError if a name is not there (yet)."""
    if isinstance(raw, type):
        return raw
    holder = types.SimpleNamespace(__annotations__={"value": raw})
    return typing.get_type_hints(holder, globalns=scope, include_extras=True)["value"]


def is_type(annotation: object) -> bool:
    """Whether an annotation, parts included, says what a value is: `list[5]` and a module do not."""
    if annotation in (typing.Optional, Union, Literal, Annotated) or annotation in _WRAPPERS:
        return False
    origin = get_origin(annotation)
    if origin is None:
        known = isinstance(annotation, type | TypeVar | typing.NewType | InitVar)
        return (
            known
            or annotation is None
            or annotation in _NOTHING_KNOWN
            or is_alias(annotation)
            or _is_bare(annotation)
        )
    if origin is Literal or origin is collections.abc.Callable:
        return True
    if origin is Annotated:
        return is_type(get_args(annotation)[0])
    return all(part is ... or is_type(part) for part in get_args(annotation))


def is_alias(annotation: object) -> bool:
    """Whether it is the X of a `type X = ...` statement, or such an X with arguments."""
    return type(get_origin(annotation) or annotation).__name__ == "TypeAliasType"


def alias_value(annotation: Any) -> object:
    """What an alias stands for, with its arguments filled in."""
    alias = get_origin(annotation) or annotation
    given = dict(zip(alias.__type_params__, get_args(annotation), strict=False))
    wanted = getattr(alias.__value__, "__parameters__", ())
    return alias.__value__[tuple(given.get(each, Any) for each in wanted)] if wanted else alias.__value__


def _is_bare(annotation: object) -> bool:
    """Whether it is a name of typing without arguments, such as `List` or `LiteralString`."""
    return type(annotation).__module__ == "typing"


def is_checked(annotation: object) -> bool:
    """Whether an `Annotated` carries constraints or validators that pydantic applies."""
    return any(
        type(extra).__module__.partition(".")[0] in _PYDANTIC
        or hasattr(extra, "__get_pydantic_core_schema__")
        for extra in get_args(annotation)[1:]
    )


def simplify(annotation: object) -> object:
    """The annotation without what does not change which values are right: aliases, type variables, comments."""
    while True:
        origin = get_origin(annotation)
        if annotation is None:
            return type(None)
        if isinstance(annotation, TypeVar):
            choices = annotation.__constraints__
            annotation = Union[choices] if choices else annotation.__bound__ or Any  # noqa: UP007  # a tuple of them
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, InitVar):
            annotation = annotation.type
        elif origin in _WRAPPERS or (origin is Annotated and not is_checked(annotation)):
            annotation = get_args(annotation)[0]
        elif annotation in _NOTHING_KNOWN:
            return Any
        elif annotation is typing.LiteralString:
            return str
        else:
            return annotation


def is_named_tuple(annotation: object) -> bool:
    """Whether the annotation is a class of tuples with field names."""
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def text_of(annotation: object) -> str:
    """The annotation as text: `list[pkg.mod.Cfg] | None`."""
    annotation = simplify(annotation)
    if annotation is Any:
        return "Any"
    if annotation is type(None):
        return "None"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " | ".join(map(text_of, parts))
    if origin is Literal:
        return f"Literal[{', '.join(map(_literal_text, parts))}]"
    if origin is Annotated:
        return f"Annotated[{text_of(parts[0])}, ...]"
    if origin is collections.abc.Callable:
        return "collections.abc.Callable"
    if not parts:
        return _name_of(origin or annotation)
    return f"{_name_of(origin)}[{', '.join('...' if part is ... else text_of(part) for part in parts)}]"


def _literal_text(value: object) -> str:
    return f"{_name_of(type(value))}.{value.name}" if isinstance(value, Enum) else repr(value)


def _name_of(cls: object) -> str:
    module = recorded_module_name(getattr(cls, "__module__", None) or "")
    name: str = getattr(cls, "__qualname__", None) or getattr(cls, "__name__", None) or str(cls)
    if isinstance(cls, type) and issubclass(cls, pathlib.PurePath) and cls in _PLAIN:
        return f"pathlib.{name}"  # some Python versions keep them in a private module
    return name if module in ("builtins", "") else f"{module}.{name}"


def classes_of(annotation: object) -> tuple[tuple[str, str], ...]:
    """The (module, qualified name) of each class of an annotation that is not built in, in order, once each."""
    return tuple(dict.fromkeys(_classes(annotation)))


def _classes(annotation: object) -> Iterator[tuple[str, str]]:
    annotation = simplify(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        parts = tuple(type(part) for part in parts)
    elif origin is Annotated:
        parts = parts[:1]
    elif origin is collections.abc.Callable:
        return
    cls = origin or annotation
    if isinstance(cls, type) and cls.__module__ not in ("builtins", "types") and cls not in _PLAIN:
        yield recorded_module_name(cls.__module__), cls.__qualname__
    for part in parts:
        if part is not ...:
            yield from _classes(part)


def from_text(text: str) -> object:
    """The annotation that a text stands for; ValueError if it names anything but the listed types."""
    try:
        return _read(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError) as error:
        raise ValueError(text) from error


_NAMED: dict[str, Any] = {_name_of(cls): cls for cls in _PLAIN} | {"Any": Any}


def _read(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name() | ast.Attribute() if (name := ast.unparse(node)) in _NAMED:
            return _NAMED[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_read(left), _read(right)]  # noqa: UP007  # `|` fails for None | None
        case ast.Subscript(value=ast.Name(id="Literal"), slice=part):
            values = ast.literal_eval(part)
            return Literal[values]
        case ast.Subscript(value=origin, slice=ast.Tuple(elts=parts)):
            return _read(origin)[tuple(... if _is_dots(part) else _read(part) for part in parts)]
        case ast.Subscript(value=origin, slice=part):
            return _read(origin)[_read(part)]
        case _:
            raise ValueError(ast.unparse(node))


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
