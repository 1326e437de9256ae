"""Paths and URLs find their backend."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dalsegno_storage.errors import StoreNotFoundError
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.open import open_store
from dalsegno_storage.sqlite import SqliteStore


def in_folder(folder: Path) -> dict[str | Path, tuple[type, Path]]:
    return {
        folder / "a": (LmdbStore, folder / "a"),
        f"{folder}/b": (LmdbStore, folder / "b"),
        f"lmdb://{folder}/c": (LmdbStore, folder / "c"),
        f"lmdb:{folder}/d%20e": (LmdbStore, folder / "d e"),
        f"sqlite://{folder}/f.db": (SqliteStore, folder / "f.db"),
        "relative": (LmdbStore, folder / "relative"),
        "~/home": (LmdbStore, folder / "home"),
        "lmdb:relative": (LmdbStore, folder / "relative"),
    }


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for place, (backend, path) in in_folder(tmp_path).items():
        store = open_store(place)
        assert type(store) is backend
        assert path.exists()
        store.close()


def test_memory() -> None:
    store = open_store("memory:")
    assert type(store) is MemoryStore
    store.close()


@pytest.mark.parametrize("scheme", ["lmdb", "sqlite"])
def test_without_create_nothing_is_made(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(StoreNotFoundError, match="there is no store at"):
        open_store(f"{scheme}://{tmp_path}/missing/store", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_scheme_that_nobody_knows() -> None:
    with pytest.raises(StoreNotFoundError, match="known are .*lmdb, memory, .*sqlite") as caught:
        open_store("s3://bucket/store")
    assert {"lmdb", "memory", "sqlite"} <= set(caught.value.schemes)


def test_a_scheme_of_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, bool]] = []

    def factory(location: str, *, create: bool) -> MemoryStore:
        opened.append((location, create))
        return MemoryStore()

    class Entry:
        name = "mine"

        def load(self) -> Callable[..., MemoryStore]:
            return factory

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [Entry()])
    open_store("mine://some/where", create=False).close()
    assert opened == [("some/where", False)]


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, dalsegno_storage.open as o; o.open_store('memory:').close(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=paths()
    )
    heavy = {"lmdb", "sqlite3", "backports.zstd", "compression.zstd", "importlib.metadata", "json", "pytest"}
    assert heavy.isdisjoint(done.stdout.split())


def paths() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
