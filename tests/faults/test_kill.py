"""A process that is killed at any write or sync leaves a sound store with everything that it had seen done.

Each work is done again and again, killed at its first call that changes a file, at its second, and so on until one
comes to its end: before the call, and within it, when half of a write is done or anything else is just over. SQLite
makes many more calls, of which only some are tried unless DALSEGNO_LONG is set.
"""

import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.faults.shim import Call, Fault
from tests.faults.stage import Ended, Stage

FLOW: dict[str, Any] = {"name": "first", "count": 2, "size": 600}


@pytest.fixture(params=["before", "within"])
def mode(request: pytest.FixtureRequest) -> str:
    return f"kill {request.param}"


@pytest.fixture
def place(stage: Stage, scheme: str) -> str:
    return f"{scheme}://{stage.folder}/store"


@pytest.fixture
def stride(scheme: str, often: int) -> int:
    """Every how many calls a process is killed."""
    return 2 if scheme == "sqlite" and often == 1 else 1


@pytest.fixture
def filled(stage: Stage, place: str, tmp_path: Path) -> tuple[Path, list[list[Any]]]:
    """A copy of a disk with three runs on it, and what was said of the last two."""
    said = []
    for number, name in enumerate(("first", "second", "third")):
        ended = stage.play("record", place, name=name, count=1 + number, size=700 + number)
        said += ended.said if number else []
    return Path(shutil.copytree(stage.folder, tmp_path / "filled")), said


def sweep(
    stage: Stage,
    work: str,
    place: str,
    mode: str,
    *,
    start: Path | None = None,
    known: list[list[Any]] | None = None,
    least: int,
    stride: int = 1,
    **options: Any,
) -> list[Ended]:
    """Kill the work at every call and examine each store that is left; gives how each attempt ended.

    Each begins with a copy of the disk `start`, on which `known` is there, or with an empty one. The work has to make at
    least so many calls, or they were not seen.
    """
    ends = []
    for target in count(stride, stride):
        if start is None:
            stage.folder.mkdir(exist_ok=True)
        else:
            shutil.rmtree(stage.folder, ignore_errors=True)
            shutil.copytree(start, stage.folder)
        ended = stage.play(work, place, Fault(mode, target), **options)
        ends.append(ended)
        said = [*(known or []), *ended.said]
        stage.put_aside(place, said, f"killed at call {target}")
        if not ended.was_killed:
            break
    stage.examine_aside()
    assert len(ends) * stride > least
    return ends


def test_creation(stage: Stage, place: str, mode: str, stride: int) -> None:
    ends = sweep(stage, "create", place, mode, least=15, stride=stride)
    assert ends[-1].said == [["created"]]


def test_a_run(stage: Stage, place: str, mode: str, stride: int) -> None:
    stage.play("create", place)
    start = shutil.copytree(stage.folder, stage.folder.parent / "start")
    ends = sweep(stage, "record", place, mode, start=start, least=15, stride=stride, **FLOW)
    assert len({len(ended.said) for ended in ends}) > 3  # kills fell between the things that are said


def test_large_values(stage: Stage, place: str, scheme: str, mode: str, often: int) -> None:
    """Values of 5 MB go to the disk in several transactions ahead of the record that refers to them."""
    stride = (2 if scheme == "lmdb" else 400) // min(often, 2)
    stage.play("create", place)
    start = shutil.copytree(stage.folder, stage.folder.parent / "start")
    options: dict[str, Any] = {"name": "first", "count": 1, "size": 5_000_000}
    sweep(stage, "record", place, mode, start=start, least=15, stride=stride, **options)


def test_removal_and_collection(
    stage: Stage, place: str, mode: str, stride: int, filled: tuple[Path, list[list[Any]]]
) -> None:
    start, known = filled
    ends = sweep(stage, "keep", place, mode, start=start, known=known, least=10, stride=stride)
    assert ends[-1].said[0] == ["gone", "first"]
    assert ends[-1].said[1][1] > 0


def test_compaction(stage: Stage, mode: str, tmp_path: Path) -> None:
    place = f"lmdb://{stage.folder}/store"
    said = stage.play("record", place, name="first", count=3, size=5000).said
    start = shutil.copytree(stage.folder, tmp_path / "start")
    ends = sweep(stage, "compact", place, mode, start=start, known=said, least=5)
    assert ends[-1].said == [["compacted"]]


def test_backup(
    stage: Stage, place: str, scheme: str, mode: str, stride: int, filled: tuple[Path, list[list[Any]]]
) -> None:
    start, known = filled
    """The copy is whole or not there, and what is copied stays as it was."""
    target = stage.folder / "copy"
    for number in count(stride, stride):
        shutil.rmtree(stage.folder, ignore_errors=True)
        shutil.copytree(start, stage.folder)
        ended = stage.play("backup", place, Fault(mode, number), target=str(target))
        whole = target.exists()
        stage.put_aside(f"{scheme}://{target}" if whole else place, known, f"killed at call {number}")
        assert whole or ended.was_killed
        assert whole or ended.said == []
        if not ended.was_killed:
            break
    stage.examine_aside()
    assert number > 5


def test_the_shim_sees_what_python_does(stage: Stage) -> None:
    ended = stage.play("touch_everything", str(stage.folder))
    assert ended.said == [[call.name, 1] for call in Call if call is not Call.NOTE]
