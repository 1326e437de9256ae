"""Values of the builtin types and the standard library: there and back, and never the bytes of another value."""

import collections
import math
import re
import struct
import subprocess
import sys
import threading
import zoneinfo
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.codec import decode, encode, view
from dalsegno.errors import EncodeError

Pattern = re.Pattern


def fingerprint(value: Any) -> object:
    """What makes a value this value, found without the codec: exact types, every bit of floats, order of dicts."""
    kind = type(value)
    if kind is float:
        return kind, "nan" if math.isnan(value) else struct.pack("d", value)
    if kind is complex:
        return kind, fingerprint(value.real), fingerprint(value.imag)
    if isinstance(value, dict):
        return kind, tuple((fingerprint(key), fingerprint(item)) for key, item in value.items())
    if kind in (set, frozenset):
        return kind, frozenset(collections.Counter(map(fingerprint, value)).items())
    if kind is slice:
        return kind, fingerprint(value.start), fingerprint(value.stop), fingerprint(value.step)
    if kind in (list, tuple):
        return kind, tuple(map(fingerprint, value))
    if kind is collections.deque:
        return kind, value.maxlen, tuple(map(fingerprint, value))
    return kind, repr(value)


offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
zones = st.one_of(st.none(), offsets, st.timezones())
instants = st.tuples(st.datetimes(), zones, st.integers(0, 1)).map(
    lambda parts: parts[0].replace(tzinfo=parts[1], fold=parts[2])
)
texts = st.text(st.characters(exclude_categories=()), max_size=10)
numbers = st.one_of(st.integers(), st.floats(), st.complex_numbers(), st.booleans())
atoms = st.one_of(
    st.none(),
    numbers,
    st.sampled_from([1, 1.0, True, 0, 0.0, -0.0, False, "1", b"1", "", b"", ..., NotImplemented, int, len]),
    texts,
    st.binary(max_size=10),
    instants,
    st.dates(),
    st.tuples(st.times(), offsets, st.integers(0, 1)).map(lambda p: p[0].replace(tzinfo=p[1], fold=p[2])),
    st.timedeltas(),
    offsets,
    st.decimals(),
    st.fractions(),
    st.uuids(),
    texts.filter(lambda text: "\0" not in text).map(PurePosixPath),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3)),
)
keys = st.recursive(
    atoms.filter(lambda value: not isinstance(value, Decimal) or not value.is_snan()),
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=4,
)
values = st.recursive(
    st.one_of(keys, st.binary(max_size=5).map(bytearray), st.sets(keys, max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(collections.OrderedDict),
        st.lists(inner, max_size=3).map(collections.deque),
        st.builds(slice, inner, inner),
    ),
    max_leaves=12,
)


@given(values)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    encoded = encode(value)
    assert not encoded.opaque
    assert fingerprint(decode(encoded.data)) == fingerprint(value)


@given(values)
def test_what_comes_back_has_the_same_bytes(value: Any) -> None:
    data = encode(value).data
    assert encode(decode(data)).data == data


@given(values, values)
def test_bytes_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    assert (encode(one).data == encode(other).data) == (fingerprint(one) == fingerprint(other))


def test_look_alikes_differ() -> None:
    alike = [
        1,
        1.0,
        True,
        "1",
        b"1",
        bytearray(b"1"),
        (1,),
        [1],
        {1},
        frozenset({1}),
        {1: 1},
        {True: 1},
        {1.0: 1},
    ]
    alike += [
        Decimal("1"),
        Decimal("1.0"),
        Fraction(1),
        1 + 0j,
        collections.deque([1]),
        collections.Counter({1: 1}),
    ]
    alike += [
        collections.OrderedDict({1: 1}),
        collections.defaultdict(None, {1: 1}),
        0.0,
        -0.0,
        0,
        False,
        None,
        "",
    ]
    alike += [
        PurePosixPath("1"),
        PureWindowsPath("1"),
        timedelta(1),
        {"a": 1, "b": 2},
        {"b": 2, "a": 1},
        [[1]],
        [(1,)],
    ]
    assert len({encode(value).data for value in alike}) == len(alike)


@pytest.mark.parametrize(
    "payload", ["7ff8000000000000", "fff8000000000000", "7ff0000000000001", "ffffffffffffffff"]
)
def test_there_is_one_nan(payload: str) -> None:
    (nan,) = struct.unpack(">d", bytes.fromhex(payload))
    plain = math.nan
    assert encode(nan).data == encode(plain).data
    assert encode([nan, 1.0]).data == encode([plain, 1.0]).data
    assert encode([1, nan, "x"]).data == encode([1, plain, "x"]).data
    assert encode({"a": nan, nan: 1}).data == encode({"a": plain, plain: 1}).data
    assert (
        encode(([{"a": (nan,)}], complex(nan, nan))).data
        == encode(([{"a": (plain,)}], complex(plain, plain))).data
    )


def test_long_lists_of_floats_are_exact() -> None:
    for count in (15, 16, 70_000):
        floats = [0.1 * index for index in range(count)]
        assert decode(encode(floats).data) == floats
    mixed = [0.5] * 20 + [bytearray(b"1234567")] + [0.5] * 20
    assert fingerprint(decode(encode(mixed).data)) == fingerprint(mixed)


@pytest.mark.parametrize("size", [0, 255, 256, 65535, 65536, 200_000])
def test_big_contents_of_every_head_size(size: int) -> None:
    for value in (
        b"x" * size,
        "x" * size,
        bytearray(size),
        {"k": b"x" * size},
        [b"x" * size],
        tuple(range(size)),
    ):
        assert fingerprint(decode(encode(value).data)) == fingerprint(value)


@pytest.mark.parametrize("exponent", [7, 8, 31, 32, 63, 64, 65, 127, 128, 5000])
def test_integers_around_powers_of_two(exponent: int) -> None:
    for value in range(2**exponent - 2, 2**exponent + 3):
        assert decode(encode(value).data) == value
        assert decode(encode([-value, "x"]).data) == [-value, "x"]


def test_times_keep_zone_and_fold() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    late = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=1)
    found = decode(encode(late).data)
    assert found.tzinfo is berlin
    assert found.fold == 1
    assert found.utcoffset() == timedelta(hours=1)
    named = time(1, tzinfo=timezone(timedelta(hours=-5), "EST"))
    assert decode(encode(named).data).tzname() == "EST"
    assert encode(timezone(timedelta(0), "Z")).data != encode(UTC).data


def test_the_decimal_context_does_not_matter() -> None:
    value = Decimal("1E+30")
    data = encode(value).data
    with localcontext() as context:
        context.capitals = 0
        context.prec = 2
        assert encode(value).data == data
        assert str(decode(encode(Decimal("1.23456")).data)) == "1.23456"


@pytest.mark.parametrize(
    "value",
    [
        re.compile("a", re.IGNORECASE),
        re.compile(b"(?s)."),
        collections.Counter("hello"),
        collections.defaultdict(list, {1: [2]}),
        collections.deque([1], maxlen=4),
        slice(1, None, 2),
        dict,
        PurePosixPath,
        math.sqrt,
        type(None),
        Pattern,
    ],
)
def test_other_types_of_the_standard_library(value: Any) -> None:
    encoded = encode(value)
    found = decode(encoded.data)
    assert not encoded.opaque
    assert type(found) is type(value)
    assert found == value
    assert getattr(found, "maxlen", None) == getattr(value, "maxlen", None)
    assert getattr(found, "default_factory", None) == getattr(value, "default_factory", None)


def test_what_the_packer_would_let_pass_is_not_taken_for_ours() -> None:
    smuggled = msgpack.ExtType(4, msgpack.packb([1]))
    for value in (smuggled, [smuggled], {"a": smuggled}, [1.0, smuggled]):
        assert decode(encode(value).data) == value
        assert type(decode(encode([value]).data)[0]) is type(value)
    assert encode(msgpack.Timestamp(1)).opaque


def test_shared_members_are_written_each_time() -> None:
    shared = [1]
    assert encode([shared, shared]).data == encode([[1], [1]]).data


def test_deep_nesting_works_up_to_the_limit_and_is_opaque_beyond() -> None:
    def nested(depth: int) -> list[Any]:
        value: list[Any] = []
        for _ in range(depth):
            value = [value]
        return value

    assert decode(encode(nested(95)).data) == nested(95)
    assert not encode(nested(95)).opaque
    beyond = encode(nested(120))
    assert beyond.opaque
    assert decode(beyond.data) == nested(120)


def test_the_deepest_value_needs_little_of_the_stack() -> None:
    value: Any = ()
    for _ in range(95):
        value = (value,)
    found: list[Any] = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(
            target=lambda: found.extend((decode(encode(value).data), view(encode(value).data)))
        )
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert found[0] == value
    assert found[1]["$type"] == "tuple"


def test_absurd_nesting_is_an_error_or_opaque_but_never_a_recursion_error() -> None:
    value: Any = []
    for _ in range(10_000):
        value = [value]
    # How deep cloudpickle gets depends on the version of Python.
    try:
        opaque = encode(value).opaque
    except EncodeError as error:
        opaque = "nested deeper than 100 levels" in str(error)
    assert opaque


def test_a_value_inside_itself_is_opaque() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    encoded = encode(loop)
    found = decode(encoded.data)
    assert encoded.opaque
    assert found[0] == 1
    assert found[1] is found


def test_the_place_of_what_cannot_be_recorded_is_named() -> None:
    handle = (item for item in "x")
    with pytest.raises(
        EncodeError, match=re.escape("value['a'][2][0] cannot be recorded: generator: no codec")
    ):
        encode({"a": [1, 2, (handle,)]})
    with pytest.raises(EncodeError, match="the value cannot be recorded: generator"):
        encode(handle)


def test_what_is_not_met_is_not_imported() -> None:
    code = "import sys, dalsegno.codec as c; before = set(sys.modules)"
    code += "; c.decode(c.encode([1, 'a', 2.5, (2,), {3}, range(4)]).data); print(set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
