"""Which Python values an input takes: kept as they are, made right, or refused."""

import collections
import collections.abc
import dataclasses
import datetime as dt
import enum
import re
import sys
import typing
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from dalsegno._convert import FAILED, Report, kind_of, take
from dalsegno._schema import schema_of


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Swapped(enum.Enum):
    a = "b"
    b = "a"


@dataclasses.dataclass
class Layer:
    width: int
    act: str = "relu"


@dataclasses.dataclass
class Deep(Layer):
    depth: int = 3


@dataclasses.dataclass
class Net:
    layers: list[Layer]
    rate: float = 0.1
    kin: "list[Net]" = dataclasses.field(default_factory=list)
    seen: int = dataclasses.field(default=0, init=False)

    def __post_init__(self) -> None:
        self.seen += 1
        if self.rate < 0:
            raise ValueError("rate must not be negative")


class Point(typing.NamedTuple):
    x: int
    y: float = 0.0


class Opts(typing.TypedDict):
    name: str
    size: typing.NotRequired[int]


class Plain:
    pass


class Kept(Plain):
    pass


class Upload:
    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def __from_path__(cls, path: str) -> "Upload":
        return cls(path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Upload) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)


T = typing.TypeVar("T", bound=int)
Pair = TypeAliasType("Pair", tuple[T, T], type_params=(T,))
Number = typing.NewType("Number", int)
DAY = dt.date(2024, 2, 29)
MOMENT = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
ID = UUID(int=7)

KEPT: list[tuple[object, object]] = [
    (int, 3),
    (int, 10**40),
    (int, Level.LOW),
    (float, 0.5),
    (float, np.float64(0.5)),
    (bool, True),
    (str, "a"),
    (bytes, b"a"),
    (complex, 1j),
    (type(None), None),
    (Any, object()),
    (object, object()),
    (dt.datetime, MOMENT),
    (dt.date, DAY),
    (dt.time, dt.time(1, 2)),
    (dt.timedelta, dt.timedelta(1)),
    (Decimal, Decimal("1.10")),
    (UUID, ID),
    (Path, Path("a")),
    (PurePosixPath, PurePosixPath("a")),
    (Color, Color.RED),
    (Mode, Mode.READ | Mode.WRITE),
    (Literal["a", 1], 1),
    (Literal[Color.RED], Color.RED),
    (int | None, None),
    (int | str, "3"),
    (float | int, 3),
    (typing.Optional[int], 3),  # noqa: UP045  # the old spelling is meant
    (list, [1, "a"]),
    (list[int], [1, 2]),
    (list[list[float]], [[1.0], []]),
    (tuple, (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (tuple[int, str], (1, "a")),
    (tuple[()], ()),
    (dict, {1: "a"}),
    (dict[str, int], {"a": 1}),
    (dict[tuple[int, int], Color], {(1, 2): Color.RED}),
    (collections.OrderedDict[str, int], collections.OrderedDict(a=1)),
    (dict[str, int], collections.OrderedDict(a=1)),
    (set[int], {1}),
    (frozenset[str], frozenset("a")),
    (collections.deque[int], collections.deque([1])),
    (collections.abc.Sequence[int], (1, 2)),
    (collections.abc.Mapping[str, int], {"a": 1}),
    (collections.abc.Callable[[int], int], len),
    (collections.abc.Iterator[int], iter([1])),
    (type[int], int),
    (Layer, Layer(1)),
    (Layer, Deep(1)),
    (list[Layer], [Deep(1), Layer(2)]),
    (Net, Net([])),
    (Point, Point(1)),
    (Opts, {"name": "a"}),
    (Plain, Kept()),
    (npt.NDArray[np.float64], np.zeros(2)),
    (Number, 3),
    (T, 3),
    (Pair[str], ("a", "b")),
    (typing.Annotated[int, "how many"], 3),
    (Layer | dict[str, int], {"width": 1}),
    (Upload, Upload("a")),
]

MADE: list[tuple[object, object, object]] = [
    (float, 3, 3.0),
    (float, np.float32(0.5), 0.5),
    (float, Fraction(1, 2), 0.5),
    (int, np.int64(3), 3),
    (bool, np.bool_(True), True),
    (complex, 2, 2 + 0j),
    (Decimal, 3, Decimal(3)),
    (Path, "a/b", Path("a/b")),
    (Color, "RED", Color.RED),
    (Color, "red", Color.RED),
    (Swapped, "a", Swapped.a),
    (Level, 2, Level.HIGH),
    (Level, "HIGH", Level.HIGH),
    (Mode, 3, Mode.READ | Mode.WRITE),
    (Literal[Color.RED], "RED", Color.RED),
    (float | None, 3, 3.0),
    (list[int], (1, 2), [1, 2]),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[float, str], [1, "a"], (1.0, "a")),
    (set[int], frozenset([1]), {1}),
    (frozenset[int], {1}, frozenset([1])),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (Layer, {"width": 1}, Layer(1)),
    (Net, {"layers": [{"width": 1}, Layer(2)], "rate": 1}, Net([Layer(1), Layer(2)], 1.0)),
    (Net, {"layers": [], "kin": [{"layers": []}]}, Net([], kin=[Net([])])),
    (Point, {"x": 1}, Point(1, 0.0)),
    (Point, (1, 2), Point(1, 2.0)),
    (Opts | None, {"name": "a", "size": np.int64(1)}, {"name": "a", "size": 1}),
    (Layer | Color, "red", Color.RED),
    (Upload, "a", Upload("a")),
    (Upload, Path("a"), Upload("a")),
]

REFUSED: list[tuple[object, object, str]] = [
    (int, "5", "x: expected an integer, got '5' (str)"),
    (int, 1.0, "x: expected an integer, got 1.0 (float)"),
    (int, True, "x: expected an integer, got True (bool)"),
    (int, None, "x: expected an integer, got None"),
    (float, "0.5", "x: expected a number, got '0.5' (str)"),
    (float, False, "x: expected a number, got False (bool)"),
    (float, Decimal(1), "x: expected a number, got Decimal('1') (Decimal)"),
    (bool, 1, "x: expected true or false, got 1 (int)"),
    (str, 5, "x: expected a string, got 5 (int)"),
    (str, b"a", "x: expected a string, got b'a' (bytes)"),
    (bytes, "a", "x: expected bytes, got 'a' (str)"),
    (
        dt.date,
        dt.datetime(2024, 2, 29),
        "x: expected a date, got datetime.datetime(2024, 2, 29, 0, 0) (datetime)",
    ),
    (dt.datetime, DAY, "x: expected a date and time, got datetime.date(2024, 2, 29) (date)"),
    (dt.datetime, "2024-02-29", "x: expected a date and time, got '2024-02-29' (str)"),
    (dt.timedelta, 3, "x: expected a duration, got 3 (int)"),
    (UUID, str(ID), "x: expected a UUID, got '00000000-0000-0000-0000-000000000007' (str)"),
    (Color, "green", "x: expected one of RED, BLUE (Color), got 'green' (str)"),
    (Level, True, "x: expected one of LOW, HIGH (Level), got True (bool)"),
    (Literal["a", 1], True, "x: expected one of 'a', 1, got True (bool)"),
    (Literal["a"], "b", "x: expected 'a', got 'b' (str)"),
    (int | None, "a", "x: expected an integer or null, got 'a' (str)"),
    (int | str, 1.5, "x: expected an integer or a string, got 1.5 (float)"),
    (list[int], "12", "x: expected a list, got '12' (str)"),
    (list[int], {1}, "x: expected a list, got {1} (set)"),
    (list[int], [1, "a"], "x.1: expected an integer, got 'a' (str)"),
    (collections.abc.Sequence[str], "ab", "x: expected a sequence, got 'ab' (str)"),
    (set[int], [1], "x: expected a set, got [1] (list)"),
    (tuple[int, str], (1,), "x: expected a tuple of 2 values, got 1: (1,) (tuple)"),
    (
        tuple[int, str],
        ("a", 1),
        "x.0: expected an integer, got 'a' (str); x.1: expected a string, got 1 (int)",
    ),
    (dict[str, int], {"a": "b"}, "x.a: expected an integer, got 'b' (str)"),
    (dict[int, int], {"1": 1}, "x.1: expected an integer, got '1' (str)"),
    (dict[str, int], [], "x: expected a dict, got [] (list)"),
    (
        Layer,
        {"widht": 1},
        (
            "x.widht: expected a field of Layer (width, act; did you mean width?), got an unknown name; "
            "x.width: expected an integer, got nothing"
        ),
    ),
    (Layer, [1], "x: expected a Layer or a dict of its fields, got [1] (list)"),
    (Net, {"layers": [{"width": "a"}]}, "x.layers.0.width: expected an integer, got 'a' (str)"),
    (
        Net,
        {"layers": [], "rate": -1},
        "x: expected values that Net accepts, got ValueError: rate must not be negative",
    ),
    (Point, (1, 2.0, 3), "x: expected at most 2 values for Point, got 3"),
    (
        Opts,
        {"name": "a", "colour": 1},
        "x.colour: expected a field of Opts (name, size), got an unknown name",
    ),
    (Plain, 5, f"x: expected a {Plain.__module__}.Plain, got 5 (int)"),
    (npt.NDArray[np.float64], [1.0], "x: expected a numpy.ndarray, got [1.0] (list)"),
    (Pair[str], ("a", 1), "x.1: expected a string, got 1 (int)"),
    (
        Layer | Deep,
        {"width": 1},
        (
            "x: expected a Layer or a dict of its fields or a Deep or a dict of its fields, "
            "and only one of them, got {'width': 1} (dict), which fits 2"
        ),
    ),
]


def converted(annotation: object, value: object) -> tuple[object, str]:
    report = Report("x")
    result = take(kind_of(annotation), value, "python", report)
    return result, "; ".join(map(str, report.problems))


def shown(value: object) -> str:
    """The same in every process."""
    text = repr(sorted(value, key=repr)) if isinstance(value, (set, frozenset)) else repr(value)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


@pytest.mark.parametrize(("annotation", "value"), KEPT, ids=shown)
def test_right_values_are_kept_as_the_same_object(annotation: object, value: object) -> None:
    result, problems = converted(annotation, value)
    assert problems == ""
    assert result is value


@pytest.mark.parametrize(("annotation", "value", "wanted"), MADE, ids=shown)
def test_natural_values_are_made_right(annotation: object, value: object, wanted: object) -> None:
    result, problems = converted(annotation, value)
    assert problems == ""
    assert result == wanted
    assert type(result) is type(wanted)


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED, ids=shown)
def test_wrong_values_are_refused_in_words(annotation: object, value: object, message: str) -> None:
    assert converted(annotation, value) == (FAILED, message)


def test_instances_among_dicts_stay_alive() -> None:
    alive = Deep(1, depth=9)
    result, _ = converted(list[Layer], [alive, {"width": 2}])
    assert isinstance(result, list)
    assert result[0] is alive
    assert result[1] == Layer(2)


def test_a_class_is_made_once() -> None:
    result, _ = converted(Net, {"layers": []})
    assert isinstance(result, Net)
    assert result.seen == 1


def test_the_shown_value_is_short() -> None:
    _, problems = converted(int, "x" * 1000)
    assert len(problems) < 100


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), lambda inner: st.lists(inner)))
def test_anything_keeps_everything(value: object) -> None:
    assert converted(Any, value)[0] is value


@given(st.lists(st.integers() | st.floats(allow_nan=False)))
def test_numbers_keep_their_value(values: list[float]) -> None:
    result, problems = converted(list[float], values)
    if result is not FAILED:
        assert result == [float(value) for value in values]
        assert isinstance(result, list)
        assert all(type(value) is float for value in result)
    else:
        assert problems


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the `type` statement is not in this Python")
def test_an_alias_may_contain_itself() -> None:
    scope: dict[str, Any] = {}
    exec("type Numbers = list[int | Numbers]", scope)  # no syntax of the oldest Python
    value = [1, [2, []]]
    assert converted(scope["Numbers"], value)[0] is value
    assert converted(scope["Numbers"], [1, ["a"]]) == (
        FAILED,
        "x.1: expected an integer or a list, got ['a'] (list)",
    )
    assert schema_of(scope["Numbers"]) == {
        "$defs": {
            "Numbers": {
                "items": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/Numbers"}]},
                "type": "array",
            }
        },
        "$ref": "#/$defs/Numbers",
    }
