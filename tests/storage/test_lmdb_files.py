"""The folder of an LMDB store appears whole, is private, and is recognised before LMDB touches it."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dalsegno_storage import _lmdb_env
from dalsegno_storage._lmdb_length import is_long_enough, lacks_only_free_pages
from dalsegno_storage.errors import (
    NotAStoreError,
    StoreDamagedError,
    StoreError,
    StoreFormatError,
    StoreNotFoundError,
    StorePermissionError,
)
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.testing import everything, in_a_forked_child, put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed store with a few megabytes of small and large values."""
    folder = tmp_path / "store"
    store = LmdbStore(folder)
    chance = random.Random(3)
    for start in range(0, 3000, 1000):
        put(store, *((b"%06d" % number, chance.randbytes(200)) for number in range(start, start + 1000)))
    put(store, *((b"large%d" % number, chance.randbytes(50_000)) for number in range(10)))
    store.close()
    return folder


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What is in a folder, with the times of the last change; the number of the last writer does not count."""
    paths = [path for path in folder.iterdir() if path.name != "writer.lock"]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def refused(folder: Path, error: type[StoreError], match: str) -> None:
    """Opening raises that error and changes nothing."""
    before = content(folder)
    with pytest.raises(error, match=match):
        LmdbStore(folder)
    assert content(folder) == before


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_may_look(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "store"
    before = os.umask(umask)
    try:
        store = LmdbStore(path)
        put(store, (b"a", b"1"))
        store.close()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o700
    modes = {child.name: child.stat().st_mode & 0o777 for child in path.iterdir()}
    assert modes == dict.fromkeys(["data.mdb", "lock.mdb", "store.json", "writer.lock"], 0o600)


def test_the_marker(folder: Path) -> None:
    marker = json.loads((folder / "store.json").read_text())
    store = LmdbStore(folder)
    assert marker == {"backend": "lmdb", "format": 1, "id": store.id}
    assert len(bytes.fromhex(store.id)) == 16
    store.close()


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        LmdbStore(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []
    LmdbStore(tmp_path).close()
    assert (tmp_path / "store.json").exists()


def test_missing_parents_are_made_and_a_dangling_link_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "some" / "where")
    LmdbStore(tmp_path / "link").close()
    assert (tmp_path / "some" / "where" / "store.json").exists()


def test_a_crash_while_creating_leaves_nothing_or_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ["mkdir", "chmod", "open", "write", "fsync", "rename"]
    crashes = 0
    for name in calls:
        for number in range(100):
            path = tmp_path / f"{name}{number}" / "store"
            path.parent.mkdir()
            code = in_a_forked_child(lambda: create_and_crash(path, name, number))  # noqa: B023 - runs at once
            assert code in (0, 9)
            crashes += code == 9
            store = LmdbStore(path, create=code == 9)
            assert everything(store) == ([] if code == 9 else [(b"a", b"1")])
            store.close()
            if code == 0:
                break
    assert crashes > 12


def create_and_crash(path: Path, name: str, number: int) -> None:
    """Create a store and die without any cleaning up at the call of `os.name` after `number` others."""
    real: Callable[..., object] = getattr(os, name)
    calls = 0

    def crashing(*arguments: object, **options: object) -> object:
        nonlocal calls
        if calls == number:
            os._exit(9)
        calls += 1
        return real(*arguments, **options)

    setattr(os, name, crashing)
    store = LmdbStore(path)
    setattr(os, name, real)
    put(store, (b"a", b"1"))
    store.close()


def test_a_failure_while_creating_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="No space left"):
            LmdbStore(tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_processes_that_race_to_create_share_one_store(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / str(attempt)
        ready, go = os.pipe()
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    os.close(go)
                    os.read(ready, 1)
                    store = LmdbStore(path)
                    put(store, (b"%d" % number, store.id.encode()))
                    code = 0
                finally:
                    os._exit(code)
            children.append(pid)
        os.close(ready)
        os.close(go)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
        store = LmdbStore(path, create=False)
        assert everything(store) == [(b"%d" % number, store.id.encode()) for number in range(4)]
        store.close()
        assert [child for child in tmp_path.iterdir() if child.name.startswith(".")] == []


def test_what_a_crash_left_is_never_looked_at(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "store").close()
    (tmp_path / "store").rename(tmp_path / ".store.creating-0123456789abcdef")
    with pytest.raises(StoreNotFoundError):
        LmdbStore(tmp_path / "store", create=False)
    LmdbStore(tmp_path / "store").close()


def test_something_else_is_left_alone(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("text")
    folder.mkdir()
    (folder / "notes.txt").write_text("text")
    for path in (file, folder):
        with pytest.raises(NotAStoreError, match="name a new or an empty folder"):
            LmdbStore(path)
    assert file.read_text() == "text"
    assert [child.name for child in folder.iterdir()] == ["notes.txt"]
    with pytest.raises(StoreError):
        LmdbStore(file / "below")


@pytest.mark.parametrize("damage", [b"", b"\0" * 100])
def test_a_data_file_that_is_empty(folder: Path, damage: bytes) -> None:
    (folder / "data.mdb").write_bytes(damage)
    refused(folder, StoreDamagedError, "empty or cut")


def test_a_data_file_that_is_missing(folder: Path) -> None:
    (folder / "data.mdb").unlink()
    refused(folder, StoreDamagedError, r"data\.mdb is missing")


def test_a_data_file_of_another_store(folder: Path, tmp_path: Path) -> None:
    LmdbStore(tmp_path / "other").close()
    shutil.copy(tmp_path / "other" / "data.mdb", folder / "data.mdb")
    with pytest.raises(StoreDamagedError, match="not the one that belongs"):
        LmdbStore(folder)


def test_a_data_file_that_is_none(folder: Path) -> None:
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(bytes(4096) + data[4096:])
    refused(folder, StoreDamagedError, "does not begin")


def test_a_data_file_that_is_cut_short(folder: Path) -> None:
    data = (folder / "data.mdb").read_bytes()
    pages = len(data) // 4096
    cuts = [*range(2, 12), *random.Random(4).sample(range(12, pages), 30), *range(pages - 15, pages)]
    for cut in cuts:
        (folder / "data.mdb").write_bytes(data[: cut * 4096])
        # In a child, since reading beyond the end of the file would kill the process.
        assert in_a_forked_child(lambda: refused(folder, StoreDamagedError, "cut short")) == 0
    (folder / "data.mdb").write_bytes(data)
    store = LmdbStore(folder)
    assert len(everything(store)) == 3010
    store.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_is_harmless_or_noticed(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store"
    chance = random.Random(seed)
    store = LmdbStore(path)
    for _ in range(30):
        change_at_random(store, chance)
    expected = everything(store)
    store.close()
    data = (path / "data.mdb").read_bytes()
    outcomes = set()
    for cut in range(len(data) // 4096 - 1, 2, -1 - len(data) // 300_000):
        (path / "data.mdb").write_bytes(data[: cut * 4096])
        outcomes.add(lacks_only_free_pages(path))
        assert in_a_forked_child(lambda: opened_or_refused(path, expected)) == 0
    assert False in outcomes


def opened_or_refused(path: Path, expected: list[tuple[bytes, bytes]]) -> None:
    try:
        store = LmdbStore(path)
    except StoreDamagedError:
        return
    assert everything(store) == expected


def change_at_random(store: LmdbStore, chance: random.Random) -> None:
    """A transaction that puts and deletes values of up to 25 pages."""
    with store.write() as writer:
        for _ in range(chance.randrange(30)):
            key = b"%03d" % chance.randrange(60)
            if chance.random() < 0.6:
                writer.put(key, bytes(chance.choice([10, 1000, 20_000, 100_000])))
            else:
                writer.delete(key)


def test_a_short_file_that_lacks_only_free_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = 0
    for seed in range(30, 36):
        path = tmp_path / str(seed)
        chance = random.Random(seed)
        store = LmdbStore(path)
        with monkeypatch.context() as patch:
            # As if the process had died between a commit and what makes the file as long as it should be.
            patch.setattr(_lmdb_env.Environment, "settle", lambda self: None)
            for _ in range(40):
                change_at_random(store, chance)
                if not is_long_enough(path):
                    short += 1
                    break
        expected = everything(store)
        store.close()
        store = LmdbStore(path)
        assert everything(store) == expected
        put(store, (b"b", b"2"))
        assert is_long_enough(path)
        store.close()
    assert short > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_file_is_never_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    def never(path: Path) -> bool:
        raise AssertionError("the length was in doubt")

    monkeypatch.setattr(_lmdb_env, "lacks_only_free_pages", never)
    chance = random.Random(seed)
    for _ in range(25):
        store = LmdbStore(tmp_path / "store")
        for _ in range(4):
            change_at_random(store, chance)
        store.close()


def test_a_newer_format(folder: Path) -> None:
    marker = json.loads((folder / "store.json").read_text()) | {"format": 2, "novelty": True}
    (folder / "store.json").write_text(json.dumps(marker))
    refused(folder, StoreFormatError, "has format 2 .* formats up to 1; upgrade")
    (folder / "data.mdb").unlink()
    refused(folder, StoreFormatError, "has format 2")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "1", "backend": "lmdb", "id": "x"}', "\xff"]
)
def test_a_marker_that_cannot_be_read(folder: Path, text: str) -> None:
    (folder / "store.json").write_text(text, "latin-1")
    refused(folder, StoreDamagedError, r"store\.json")


def test_a_marker_of_another_backend(folder: Path) -> None:
    (folder / "store.json").write_text('{"format": 1, "backend": "other", "id": "x"}')
    refused(folder, NotAStoreError, "backend 'other'")


@pytest.mark.parametrize("name", ["store.json", "data.mdb", "lock.mdb", "writer.lock"])
def test_symbolic_links_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    refused(folder, StoreDamagedError, "symbolic link")
    (tmp_path / "elsewhere").unlink()
    with pytest.raises(StoreDamagedError, match="symbolic link"):
        LmdbStore(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_locks_that_were_removed_are_made_again(folder: Path) -> None:
    (folder / "lock.mdb").unlink()
    (folder / "writer.lock").unlink()
    store = LmdbStore(folder)
    put(store, (b"a", b"1"))
    assert (
        (folder / "lock.mdb").stat().st_mode & 0o777
        == (folder / "writer.lock").stat().st_mode & 0o777
        == 0o600
    )
    store.close()


def test_another_owner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    refused(folder, StorePermissionError, f"belongs to user {user}, not to this one")


def test_no_permission(folder: Path) -> None:
    def child() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        else:
            folder.chmod(0)
        for path in (folder, folder.parent / "new"):
            with pytest.raises(StorePermissionError, match="no permission"):
                LmdbStore(path, read_only=path == folder)

    folder.parent.chmod(0o500)
    try:
        assert in_a_forked_child(child) == 0
    finally:
        folder.parent.chmod(0o700)
        folder.chmod(0o700)


def test_read_only(folder: Path) -> None:
    store = LmdbStore(folder, read_only=True)
    assert len(everything(store)) == 3010
    with pytest.raises(StorePermissionError, match="read_only=True"):
        store.write()
    store.close()
    with pytest.raises(StoreNotFoundError):
        LmdbStore(folder.parent / "missing", read_only=True)
