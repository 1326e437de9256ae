"""`dalsegno verify`: what was planted is found, located and named, also in processes and with other hash seeds."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Done

Command = Callable[..., Done]

FAULTY = Path(__file__).parents[1] / "engine" / "compare" / "faulty.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `faulty.py` in it."""
    made = tmp_path_factory.mktemp("faulty")
    shutil.copy(FAULTY, made)
    return made


@pytest.fixture
def record(folder: Path, process: Command) -> Callable[[str], Path]:
    """Records a run named `run` whose middle calls a fault, in a process of its own; gives the store."""

    def recorded(fault: str = "") -> Path:
        store = folder / f"store-{fault or 'clean'}"
        if not store.exists():
            line = ("run", "faulty.py", "clean", "--fault", fault, "--name", "run")
            done = process("--store", store, *line, cwd=folder, PYTHONHASHSEED="7")
            assert done.code == 0, done.err
        return store

    return recorded


@pytest.fixture
def verified(process: Command, tmp_path: Path) -> Callable[..., Any]:
    """Verifies the run named `run` in a process of its own, with no source beside it; gives the document."""

    def verify(store: Path, *args: str, **env: str) -> Any:
        done = process("--store", store, "verify", "run", "--json", *args, cwd=tmp_path, **env)
        assert done.code in (0, 1), done.err
        found = json.loads(done.out)
        assert found["reproduced"] == (done.code == 0)
        return found

    return verify


@pytest.mark.parametrize(
    ("fault", "cause", "args"),
    [
        ("identity", "randomness", ("--process",)),
        ("ordered", "set order", ("--hash-seed",)),
        ("summed", "float order", ("--hash-seed",)),
    ],
)
def test_what_was_planted_is_found(
    record: Callable[..., Path], verified: Callable[..., Any], fault: str, cause: str, args: tuple[str, ...]
) -> None:
    found = verified(record(fault), *args)
    [divergence] = found["divergences"]
    assert divergence["task"] == f"faulty.{fault}"
    assert divergence["cause"] == cause, divergence["clues"]
    assert divergence["outputs"]


@pytest.mark.parametrize("args", [("--process",), ("--each", "--hash-seed")])
def test_a_clean_run_gives_no_finding(
    record: Callable[..., Path], verified: Callable[..., Any], args: tuple[str, ...]
) -> None:
    found = verified(record(), *args)
    assert found["divergences"] == []
    assert found["executed"] == 5 * found["times"]


def test_the_record_stays_as_it_is(
    record: Callable[..., Path], verified: Callable[..., Any], process: Command, folder: Path
) -> None:
    store = record("clock")

    def runs() -> Any:
        return process("--store", store, "get", "run", "--json", cwd=folder).json

    before = runs()
    verified(store)
    assert runs() == before
    kept = verified(store, "--keep")["kept"]
    [new, old] = runs()
    assert [new["name"]] == kept
    assert new["labels"] == {"dalsegno.verify": "run"}
    assert old == before[0]


def test_what_cannot_be_executed(record: Callable[..., Path], command: Command, tmp_path: Path) -> None:
    store = record()
    for args in (["gone"], ["run", "--action", "gone"], ["run", "--times", "0"]):
        done = command("--store", store, "verify", *args)
        assert done.code == 2
        assert done.err
    assert command("--store", tmp_path / "none", "verify", "run").code == 2


def test_for_people(record: Callable[..., Path], process: Command, tmp_path: Path) -> None:
    done = process("--store", record(), "verify", "run", cwd=tmp_path)
    assert (done.code, done.out) == (0, "run reproduced; 5 actions executed\n")
    done = process("--store", record("clock"), "verify", "run", cwd=tmp_path)
    assert done.code == 1
    lines = done.lines()
    assert lines[0] == "run did not reproduce: 1 action differs of its own accord; 6 actions executed"
    assert lines[2].startswith("diverged clock-")
    assert lines[3].startswith("  output o0.at: ")
    assert lines[4] == "  likely cause: time"
    assert lines[5] == "    time: what differs is when it was executed"
    assert lines[6] == "    time: time.time in faulty:stamp"
