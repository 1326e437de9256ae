"""Bytes that nobody's encoder wrote: refused quickly, with a DecodeError and nothing else."""

import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.codec import decode, encode, split_map, view
from dalsegno.codec._format import Tag, ext_head
from dalsegno.codec._spans import children
from dalsegno.errors import DecodeError

SAMPLES = [
    [1, "a", {"b": (1, 2.5), 3: {4}}],
    {"x": b"1" * 100_000, "y": [1, (2, 3)]},
    (b"1" * 70_000, bytearray(70_000)),
]


def tagged(tag: int, payload: bytes) -> bytes:
    return ext_head(tag, len(payload)) + payload


@contextmanager
def refused(match: str | None = None) -> Iterator[None]:
    started = time.perf_counter()
    with pytest.raises(DecodeError, match=match):
        yield
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("value", SAMPLES)
def test_truncated_bytes_and_bytes_after_the_end(value: Any) -> None:
    data = encode(value).data
    for size in {*range(min(len(data), 60)), len(data) - 1, len(data) // 2}:
        with refused():
            decode(data[:size])
        with refused():
            view(data[:size])
    with refused():
        decode(data + b"\xc0")
    with refused():
        view(data + b"\xc0")


@pytest.mark.parametrize("tag", [0, 25, 47, 79, 82, 127])
def test_unknown_tags_are_named(tag: int) -> None:
    with refused(f"tag {tag}, which this release does not know"):
        decode(tagged(tag, b"\xc0"))
    with refused(f"tag {tag}, which"):
        decode(b"\x91" + tagged(tag, b"\xc0"))


@pytest.mark.parametrize("tag", list(Tag))
@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x90", b"\x93\x01\x02\x03", b"\x91\x81\x90\xc0", b"\xff" * 16]
)
def test_payloads_of_the_wrong_shape(tag: Tag, payload: bytes) -> None:
    try:
        decode(tagged(tag, payload))
    except DecodeError:
        return
    # What is left are payloads that happen to be right.
    may_be = {
        Tag.BIG_INT,
        Tag.BYTEARRAY,
        Tag.COMPLEX,
        Tag.UUID,
        Tag.TUPLE,
        Tag.SET,
        Tag.FROZENSET,
        Tag.RANGE,
        Tag.SLICE,
    }
    assert tag in may_be | {Tag.TIMEDELTA, Tag.DATE, Tag.TIMEZONE}


@given(st.binary(max_size=60))
def test_noise(data: bytes) -> None:
    for read in (decode, view, split_map):
        try:
            read(data)
        except DecodeError:
            continue


@given(st.sampled_from(list(Tag)), st.binary(max_size=40))
def test_noise_behind_a_tag(tag: Tag, payload: bytes) -> None:
    for read in (lambda data: decode(data, allow_opaque=False), view):
        try:
            read(tagged(tag, payload))
        except DecodeError:
            continue


@pytest.mark.parametrize("head", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"])
@pytest.mark.parametrize("tail", [b"", b"\xc0" * 100, b"\xc0" * 100_000])
def test_heads_that_claim_gigabytes(head: bytes, tail: bytes) -> None:
    for read in (decode, view, split_map):
        with refused():
            read(head + tail)


def test_nested_heads_that_claim_much_each() -> None:
    size = 1_000_000
    bomb = (b"\xdd" + struct.pack(">I", size - 10_000)) * 1000
    with refused():
        decode(bomb + b"\xc0" * (size - len(bomb)))


def test_deep_nesting() -> None:
    for data in (b"\x91" * 100_000 + b"\x90", b"\x81\xc0" * 100_000 + b"\xc0"):
        with refused():
            decode(data)
        with refused():
            view(data)
    nested = b"\x90"
    for _ in range(1000):
        nested = tagged(Tag.TUPLE, b"\x91" + nested)
    with refused("nested"):
        decode(nested)
    with refused("nested"):
        view(nested)


def test_keys_that_cannot_be_keys() -> None:
    for data in (b"\x81\x90\xc0", tagged(Tag.SET, b"\x91\x90"), b"\x81\x80\xc0"):
        with refused("unhashable"):
            decode(data)


def test_arrays_that_claim_more_than_they_have() -> None:
    def array(dtype: Any, shape: Any, content: bytes) -> bytes:
        head = encode([dtype, shape]).data
        return tagged(Tag.NDARRAY, struct.pack(">I", len(head)) + head + content)

    for bad in (
        array("<f8", [2**40], b""),
        array("<f8", [-1], b"x" * 8),
        array("<f8", [3], b"x" * 8),
        array("|O", [1], b"x" * 8),
        array("(1000,1000,1000)f8", [1], b"x" * 8),
        array("nonsense", [1], b"x" * 8),
        array([("a", "|O")], [1], b"x" * 8),
        tagged(Tag.NDARRAY, b"\xff\xff\xff\xff"),
    ):
        with refused("ndarray"):
            decode(bad)
    with refused("object array"):
        decode(tagged(Tag.OBJECT_ARRAY, encode([[2**40], []]).data))


def test_files_that_want_to_be_elsewhere() -> None:
    digest = bytes(32)
    for name in ("../up", "a/b", "..", "c:\\x", "nul\0"):
        with refused("name"):
            decode(tagged(Tag.FILE, encode([name, 1, digest]).data))
    for path in ("../up", "/etc/passwd", "a/../../b", "", "a//b", "."):
        with refused("path below|not the name of a file"):
            decode(tagged(Tag.DIR, encode(["d", [[path, 1, digest]]]).data))


@pytest.mark.parametrize(
    "tag", [Tag.ENUM, Tag.NAMED_TUPLE, Tag.SUBCLASS, Tag.DATACLASS, Tag.MODEL, Tag.REFERENCE]
)
@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.Popen", "sys.modules", "os.environ", "builtins.exec"]
)
def test_names_of_dangerous_things_are_not_called(tag: Tag, target: str) -> None:
    module, _, name = target.rpartition(".")
    rests: list[list[Any]] = [[], ["x"], [{}], ["x", {}], [{}, [], None, None], [1, {}]]
    for rest in rests:
        try:
            found = decode(tagged(tag, encode([module, name, *rest]).data))
        except DecodeError:
            continue
        assert tag is Tag.REFERENCE
        assert found is getattr(sys.modules[module], name)


def test_opaque_values_can_be_refused() -> None:
    data = encode([lambda: 1]).data
    with refused("not loaded, because opaque values were not allowed"):
        decode(data, allow_opaque=False)
    assert decode(data)[0]() == 1


def test_a_damaged_pickle() -> None:
    with refused("opaque cannot be decoded"):
        decode(tagged(Tag.OPAQUE, encode(["x.Y", b"\x80\x05nonsense"]).data))


def test_maps_that_are_none() -> None:
    for data in (
        b"",
        b"\x01",
        b"\x90",
        b"\x81\x01\x02",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\xa1a\x01\x01",
        b"\x82\xa1a\x01",
    ):
        with refused("not a map of names"):
            split_map(data)


plain = st.integers() | st.binary(max_size=3) | st.floats() | st.text(max_size=40) | st.none() | st.booleans()
containers = st.recursive(
    st.lists(plain) | st.dictionaries(plain, plain),
    lambda inner: st.lists(inner | plain) | st.dictionaries(plain, inner) | st.lists(inner).map(tuple),
)


@given(containers)
def test_the_walk_finds_the_members_that_were_written(value: Any) -> None:
    data = encode(value).data
    found = children(memoryview(data))
    if isinstance(value, tuple):
        assert found is None
        return
    assert found is not None
    is_map, members = found
    written = [part for pair in value.items() for part in pair] if is_map else value
    assert is_map is isinstance(value, dict)
    assert [bytes(member) for member in members] == [encode(member).data for member in written]


@given(st.binary(max_size=30))
def test_the_walk_over_members_survives_noise(data: bytes) -> None:
    found = children(memoryview(data))
    if found is not None:
        members = sum(map(len, found[1]))
        assert data[len(data) - members :] == b"".join(found[1])
