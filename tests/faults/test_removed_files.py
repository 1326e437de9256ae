"""Files of an LMDB store that are removed, replaced or touched while an engine has it open.

LMDB notices none of this. Without the checks that are proved here, commits go to a file without a name, or two processes
write with two lock tables and overwrite what the other has committed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.faults.stage import ROOTS

from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno.errors import StoreDamagedError, StoreError
from dalsegno_storage import open_store
from dalsegno_storage.lmdb import LmdbStore

env = TaskEnvironment("removed")


@env.task
async def add(x: int) -> int:
    return x + 1


def harmed(place: Path, harm: Callable[[], object]) -> list[str]:
    """Record a run, do the harm, and try two more; the names of those that were seen done."""
    done: list[str] = []
    told: list[str] = []

    async def main() -> None:
        async with Engine(place) as engine:
            for name in ("before", "first", "second"):
                try:
                    run = await engine.with_runcontext(name=name).run(add, 1)
                    assert await run.result.aio() == 2
                    done.append(name)
                except StoreError as error:
                    told.append(str(error))
                if name == "before":
                    harm()

    anyio.run(main)
    assert all(str(place) in each for each in told)
    return done


def remove_data(place: Path) -> None:
    (place / "data.mdb").unlink()


def replace_data(place: Path) -> None:
    shutil.copy(place / "data.mdb", place / "copy")
    (place / "copy").replace(place / "data.mdb")


def remove_folder(place: Path) -> None:
    shutil.rmtree(place)


@pytest.mark.parametrize("harm", [remove_data, replace_data, remove_folder])
def test_nothing_is_seen_done_that_is_written_to_a_file_without_a_name(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    place = tmp_path / "store"
    assert harmed(place, lambda: harm(place)) == ["before"]


def test_no_empty_store_is_made_in_the_place_of_data_that_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "store"
    assert harmed(place, lambda: remove_data(place)) == ["before"]
    with pytest.raises(StoreDamagedError, match=r"data\.mdb is missing"):
        open_store(place)
    assert not (place / "data.mdb").exists()


BESIDE = """
import sys
from dalsegno_storage import open_store
store = open_store(sys.argv[1], create=False)
for number in range(5):
    with store.write() as writer:
        writer.put(b"xbeside%d" % number, b"x" * 3000)
"""


def write_beside(place: Path) -> None:
    """Have another process open the store and commit five times."""
    subprocess.run(
        [sys.executable, "-c", BESIDE, str(place)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))},
        check=True,
        timeout=60,
    )


def what_is_there(place: Path) -> tuple[list[str], int]:
    """The names of the runs that succeeded, and how many commits of the other process there are."""

    async def names() -> list[str]:
        async with Engine(place) as engine:
            return [run.name for run in engine.list_runs(in_phase=Phase.SUCCEEDED)]

    store = LmdbStore(place, create=False)
    with store.read() as reader:
        others = len(list(reader.scan(b"xbeside", b"xbesidf")))
    store.close()
    return anyio.run(names), others


def remove_lock(place: Path) -> None:
    (place / "lock.mdb").unlink()


def replace_lock(place: Path) -> None:
    shutil.copy(place / "lock.mdb", place / "copy")
    (place / "copy").replace(place / "lock.mdb")


@pytest.mark.parametrize("harm", [remove_lock, replace_lock])
def test_two_processes_with_two_lock_tables_lose_nothing(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """The one that has the old table writes nothing more, so that what the other has committed stays."""
    place = tmp_path / "store"

    def harm_and_write() -> None:
        harm(place)
        write_beside(place)

    assert harmed(place, harm_and_write) == ["before"]
    assert what_is_there(place) == (["before"], 5)


def test_writers_exclude_each_other_without_the_file_that_makes_them_wait_in_turn(tmp_path: Path) -> None:
    place = tmp_path / "store"

    def harm_and_write() -> None:
        (place / "writer.lock").unlink()
        write_beside(place)

    assert harmed(place, harm_and_write) == ["before", "first", "second"]
    assert what_is_there(place) == (["second", "first", "before"], 5)
