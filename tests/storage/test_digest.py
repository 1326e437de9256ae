"""Digests are what the format says, and nothing else has the same one."""

import hashlib
import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno_storage.digest import DIGEST_SIZE, Running, digest, format_digest, parse_digest, short
from dalsegno_storage.pieces import CHUNK_SIZE, Pieces

kinds = st.from_regex("[a-z]{1,8}", fullmatch=True)


@given(kinds, st.binary(max_size=5000))
def test_the_formula(kind: str, data: bytes) -> None:
    framed = kind.encode() + b"\0" + struct.pack(">Q", len(data)) + data
    assert digest(kind, data) == hashlib.sha256(framed).digest()


def plain(kind: str, data: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\0" + struct.pack(">Q", len(data)) + data).digest()


@pytest.mark.parametrize("size", [CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 5 * CHUNK_SIZE + 17])
def test_a_large_thing_is_named_after_its_chunks(size: int) -> None:
    data = random.Random(size).randbytes(size)
    chunks = [plain("chunk", data[at : at + CHUNK_SIZE]) for at in range(0, size, CHUNK_SIZE)]
    content = data if len(chunks) == 1 else b"".join(chunks)
    expected = hashlib.sha256(b"blob\0" + struct.pack(">Q", size) + content).digest()
    assert digest("blob", data) == expected
    for cuts in ((1,), (5, 6, CHUNK_SIZE), (CHUNK_SIZE, size - 1)):
        pieces = [data[start:stop] for start, stop in pairwise(sorted((0, *cuts, size)))]
        assert digest("blob", Pieces(pieces)) == expected
        running = Running("blob", size)
        for piece in pieces:
            running.update(piece)
        assert running.digest() == expected


@pytest.mark.parametrize("size", [9, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 5])
@pytest.mark.parametrize("more", [-CHUNK_SIZE, -1, 1, CHUNK_SIZE])
def test_another_size_than_was_said_has_another_digest(size: int, more: int) -> None:
    running = Running("blob", size)
    running.update(bytes(max(size + more, 0)))
    assert running.digest() not in (digest("blob", bytes(size)), digest("blob", bytes(max(size + more, 0))))


@given(st.binary(max_size=5000))
def test_the_kind_of_buffer_does_not_matter(data: bytes) -> None:
    wide = memoryview(data * 4).cast("I")
    assert digest("blob", data) == digest("blob", bytearray(data)) == digest("blob", memoryview(data))
    assert digest("blob", wide) == digest("blob", data * 4)


def test_kind_length_and_bytes_are_told_apart() -> None:
    values = [("a", b""), ("b", b""), ("a", b"\0"), ("ab", b""), ("a", b"b"), ("a", b"b\0"), ("a", bytes(8))]
    assert len({digest(kind, data) for kind, data in values}) == len(values)


@pytest.mark.parametrize("kind", ["", "A", "a1", "a b", "a\0", "é"])
def test_kinds_are_lower_case_words(kind: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        digest(kind, b"")


@given(st.binary(min_size=DIGEST_SIZE, max_size=DIGEST_SIZE))
def test_text_and_back(value: bytes) -> None:
    assert parse_digest(format_digest(value)) == value
    assert format_digest(value).startswith(short(value))
    assert len(short(value)) == 12


@pytest.mark.parametrize("text", ["", "ab", "AB" * 32, "ab" * 33, "ab" * 31 + "g0", "ab" * 32 + "\n"])
def test_text_that_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        parse_digest(text)
