"""What a function returns, taken apart into outputs and put together again."""

from typing import Any, NamedTuple

import pytest

from dalsegno.errors import InputError
from dalsegno.interface import Interface


class Result(NamedTuple):
    model: str
    score: float


def nothing() -> None: ...


def single() -> float:
    return 0.0


def pair() -> tuple[int, str]:
    return 1, "a"


def many() -> tuple[int, ...]:
    return (1,)


def named() -> Result:
    return Result("a", 1.0)


async def awaited() -> int:
    return 1


def one() -> tuple[int]:
    return (1,)


def both(function: Any) -> list[Interface]:
    live = Interface.of(function, name="t")
    return [live, Interface.from_record(live.record(repr_bytes), name="t", decode=bytes)]


def repr_bytes(value: object) -> bytes:
    return repr(value).encode()


@pytest.mark.parametrize(
    ("function", "names", "value", "outputs"),
    [
        (nothing, [], None, ()),
        (single, ["o0"], 0.5, (0.5,)),
        (pair, ["o0", "o1"], (1, "a"), (1, "a")),
        (many, ["o0"], (1, 2), ((1, 2),)),
        (one, ["o0"], (1,), (1,)),
        (named, ["model", "score"], Result("a", 1.0), ("a", 1.0)),
        (awaited, ["o0"], 3, (3,)),
    ],
)
def test_outputs_round_trip(
    function: Any, names: list[str], value: object, outputs: tuple[object, ...]
) -> None:
    for interface in both(function):
        assert [each.name for each in interface.outputs] == names
        assert interface.pack_outputs(value) == outputs
        assert interface.unpack_outputs(outputs) == value


def test_a_named_tuple_is_made_again() -> None:
    live, recorded = both(named)
    assert live.unpack_outputs(("a", 1.0)) == Result("a", 1.0)
    assert type(live.unpack_outputs(("a", 1.0))) is Result
    stand_in: Any = recorded.unpack_outputs(("a", 1.0))
    assert (stand_in.model, stand_in.score, type(stand_in).__name__) == ("a", 1.0, "Result")


def test_outputs_are_made_right() -> None:
    packed = Interface.of(single, name="t").pack_outputs(1)
    assert packed == (1.0,)
    assert type(packed[0]) is float


@pytest.mark.parametrize(
    ("function", "value", "message"),
    [
        (
            nothing,
            5,
            "return value: expected None, since the task is annotated to return nothing, got 5 (int)",
        ),
        (single, "a", "o0: expected a number, got 'a' (str)"),
        (
            pair,
            (1, "a", 2),
            "return value: expected a tuple of 2 values (o0, o1), got 3 values: (1, 'a', 2) (tuple)",
        ),
        (pair, [1, "a"], "return value: expected a tuple of 2 values (o0, o1), got [1, 'a'] (list)"),
        (pair, ("a", 1), "o0: expected an integer, got 'a' (str)\n  o1: expected a string, got 1 (int)"),
        (named, ("a", None), "score: expected a number, got None"),
    ],
)
def test_wrong_return_values(function: Any, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Interface.of(function, name="t").pack_outputs(value)
    head, _, problems = str(caught.value).partition("\n  ")
    assert head.endswith("with the inputs of t (outputs):")
    assert problems == message
