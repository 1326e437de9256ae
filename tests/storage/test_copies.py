"""Copies of stores in use, and stores made smaller."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dalsegno_storage import open_store
from dalsegno_storage.copies import backup, compact
from dalsegno_storage.errors import NotAStoreError, StoreBusyError, StoreError
from dalsegno_storage.protocol import Store

ROOT = str(Path(str(sys.modules["dalsegno_storage"].__file__)).parents[1])


def pairs(place: str | Path) -> dict[bytes, bytes]:
    store = open_store(place, create=False)
    try:
        with store.read() as reader:
            return dict(reader.scan())
    finally:
        store.close()


def fill(store: Store, count: int = 3000) -> None:
    """Many pairs, of which most are gone again."""
    with store.write() as writer:
        for number in range(count):
            writer.put(b"%06d" % number, os.urandom(300))
    with store.write() as writer:
        for number in range(count - 100):
            writer.delete(b"%06d" % number)


@pytest.fixture(params=["lmdb", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}://{tmp_path}/store"


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs a program that has the store open in another process until its input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(place: str) -> subprocess.Popen[str]:
        program = (
            "import sys; from dalsegno_storage import open_store; store = open_store(sys.argv[1])\n"
            "print('open', flush=True); sys.stdin.read(); store.close()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, place],
            env={**os.environ, "PYTHONPATH": ROOT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.communicate()


def test_a_copy_is_the_store_and_private(place: str, tmp_path: Path) -> None:
    store = open_store(place)
    fill(store)
    target = tmp_path / "deep" / "copy"
    backup(store, target)
    store.close()
    scheme = place.partition(":")[0]
    assert pairs(f"{scheme}://{target}") == pairs(place)
    for path in (target, *(target.iterdir() if target.is_dir() else ())):
        assert path.stat().st_mode & 0o077 == 0
    assert [path.name for path in target.parent.iterdir() if "creating" in path.name] == []


def test_a_copy_replaces_nothing(place: str, tmp_path: Path) -> None:
    store = open_store(place)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        with pytest.raises(NotAStoreError, match="something is there already"):
            backup(store, tmp_path / name)
    store.close()
    assert (tmp_path / "folder" / "mine").read_text() == (tmp_path / "file").read_text() == "mine"


def test_a_copy_beside_a_writer_is_one_moment(place: str, tmp_path: Path) -> None:
    store = open_store(place)
    stop = threading.Event()
    commits = [0]

    def write() -> None:
        while not stop.is_set():
            commits[0] += 1
            with store.write() as writer:
                for number in range(20):
                    writer.put(b"%d" % number, b"%d" % commits[0])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            done = commits[0] - 1
            backup(store, tmp_path / f"copy{number}")
            found = set(pairs(f"{place.partition(':')[0]}://{tmp_path}/copy{number}").values())
            assert len(found) <= 1
            assert int(next(iter(found), b"0")) >= done
    finally:
        stop.set()
        thread.join()
        store.close()


def test_other_backends_are_copied_pair_by_pair(tmp_path: Path) -> None:
    store = open_store("memory:")
    fill(store)
    backup(store, tmp_path / "copy")
    with store.read() as reader:
        assert pairs(tmp_path / "copy") == dict(reader.scan())
    with pytest.raises(StoreError, match="no file that could be made smaller"):
        compact("memory:")


def test_compacting_keeps_everything_and_frees_the_rest(place: str) -> None:
    store = open_store(place)
    fill(store)
    store.close()
    before = pairs(place)
    large, small = compact(place)
    assert small < large / 3
    assert pairs(place) == before
    store = open_store(place)
    with store.write() as writer:
        writer.put(b"later", b"1")
    store.close()
    assert pairs(place) == {**before, b"later": b"1"}


def test_an_lmdb_store_that_is_open_is_not_compacted(
    tmp_path: Path, elsewhere: Callable[[str], subprocess.Popen[str]]
) -> None:
    place = str(tmp_path / "store")
    store = open_store(place)
    fill(store)
    with pytest.raises(StoreBusyError, match="this very process, which has it open"):
        compact(place)
    with store.write() as writer:  # the locks of the open store are as they were
        writer.put(b"after", b"1")
    store.close()
    before = pairs(place)
    process = elsewhere(place)
    with pytest.raises(StoreBusyError) as caught:
        compact(place)
    assert caught.value.pid == process.pid
    process.communicate()
    compact(place)
    assert pairs(place) == before
    assert sorted(path.name for path in Path(place).iterdir()) == [
        "data.mdb",
        "lock.mdb",
        "store.json",
        "writer.lock",
    ]


def test_a_process_that_was_killed_keeps_nobody_from_compacting(
    tmp_path: Path, elsewhere: Callable[[str], subprocess.Popen[str]]
) -> None:
    place = str(tmp_path / "store")
    store = open_store(place)
    fill(store)
    store.close()
    process = elsewhere(place)
    process.kill()
    process.wait()
    large, small = compact(place)
    assert small < large
