"""The recorded form: written once, the same everywhere, enough without the code."""

import dataclasses
import datetime as dt
import enum
import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import msgpack
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.errors import InputError
from dalsegno.interface import MISSING, Interface, Option, Source


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Layer:
    width: int
    day: dt.date | None = None


@dataclasses.dataclass
class Tree:
    name: str
    kids: "list[Tree]" = dataclasses.field(default_factory=list)


class Point(typing.NamedTuple):
    x: int
    y: float = 0.0


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    width: int


class Plain:
    pass


def everything(
    count: int,
    layers: list[Layer],
    color: Color = Color.RED,
    *,
    rate: float = 0.5,
    flag: bool = False,
    word: Literal["it's a.b", "c"] = "c",
    path: Path | None = None,
    day: dt.date = dt.date(2024, 2, 29),
    tree: Tree | None = None,
    tags: frozenset[str] = frozenset(),
    anything: Any = None,
) -> tuple[Layer, int]:
    raise NotImplementedError


def encode(value: object) -> bytes:
    return repr(value).encode()


def refuse(data: bytes) -> object:
    raise AssertionError(f"nothing may be decoded here: {data!r}")


def recorded(annotation: object, decode: Any = refuse) -> Interface:
    def task(x) -> None: ...  # type: ignore[no-untyped-def]  # annotated below

    task.__annotations__["x"] = annotation
    record = Interface.of(task, name="t").record(encode)
    return Interface.from_record(msgpack.unpackb(msgpack.packb(record)), name="t", decode=decode)


def test_the_record_is_plain_and_made_once() -> None:
    interface = Interface.of(everything, name="t")
    record = interface.record(encode)
    assert msgpack.unpackb(msgpack.packb(record)) == record
    assert interface.record(refuse) is record  # type: ignore[arg-type]  # never called
    assert record["inputs"][1] == {
        "name": "layers",
        "passing": "positional",
        "type": f"list[{__name__}.Layer]",
        "classes": [[__name__, "Layer"]],
        "schema": pydantic.TypeAdapter(list[Layer]).json_schema(),
    }
    assert record["inputs"][3] == {
        "name": "rate",
        "passing": "keyword",
        "type": "float",
        "classes": [],
        "schema": {"type": "number"},
        "default": b"0.5",
        "default_text": "0.5",
    }
    assert record["returns"] == "tuple"
    assert [each["name"] for each in record["outputs"]] == ["o0", "o1"]


def test_a_record_read_back_is_the_same() -> None:
    live = Interface.of(everything, name="t")
    again = Interface.from_record(live.record(encode), name="t", decode=refuse)
    assert again.record(encode) == live.record(encode)
    for ours, theirs in zip(again.inputs, live.inputs, strict=True):
        same = ("name", "passing", "required", "type_text", "classes", "schema")
        assert [getattr(ours, name) for name in same] == [getattr(theirs, name) for name in same]


def test_defaults_are_decoded_when_asked_for() -> None:
    def task(a: int = 3, *, b: int) -> None: ...

    record = Interface.of(task, name="t").record(encode)
    lazy = Interface.from_record(record, name="t", decode=int)
    assert lazy.accept((), {"b": 1}) == {"a": 3, "b": 1}
    assert lazy.inputs[1].default is MISSING


@pytest.mark.parametrize("live", [True, False])
def test_options(live: bool) -> None:
    interface = Interface.of(everything, name="t")
    if not live:
        interface = Interface.from_record(interface.record(encode), name="t", decode=refuse)
    assert interface.options() == (
        Option("count", "int", True, None, False, ()),
        Option("layers", "list[Layer]", True, None, False, ()),
        Option("color", "Color", False, "RED", False, ("red", "blue")),
        Option("rate", "float", False, "0.5", False, ()),
        Option("flag", "bool", False, "False", True, ()),
        Option("word", """Literal["it's a.b", 'c']""", False, "'c'", False, ("it's a.b", "c")),
        Option("path", "Path | None", False, "None", False, ()),
        Option("day", "date", False, "2024-02-29", False, ()),
        Option("tree", "Tree | None", False, "None", False, ()),
        Option("tags", "frozenset[str]", False, "frozenset()", False, ()),
        Option("anything", "Any", False, "None", False, ()),
    )


@pytest.mark.parametrize(
    ("annotation", "source", "value", "wanted"),
    [
        (int, "text", "5", 5),
        (set[int], "json", [1], {1}),
        (tuple[int, ...], "python", (1, 2), (1, 2)),
        (dict[int, str], "json", {"1": "a"}, {1: "a"}),
        (Literal["a", 1], "text", "1", 1),
        (Path | None, "text", "a", Path("a")),
        (Layer, "text", '{"width": 3, "day": "2024-02-29"}', {"width": 3, "day": dt.date(2024, 2, 29)}),
        (
            Layer,
            "python",
            {"width": 3, "day": dt.date(2024, 2, 29)},
            {"width": 3, "day": dt.date(2024, 2, 29)},
        ),
        (Layer, "python", Layer(3), Layer(3)),
        (list[Layer], "python", [Layer(3), {"width": 4}], [Layer(3), {"width": 4}]),
        (list[Layer] | None, "text", "null", None),
        (Color, "text", "red", "red"),
        (Color, "python", Color.RED, Color.RED),
        (set[Color], "json", ["red", "red"], {"red"}),
        (dict[str, Layer], "json", {"5": {"width": 1}}, {"5": {"width": 1}}),
        (dict[int, Layer], "python", {5: {"width": 1}}, {5: {"width": 1}}),
        (dict[dt.date, Layer], "json", {"2024-02-29": {"width": 1}}, {dt.date(2024, 2, 29): {"width": 1}}),
        (Point, "json", [1], (1,)),
        (Point, "json", [1, 2], (1, 2.0)),
        (Tree, "json", {"name": "a", "kids": [{"name": "b"}]}, {"name": "a", "kids": [{"name": "b"}]}),
        (Open, "json", {"width": 1, "more": [2]}, {"width": 1, "more": [2]}),
        (Annotated[int, pydantic.Field(gt=2)], "text", "3", 3),
        (Annotated[str, pydantic.Field(pattern="^a")], "python", "ab", "ab"),
        (Annotated[list[Layer], pydantic.Field(min_length=1)], "json", [{"width": 1}], [{"width": 1}]),
        (Plain, "text", "words", "words"),
    ],
    ids=repr,
)
def test_a_record_alone_takes_values(
    annotation: object, source: Source, value: object, wanted: object
) -> None:
    made = recorded(annotation).convert({"x": value}, source=source)["x"]
    assert made == wanted
    assert type(made) is type(wanted)


@pytest.mark.parametrize(
    ("annotation", "source", "value", "message"),
    [
        (int, "text", "five", "x: expected an integer, got 'five'"),
        (
            Layer,
            "json",
            {"wdith": 3},
            (
                "x.wdith: expected a field of Layer (width, day; did you mean width?), "
                "got an unknown name; x.width: expected an integer, got nothing"
            ),
        ),
        (
            Layer,
            "json",
            {"width": "a", "day": "b"},
            ("x.width: expected an integer, got 'a' (str); x.day: expected a date or null, got 'b' (str)"),
        ),
        (Layer, "python", 5, "x: expected a dict of the fields of Layer, got 5 (int)"),
        (Color, "json", "green", "x: expected one of 'red', 'blue', got 'green' (str)"),
        (Tree, "json", {"name": "a", "kids": [{}]}, "x.kids.0.name: expected a string, got nothing"),
        (Point, "json", [], "x: expected a tuple of 2 values or a tuple of 1 value, got [] (list)"),
        (Open, "json", {"more": 1}, "x.width: expected an integer, got nothing"),
        (
            Annotated[int, pydantic.Field(gt=2, le=5)],
            "text",
            "2",
            ("x: expected an integer at most 5 and greater than 2, got 2 (int)"),
        ),
        (
            Annotated[str, pydantic.Field(pattern="^a")],
            "python",
            "b",
            "x: expected a string matching ^a, got 'b' (str)",
        ),
        (
            Annotated[list[Layer], pydantic.Field(min_length=1)],
            "json",
            [],
            ("x: expected a list of at least 1 items, got [] (list)"),
        ),
    ],
    ids=repr,
)
def test_a_record_alone_refuses(annotation: object, source: Source, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        recorded(annotation).convert({"x": value}, source=source)
    assert "; ".join(map(str, caught.value.problems)) == message


@given(st.builds(Tree, st.text(), st.lists(st.builds(Tree, st.text()))))
def test_what_a_record_makes_is_natural_to_the_code(tree: Tree) -> None:
    def task(x: Tree) -> None: ...

    live = Interface.of(task, name="t")
    plain = recorded(Tree).convert({"x": dataclasses.asdict(tree)}, source="json")
    assert plain == {"x": dataclasses.asdict(tree)}
    assert live.accept((), plain) == {"x": tree}


def test_the_record_is_the_same_in_every_process() -> None:
    program = (
        "import dataclasses, enum, msgpack, typing\n"
        "from dalsegno.interface import Interface\n"
        "@dataclasses.dataclass\nclass Cfg:\n    tags: frozenset[str] = frozenset('abc')\n"
        "class Box: ...\n"
        "def task(a: set[str] = {'a', 'b', 'c'}, b: Box = Box(), c: Cfg = Cfg(), d: dict[str, int] | None = None): ...\n"
        "print(msgpack.packb(Interface.of(task, name='t').record(lambda value: b'')).hex())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Path, "pathlib.Path"),
        (dt.date | None, "datetime.date | None"),
        (typing.Optional[typing.List[int]], "list[int] | None"),  # noqa: UP006, UP045  # old spellings
        (typing.Callable[[int], str], "collections.abc.Callable"),
        (dict[str, tuple[int, ...]], "dict[str, tuple[int, ...]]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Literal[Color.RED], f"Literal[{__name__}.Color.RED]"),
        (Annotated[int, pydantic.Field(gt=1)], "Annotated[int, ...]"),
        (type[Layer], f"type[{__name__}.Layer]"),
    ],
    ids=repr,
)
def test_the_text_of_types_is_the_same_in_every_version(annotation: object, text: str) -> None:
    assert recorded(annotation).inputs[0].type_text == text
