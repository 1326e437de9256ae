"""The writer thread: group commit, lazy puts, and what happens to an operation that fails."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import anyio
import pytest

from dalsegno import _writer
from dalsegno._writer import Writer
from dalsegno_storage.errors import (
    ObjectNotFoundError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreForkedError,
)
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.protocol import Reader
from dalsegno_storage.protocol import Writer as Transaction


class Gated(MemoryStore):
    """A store whose transactions wait at a gate, and which counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()
        self.broken: Exception | None = None
        self.lying: Exception | None = None
        """Raised by a commit that has taken place."""
        self.busy: Exception | None = None
        self.asked = 0
        self.after_first: Callable[[], None] = lambda: None
        """Called after the first transaction, before the next."""

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        self.arrived.set()
        self.gate.wait(30)
        self.asked += 1
        if self.busy is not None:
            raise self.busy
        with super().write() as transaction:
            yield transaction
            if self.broken is not None:
                raise self.broken
        if self.lying is not None:
            error, self.lying = self.lying, None
            raise error
        self.after_first()
        self.after_first = lambda: None


@pytest.fixture
def gated() -> Iterator[Gated]:
    store = Gated()
    yield store
    store.gate.set()
    store.close()


@pytest.fixture
def writer(gated: Gated) -> Iterator[Writer]:
    opened = Writer(gated)
    yield opened
    gated.gate.set()
    gated.broken = None
    opened.close()


def putting(key: bytes, value: bytes = b"") -> Callable[[Transaction], bytes]:
    def operation(transaction: Transaction) -> bytes:
        transaction.put(key, value)
        return key

    return operation


def giving(value: bytes) -> Callable[[Transaction], bytes]:
    return lambda _: value


def stored(store: MemoryStore) -> dict[bytes, bytes]:
    with store.read() as reader:
        return dict(reader.scan())


@contextmanager
def held(store: Gated, writer: Writer) -> Iterator[None]:
    """For the length of the block a first transaction is held at the gate, and whatever is handed in gathers."""
    store.gate.clear()
    store.arrived.clear()
    first = threading.Thread(target=writer.commit_blocking, args=(putting(b"first"),))
    first.start()
    assert store.arrived.wait(30)
    yield
    store.gate.set()
    first.join()


def test_an_operations_result_comes_back_once_it_is_written(
    gated: Gated, writer: Writer, backend: str
) -> None:
    async def main() -> None:
        assert await writer.commit(putting(b"a", b"1")) == b"a"
        assert stored(gated) == {b"a": b"1"}

    anyio.run(main, backend=backend)
    assert writer.commit_blocking(putting(b"b", b"2")) == b"b"
    assert stored(gated) == {b"a": b"1", b"b": b"2"}
    assert writer.commits == 2


def test_what_gathers_during_a_commit_is_one_commit(gated: Gated, writer: Writer, backend: str) -> None:
    async def main() -> None:
        results: list[bytes] = []

        async def one(number: int) -> None:
            results.append(await writer.commit(putting(b"%d" % number)))

        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                for number in range(100):
                    tasks.start_soon(one, number)
                await anyio.lowlevel.checkpoint()
                await anyio.wait_all_tasks_blocked()
        assert sorted(results) == sorted(b"%d" % number for number in range(100))

    anyio.run(main, backend=backend)
    assert writer.commits == 2
    assert len(stored(gated)) == 101


def test_threads_share_commits_too(gated: Gated, writer: Writer) -> None:
    results: list[bytes] = []
    numbers = range(20)
    threads = [
        threading.Thread(target=lambda n=n: results.append(writer.commit_blocking(putting(b"%d" % n))))
        for n in numbers
    ]
    with held(gated, writer):
        for thread in threads:
            thread.start()
        while writer._queue.qsize() < len(threads):
            pass
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(b"%d" % number for number in numbers)
    assert writer.commits == 2


def test_an_operation_that_raises_fails_alone(gated: Gated, writer: Writer, backend: str) -> None:
    class OwnError(Exception):
        pass

    def fails(transaction: Transaction) -> None:
        transaction.put(b"half", b"")
        raise OwnError("no")

    outcomes: list[str] = []

    async def main() -> None:
        async def one(name: str, operation: Callable[[Transaction], object]) -> None:
            try:
                await writer.commit(operation)
                outcomes.append(f"{name} written")
            except OwnError as error:
                outcomes.append(f"{name} {error}")

        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                writer.put_lazily(b"lazy", lambda _: b"1")
                tasks.start_soon(one, "a", putting(b"a"))
                tasks.start_soon(one, "b", fails)
                tasks.start_soon(one, "c", putting(b"c"))
                await anyio.wait_all_tasks_blocked()

    anyio.run(main, backend=backend)
    assert sorted(outcomes) == ["a written", "b no", "c written"]
    assert stored(gated) == {b"first": b"", b"a": b"", b"c": b"", b"lazy": b"1"}


def test_a_store_that_fails_fails_everyone_and_later_work_goes_on(gated: Gated, writer: Writer) -> None:
    gated.broken = OSError("disk")
    with pytest.raises(OSError, match="disk"):
        writer.commit_blocking(putting(b"a"))
    writer.put_lazily(b"lazy", lambda _: b"1")
    with pytest.raises(OSError, match="disk"):
        writer.commit_blocking(putting(b"b"))
    assert stored(gated) == {}
    gated.broken = None
    writer.commit_blocking(putting(b"c"))
    writer.close()
    assert stored(gated) == {b"c": b"", b"lazy": b"1"}


def has(key: bytes) -> Callable[[Reader], bool]:
    return lambda reader: reader.get(key) is not None


def test_a_commit_that_failed_and_took_place_is_a_success(gated: Gated, writer: Writer) -> None:
    gated.lying = OSError("the disk")
    assert writer.commit_blocking(putting(b"a", b"1"), landed=has(b"a")) == b"a"
    assert stored(gated) == {b"a": b"1"}
    gated.lying = OSError("the disk")
    with pytest.raises(OSError, match="the disk"):
        writer.commit_blocking(putting(b"b", b"1"))  # nobody says how to tell
    assert writer.commits == 0


def test_a_commit_that_failed_and_did_not_take_place_is_an_error(gated: Gated, writer: Writer) -> None:
    gated.broken = OSError("the disk")
    with pytest.raises(OSError, match="the disk"):
        writer.commit_blocking(putting(b"a", b"1"), landed=has(b"a"))
    assert stored(gated) == {}


def test_what_a_failed_commit_has_written_of_a_group_is_not_run_again(
    gated: Gated, writer: Writer, backend: str
) -> None:
    runs: list[bytes] = []

    def once(key: bytes) -> Callable[[Transaction], bytes]:
        def operation(transaction: Transaction) -> bytes:
            runs.append(key)
            return putting(key)(transaction)

        return operation

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                writer.put_lazily(b"lazy", lambda _: b"1")
                for key in (b"a", b"b"):
                    tasks.start_soon(partial(writer.commit, once(key), landed=has(key)))
                tasks.start_soon(writer.commit, once(b"untold"))
                await anyio.wait_all_tasks_blocked()

    def fail_once() -> None:
        gated.lying = OSError("the disk")

    gated.after_first = fail_once
    anyio.run(main, backend=backend)
    assert sorted(runs) == [b"a", b"b", b"untold", b"untold"]
    assert stored(gated).keys() == {b"first", b"a", b"b", b"untold", b"lazy"}


def test_a_file_that_is_gone_has_nothing_that_counts(gated: Gated, writer: Writer) -> None:
    gated.lying = StoreDamagedError("here", "data.mdb was removed")
    with pytest.raises(StoreDamagedError):
        writer.commit_blocking(putting(b"a"), landed=has(b"a"))


def test_everyone_in_a_group_is_told_at_once_that_the_store_is_busy(
    gated: Gated, writer: Writer, backend: str
) -> None:
    errors: list[int | None] = []

    async def main() -> None:
        async def one(number: int) -> None:
            try:
                await writer.commit(putting(b"%d" % number))
            except StoreBusyError as error:
                errors.append(error.pid)

        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                for number in range(5):
                    tasks.start_soon(one, number)
                await anyio.wait_all_tasks_blocked()

    def be_busy() -> None:
        gated.busy = StoreBusyError("here", pid=7, waited=30)

    gated.after_first = be_busy
    anyio.run(main, backend=backend)
    assert errors == [7] * 5
    assert gated.asked == 2
    writer.put_lazily(b"lazy", lambda _: b"1")
    with pytest.raises(StoreBusyError):
        writer.commit_blocking(putting(b"a"))
    gated.busy = None
    writer.close()
    assert stored(gated).keys() == {b"first", b"lazy"}


def test_a_lazy_put_that_misses_an_object_keeps_nothing_else_from_being_written(
    gated: Gated, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    def misses(transaction: Transaction) -> bytes:
        raise ObjectNotFoundError(bytes(32), "blob")

    with held(gated, writer):
        writer.put_lazily(b"a", misses)
        writer.put_lazily(b"b", lambda _: b"1")
    writer.close()
    assert stored(gated) == {b"first": b"", b"b": b"1"}
    assert "could not be recorded" in caplog.text


def test_a_caller_that_is_cancelled_does_not_take_its_operation_back(
    gated: Gated, writer: Writer, backend: str
) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                tasks.start_soon(writer.commit, putting(b"a"))
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    writer.commit_blocking(putting(b"b"))
    assert stored(gated).keys() == {b"first", b"a", b"b"}


def test_what_leads_waits_for_company_though_something_lazy_has_come(
    gated: Gated, writer: Writer, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                writer.put_lazily(b"lazy", giving(b"1"))
                tasks.start_soon(partial(writer.commit_ahead, putting(b"ahead")))
                await anyio.lowlevel.checkpoint()
                await anyio.wait_all_tasks_blocked()
            await writer.commit(putting(b"behind"))

    monkeypatch.setattr(_writer, "PATIENCE", 30)
    anyio.run(main, backend=backend)
    assert stored(gated).keys() == {b"first", b"lazy", b"ahead", b"behind"}
    assert writer.commits == 2


def test_lazy_puts_are_written_without_anyone_waiting(gated: Gated, writer: Writer) -> None:
    written = threading.Event()

    def make(transaction: Transaction) -> bytes:
        written.set()
        return b"1"

    writer.put_lazily(b"a", make)
    assert written.wait(30)
    writer.close()
    assert stored(gated) == {b"a": b"1"}


def test_lazy_puts_coalesce_and_the_last_of_a_key_counts(gated: Gated, writer: Writer) -> None:
    with held(gated, writer):
        for number in range(1000):
            writer.put_lazily(b"k%d" % (number % 10), giving(b"%d" % number))
        writer.put_lazily(b"unwanted", lambda _: None)
    writer.close()
    expected = {b"k%d" % digit: b"%d" % (990 + digit) for digit in range(10)}
    assert stored(gated) == {b"first": b"", **expected}
    assert writer.commits == 2


def test_a_lazy_put_that_is_forgotten_is_not_written(gated: Gated, writer: Writer) -> None:
    with held(gated, writer):
        writer.put_lazily(b"a", lambda _: b"1")
        writer.put_lazily(b"b", lambda _: b"1")
        writer.forget(b"a")
        writer.forget(b"never")
    writer.close()
    assert stored(gated) == {b"first": b"", b"b": b"1"}


def test_a_lazy_put_sees_what_is_there_when_it_is_written(gated: Gated, writer: Writer) -> None:
    writer.commit_blocking(putting(b"a", b"old"))
    with held(gated, writer):
        writer.put_lazily(b"a", lambda transaction: (transaction.get(b"a") or b"") + b"+")
    writer.close()
    assert stored(gated)[b"a"] == b"old+"


def test_lazy_puts_are_on_disk_no_later_than_what_is_committed_after_them(
    gated: Gated, writer: Writer
) -> None:
    for number in range(50):
        writer.put_lazily(b"lazy%d" % number, lambda _: b"1")
        writer.commit_blocking(putting(b"c"))
        assert b"lazy%d" % number in stored(gated)


def test_close_writes_everything_and_ends_the_thread(gated: Gated) -> None:
    before = threading.active_count()
    writer = Writer(gated)
    assert threading.active_count() == before  # it begins with the first work
    for number in range(500):
        writer.put_lazily(b"%d" % number, lambda _: b"1")
    writer.close()
    assert len(stored(gated)) == 500
    assert threading.active_count() == before
    writer.close()
    with pytest.raises(StoreClosedError):
        writer.commit_blocking(putting(b"a"))
    with pytest.raises(StoreClosedError):
        writer.put_lazily(b"a", lambda _: b"1")


def test_close_is_noticed_while_a_group_is_gathered(gated: Gated) -> None:
    writer = Writer(gated)
    closers: list[threading.Thread] = []

    class Queue(SimpleQueue[Any]):
        """The writer is closed just before it looks for more that goes into the first group."""

        def get_nowait(self) -> Any:
            if not closers:
                closers.append(threading.Thread(target=writer.close, daemon=True))
                closers[0].start()
                while self.empty():
                    os.sched_yield()
            return super().get_nowait()

    writer._queue = Queue()
    writer.commit_blocking(putting(b"a"))
    closers[0].join(5)
    assert not closers[0].is_alive()


def test_large_operations_are_not_gathered_without_bound(gated: Gated, writer: Writer) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            with held(gated, writer):
                for number in range(12):
                    tasks.start_soon(partial(writer.commit, putting(b"%d" % number), size=4 << 20))
                await anyio.wait_all_tasks_blocked()

    anyio.run(main)
    assert writer.commits == 1 + 6


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_is_refused(tmp_path: Path) -> None:
    store = LmdbStore(str(tmp_path / "store"))
    writer = Writer(store)
    writer.commit_blocking(putting(b"a"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            writer.commit_blocking(putting(b"b"))
        except StoreForkedError:
            try:
                writer.put_lazily(b"b", lambda _: b"")
            except StoreForkedError:
                writer.close()
                code = 42
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    writer.commit_blocking(putting(b"c"))
    writer.close()
    with store.read() as reader:
        assert [key for key, _ in reader.scan()] == [b"a", b"c"]
    store.close()


def test_a_loop_that_has_ended_is_not_waited_for(gated: Gated, writer: Writer, backend: str) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.commit, putting(b"a"))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    gated.gate.clear()
    anyio.run(main, backend=backend)
    gated.gate.set()
    writer.commit_blocking(putting(b"b"))
    assert stored(gated).keys() == {b"a", b"b"}
