"""Removal takes what is not kept, in the right order, and looks again before it does."""

from collections.abc import Callable

import pytest

from dalsegno_storage import sweep
from dalsegno_storage._pages import pages, whole_pages
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import CHUNK_SIZE, has_object, put_object
from dalsegno_storage.protocol import Writer
from dalsegno_storage.sweep import Garbage, garbage, remove, with_chunks


def put(store: MemoryStore, kind: str, data: bytes) -> bytes:
    with store.write() as writer:
        return put_object(writer, kind, data)


def keeping(*digests: bytes) -> Callable[[Writer], Callable[[bytes], bool]]:
    return lambda writer: lambda digest: digest in digests


def test_garbage_is_what_is_not_kept_and_no_chunk_of_what_is(store: MemoryStore) -> None:
    large = put(store, "blob", bytes(CHUNK_SIZE) + b"1" * 10)
    half = put(store, "blob", bytes(CHUNK_SIZE) + b"2" * 10)
    small = put(store, "value", b"small")
    with store.write() as writer:
        writer.put(b"\x02o\0\x01no digest\0", b"")
    found = garbage(store, {large}.__contains__)
    assert {(each.digest, each.kind) for each in found if each.kind != "chunk"} == {
        (half, "blob"),
        (small, "value"),
    }
    assert len([each for each in found if each.kind == "chunk"]) == 1
    everything = garbage(store, lambda _: False)
    assert len(everything) == 6
    with store.read() as reader:
        stored = sum(len(k) + len(v) for k, v in reader.scan()) - len(b"\x02o\0\x01no digest\0")
        assert len(list(with_chunks(reader, [large, small, bytes(32)]))) == 5
    assert sum(each.stored for each in everything) == stored


def test_what_refers_to_others_goes_first(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, data in (
        ("blob", b"b"),
        ("bundle", b"B"),
        ("template", b"t"),
        ("value", bytes(CHUNK_SIZE + 1)),
    ):
        put(store, kind, data)
    order: list[str] = []
    monkeypatch.setattr(sweep, "BATCH", 1)
    doomed = garbage(store, lambda _: False)
    kinds = {each.digest: each.kind for each in doomed}

    def kept_now(writer: Writer) -> Callable[[bytes], bool]:
        there = {digest for digest in kinds if has_object(writer, digest)}
        order.extend(kinds[digest] for digest in kinds.keys() - there)
        for digest in kinds.keys() - there:
            del kinds[digest]
        return lambda digest: False

    remove(store, doomed, kept_now, lambda writer: None, referring=("template", "bundle"))
    assert order[:2] == ["template", "bundle"]
    assert set(order[2:4]) == {"blob", "value"}
    assert set(order[4:]) <= {"chunk"}


def test_what_is_kept_by_now_stays_and_removals_are_counted(store: MemoryStore) -> None:
    a, b = put(store, "value", b"a"), put(store, "value", b"b")
    doomed = garbage(store, lambda _: False)

    def count(writer: Writer) -> None:
        writer.put(b"g", (writer.get(b"g") or b"") + b"x")

    assert [each.digest for each in remove(store, doomed, keeping(a), count)] == [b]
    assert remove(store, doomed, keeping(a), count) == []
    with store.read() as reader:
        assert has_object(reader, a)
        assert not has_object(reader, b)
        assert reader.get(b"g") == b"x"


def test_a_crash_between_two_transactions_leaves_nothing_without_what_it_refers_to(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 1)
    put(store, "value", bytes(CHUNK_SIZE + 1))
    doomed = garbage(store, lambda _: False)
    calls: list[int] = []

    def fails(writer: Writer) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        remove(store, doomed, keeping(), fails)
    left = garbage(store, lambda _: False)
    assert [each.kind for each in left] == ["chunk", "chunk"]
    assert all(isinstance(each, Garbage) for each in left)


def test_pages_show_every_pair_that_stays_exactly_once(store: MemoryStore) -> None:
    with store.write() as writer:
        for number in range(100):
            writer.put(b"k%03d" % number, b"v")
    seen = []
    for reader, page in pages(store, b"k", b"l", pairs=7):
        assert reader.get(page[0][0]) == page[0][1]
        seen += [key for key, _ in page]
        with store.write() as writer:
            if len(page[-1][0]) == 4:
                writer.put(page[-1][0] + b"x", b"new")
            writer.delete(page[0][0])
    assert [key for key in seen if len(key) == 4] == [b"k%03d" % number for number in range(100)]
    assert len(seen) == len(set(seen))
    assert list(whole_pages(store, b"x")) == []


def test_a_page_is_of_bounded_size(store: MemoryStore) -> None:
    with store.write() as writer:
        for number in range(10):
            writer.put(b"%d" % number, bytes(1 << 20))
    assert [len(page) for _, page in pages(store)] == [4, 4, 2]
