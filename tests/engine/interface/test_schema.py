"""JSON Schemas are those of pydantic, without pydantic."""

import collections.abc
import dataclasses
import datetime as dt
import enum
import typing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno._schema import schema_of


class Color(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Single(enum.Enum):
    ONLY = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Layer:
    width: int
    act: str = "relu"
    color: Color = Color.RED
    sizes: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Net:
    """A net

    of layers.
    """

    layers: list[Layer]
    best_layer: Layer | None = None
    either: Layer | Color | None = None
    limit: int | None = None
    day: dt.date = dt.date(2024, 2, 29)
    by_name: dict[str, Layer] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Tree:
    kids: "list[Tree]"


class Point(typing.NamedTuple):
    x: int
    y: float = 0.0


class Model(pydantic.BaseModel):
    rate: float = pydantic.Field(gt=0)
    layer: Layer | None = None


class Branch(pydantic.BaseModel):
    kids: "list[Branch]" = []


class Opts(typing.TypedDict):
    name: str
    size: typing.NotRequired[int]


class Plain:
    pass


SAME = [
    *(int, float, bool, str, bytes, complex, type(None), Any, list, dict, tuple, set, frozenset),
    *(dt.datetime, dt.date, dt.time, dt.timedelta, UUID, Path),
    *(list[int], list[list[str]], tuple[int, ...], tuple[int, str], tuple[()], set[int], frozenset[str]),
    *(
        dict[str, int],
        dict[int, str],
        dict[str, Any],
        dict[str, list[float]],
        dict[dt.date, int],
        dict[UUID, int],
    ),
    *(int | None, int | str, list[int | None], typing.Optional[dict[str, int]]),  # noqa: UP045  # old spelling
    *(collections.abc.Sequence[int], collections.abc.Mapping[str, int]),
    *(Literal["a"], Literal["a", "b"], Literal[1, 2], Literal["a", 1], Literal[True], Literal[1, "a", False]),
    *(Color, Single, Level, list[Color], Color | None, Layer, list[Layer], Layer | None, Net, Layer | Net),
    *(Tree, list[Tree], Point, list[Point], Model, Branch, list[Branch]),
    *(Annotated[int, pydantic.Field(gt=0)], Annotated[str, "a word"], typing.NewType("Count", int)),
]


@pytest.mark.parametrize("annotation", SAME, ids=str)
def test_as_pydantic_has_it(annotation: Any) -> None:
    assert schema_of(annotation) == pydantic.TypeAdapter(annotation).json_schema()


def test_a_decimal_is_a_number_or_a_string() -> None:
    assert schema_of(Decimal) == {"anyOf": [{"type": "number"}, {"type": "string"}]}


def test_what_nobody_can_describe_is_left_open() -> None:
    assert schema_of(Plain) == {}
    assert schema_of(list[np.ndarray[Any, Any]]) == {"items": {}, "type": "array"}
    assert schema_of(int | Plain) == {"anyOf": [{"type": "integer"}, {}]}
    assert schema_of(collections.abc.Callable[[int], int]) == {}


def test_typed_dicts() -> None:
    assert schema_of(Opts) == {
        "properties": {
            "name": {"title": "Name", "type": "string"},
            "size": {"title": "Size", "type": "integer"},
        },
        "required": ["name"],
        "title": "Opts",
        "type": "object",
    }


def test_models_inside_dataclasses() -> None:
    holder = dataclasses.make_dataclass("Holder", [("model", Model), ("layer", Layer)])
    assert schema_of(holder) == pydantic.TypeAdapter(holder).json_schema()


def test_two_classes_of_one_name() -> None:
    other = dataclasses.make_dataclass("Layer", [("depth", int)])
    schema = schema_of(tuple[Layer, other])  # type: ignore[valid-type]  # made at run time
    first, second = (item["$ref"].removeprefix("#/$defs/") for item in schema["prefixItems"])
    assert list(schema["$defs"][first]["properties"]) == ["width", "act", "color", "sizes"]
    assert list(schema["$defs"][second]["properties"]) == ["depth"]


def test_keys_are_sorted_but_properties_are_not() -> None:
    schema = schema_of(Net)
    assert list(schema) == sorted(schema)
    assert list(schema["properties"]) == ["layers", "best_layer", "either", "limit", "day", "by_name"]


PARTS = st.sampled_from([int, float, bool, str, type(None), dt.date, UUID, Path, Color, Level, bytes])
TYPES: st.SearchStrategy[Any] = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        inner.map(lambda item: list[item]),  # type: ignore[valid-type]  # made at run time
        inner.map(lambda item: dict[str, item]),  # type: ignore[valid-type]  # made at run time
        st.tuples(inner, inner).map(lambda items: tuple[items]),  # type: ignore[valid-type]  # made at run time
        inner.map(lambda item: typing.Optional[item]),  # noqa: UP045  # made at run time
    ),
    max_leaves=4,
)


@given(TYPES)
def test_nested_types_as_pydantic_has_them(annotation: Any) -> None:
    assert schema_of(annotation) == pydantic.TypeAdapter(annotation).json_schema()
