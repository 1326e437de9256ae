"""Large values, looked at a piece at a time: the same is seen, and it takes memory for a piece."""

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import Dir, File
from dalsegno._pickles import value_has_pickles
from dalsegno._references import of_value
from dalsegno.codec import _pieces, _view, encode, view
from dalsegno.codec._format import MAX_DEPTH, Tag, array_head, ext_head, map_head
from dalsegno.codec._pieces import LARGEST, count, pieces
from dalsegno.errors import DecodeError

ATOMS = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20), st.binary(max_size=20)
)
OTHERS: list[Any] = [
    np.arange(5),
    np.array([1, None, []], object),
    frozenset({1}),
    1 + 2j,
    print,
    threading.Barrier,
]
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(ATOMS, st.sampled_from(OTHERS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.lists(inner, max_size=6).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.tuples(st.integers(0, 9))), inner, max_size=6),
    ),
    max_leaves=30,
)


def tiny(look: Callable[[bytes], Any], data: bytes) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pieces, "LARGEST", 12)
        return look(data)


@given(VALUES)
def test_pieces_show_what_the_whole_shows(value: Any) -> None:
    data = encode(value).data
    for look in (
        view,
        lambda data: view(data, limit=2),
        value_has_pickles,
        lambda data: list(of_value(data)),
    ):
        assert repr(tiny(look, data)) == repr(look(data))


def test_files_are_found_in_pieces(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.txt").write_text(str(number))
    encoded = encode([{"a": File(folder / "1.txt")}, [(Dir(folder),)]])
    found = sorted(each.digest for each in tiny(lambda data: list(of_value(data)), encoded.data))
    assert found == sorted([*(digest for digest, _ in encoded.blobs), File(folder / "1.txt").digest])
    assert tiny(view, encoded.data) == view(encoded.data)


def test_a_large_list_is_cut_and_its_members_too() -> None:
    long = [[number, "kä"] for number in range(LARGEST // 4)]
    assert view(encode(long).data, limit=2) == {
        "$type": "list",
        "items": [[0, "kä"], [1, "kä"]],
        "$size": len(long),
    }
    named = {"x": long, "y": dict.fromkeys(range(LARGEST))}
    assert view(encode(named).data, limit=2) == {
        "x": {"$type": "list", "items": [[0, "kä"], [1, "kä"]], "$size": len(long)},
        "y": {"$type": "dict", "items": [[0, None], [1, None]], "$size": LARGEST},
    }


@pytest.mark.parametrize(
    ("member", "tag"),
    [
        (b"\x90", None),
        (b"\x80", Tag.TUPLE),
        (b"\x91\x90", Tag.OBJECT_ARRAY),
        (b"\x90", Tag.DIR),
        (b"\xd4\x55\x00", None),
    ],
)
def test_what_is_nothing_but_small_members_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, member: bytes, tag: Tag | None
) -> None:
    largest = 1 << 10
    monkeypatch.setattr(_pieces, "LARGEST", largest)
    number = 32 * largest // len(member)
    data = array_head(number) + number * member
    if tag is not None:
        payload = data if tag == Tag.TUPLE else b"\x92\x90" + data
        data = ext_head(tag, len(payload)) + payload
    for look in (lambda data: view(data, limit=10), lambda data: list(of_value(data)), value_has_pickles):
        tracemalloc.start()
        try:
            look(data)
        except DecodeError:
            assert tag == Tag.DIR
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # Made whole, empty lists take 75 times their bytes; an unpacker begins with a buffer of 1 MiB.
        assert taken < 100 * largest + 3 * len(data) + (1 << 20)


def test_no_more_than_a_million_members_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_view, "_MOST_SHOWN", 7)
    shown = view(encode([[1, 2], [3, 4], [5, 6], [7, 8]]).data)
    assert shown == [
        [1, 2],
        [3, 4],
        {"$type": "list", "items": [], "$size": 2},
        {"$type": "list", "items": [], "$size": 2},
    ]


def test_too_deep_a_value_is_refused_in_pieces_too() -> None:
    data = b"\x90"
    for _ in range(MAX_DEPTH + 10):
        data = array_head(2) + data + b"\xc0"
    with pytest.raises(DecodeError, match="deeper"):
        tiny(view, data)


@pytest.mark.parametrize(
    "data", [array_head(3) + b"\x01\x02", array_head(1) + b"\x01\x02", map_head(2) + bytes(3)]
)
def test_damaged_pieces(data: bytes) -> None:
    with pytest.raises(DecodeError):
        tiny(view, data)
    with pytest.raises(DecodeError):
        tiny(lambda data: list(of_value(data)), data)
    assert tiny(value_has_pickles, ext_head(Tag.OPAQUE, len(data)) + data)


def test_what_has_no_members_has_no_pieces() -> None:
    assert pieces(b"\x01") is pieces(encode("x" * 9).data) is pieces(encode(1j).data) is None


@given(VALUES)
def test_counting(value: Any) -> None:
    def number(found: Any) -> int:
        if type(found) is list:
            return 1 + sum(map(number, found))
        if type(found) is dict:
            return 1 + sum(number(key) + number(item) for key, item in found.items())
        return 1

    whole = number(value)
    data = encode(value).data
    assert count(data, whole) == whole
    assert whole == 1 or count(data, whole - 1) > whole - 1


def test_a_claim_alone_is_counted() -> None:
    assert count(array_head(2**31) + b"\x01", 1000) > 1000
