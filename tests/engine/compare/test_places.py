"""Where two values differ is named by its path, and arrays and tables say how much of them does."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno._places import Place, places
from dalsegno.codec import encode


@dataclass
class Point:
    x: float
    tags: list[str]


def found(old: Any, new: Any) -> list[Place]:
    return list(places("v", encode(old).data, encode(new).data))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (1, 2, ["v: 1 → 2"]),
        (1, True, ["v: 1 → true"]),
        (0.0, -0.0, ["v: 0.0 → -0.0"]),
        ([1, 2, 3, 4], [1, 3, 4], ["v[1]: removed 2"]),
        ([1, 2, 4], [1, 2, 3, 4], ["v[2]: added 3"]),
        ([1, 2, 3], [3, 1, 2], ["v: the same in another order, [1, 2, 3] → [3, 1, 2]"]),
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 5], "c": 3}, ["v.b[1]: 2 → 5", "v.c: added 3"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ['v: the same in another order, ["a", "b"] → ["b", "a"]']),
        ({1: "a"}, {1: "b"}, ['v[1]: "a" → "b"']),
        ({1, 2}, {2, 3}, ["v: removed 1", "v: added 3"]),
        (Point(1.0, ["a"]), Point(1.0, ["b"]), ['v.tags[0]: "a" → "b"']),
        (
            np.arange(10.0),
            np.arange(10.0) + np.eye(10)[3] / 2,
            ["v: 1 of 10 elements differ, by at most 0.5"],
        ),
        (np.zeros((2, 2)), np.ones((2, 2)), ["v: 4 of 4 elements differ, by at most 1"]),
        (np.array([1.0, np.nan]), np.array([2.0, np.nan]), ["v: 1 of 2 elements differ, by at most 1"]),
        (np.array([1, 2]), np.array([1, np.inf]).astype(object), None),
        (np.array(["a", "b"]), np.array(["a", "c"]), ["v: 1 of 2 elements differ"]),
        (np.array(["a", 1], dtype=object), np.array(["a", 2], dtype=object), ["v[1]: 1 → 2"]),
        (
            pd.DataFrame({"price": [1.0, 2.0], "name": ["x", "y"]}),
            pd.DataFrame({"price": [1.0, 2.5], "name": ["x", "y"]}),
            ['v["price"]: 1 of 2 elements differ, by at most 0.5'],
        ),
        (
            pl.DataFrame({"price": [1, 2], "name": ["x", "y"]}),
            pl.DataFrame({"price": [1, 4], "name": ["x", "z"]}),
            ["v['price']: 1 of 2 elements differ, by at most 2", "v['name']: 1 of 2 elements differ"],
        ),
        (pa.table({"a": [1, 2]}), pa.table({"a": [1, 3]}), ["v['a']: 1 of 2 elements differ, by at most 1"]),
    ],
)
def test_what_is_said(old: Any, new: Any, said: list[str] | None) -> None:
    if said is None:
        assert found(old, new)
    else:
        assert [str(place) for place in found(old, new)] == said


def test_arrays_of_other_shapes_and_types() -> None:
    [shape] = found(np.zeros(3), np.zeros(4))
    assert (shape.kind, shape.old["shape"], shape.new["shape"]) == ("array", [3], [4])
    [dtype] = found(np.zeros(3), np.zeros(3, dtype="int64"))
    assert (dtype.old["dtype"], dtype.new["dtype"]) == ("<f8", "<i8")


def test_a_difference_far_behind_is_found() -> None:
    old, new = list(range(50_000)), list(range(50_000))
    new[-2] = 7
    assert [place.path for place in found(old, new)] == ["v[49998]"]
    assert [place.path for place in found(np.array(old), np.array(new))] == ["v"]


def test_what_is_pickled_is_said_to_be() -> None:
    [place] = found(lambda: 1, lambda: 2)
    assert place.kind == "opaque"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_there_is_a_place_exactly_if_the_bytes_differ(old: Any, new: Any) -> None:
    assert bool(found(old, new)) == (encode(old).data != encode(new).data)
    assert found(old, old) == []


@given(VALUES, VALUES)
def test_the_other_way_round_it_is_the_mirror_image(old: Any, new: Any) -> None:
    swap = {"added": "removed", "removed": "added"}
    there = sorted((each.path, each.kind, repr(each.old), repr(each.new)) for each in found(old, new))
    back = sorted(
        (each.path, swap.get(each.kind, each.kind), repr(each.new), repr(each.old))
        for each in found(new, old)
    )
    assert there == back
