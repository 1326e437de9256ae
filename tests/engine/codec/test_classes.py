"""Objects of user classes: written by what they hold, rebuilt without running anything of theirs."""

import dataclasses
import enum
import sys
import warnings
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypedDict, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretBytes, SecretStr, field_validator

from dalsegno.codec import decode, encode
from dalsegno.errors import DecodeError

T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"
    CRIMSON = "r"
    BLUE = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "1"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Bits(enum.IntFlag):
    A = 1
    B = 4


class Point(NamedTuple):
    x: int
    y: float = 0.0


Pair = namedtuple("Pair", "left right")


class Named(Point):
    """A named tuple whose objects have attributes."""


@dataclass
class Plain:
    a: int
    b: Any = None
    count: ClassVar[int] = 0
    seed: InitVar[int] = 3

    def __post_init__(self, seed: int) -> None:
        type(self).count += 1

    @cached_property
    def double(self) -> int:
        return self.a * 2


@dataclass(frozen=True)
class Frozen:
    a: int


@dataclass(slots=True)
class Slotted:
    a: int
    b: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Both(Generic[T]):
    a: T


@dataclass(slots=True)
class Longer(Slotted):
    c: int = 3


@dataclass
class Child(Plain):
    z: int = 1


@dataclass
class Unset:
    a: int
    b: int = field(init=False)


@dataclass
class Bag(dict[str, int]):
    label: str


@dataclass
class Stateful:
    a: int

    def __getstate__(self) -> dict[str, Any]:
        return {"a": self.a + 100}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.a = state["a"] - 100


class Text(str):
    __slots__ = ("note",)


class Number(int):
    def __new__(cls, value: int, unit: str = "m") -> "Number":
        made = super().__new__(cls, value)
        made.unit = unit
        return made

    unit: str


class Real(float):
    pass


class Plane(complex):
    pass


class Raw(bytes):
    pass


class Buffer(bytearray):
    pass


class Items(list[Any]):
    def __init__(self, *items: Any) -> None:
        raise AssertionError("rebuilding must not call this")


class Triple(tuple[int, int, int]):
    pass


class Members(set[int]):
    pass


class Mapping(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        raise AssertionError("rebuilding must not call this")


class Ordered(OrderedDict[str, int]):
    pass


class Tally(Counter[str]):
    pass


class Default(defaultdict[str, list[int]]):
    pass


class Queue(deque[int]):
    pass


class Movie(TypedDict):
    title: str


class Inner(BaseModel):
    value: int


class Loose(Inner):
    more: str = "x"


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")

    inner: Inner
    password: SecretStr = SecretStr("s3cret")
    token: SecretBytes = SecretBytes(b"t")
    hidden: int = Field(default=1, exclude=True)
    tripled: int = 1
    _private: dict[str, int] = PrivateAttr(default_factory=dict)

    @field_validator("tripled")
    @classmethod
    def triple(cls, value: int) -> int:
        return value * 3


def with_attribute(value: Any, **attributes: Any) -> Any:
    for name, item in attributes.items():
        setattr(value, name, item)
    return value


def back(value: Any) -> Any:
    encoded = encode(value)
    assert not encoded.opaque
    found = decode(encoded.data)
    assert type(found) is type(value)
    assert encode(found).data == encoded.data
    return found


@pytest.mark.parametrize(
    "member", [Color.RED, Color.CRIMSON, Color.BLUE, Level.LOW, Word.YES, Access.READ, Bits.B]
)
def test_enum_members_are_the_same_objects(member: enum.Enum) -> None:
    assert back(member) is member


@pytest.mark.parametrize(
    "flags", [Access.READ | Access.WRITE, Access(0), Bits.A | Bits.B, Bits(0), Bits(8), ~Access.READ]
)
def test_combined_flags(flags: enum.Flag) -> None:
    assert back(flags) == flags


def test_enum_members_are_not_their_values() -> None:
    assert len({encode(value).data for value in (Level.LOW, 1, Word.YES, "1", Access.READ, Bits.A)}) == 6


def test_named_tuples() -> None:
    assert back(Point(1)) == Point(1)
    assert back(Pair([1], {2})) == Pair([1], {2})
    found = back(with_attribute(Named(1, 2.0), note="n"))
    assert (found, found.note) == (Named(1, 2.0), "n")
    assert len({encode(value).data for value in (Point(1, 2.0), (1, 2.0), Pair(1, 2.0), Named(1, 2.0))}) == 4


@pytest.mark.parametrize(
    "value",
    [
        Frozen(1),
        Slotted(2),
        Both({1}),
        Longer(1, c=5),
        Child(1, z=2),
        Both(Both(Level.LOW)),
        [Frozen(1), Frozen(2)],
    ],
)
def test_dataclasses(value: Any) -> None:
    assert back(value) == value


def test_dataclasses_are_rebuilt_without_running_anything() -> None:
    value = with_attribute(Plain(1, b=(Frozen(2),)), extra=[1], another=2)
    made = Plain.count
    found = back(value)
    assert Plain.count == made
    assert vars(found) == vars(value)


def test_fields_that_were_never_set_stay_so() -> None:
    assert vars(back(Unset(1))) == {"a": 1}


def test_looking_at_a_cached_property_does_not_change_the_bytes() -> None:
    value = Plain(2)
    data = encode(value).data
    assert value.double == 4
    assert encode(value).data == data
    assert decode(data).double == 4


def test_the_history_of_attributes_does_not_change_the_bytes() -> None:
    one = with_attribute(Plain(1, b=2), x=1, y=2)
    other = with_attribute(Plain(1, b=3), y=2, x=1)
    del other.b
    other.b = 2
    assert encode(one).data == encode(other).data


def test_equal_fields_of_other_classes_differ() -> None:
    values = [
        Plain(1),
        Child(1),
        Frozen(1),
        Slotted(1),
        Both(1),
        Unset(1),
        {"a": 1},
        Inner(value=1),
        Loose(value=1),
    ]
    assert len({encode(value).data for value in values}) == len(values)


def test_a_dataclass_that_is_a_dict() -> None:
    bag = Bag("l")
    bag["k"] = 1
    found = back(bag)
    assert dict(found) == {"k": 1}
    assert found.label == "l"


def test_a_class_with_its_own_pickling_is_left_to_it() -> None:
    encoded = encode(Stateful(1))
    assert encoded.opaque
    assert decode(encoded.data) == Stateful(1)


@pytest.mark.parametrize(
    "value",
    [
        Real("nan"),
        Plane(-0.0, 1),
        Raw(b"r"),
        Buffer(b"b"),
        Triple((1, 2, 3)),
        Members({3, 1}),
        Ordered(b=1, a=2),
        Tally("aab"),
        Default(list, k=[1]),
        Queue([1, 2], 2),
    ],
)
def test_subclasses_of_builtins(value: Any) -> None:
    found = back(value)
    assert repr(found) == repr(value)
    assert vars(with_attribute(found, note=1)) == {"note": 1}


def test_subclasses_keep_their_attributes_and_do_not_run() -> None:
    text = back(with_attribute(Text("t"), note="n"))
    assert (text, text.note) == ("t", "n")
    number = back(Number(5, "km"))
    assert (number, number.unit) == (5, "km")
    items = Items.__new__(Items)
    items.extend([1, [2]])
    assert list(back(items)) == [1, [2]]
    mapping = Mapping({"a": 1})
    assert dict(back(mapping)) == {"a": 1}


def test_a_typed_dict_is_a_dict() -> None:
    movie: Movie = {"title": "t"}
    assert encode(movie).data == encode({"title": "t"}).data


def test_models_keep_everything_and_are_not_validated_again() -> None:
    model = Model(inner=Loose(value=1), tripled=2, surplus=(1, 2))  # type: ignore[call-arg]  # extra="allow"
    model._private["k"] = 1
    found = back(model)
    assert found == model
    assert type(found.inner) is Loose
    assert found.inner.more == "x"
    assert found.tripled == 6
    assert found.hidden == 1
    assert found.password.get_secret_value() == "s3cret"
    assert found.token.get_secret_value() == b"t"
    assert found.model_fields_set == {"inner", "tripled", "surplus"}
    assert found.model_extra == {"surplus": (1, 2)}
    assert found._private == {"k": 1}


def test_a_model_made_without_validation() -> None:
    found = back(Inner.model_construct(value="not an int"))
    assert vars(found) == {"value": "not an int"}
    assert found.model_fields_set == {"value"}


def test_a_local_class_is_opaque() -> None:
    @dataclass
    class Local:
        a: int

    encoded = encode([Local(1)])
    assert encoded.opaque
    assert decode(encoded.data)[0].a == 1


def test_a_class_that_was_replaced_is_opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    value = Frozen(1)
    monkeypatch.setattr(sys.modules[__name__], "Frozen", dataclasses.make_dataclass("Frozen", ["a"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode(value).opaque


def test_modules_are_recorded_under_the_name_that_the_hook_gives() -> None:
    def public(module: str) -> str:
        return module.replace(__name__, "app.things")

    def resolve(module: str, name: str) -> Any:
        assert module == "app.things"
        return globals()[name]

    for value in (Frozen(1), Level.LOW, Point(1), Text("x"), Inner(value=1), Frozen):
        data = encode(value, module_name=public).data
        assert b"app.things" in data
        assert __name__.encode() not in data
        assert decode(data, resolve=resolve) == value


def test_a_module_that_cannot_be_named_makes_its_classes_opaque() -> None:
    assert encode(Frozen(1), module_name=lambda module: None).opaque
    assert encode(Frozen(1), module_name=lambda module: "__main__").opaque


def test_an_opaque_value_names_its_classes_through_the_hooks_too() -> None:
    def resolve(module: str, name: str) -> Any:
        return globals()[name] if module == "app.things" else getattr(sys.modules[module], name)

    encoded = encode(Stateful(4), module_name=lambda module: module.replace(__name__, "app.things"))
    assert encoded.opaque
    assert decode(encoded.data, resolve=resolve) == Stateful(4)


@pytest.mark.parametrize(
    ("value", "impostor"),
    [
        (Frozen(1), Color),
        (Level.LOW, Frozen),
        (Point(1), Frozen),
        (Text("x"), Number),
        (Inner(value=1), Frozen),
    ],
)
def test_a_name_that_means_something_else_now_is_refused(value: Any, impostor: type) -> None:
    with pytest.raises(DecodeError, match="as it was when recorded"):
        decode(encode(value).data, resolve=lambda module, name: impostor)


def test_missing_names_are_named() -> None:
    data = encode(Frozen(1), module_name=lambda module: "gone.away").data
    with pytest.raises(DecodeError, match="gone.away.Frozen cannot be loaded"):
        decode(data)
    data = encode(Frozen(1), module_name=lambda module: "math").data
    with pytest.raises(DecodeError, match="math.Frozen cannot be loaded: the module has no 'Frozen'"):
        decode(data)
    with pytest.raises(DecodeError, match="has no member 'LOW'; it has RED"):
        decode(encode(Level.LOW).data, resolve=lambda module, name: Color)
