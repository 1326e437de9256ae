"""What is said of objects, whatever their records hold."""

import random

from hypothesis import given
from hypothesis import strategies as st

from dalsegno_storage.check import check_object, check_objects, chunks_of, digest_of, kind_of
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import CHUNK_SIZE, get_object, object_key, put_object

LARGE = random.Random(1).randbytes(2 * CHUNK_SIZE + 5)


def filled() -> tuple[MemoryStore, dict[str, bytes]]:
    store = MemoryStore()
    with store.write() as writer:
        digests = {
            "small": put_object(writer, "value", b"abc"),
            "packed": put_object(writer, "value", b"a" * 5000),
            "large": put_object(writer, "blob", LARGE),
        }
    return store, digests


def test_sound_objects_have_no_problem() -> None:
    store, digests = filled()
    found = {each.digest: each for _, each in check_objects(store)}
    assert {each.problem for each in found.values()} == {""}
    assert found[digests["small"]].data == b"abc"
    assert found[digests["packed"]].data == b"a" * 5000
    assert (found[digests["large"]].kind, found[digests["large"]].data) == ("blob", None)
    assert sorted(each.kind for each in found.values()) == [
        "blob",
        "chunk",
        "chunk",
        "chunk",
        "value",
        "value",
    ]
    with store.read() as reader:
        assert sum(each.stored for each in found.values()) == sum(len(k) + len(v) for k, v in reader.scan())


@given(st.sampled_from(["small", "packed", "large"]), st.integers(min_value=0), st.integers(0, 7))
def test_every_flipped_bit_is_a_problem(which: str, place: int, bit: int) -> None:
    store, digests = filled()
    key = object_key(digests[which])
    with store.write() as writer:
        record = bytearray(writer.get(key) or b"")
        record[place % len(record)] ^= 1 << bit
        writer.put(key, bytes(record))
    with store.read() as reader:
        assert check_object(reader, key, bytes(record)).problem != ""


@given(st.binary(max_size=80))
def test_no_record_is_too_strange(record: bytes) -> None:
    store, digests = filled()
    key = object_key(digests["small"])
    with store.write() as writer:
        writer.put(key, record)
    with store.read() as reader:
        assert check_object(reader, key, record).problem != ""
        chunks_of(record), kind_of(record)


@given(st.binary(max_size=50))
def test_a_key_is_one_of_an_object_or_not(key: bytes) -> None:
    digest = digest_of(key)
    assert digest is None or object_key(digest) == key
    with MemoryStore().read() as reader:
        assert check_object(reader, key, b"\0\5value" + bytes(8)).problem != ""


def test_chunks_are_those_that_the_object_is_read_from() -> None:
    store, digests = filled()
    with store.read() as reader:
        chunks = chunks_of(reader.get(object_key(digests["large"])) or b"")
        assert b"".join(get_object(reader, "chunk", each) for each in chunks) == LARGE
        assert chunks_of(reader.get(object_key(digests["small"])) or b"") == ()


def test_a_chunk_that_is_gone_exchanged_or_of_another_length() -> None:
    store, digests = filled()
    key = object_key(digests["large"])
    with store.write() as writer:
        record = writer.get(key) or b""
        first, second, last = (object_key(each) for each in chunks_of(record))
        kept = writer.get(first) or b""

        def problem(changed: bytes = record) -> str:
            writer.put(key, changed)
            return check_object(writer, key, changed).problem

        writer.delete(first)
        assert problem().endswith(" is missing")
        writer.put(first, writer.get(second) or b"")
        assert problem().endswith(" is damaged")
        writer.put(first, kept)
        start = len(record) - 96
        head, (a, b, c) = record[:start], (record[at : at + 32] for at in range(start, len(record), 32))
        assert problem(head + b + a + c) == "its chunks are not the right ones"
        assert problem(head + c + b + a) == "its chunks are not the right ones"
        assert problem(head + a + b).endswith(" and lists other chunks")
        assert problem() == ""
