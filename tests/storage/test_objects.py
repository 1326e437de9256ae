"""Objects come back as they were put, or not at all."""

import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno_storage import _zstd
from dalsegno_storage.digest import digest, of_chunks
from dalsegno_storage.errors import DamagedObjectError, ObjectNotFoundError, StoreDamagedError
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import CHUNK_SIZE, get_object, has_object, object_key, prepare, put_object
from dalsegno_storage.pieces import Pieces
from dalsegno_storage.testing import everything, put

REPEATED = b"the same line again and again\n" * 20_000
RANDOM = random.Random(1).randbytes(3 * CHUNK_SIZE + 17)


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


def stored(store: MemoryStore, kind: str, data: bytes) -> bytes:
    with store.write() as writer:
        return put_object(writer, kind, data)


def loaded(store: MemoryStore, kind: str, name: bytes) -> bytes:
    with store.read() as reader:
        return get_object(reader, kind, name)


def disk_size(store: MemoryStore) -> int:
    return sum(len(key) + len(value) for key, value in everything(store))


@given(st.binary(max_size=600) | st.binary(max_size=8).map(lambda data: data * 5000))
def test_round_trip(data: bytes) -> None:
    store = MemoryStore()
    name = stored(store, "value", data)
    assert name == digest("value", data)
    assert loaded(store, "value", name) == data
    assert disk_size(store) <= len(data) + 80


def is_still_right(store: MemoryStore, name: bytes, data: bytes) -> bool:
    try:
        return loaded(store, "blob", name) == data
    except DamagedObjectError:
        return False


@pytest.mark.parametrize("size", [0, 256, 257, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE])
@pytest.mark.parametrize("source", [RANDOM, REPEATED * 4])
def test_sizes_at_the_limits(store: MemoryStore, size: int, source: bytes) -> None:
    data = source[:size]
    assert loaded(store, "blob", stored(store, "blob", data)) == data
    assert max(len(value) for _, value in everything(store)) <= CHUNK_SIZE + 32


def test_any_buffer(store: MemoryStore) -> None:
    with store.write() as writer:
        forms = (RANDOM, bytearray(RANDOM), memoryview(RANDOM), Pieces((RANDOM[:7], RANDOM[7:])))
        names = {put_object(writer, "blob", data) for data in forms}
    assert [loaded(store, "blob", name) for name in names] == [RANDOM]


def test_what_compresses_is_compressed(store: MemoryStore) -> None:
    stored(store, "blob", REPEATED)
    assert disk_size(store) < len(REPEATED) / 100


def test_what_is_there_is_not_written_again(store: MemoryStore) -> None:
    stored(store, "blob", RANDOM)
    before = disk_size(store)
    stored(store, "blob", RANDOM)
    assert disk_size(store) == before
    name = stored(store, "blob", RANDOM + b"a new tail")
    assert disk_size(store) < before + 300
    assert loaded(store, "blob", name) == RANDOM + b"a new tail"


def test_equal_chunks_are_kept_once(store: MemoryStore) -> None:
    data = RANDOM[:CHUNK_SIZE] * 20
    assert loaded(store, "blob", stored(store, "blob", data)) == data
    assert disk_size(store) < 1.1 * CHUNK_SIZE


def test_a_large_object_in_several_transactions(store: MemoryStore) -> None:
    prepared = prepare("blob", RANDOM)
    for key, record in prepared.parts:
        with store.read() as reader:
            assert not has_object(reader, prepared.digest)
        put(store, (key, record))
    assert key == object_key(prepared.digest)
    assert loaded(store, "blob", prepared.digest) == RANDOM
    assert list(prepared.parts) == list(prepared.parts)


def test_an_object_that_is_not_there(store: MemoryStore) -> None:
    name = digest("blob", b"x")
    with store.read() as reader:
        assert not has_object(reader, name)
    with pytest.raises(ObjectNotFoundError, match=name.hex()) as caught:
        loaded(store, "blob", name)
    assert isinstance(caught.value, LookupError)


def test_another_kind(store: MemoryStore) -> None:
    name = stored(store, "log", b"some text")
    with pytest.raises(DamagedObjectError, match="stored as kind 'log'"):
        loaded(store, "value", name)
    # The same record under the digest that the bytes would have as another kind.
    (_, record) = everything(store)[0]
    forged = digest("value", b"some text")
    put(store, (object_key(forged), record), (object_key(name), record.replace(b"\x03log", b"\x05value")))
    for kind, key in (("value", forged), ("log", name), ("value", name)):
        with pytest.raises(DamagedObjectError):
            loaded(store, kind, key)


@pytest.mark.parametrize(
    "data", [b"", b"short", os.urandom(300), b"long and dull " * 50, RANDOM[: CHUNK_SIZE + 9]]
)
def test_every_flipped_bit_is_noticed(store: MemoryStore, data: bytes) -> None:
    name = stored(store, "blob", data)
    chance = random.Random(2)
    for key, record in everything(store):
        bits = range(len(record) * 8)
        for bit in bits if len(bits) < 4000 else [*bits[:200], *chance.sample(bits, 60), *bits[-100:]]:
            damaged = bytearray(record)
            damaged[bit // 8] ^= 1 << bit % 8
            put(store, (key, bytes(damaged)))
            if record[0] == 1 and is_still_right(store, name, data):
                continue  # a frame of zstd has a few bits that mean nothing
            with pytest.raises(DamagedObjectError) as caught:
                loaded(store, "blob", name)
            assert isinstance(caught.value, StoreDamagedError)
            assert caught.value.kind in ("blob", "chunk")
        put(store, (key, record))
    assert loaded(store, "blob", name) == data


@pytest.mark.parametrize("data", [b"short", b"long and dull " * 50, RANDOM[: CHUNK_SIZE + 9]])
def test_every_cut_is_noticed(store: MemoryStore, data: bytes) -> None:
    name = stored(store, "blob", data)
    for key, record in everything(store):
        for length in {*range(min(len(record), 60)), len(record) - 1}:
            put(store, (key, record[:length]))
            with pytest.raises(DamagedObjectError):
                loaded(store, "blob", name)
        put(store, (key, record + b"\0"))
        with pytest.raises(DamagedObjectError):
            loaded(store, "blob", name)
        put(store, (key, record))


def test_chunks_of_other_lengths_are_refused(store: MemoryStore) -> None:
    names = [stored(store, "chunk", RANDOM[:CHUNK_SIZE]), stored(store, "chunk", RANDOM[:5])]
    forged = of_chunks("blob", CHUNK_SIZE + 9, names)
    head = b"\x02\x04blob" + (CHUNK_SIZE + 9).to_bytes(8, "big")
    put(store, (object_key(forged), head + b"".join(names)))
    with pytest.raises(DamagedObjectError, match=f"chunk {names[1].hex()} has the wrong length"):
        loaded(store, "blob", forged)


def test_swapped_objects(store: MemoryStore) -> None:
    names = [stored(store, "blob", data) for data in (b"one", b"two")]
    (first, one), (second, two) = everything(store)
    put(store, (first, two), (second, one))
    for name in names:
        with pytest.raises(DamagedObjectError, match="another digest"):
            loaded(store, "blob", name)


def test_chunks_that_are_missing_damaged_or_swapped(store: MemoryStore) -> None:
    name = stored(store, "blob", RANDOM)
    chunks = [digest("chunk", RANDOM[at : at + CHUNK_SIZE]) for at in range(0, len(RANDOM), CHUNK_SIZE)]
    key, other = object_key(chunks[1]), object_key(chunks[2])
    with store.read() as reader:
        record, top = reader.get(key), reader.get(object_key(name))
    assert record is not None
    assert top is not None
    with store.write() as writer:
        writer.delete(key)
    with pytest.raises(DamagedObjectError, match=f"chunk {chunks[1].hex()} is missing") as caught:
        loaded(store, "blob", name)
    assert caught.value.digest == name
    put(store, (key, record[:-1] + bytes([record[-1] ^ 1])))
    with pytest.raises(DamagedObjectError, match=f"chunk {chunks[1].hex()} is damaged"):
        loaded(store, "blob", name)
    put(store, (key, record), (object_key(name), top.replace(chunks[1], chunks[2])))
    with pytest.raises(DamagedObjectError, match="not the right ones"):
        loaded(store, "blob", name)
    put(store, (object_key(name), top), (other, b"\x02" + record[1:]))
    with pytest.raises(DamagedObjectError, match="unknown form 2"):
        loaded(store, "blob", name)


def bomb(claimed: int) -> bytes:
    return b"\x01\x04blob" + claimed.to_bytes(8, "big") + _zstd.compress(memoryview(bytes(200 << 20)))


@pytest.mark.parametrize("claimed", [0, 10, CHUNK_SIZE, CHUNK_SIZE + 1, 200 << 20, 2**64 - 1])
def test_bombs_do_not_go_off(store: MemoryStore, claimed: int) -> None:
    name = digest("blob", b"x")
    put(store, (object_key(name), bomb(claimed)))
    with pytest.raises(DamagedObjectError, match="claims"):
        loaded(store, "blob", name)


def test_a_frame_with_something_behind_it(store: MemoryStore) -> None:
    data = b"a" * 1000
    name = stored(store, "blob", data)
    ((key, record),) = everything(store)
    put(store, (key, record + _zstd.compress(memoryview(b"more"))))
    with pytest.raises(DamagedObjectError, match="not one whole"):
        loaded(store, "blob", name)
