"""One environment for each file, whatever happens to it, in this process and in others."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import lmdb
import pytest

from dalsegno_storage import _lmdb_files
from dalsegno_storage._lmdb_env import MAP_SIZES
from dalsegno_storage.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreForkedError,
    StoreFullError,
)
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.testing import everything, in_a_forked_child, put

WRITE_AND_WAIT = """
store = LmdbStore(path)
with store.write() as writer:
    writer.put(b"other", b"1")
    print("ready", flush=True)
    sys.stdin.readline()
store.close()
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(tmp_path / "store", busy_timeout=0.2)
    yield store
    store.close()


@contextmanager
def other_process(code: str, path: Path) -> Iterator[tuple["subprocess.Popen[str]", IO[str], IO[str]]]:
    """A process that runs `code` with `path` set, and its input and output; killed at the end of the block."""
    code = f"import sys\nfrom dalsegno_storage.lmdb import LmdbStore\npath = {str(path)!r}\n{code}"
    environment = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, process.stdin, process.stdout
        finally:
            process.kill()


def test_handles_on_one_file_share_one_environment(store: LmdbStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.path)
    others = [LmdbStore(tmp_path / "link"), LmdbStore(f"{tmp_path}/x/../store")]
    assert {other._environment for other in others} == {store._environment}
    put(others[0], (b"a", b"1"))
    store.close()
    others[0].close()
    others[0].close()
    assert everything(others[1]) == [(b"a", b"1")]
    others[1].close()
    again = LmdbStore(store.path)
    assert again._environment is not store._environment
    assert everything(again) == [(b"a", b"1")]
    again.close()


def test_opening_in_many_threads(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                own = LmdbStore(tmp_path / "store")
                put(own, (b"%d" % number, b""))
                own.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_more_than_a_thousand_readers(store: LmdbStore) -> None:
    put(store, (b"a", b"1"))
    with ExitStack() as stack:
        readers = [stack.enter_context(store.read()) for _ in range(1500)]
        assert {reader.get(b"a") for reader in readers} == {b"1"}


def test_a_writer_in_another_process_is_named(store: LmdbStore) -> None:
    with other_process(WRITE_AND_WAIT, store.path) as (process, stdin, stdout):
        assert stdout.readline() == "ready\n"
        with pytest.raises(StoreBusyError, match=f"process {process.pid} ") as caught:
            put(store, (b"a", b"1"))
        assert caught.value.pid == process.pid
        assert caught.value.waited > 0.1
        assert everything(store) == []
        stdin.write("\n")
        stdin.flush()
        assert process.wait() == 0
    put(store, (b"a", b"1"))
    assert everything(store) == [(b"a", b"1"), (b"other", b"1")]


def test_a_writer_that_is_killed_frees_the_store(store: LmdbStore) -> None:
    with other_process(WRITE_AND_WAIT, store.path) as (process, _, stdout):
        assert stdout.readline() == "ready\n"
        process.kill()
        process.wait()
        put(store, (b"a", b"1"))
    assert everything(store) == [(b"a", b"1")]


def test_a_writer_in_another_thread_is_named(store: LmdbStore) -> None:
    caught: list[StoreBusyError] = []

    def work() -> None:
        with pytest.raises(StoreBusyError, match="another thread of this process") as info:
            put(store, (b"a", b"1"))
        caught.append(info.value)

    with store.write():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [error.pid for error in caught] == [os.getpid()]


def test_processes_that_write_take_turns(store: LmdbStore) -> None:
    code = """
store = LmdbStore(path)
for _ in range(100):
    with store.write() as writer:
        writer.put(b"n", b"%d" % (int(writer.get(b"n") or b"0") + 1))
store.close()
"""
    store = LmdbStore(store.path)
    with other_process(code, store.path) as (process, _, _):
        for _ in range(100):
            with store.write() as writer:
                writer.put(b"n", b"%d" % (int(writer.get(b"n") or b"0") + 1))
        assert process.wait() == 0
    assert everything(store) == [(b"n", b"200")]
    store.close()


def test_a_child_does_not_free_the_lock_of_its_parent(store: LmdbStore) -> None:
    code = """
from dalsegno_storage.errors import StoreBusyError
store = LmdbStore(path, busy_timeout=0)
try:
    with store.write():
        print("free")
except StoreBusyError as error:
    print(error.pid)
"""
    with store.write() as writer:
        writer.put(b"a", b"1")
        assert in_a_forked_child(store.close) == 0
        with other_process(code, store.path) as (_, _, stdout):
            assert stdout.readline() == f"{os.getpid()}\n"
    assert everything(store) == [(b"a", b"1")]


def test_a_child_may_not_open_what_its_parent_has_open(store: LmdbStore, tmp_path: Path) -> None:
    def child() -> None:
        with pytest.raises(StoreForkedError, match="'spawn' or 'forkserver'"):
            LmdbStore(store.path)
        other = LmdbStore(tmp_path / "other")
        put(other, (b"a", b"1"))
        other.close()

    assert in_a_forked_child(child) == 0
    put(store, (b"a", b"1"))


def test_a_child_that_leaves_the_block_of_a_reader_keeps_the_snapshot_of_its_parent(store: LmdbStore) -> None:
    put(store, *((b"%d" % number, bytes(3000)) for number in range(100)))
    with store.read() as reader:
        pid = os.fork()
        if pid == 0:
            reader.__exit__(None, None, None)
            del reader
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        for value in range(5):
            put(store, *((b"%d" % number, bytes([value]) * 3000) for number in range(100)))
        assert {value for _, value in reader.scan()} == {bytes(3000)}


def test_limited_address_space(tmp_path: Path) -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
store = LmdbStore(path)
with store.write() as writer:
    writer.put(b"a", b"1")
print(store._environment.env.info()["map_size"])
store.close()
"""
    with other_process(code, tmp_path / "store") as (process, _, stdout):
        assert int(stdout.readline()) == 4 << 30
        assert process.wait() == 0
    store = LmdbStore(tmp_path / "store")
    environment = store._environment
    assert environment is not None
    assert environment.env.info()["map_size"] == MAP_SIZES[0]
    assert everything(store) == [(b"a", b"1")]
    store.close()


def test_a_full_map(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "small", map_size=1 << 18)
    put(store, (b"a", b"1"))
    with pytest.raises(StoreFullError, match="memory map is full.*map_size"):
        put(store, *((b"%d" % number, bytes(4000)) for number in range(100)))
    assert everything(store) == [(b"a", b"1")]
    put(store, (b"b", b"2"))
    store.close()
    larger = LmdbStore(tmp_path / "small", map_size=1 << 21)
    put(larger, *((b"%d" % number, bytes(4000)) for number in range(100)))
    assert len(everything(larger)) == 102
    larger.close()


def test_another_process_has_a_larger_map(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", map_size=1 << 18)
    put(store, (b"a", b"1"))
    code = """
store = LmdbStore(path)
with store.write() as writer:
    writer.put(b"large", bytes(3_000_000))
store.close()
"""
    with other_process(code, store.path) as (process, _, _):
        assert process.wait() == 0
    assert [key for key, _ in everything(store)] == [b"a", b"large"]
    with pytest.raises(StoreFullError):
        put(store, (b"b", b"2"))
    store.close()


class Panicking:
    """Stands for an environment of LMDB after a failed write of its meta page."""

    def __init__(self, real: lmdb.Environment) -> None:
        self._real = real

    def begin(self, *, write: bool = False) -> None:
        raise lmdb.PanicError("mdb_txn_begin", -30795)

    def close(self) -> None:
        self._real.close()


def test_an_environment_that_panicked_is_opened_again(store: LmdbStore) -> None:
    environment = store._environment
    assert environment is not None
    put(store, (b"a", b"1"))
    environment.env = Panicking(environment.env)  # type: ignore[assignment]  # it is used in these two ways only
    assert everything(store) == [(b"a", b"1")]
    environment.env = Panicking(environment.env)  # type: ignore[assignment]  # as above
    put(store, (b"b", b"2"))
    assert everything(store) == [(b"a", b"1"), (b"b", b"2")]


def test_an_environment_that_could_not_be_opened_again(store: LmdbStore) -> None:
    environment = store._environment
    assert environment is not None
    put(store, (b"a", b"1"))
    environment.env = Panicking(environment.env)  # type: ignore[assignment]  # as above
    (store.path / "data.mdb").rename(store.path / "aside")
    (store.path / "data.mdb").mkdir()
    for _ in range(2):
        with pytest.raises(StoreError):
            everything(store)
    (store.path / "data.mdb").rmdir()
    (store.path / "aside").rename(store.path / "data.mdb")
    assert everything(store) == [(b"a", b"1")]
    put(store, (b"b", b"2"))
    late = store.read()
    store.close()
    with pytest.raises(StoreClosedError), late:
        pass


def test_a_file_that_is_removed_while_it_is_open(store: LmdbStore) -> None:
    (store.path / "data.mdb").unlink()
    with pytest.raises(StoreDamagedError, match="removed or replaced"):
        put(store, (b"a", b"1"))
    with pytest.raises(StoreDamagedError, match=r"data\.mdb is missing"):
        LmdbStore(store.path)


def test_closing_ends_what_is_open(store: LmdbStore) -> None:
    put(store, (b"a", b"1"))
    with ExitStack() as stack:
        reader = stack.enter_context(store.read())
        store.close()
        with pytest.raises(StoreClosedError):
            reader.get(b"a")
        with pytest.raises(StoreClosedError):
            list(reader.scan())


def test_a_file_that_a_compaction_replaces_during_the_opening_is_looked_at_again(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, (b"a", b"1"))
    store.close()
    inspect = _lmdb_files.inspect
    looks = []

    def and_replace(path: Path) -> object:
        found = inspect(path)
        looks.append(found[1].st_ino)
        if len(looks) == 1:
            (path / "draft").write_bytes((path / "data.mdb").read_bytes())
            (path / "draft").chmod(0o600)
            (path / "draft").replace(path / "data.mdb")
        return found

    monkeypatch.setattr(_lmdb_files, "inspect", and_replace)
    again = LmdbStore(store.path)
    assert len(looks) == 2
    assert looks[0] != looks[1]
    put(again, (b"b", b"2"))
    assert everything(again) == [(b"a", b"1"), (b"b", b"2")]
    again.close()


def test_the_version_is_another_one_after_every_commit_of_anybody(store: LmdbStore, tmp_path: Path) -> None:
    seen = [store.version()]
    put(store, (b"a", b"1"))
    seen.append(store.version())
    with other_process(WRITE_AND_WAIT, tmp_path / "store") as (process, line, answers):
        assert answers.readline() == "ready\n"
        assert store.version() == seen[-1]
        line.write("\n")
        line.flush()
        process.wait()
    seen.append(store.version())
    with store.read():
        assert store.version() == seen[-1]
    assert seen == sorted({*seen})
    store.close()
    with pytest.raises(StoreClosedError):
        store.version()
