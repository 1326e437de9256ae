"""`resume` and `abort` on runs whose process was killed."""

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

Command = Callable[..., Any]

DIES = """
    import os
    import signal
    from pathlib import Path

    import dalsegno

    env = dalsegno.TaskEnvironment("dies")

    @env.task
    async def first(n: int) -> int:
        print(f"first {n}")
        return n

    @env.task
    async def main(n: int) -> int:
        total = await first(n)
        if not Path(f"died-{n}").exists():
            Path(f"died-{n}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return total + await first(n + 1)
"""


@pytest.fixture
def killed(tmp_path: Path, process: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store in which the runs `one` and `two` were interrupted; their code is gone."""
    (tmp_path / "dies.py").write_text(dedent(DIES))
    for number, name in enumerate(("one", "two")):
        args = ("dies.py", "main", "--n", str(number), "--name", name)
        assert process("run", "--store", "store", *args, cwd=tmp_path).code == -9
    (tmp_path / "dies.py").unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_that_were_killed_show_and_go_on(killed: Path, command: Command) -> None:
    def on(*args: str) -> Any:
        return command("--store", "store", *args)

    assert [view["phase"] for view in on("get", "run", "--json").json] == ["interrupted", "interrupted"]
    assert [line.split()[:4] for line in on("get", "run", "--phase", "interrupted").lines()[1:]] == [
        ["two", "dies.main", "◌", "interrupted"],
        ["one", "dies.main", "◌", "interrupted"],
    ]
    assert on("get", "action", "one").lines()[0].split()[:3] == ["◌", "a0", "interrupted"]
    followed = on("get", "logs", "one", "--follow")  # there is nobody to wait for
    assert (followed.code, "first 0" in followed.out) == (0, True)

    done = on("resume", "one")
    assert (done.code, done.out) == (0, "first 1\no0 = 1\n")
    assert done.err.startswith("run one ")
    again = on("resume", "one")
    assert (again.code, "it has ended and is succeeded" in again.err) == (2, True)

    every = on("resume", "--all")
    assert (every.code, every.err) == (0, "run two succeeded\n")
    none = on("resume", "--all", "--json")
    assert (none.code, json.loads(none.out)) == (0, [])
    assert none.err == "no run was interrupted that could be resumed\n"


def test_a_run_that_was_killed_is_aborted(killed: Path, command: Command) -> None:
    done = command("--store", "store", "abort", "one", "--reason", "no use")
    assert (done.code, done.err) == (0, "run one aborted\n")
    shown = command("--store", "store", "get", "action", "one", "--json").json
    assert [view["phase"] for view in shown] == ["aborted", "succeeded"]
    assert shown[0]["error"]["message"] == "no use"
    again = command("--store", "store", "abort", "one")
    assert (again.code, again.err) == (0, "run one has ended already and is aborted\n")
    assert command("--store", "store", "abort", "nobody").code == 2


@pytest.mark.parametrize("args", [[], ["r", "--all"], ["--all", "--force"]])
def test_what_cannot_be_meant_is_refused(args: list[str], command: Command, here: Path) -> None:
    done = command("resume", *args)
    assert done.code == 2
    assert "--all" in done.err


def test_nothing_is_created(command: Command, here: Path) -> None:
    for args in (["resume", "r"], ["resume", "--all"], ["abort", "r"]):
        done = command("--store", "nowhere", *args)
        assert (done.code, "there is no store" in done.err) == (2, True)
    assert not Path("nowhere").exists()
