"""After a power loss the store opens, is sound, and has everything that was seen done before it.

A work is done once while every call is logged. After each call of the log images are made of what the disk may hold if the
power fails right then (see disk.py), and each is examined as a store.
"""

import random
import shutil
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import pytest
from tests.faults.disk import GRAINS, Disk, read_log
from tests.faults.shim import Call, Fault
from tests.faults.stage import Stage

FLOW: dict[str, Any] = {"name": "first", "count": 2, "size": 3000}


def lose_power(
    stage: Stage,
    work: str,
    place: str,
    images: int,
    tmp_path: Path,
    *,
    known: list[list[Any]] | None = None,
    copy: str = "",
    **options: Any,
) -> int:
    """Do the work and examine about so many images; gives how many.

    `copy` is a store that has everything as soon as it is said to be there.
    """
    disk = Disk(stage.folder)
    ended = stage.play(work, place, Fault(), log=tmp_path / "log", **options)
    entries = list(read_log(tmp_path / "log"))
    shutil.rmtree(stage.folder)
    kind, share, many = cycle(GRAINS), -(-images // len(entries)), 0
    for number, entry in enumerate(entries):
        disk.apply(entry)
        # When something was said, every way is tried of what may be missing then.
        for seed, grain in enumerate(GRAINS if entry.call is Call.NOTE else islice(kind, share)):
            many += 1
            disk.write(stage.folder, grain, random.Random(f"{number} {seed}"))
            said = [*(known or []), *disk.notes]
            stage.put_aside(
                copy if ["copied"] in said else place,
                said,
                f"after call {number} of {work}, {grain}, seed {seed}",
            )
    stage.examine_aside()
    assert disk.notes == ended.said
    return many


@pytest.fixture
def place(stage: Stage, scheme: str) -> str:
    return f"{scheme}://{stage.folder}/store"


def test_creation(stage: Stage, place: str, tmp_path: Path, often: int) -> None:
    assert lose_power(stage, "create", place, 60 * often, tmp_path) >= 60


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_a_run(stage: Stage, place: str, durability: str, tmp_path: Path, often: int) -> None:
    known = stage.play("record", place, name="before", count=2, size=600).said
    images = (150 if durability == "full" else 50) * often
    made = lose_power(stage, "record", place, images, tmp_path, known=known, durability=durability, **FLOW)
    assert made >= images


def test_removal_and_collection(stage: Stage, place: str, tmp_path: Path, often: int) -> None:
    known = []
    for number, name in enumerate(("first", "second", "third")):
        said = stage.play("record", place, name=name, count=1 + number, size=700 + number).said
        known += said if number else []
    assert lose_power(stage, "keep", place, 60 * often, tmp_path, known=known) >= 60


def test_compaction(stage: Stage, tmp_path: Path, often: int) -> None:
    place = f"lmdb://{stage.folder}/store"
    known = stage.play("record", place, name="first", count=3, size=5000).said
    assert lose_power(stage, "compact", place, 60 * often, tmp_path, known=known) >= 60


def test_a_backup(stage: Stage, scheme: str, place: str, tmp_path: Path, often: int) -> None:
    """Once it was said that it is there, the copy is; what is copied is there always."""
    known = stage.play("record", place, name="first", count=3, size=5000).said
    target = str(stage.folder / "copy")
    copy = f"{scheme}://{target}"
    assert lose_power(stage, "backup", place, often, tmp_path, known=known, copy=copy, target=target) > 15


def test_a_write_or_sync_that_failed_once(stage: Stage, tmp_path: Path, often: int) -> None:
    """What was written can still be read, which nobody must take for a sign that it is on the disk.

    Not tried with SQLite, which does not look at whether it could sync the folder of its log.
    """
    place = f"lmdb://{stage.folder}/store"
    known = stage.play("record", place, name="before", count=2, size=600).said
    start = shutil.copytree(stage.folder, tmp_path / "start")
    for target in count(1, 2 if often == 1 else 1):
        shutil.rmtree(stage.folder, ignore_errors=True)
        shutil.copytree(start, stage.folder)
        disk = Disk(stage.folder)
        fault = Fault("spoil", target, (Call.WRITE, Call.SYNC)).as_json()
        ended = stage.play(
            "refuse", place, log=tmp_path / "log", refusal=fault, name="first", wanted="StoreError"
        )
        for entry in read_log(tmp_path / "log"):
            disk.apply(entry)
            if entry.call is Call.NOTE and ["run", "again"] not in disk.notes:
                shutil.rmtree(stage.folder, ignore_errors=True)
                disk.write(stage.folder, "nothing", random.Random(0))
                stage.put_aside(place, [*known, *disk.notes], f"call {target} failed, {disk.notes[-1]}")
        if any(what == "nothing befell" for what, *_ in ended.said):
            break
    stage.examine_aside()
    assert target > 10


def test_the_model_finds_a_missing_sync(stage: Stage, place: str, tmp_path: Path) -> None:
    """On a disk that ignores every sync what was seen done is lost, and that is noticed."""
    stage.play("create", place)
    disk = Disk(stage.folder)
    stage.play("record", place, Fault(), log=tmp_path / "log", **FLOW)
    for entry in read_log(tmp_path / "log"):
        if entry.call is not Call.SYNC:
            disk.apply(entry._replace(synced=False))
    shutil.rmtree(stage.folder)
    disk.write(stage.folder, "nothing", random.Random(0))
    stage.put_aside(place, disk.notes)
    with pytest.raises(AssertionError, match="RunNotFoundError"):
        stage.examine_aside()
