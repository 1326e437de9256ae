"""What refers to what, found without decoding anything."""

from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.maintenance.building import file_with

from dalsegno._references import REFERRING, Reference, of_object, of_value, of_values
from dalsegno.bundle import Bundle, BundleFile
from dalsegno.codec import encode, join_map
from dalsegno.errors import BundleLoadError, DecodeError
from dalsegno.files import Dir
from dalsegno.models import Ref
from dalsegno_storage.digest import digest


@dataclass
class Holder:
    inner: Any
    other: int = 0


class Pair(NamedTuple):
    left: Any
    right: Any


class Box(list[Any]):
    pass


ONE, TWO = file_with(b"one"), file_with(b"two")
BLOB_ONE = Reference("blob", digest("blob", b"one"))
BLOB_TWO = Reference("blob", digest("blob", b"two"))

leaves = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers() | st.dates()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.tuples(st.integers()), inner)
        | inner.map(Holder)
        | st.tuples(inner, inner).map(lambda both: Pair(*both))
        | st.lists(inner).map(Box)
        | st.lists(inner).map(deque)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
        | inner.map(lambda value: slice(None, 1, value))
    ),
)


@given(values)
def test_a_value_without_files_refers_to_nothing(value: Any) -> None:
    assert list(of_value(encode(value).data)) == []


@given(values, st.sampled_from([Holder, Box, deque, tuple, lambda items: {"k": items, ("t",): 1}]))
def test_a_file_is_found_wherever_it_lies(value: Any, wrap: Any) -> None:
    found = set(of_value(encode(wrap([value, [ONE], {"f": Pair(TWO, value)}])).data))
    assert found == {BLOB_ONE, BLOB_TWO}


def test_a_file_and_a_directory_alone() -> None:
    assert list(of_value(encode(ONE).data)) == [BLOB_ONE]
    folder = Dir._recorded("d", {"a": ONE, "b/c": TWO})
    assert list(of_value(encode(folder).data)) == [BLOB_ONE, BLOB_TWO]


def test_a_file_in_an_array_of_objects() -> None:
    assert set(of_value(encode(np.array([1, ONE, [TWO]], dtype=object)).data)) == {BLOB_ONE, BLOB_TWO}


def test_raw_bytes_that_look_like_a_file_are_none() -> None:
    assert list(of_value(encode([encode(ONE).data, bytearray(encode(ONE).data)]).data)) == []


def test_named_values() -> None:
    large = Ref(bytes(32), 600)
    assert list(of_values(join_map({"a": encode(ONE).data}))) == [BLOB_ONE]
    assert list(of_values({"a": encode(TWO).data, "b": large})) == [BLOB_TWO, Reference("value", bytes(32))]


def test_objects() -> None:
    bundle = Bundle((BundleFile("a.py", BLOB_ONE.digest, 3), BundleFile("b.py", BLOB_TWO.digest, 3)))
    assert list(of_object("bundle", bundle.encode())) == [BLOB_ONE, BLOB_TWO]
    assert list(of_object("blob", b"\xc1")) == list(of_object("closure", b"")) == []
    assert set(REFERRING) == {"template", "bundle", "value"}


@pytest.mark.parametrize("kind", REFERRING)
@given(data=st.binary(max_size=60))
def test_what_cannot_be_read_is_an_error_of_ours(kind: str, data: bytes) -> None:
    with suppress(DecodeError, BundleLoadError):
        assert all(each.kind == "blob" for each in of_object(kind, data))
