"""The laws of `dalsegno_storage.protocol` as tests, for whoever writes a backend.

    class TestMyStore(PersistentStoreContract):
        def open_store(self, folder: Path) -> Store:
            return MyStore(folder / "store")

`StoreContract` is for a backend that forgets, `PersistentStoreContract` adds what one that keeps must do.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dalsegno_storage.errors import KeyTooLongError, StoreBusyError, StoreClosedError, StoreForkedError
from dalsegno_storage.keys import prefix, successor
from dalsegno_storage.protocol import MAX_KEY, Reader, Store

__all__ = ["PersistentStoreContract", "StoreContract"]

_DEADLINE = 30.0
Pairs = list[tuple[bytes, bytes]]


class StoreContract:
    """What every store does."""

    def open_store(self, folder: Path) -> Store:
        """The store under test; `folder` is empty the first time and the same for the whole of one test."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """One open store."""
        store = self.open_store(tmp_path)
        yield store
        store.close()

    def test_an_empty_store_has_nothing(self, store: Store) -> None:
        with store.read() as reader:
            assert reader.get(b"a") is None
            assert list(reader.scan()) == []
            assert list(reader.scan(b"a", b"z", reverse=True)) == []

    def test_what_was_put_is_there_for_later_readers_and_writers(self, store: Store) -> None:
        put(store, (b"a", b"1"), (b"b", b""))
        with store.read() as reader:
            assert (reader.get(b"a"), reader.get(b"b"), reader.get(b"c")) == (b"1", b"", None)
            assert (reader.has(b"a"), reader.has(b"b"), reader.has(b"c")) == (True, True, False)
        with store.write() as writer:
            assert (writer.get(b"a"), writer.get(b"b"), writer.get(b"c")) == (b"1", b"", None)

    def test_values_are_given_back_as_bytes(self, store: Store) -> None:
        values = [b"", b"\0", b"\xff" * 3, bytes(range(256)), os.urandom(3_000_000)]
        put(store, *((b"%d" % number, value) for number, value in enumerate(values)))
        assert [value for _, value in everything(store)] == values
        assert all(type(item) is bytes for pair in everything(store) for item in pair)

    def test_put_replaces(self, store: Store) -> None:
        put(store, (b"a", b"1"))
        put(store, (b"a", b"a longer value than before"))
        assert everything(store) == [(b"a", b"a longer value than before")]

    def test_delete_says_whether_there_was_something(self, store: Store) -> None:
        put(store, (b"a", b"1"))
        with store.write() as writer:
            assert [writer.delete(b"a"), writer.delete(b"a"), writer.delete(b"b")] == [True, False, False]
        assert everything(store) == []

    def test_a_writer_sees_its_own_writes(self, store: Store) -> None:
        put(store, (b"a", b"1"), (b"b", b"2"), (b"d", b"4"))
        with store.write() as writer:
            writer.put(b"c", b"3")
            writer.put(b"a", b"0")
            writer.delete(b"b")
            assert (writer.get(b"a"), writer.get(b"b"), writer.get(b"c")) == (b"0", None, b"3")
            assert (writer.has(b"a"), writer.has(b"b"), writer.has(b"c")) == (True, False, True)
            assert list(writer.scan()) == [(b"a", b"0"), (b"c", b"3"), (b"d", b"4")]
            assert list(writer.scan(b"b", b"d", reverse=True)) == [(b"c", b"3")]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_an_exception_undoes_everything(self, store: Store, error: type[BaseException]) -> None:
        put(store, (b"a", b"1"), (b"b", b"2"))

        def change() -> None:
            with store.write() as writer:
                writer.put(b"a", b"changed")
                writer.delete(b"b")
                writer.put(b"c", b"new")
                raise error

        with pytest.raises(error):
            change()
        assert everything(store) == [(b"a", b"1"), (b"b", b"2")]
        put(store, (b"c", b"3"))
        assert len(everything(store)) == 3

    def test_readers_are_snapshots(self, store: Store) -> None:
        put(store, (b"a", b"1"), (b"b", b"2"))
        with store.read() as first:
            put(store, (b"a", b"changed"), (b"c", b"3"))
            with store.read() as second:
                with store.write() as writer:
                    writer.delete(b"b")
                    writer.put(b"uncommitted", b"")
                    assert first.get(b"uncommitted") is None
                assert list(first.scan()) == [(b"a", b"1"), (b"b", b"2")]
                assert list(second.scan()) == [(b"a", b"changed"), (b"b", b"2"), (b"c", b"3")]
        assert [key for key, _ in everything(store)] == [b"a", b"c", b"uncommitted"]

    def test_a_snapshot_is_taken_when_the_block_begins(self, store: Store) -> None:
        with store.read() as reader:
            put(store, (b"a", b"1"))
            assert reader.get(b"a") is None

    def test_a_scan_that_is_half_consumed_stays_in_its_snapshot(self, store: Store) -> None:
        pairs = [(b"%04d" % number, b"x" * 50) for number in range(2000)]
        put(store, *pairs)
        with store.read() as reader:
            scan = reader.scan()
            first = [next(scan) for _ in range(10)]
            with store.write() as writer:
                for key, _ in pairs:
                    writer.delete(key)
            assert first + list(scan) == pairs

    def test_keys_are_ordered_as_unsigned_bytes(self, store: Store) -> None:
        keys = [
            b"\x01",
            b"\x01\0",
            b"\x01\xff",
            b"a",
            b"a\0",
            b"ab",
            b"a\xff",
            b"b",
            b"\x7f",
            b"\x80",
            b"\xff",
            b"\xff\0",
        ]
        put(store, *((key, b"") for key in random.Random(1).sample(keys, len(keys))))
        assert [key for key, _ in everything(store)] == sorted(keys) == keys

    @pytest.mark.parametrize("seed", range(5))
    def test_scans_agree_with_a_sorted_dict(self, store: Store, seed: int) -> None:
        chance = random.Random(seed)
        expected: dict[bytes, bytes] = {}
        for _ in range(4):
            with store.write() as writer:
                for _ in range(60):
                    key = random_key(chance)
                    if chance.random() < 0.3:
                        assert writer.delete(key) is (expected.pop(key, None) is not None)
                    else:
                        expected[key] = chance.randbytes(chance.choice([0, 3, 5000]))
                        writer.put(key, expected[key])
            with store.read() as reader, store.write() as writer:
                for _ in range(30):
                    start = chance.choice([b"", random_key(chance)])
                    stop = chance.choice([None, random_key(chance), b"", b"\0", b"\xff" * (MAX_KEY + 1)])
                    check_scan(reader, expected, start, stop)
                    check_scan(writer, expected, start, stop)

    def test_ranges_of_packed_keys(self, store: Store) -> None:
        put(store, *((key, b"") for key in (b"a", b"a\xff", b"a\xff\xff", b"b", b"\xff\xff")))
        with store.read() as reader:
            assert [key for key, _ in reader.scan(b"a\xff", successor(b"a\xff"))] == [b"a\xff", b"a\xff\xff"]
            assert [key for key, _ in reader.scan(b"\xff", successor(b"\xff"))] == [b"\xff\xff"]
            assert list(reader.scan(*prefix("a"))) == []

    def test_keys_out_of_bounds(self, store: Store) -> None:
        longest, too_long = b"k" * MAX_KEY, b"k" * (MAX_KEY + 1)
        put(store, (longest, b"1"))
        for key in (b"", too_long, b"\0", b"\0id"):
            with store.write() as writer:
                with pytest.raises(KeyTooLongError):
                    writer.put(key, b"")
                assert writer.get(key) is None
                assert writer.has(key) is False
                assert writer.delete(key) is False
                writer.put(b"after", b"")
            with store.read() as reader:
                assert reader.get(key) is None
        assert [key for key, _ in everything(store)] == [b"after", longest]

    def test_use_after_the_block(self, store: Store) -> None:
        put(store, (b"a", b"1"))
        with store.read() as reader:
            scan = reader.scan()
            next(scan)
        with store.write() as writer:
            pass
        uses: list[Callable[[], object]] = [
            lambda: reader.get(b"a"),
            lambda: reader.has(b"a"),
            lambda: list(reader.scan()),
            lambda: writer.get(b"a"),
            lambda: writer.put(b"a", b"2"),
            lambda: writer.delete(b"a"),
        ]
        for use in uses:
            with pytest.raises(StoreClosedError):
                use()
        assert everything(store) == [(b"a", b"1")]

    def test_use_after_close(self, store: Store) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreClosedError), store.read():
            pass
        with pytest.raises(StoreClosedError), store.write():
            pass

    def test_a_second_write_block_in_one_thread_is_refused(self, store: Store) -> None:
        with store.write() as writer:
            writer.put(b"a", b"1")
            with pytest.raises(StoreBusyError), store.write():
                pass
        assert everything(store) == [(b"a", b"1")]

    def test_writers_in_threads_take_turns(self, store: Store) -> None:
        def count(_: int) -> None:
            for _ in range(20):
                with store.write() as writer:
                    number = int(writer.get(b"n") or b"0")
                    writer.put(b"n", b"%d" % (number + 1))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(count, range(8)))
        assert everything(store) == [(b"n", b"160")]

    def test_readers_in_threads_see_whole_transactions(self, store: Store) -> None:
        done = threading.Event()

        def look(_: int) -> int:
            looks = 0
            while not done.is_set() or not looks:
                with store.read() as reader:
                    assert (
                        len({reader.get(b"a"), reader.get(b"z"), *(value for _, value in reader.scan())}) == 1
                    )
                looks += 1
            return looks

        put(store, (b"a", b"0"), (b"z", b"0"))
        with ThreadPoolExecutor(4) as threads:
            looks = threads.map(look, range(4))
            for number in range(60):
                put(store, (b"a", b"%d" % number), (b"z", b"%d" % number))
            done.set()
            assert min(looks) > 0

    def test_a_reader_does_not_wait_for_a_writer(self, store: Store) -> None:
        put(store, (b"a", b"1"))
        with store.write() as writer, ThreadPoolExecutor(1) as thread:
            writer.put(b"a", b"2")
            assert thread.submit(everything, store).result(_DEADLINE) == [(b"a", b"1")]

    def test_a_forked_child_is_refused(self, store: Store) -> None:
        put(store, (b"a", b"1"))
        with store.read() as reader:

            def child() -> None:
                for use in (
                    lambda: reader.get(b"a"),
                    lambda: reader.has(b"a"),
                    lambda: everything(store),
                    lambda: put(store, (b"a", b"2")),
                ):
                    with pytest.raises(StoreForkedError):
                        use()
                store.close()

            assert in_a_forked_child(child) == 0
            assert reader.get(b"a") == b"1"
        put(store, (b"b", b"2"))
        assert everything(store) == [(b"a", b"1"), (b"b", b"2")]


class PersistentStoreContract(StoreContract):
    """What every store does that keeps its data when it is closed."""

    def test_data_is_there_after_reopening(self, store: Store, tmp_path: Path) -> None:
        pairs = [(b"%04d" % number, os.urandom(100)) for number in range(500)]
        put(store, *pairs)
        with store.write() as writer:
            writer.delete(b"0000")
        store.close()
        again = self.open_store(tmp_path)
        assert everything(again) == pairs[1:]
        again.close()

    def test_what_was_undone_is_not_there_after_reopening(self, store: Store, tmp_path: Path) -> None:
        def change() -> None:
            with store.write() as writer:
                writer.put(b"a", b"1")
                raise ValueError("undo")

        with pytest.raises(ValueError, match="undo"):
            change()
        store.close()
        again = self.open_store(tmp_path)
        assert everything(again) == []
        again.close()

    def test_two_stores_on_one_place_see_each_other(self, store: Store, tmp_path: Path) -> None:
        other = self.open_store(tmp_path)
        put(store, (b"a", b"1"))
        put(other, (b"b", b"2"))
        assert everything(store) == everything(other) == [(b"a", b"1"), (b"b", b"2")]
        other.close()
        put(store, (b"c", b"3"))
        assert len(everything(store)) == 3

    def test_a_killed_process_leaves_what_it_committed(self, store: Store, tmp_path: Path) -> None:
        store.close()

        def child() -> None:
            own = self.open_store(tmp_path)
            put(own, (b"a", b"1"))
            with own.write() as writer:
                writer.put(b"b", b"2")
                os._exit(0)

        assert in_a_forked_child(child) == 0
        again = self.open_store(tmp_path)
        assert everything(again) == [(b"a", b"1")]
        put(again, (b"c", b"3"))
        again.close()


def put(store: Store, *pairs: tuple[bytes, bytes]) -> None:
    """Put the pairs in one transaction."""
    with store.write() as writer:
        for key, value in pairs:
            writer.put(key, value)


def everything(store: Store) -> Pairs:
    """All pairs of the store."""
    with store.read() as reader:
        return list(reader.scan())


def random_key(chance: random.Random) -> bytes:
    """A key out of few bytes, so that keys are often equal to or prefixes of each other."""
    length = chance.choice([0, 0, 1, 2, 3, MAX_KEY - 1])
    return bytes([chance.choice([1, 97, 255]), *chance.choices([0, 1, 97, 98, 255], k=length)])


def check_scan(reader: Reader, expected: dict[bytes, bytes], start: bytes, stop: bytes | None) -> None:
    """Compare both directions of a scan with a dict."""
    pairs = [
        (key, expected[key]) for key in sorted(expected) if key >= start and (stop is None or key < stop)
    ]
    assert list(reader.scan(start, stop)) == pairs
    assert list(reader.scan(start, stop, reverse=True)) == pairs[::-1]


def in_a_forked_child(work: Callable[[], None]) -> int:
    """The exit code of a forked child that does `work`; 1 if it raises."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
