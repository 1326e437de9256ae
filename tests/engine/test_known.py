"""Large values are hashed once in a run, are not copied, and are the same bytes however they came to be known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno import _values as values
from dalsegno.codec import decode, encode, encode_each, encode_map
from dalsegno.models import Ref
from dalsegno_storage.digest import digest
from dalsegno_storage.pieces import Pieces

LARGE = bytes(range(256)) * 8192


def test_the_same_value_is_encoded_and_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    def counted(kind: str, data: Any) -> bytes:
        if len(data) > values.INLINE:
            hashed.append(len(data))
        return digest(kind, data)

    monkeypatch.setattr(values, "digest", counted)
    known = values.Known()
    first = values.encode_named([("data", LARGE), ("n", 1)], known)
    second = values.encode_named([("n", 2), ("other", LARGE)], known)
    assert len(hashed) == 1
    monkeypatch.undo()
    for found, names in ((first, [("data", LARGE), ("n", 1)]), (second, [("n", 2), ("other", LARGE)])):
        alone = values.encode_named(names)
        assert (found.values, found.digest, found.opaque) == (alone.values, alone.digest, alone.opaque)
        assert list(map(bytes, found.objects.values())) == list(map(bytes, alone.objects.values()))


def test_what_can_change_is_never_known() -> None:
    known = values.Known()
    changing = bytearray(LARGE)
    before = values.encode_named([("x", changing)], known)
    changing[0] ^= 1
    after = values.encode_named([("x", changing)], known)
    assert before.digest != after.digest
    (data,) = before.objects.values()
    assert decode(bytes(data)) == LARGE  # nor is what was encoded


def test_an_equal_value_at_the_place_of_another_is_not_taken_for_it() -> None:
    known = values.Known()
    for number in range(20):
        data = number.to_bytes(2, "big") * 50_000
        (part,) = values.parts_of(values.encode_named([("x", data)], known).values).values()
        assert isinstance(part, Ref)
        assert part.digest == digest("value", encode(data).data)
        del data


def test_no_more_is_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "KNOWN_BYTES", 250_000)
    known = values.Known()
    each = [bytes([number]) * 100_000 for number in range(4)]
    for data in (*each, bytes(300_000)):
        values.encode_named([("x", data)], known)
    assert [known.get(data) is not None for data in each] == [False, False, True, True]


def test_large_bytes_are_not_copied() -> None:
    each = encode_each({"x": LARGE, "y": {"inside": [LARGE, 1]}})
    for part in each.parts.values():
        assert isinstance(part, Pieces)
        assert any(piece.obj is LARGE for piece in part.chunk(1))


MAKERS: list[Callable[[int], Any]] = [
    lambda size: b"x" * size,
    lambda size: "é" * size,
    lambda size: "\ud800" * size,
    bytearray,
    lambda size: {"inside": (b"y" * size, size)},
    lambda size: [["z" * size], b"z" * size],
    int,
]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(range(len(MAKERS))), st.integers(65_530, 65_540)), max_size=3))
def test_pieces_are_what_the_value_is_encoded_as(made: list[tuple[int, int]]) -> None:
    named = {f"{number}": MAKERS[maker](size) for number, (maker, size) in enumerate(made)}
    for name, part in encode_each(named).parts.items():
        whole = bytes(part)
        assert whole == encode(named[name]).data
        assert digest("value", part) == digest("value", whole)
        assert decode(whole) == named[name]
    assert encode_map(named.items()).data == encode(named).data
