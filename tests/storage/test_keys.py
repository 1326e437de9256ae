"""Keys sort as the tuples do and can be turned back into them."""

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dalsegno_storage.keys import Part, pack, prefix, successor, unpack

# Small alphabets, so that parts are often equal, or prefixes of each other.
blobs = st.binary(max_size=3) | st.lists(st.sampled_from([b"\0", b"\x01", b"\xff"])).map(b"".join)
texts = st.text(alphabet="\0\x01a\x7f\x80ÿ\ud800\uffff\U00010000", max_size=4) | st.text(max_size=3)
numbers = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 255, 256, 65535, 65536, 2**63])
parts = blobs | texts | numbers
tuples = st.lists(parts, max_size=4).map(tuple)


def ordinal(part: Part) -> tuple[int, bytes | str | int]:
    """What a part sorts by: bytes before str before int."""
    return (0 if isinstance(part, bytes) else 1 if isinstance(part, str) else 2), part


@given(tuples)
def test_round_trip(value: tuple[Part, ...]) -> None:
    back = unpack(pack(*value))
    assert back == value
    assert [type(part) for part in back] == [type(part) for part in value]


@given(tuples, tuples)
def test_keys_sort_as_tuples(left: tuple[Part, ...], right: tuple[Part, ...]) -> None:
    assert (pack(*left) < pack(*right)) == ([*map(ordinal, left)] < [*map(ordinal, right)])
    assert (pack(*left) == pack(*right)) == (left == right)


@given(tuples, tuples)
def test_keys_concatenate(left: tuple[Part, ...], right: tuple[Part, ...]) -> None:
    assert pack(*left) + pack(*right) == pack(*left, *right)


@example((b"",), (b"\0",))
@example(("a",), ("a\0", 1))
@given(tuples, tuples)
def test_a_range_holds_what_continues_the_tuple(left: tuple[Part, ...], right: tuple[Part, ...]) -> None:
    start, stop = prefix(*left)
    key = pack(*right)
    assert (start <= key < stop) == (right[: len(left)] == left)


def test_exhaustively_small() -> None:
    some: list[Part] = [b"", b"\0", b"\0\0", b"\0\xff", b"\xff", "", "\0", "a", 0, 1, 255, 256]
    values = [(), *product(some, repeat=1), *product(some, repeat=2)]
    by_key = sorted(values, key=lambda value: pack(*value))
    assert by_key == sorted(values, key=lambda value: [*map(ordinal, value)])


@pytest.mark.parametrize("number", [-1, 2**64])
def test_numbers_out_of_range(number: int) -> None:
    with pytest.raises(OverflowError):
        pack(number)


@pytest.mark.parametrize("part", [True, None, 1.0, ("a",)])
def test_other_types(part: object) -> None:
    with pytest.raises(TypeError, match="str, bytes and int"):
        pack(part)  # type: ignore[arg-type]  # what is wrong with it is the point


@pytest.mark.parametrize(
    "key", [b"\0", b"\x01a", b"\x02a\0\xff", b"\x11", b"\x12\0\x01", b"\x19" + bytes(9), b"\xff"]
)
def test_bytes_that_are_no_key(key: bytes) -> None:
    with pytest.raises(ValueError, match="not a packed key"):
        unpack(key)


@given(st.binary(max_size=3), st.binary(max_size=4))
def test_successor(start: bytes, key: bytes) -> None:
    stop = successor(start)
    assert (start <= key and (stop is None or key < stop)) == key.startswith(start)
