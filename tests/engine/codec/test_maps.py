"""Named values side by side, and which values may be shared."""

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import File
from dalsegno.codec import decode, encode, encode_map, is_immutable, join_map, split_map

named = st.dictionaries(
    st.text(st.characters(exclude_categories=()), max_size=5),
    st.none() | st.integers() | st.binary(max_size=300) | st.lists(st.floats()).map(tuple),
)


@given(named)
def test_joined_values_are_the_map_of_them(values: dict[str, Any]) -> None:
    parts = {name: encode(value).data for name, value in values.items()}
    joined = join_map(parts)
    assert joined == encode(values).data == encode_map(values.items()).data
    assert split_map(joined) == parts
    assert list(split_map(joined)) == list(values)


def test_big_values_are_taken_apart_too() -> None:
    values = {"a": b"x" * 100_000, "": [1, {"k": (2,)}], "c": tuple(range(5000)), "d": {"e": [0.5] * 5000}}
    parts = {name: encode(value).data for name, value in values.items()}
    assert split_map(join_map(parts)) == parts
    assert decode(join_map(parts)) == values


def test_files_and_opaque_values_are_reported(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    encoded = encode_map([("file", File(tmp_path / "f")), ("function", lambda: 1)])
    assert encoded.opaque
    assert [digest for digest, _ in encoded.blobs] == [File(tmp_path / "f").digest]


class Point(NamedTuple):
    x: list[int]


class Text(str):
    pass


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None) -> None:
        return None

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> str:
        return "nowhere"


class Color(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Frozen:
    a: int


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "x",
        b"x",
        (1, ("x", frozenset({2.5}))),
        range(3),
        int,
        date(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
        Decimal(1),
        PurePosixPath("a"),
        Color.RED,
    ],
)
def test_values_that_can_be_shared(value: Any) -> None:
    assert is_immutable(value)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        set(),
        bytearray(),
        ([],),
        (1, ({},)),
        Text("x"),
        Point([1]),
        Frozen(1),
        datetime(2026, 1, 1, tzinfo=Zone()),
        object(),
        lambda: 1,
        slice(None),
        File("a"),
    ],
)
def test_values_that_cannot(value: Any) -> None:
    assert not is_immutable(value)


def test_deep_tuples_are_no_trouble() -> None:
    value: Any = ()
    for _ in range(50_000):
        value = (value,)
    assert is_immutable(value)
