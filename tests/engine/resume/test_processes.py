"""Processes that are killed, stopped and continued while they execute a run, and others that go on with it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.engine.resume.recorded import shape

import dalsegno
import dalsegno_storage
from dalsegno._ledger import Ledger
from dalsegno._ownership import Owners
from dalsegno.maintenance import check
from dalsegno.models import ActionRecord, Phase
from dalsegno_storage.lmdb import LmdbStore

LONG = os.environ.get("DALSEGNO_LONG") == "1"

Process = subprocess.Popen[str]
Start = Callable[..., Process]

HERE = Path(__file__).parent
ROOTS = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `program.py` in a folder; it has opened its engine when this comes back, and goes on."""
    with ExitStack() as stack:

        def started(folder: Path, *args: str, goes: bool = True, **variables: str) -> Process:
            for name in ("program.py", "trees.py"):
                if not (folder / name).exists():
                    shutil.copy(HERE / name, folder / name)
            process = subprocess.Popen(
                [sys.executable, "program.py", *args],
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": ":".join(ROOTS),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "TREES_BEGUN": "begun",
                    "TREES_PAUSE": "0.01",
                    **variables,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n", process.communicate()
            if goes:
                go(process)
            return process

        yield started


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def outcome(process: Process) -> Any:
    """What a process printed last."""
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return json.loads(out.splitlines()[-1])


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def actions(folder: Path) -> tuple[Phase, list[ActionRecord]]:
    """The phase of the run and its actions."""
    store = LmdbStore(folder / "store", create=False, read_only=True)
    try:
        ledger = Ledger(store)
        run = ledger.find_run("default", "development", "r")
        return run.phase, ledger.actions(run.id)
    finally:
        store.close()


def a_tree(chance: random.Random, depth: int = 3) -> list[Any]:
    """A description for `trees.py`, without tasks that ask how often they were asked."""
    children = [a_tree(chance, depth - 1) for _ in range(chance.randint(1, 4))] if depth else []
    kind = chance.choice(["async", "async", "sync", "fails", "traced"])
    return [kind, chance.choice(["turn", "gather", "map", "group"]), chance.randint(0, 3), children]


@pytest.mark.parametrize("seed", range(30 if LONG else 2))
def test_a_run_whose_processes_are_killed_ends_as_if_nothing_had_happened(
    seed: int, tmp_path: Path, start: Start
) -> None:
    chance = random.Random(seed)
    tree = json.dumps(["async", "gather", 1, [a_tree(chance) for _ in range(3)]])
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    result = outcome(start(whole, "run", tree, TREES_PAUSE="0"))
    _, expected = actions(whole)
    number = len(lines(whole / "begun"))
    done: set[str] = set()
    for attempt in range(3):
        before = len(lines(killed / "begun"))
        process = start(killed, *(["run", tree] if attempt == 0 else ["resume"]))
        goal = before + chance.randint(1, max(1, number // 3))
        until(lambda: len(lines(killed / "begun")) >= goal or process.poll() is not None)  # noqa: B023 - at once
        process.kill()
        process.wait()
        phase, found = actions(killed)
        assert phase in (Phase.INTERRUPTED, Phase.SUCCEEDED)
        assert not done & set(lines(killed / "begun")[before:])
        done = {each.name for each in found if each.phase.is_terminal and each.phase is not Phase.ABORTED}
        assert set(lines(killed / "acked")) <= {each.name for each in found if each.phase.is_terminal}
        if phase is Phase.SUCCEEDED:
            break
    else:
        before = len(lines(killed / "begun"))
        assert outcome(start(killed, "resume")) == result
        assert not done & set(lines(killed / "begun")[before:])
    phase, found = actions(killed)
    assert phase is Phase.SUCCEEDED
    assert shape(found) == shape(expected)
    assert Counter(lines(killed / "begun")).keys() == Counter(lines(whole / "begun")).keys()
    store = LmdbStore(killed / "store", create=False)
    assert check(store).is_clean
    store.close()


def content(folder: Path) -> dict[bytes, bytes]:
    store = LmdbStore(folder / "store", create=False, read_only=True)
    try:
        with store.read() as reader:
            return dict(reader.scan())
    finally:
        store.close()


CHAIN = json.dumps(["async", "turn", 1, [["async", "turn", number, []] for number in range(30)]])


def test_an_owner_that_was_stopped_and_continued_records_nothing(tmp_path: Path, start: Start) -> None:
    stopped = start(tmp_path, "run", CHAIN, TREES_PAUSE="0.05")
    until(lambda: len(lines(tmp_path / "begun")) > 3)
    stopped.send_signal(signal.SIGSTOP)
    refused = outcome(start(tmp_path, "resume"))
    assert refused[0] == "CannotResumeError"
    assert f"process {stopped.pid} is executing it" in refused[1]
    assert outcome(start(tmp_path, "resume", "take-over", TREES_PAUSE="0")) == 436
    before = content(tmp_path)
    stopped.send_signal(signal.SIGCONT)
    assert outcome(stopped)[0] == "RunTakenOverError"
    assert content(tmp_path) == before


def test_of_two_processes_that_resume_a_run_one_wins(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path, "run", CHAIN)
    until(lambda: len(lines(tmp_path / "begun")) > 3)
    first.kill()
    first.wait()
    both = [start(tmp_path, "resume", goes=False) for _ in range(2)]
    for each in both:
        go(each)
    outcomes = [outcome(each) for each in both]
    assert 436 in outcomes
    [other] = [each for each in outcomes if each != 436]
    assert other[0] == "CannotResumeError"


def test_a_forked_child_does_not_pass_for_the_owner(tmp_path: Path, start: Start) -> None:
    """It has a copy of every open file, and outlives its parent."""
    (tmp_path / "trees.py").write_text(
        (HERE / "trees.py").read_text()
        + """
def forks() -> None:
    if not os.path.exists("child"):
        child = os.fork()
        if child == 0:
            import time
            time.sleep(60)
            os._exit(0)
        with open("child", "w") as file:
            file.write(str(child))

plain_begin = begin

def begin() -> None:
    forks()
    plain_begin()
"""
    )
    first = start(tmp_path, "run", CHAIN, PYTHONWARNINGS="ignore")
    until(lambda: len(lines(tmp_path / "begun")) > 3)
    first.kill()
    first.wait()
    child = int(lines(tmp_path / "child")[0])
    try:
        os.kill(child, 0)
        assert actions(tmp_path)[0] is Phase.INTERRUPTED
    finally:
        os.kill(child, signal.SIGKILL)


def test_what_the_dead_have_left_is_cleared_away(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path, "run", CHAIN)
    until(lambda: len(lines(tmp_path / "begun")) > 3)
    store = LmdbStore(tmp_path / "store", create=False)
    folder = Owners(store).folder
    store.close()
    assert folder is not None
    [dead] = folder.iterdir()
    assert dead.read_text() == f"{first.pid}\n"
    first.kill()
    first.wait()
    assert [*folder.iterdir()] == [dead]
    outcome(start(tmp_path, "resume", TREES_PAUSE="0"))
    assert [*folder.iterdir()] == []


def test_a_process_notices_soon_that_its_run_is_to_stop(tmp_path: Path, start: Start) -> None:
    process = start(
        tmp_path, "run", json.dumps(["async", "turn", 1, [["async", "turn", 2, []]]]), TREES_PAUSE="999"
    )
    until(lambda: len(lines(tmp_path / "begun")) == 1)
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dalsegno",
            "--store",
            str(tmp_path / "store"),
            "abort",
            "r",
            "--reason",
            "enough",
        ],
        env={**os.environ, "PYTHONPATH": ":".join(ROOTS)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert time.monotonic() - began < 10  # half a second, and a process on a busy machine
    assert done.stderr == "run r aborted\n"
    assert outcome(process) == ["RunAbortedError", "run 'r' was aborted: enough"]
