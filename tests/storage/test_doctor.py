"""What the doctor says of a place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dalsegno_storage import doctor as module
from dalsegno_storage import open_store
from dalsegno_storage.doctor import Finding, doctor, file_system
from dalsegno_storage.errors import StoreNotFoundError

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / {root} rw - nfs4 server:/export rw
31 22 0:41 / {root}/local\\040disk rw - xfs /dev/sdb rw
32 22 0:42 / {root}/local\\040disk rw - fuse.sshfs other rw
"""


def named(place: str | Path) -> dict[str, Finding]:
    return {each.name: each for each in doctor(place)}


def test_a_healthy_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    found = named(tmp_path / "store")
    store.close()
    assert {"file system", "LMDB", "format", "map", "readers", "writer", "permissions"} <= found.keys()
    assert found["format"] == Finding("format", "1")
    assert found["writer"].state == "none at this moment"
    assert found["permissions"].is_ok
    assert "left over" not in found


def test_a_sqlite_store_and_one_in_memory(tmp_path: Path) -> None:
    place = f"sqlite://{tmp_path}/store.db"
    open_store(place).close()
    found = named(place)
    assert found["format"].state == "1"
    assert found["SQLite"].state.startswith("3.")
    assert [each.name for each in doctor("memory:")] == ["store"]
    with pytest.raises(StoreNotFoundError):
        doctor(tmp_path / "none")


def test_mounts_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS.format(root=tmp_path))
    monkeypatch.setattr(module, "MOUNTS", table)
    assert file_system(Path("/")) == "ext4"
    assert file_system(tmp_path / "x") == "nfs4"
    assert file_system(tmp_path / "local disk" / "x") == "fuse.sshfs"
    open_store(tmp_path / "store").close()
    found = named(tmp_path / "store")["file system"]
    assert (found.state, found.is_ok) == ("nfs4", False)
    assert "local disk" in found.cure
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "none")
    assert named(tmp_path / "store")["file system"].state == "unknown"


def test_the_writer_is_named_and_dead_readers_are_cleared(tmp_path: Path) -> None:
    place = tmp_path / "store"
    store = open_store(place)
    with store.write():
        assert named(place)["writer"].state == f"process {os.getpid()} is writing"
    program = (
        "import os, sys; from dalsegno_storage import open_store; store = open_store(sys.argv[1])\n"
        "with store.read() as reader: os._exit(0)"
    )
    root = str(Path(str(module.__file__)).parents[1])
    subprocess.run([sys.executable, "-c", program, place], check=True, env={**os.environ, "PYTHONPATH": root})
    assert named(place)["readers"].state.endswith("1 that died cleared")
    assert named(place)["readers"].state.endswith("0 that died cleared")
    store.close()


def test_what_a_crash_left_and_what_others_may_read(tmp_path: Path) -> None:
    place = tmp_path / "store"
    open_store(place).close()
    (tmp_path / ".store.creating-0123").mkdir()
    (place / "data.mdb").chmod(0o640)
    found = named(place)
    assert found["left over"].state == ".store.creating-0123"
    assert found["permissions"].state == "others may use data.mdb"
    assert not found["permissions"].is_ok
