"""`--recover`, `--dry-run`, `why` and `get code --task`: what was executed, what not, and the reason."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def again(recorded: Path, tmp_path: Path, command: Command, unloaded: None) -> Command:
    """Runs `dalsegno ARGS` on a copy of the recorded store."""
    copy = tmp_path / "copy"
    shutil.copytree(recorded, copy)
    return lambda *args: command("--store", copy, *args)


@pytest.fixture
def edited(flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`flow.py` with another body of `scale`, and the folder that it is in as the current one."""
    assert flow.count("return total * factor") == 1
    (tmp_path / "flow.py").write_text(flow.replace("return total * factor", "return total * factor + 1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fork_executes_what_the_edit_concerns(again: Command, edited: Path) -> None:
    done = again("run", "--rerun-from", "good", "--recover", "flow.py", "main", "--name", "fork", "--json")
    assert done.code == 0
    assert (done.json["relation"]["kind"], done.json["relation"]["recover"]) == ("fork", True)
    answers = again("why", "fork", "--json").json
    assert {(each["task"], each["verdict"]) for each in answers} == {
        ("flow.main", "executed"),
        ("flow.prepare", "reused"),
        ("flow.scale", "executed"),
    }
    [scale] = [each for each in answers if each["task"] == "flow.scale"]
    assert scale["reason"] == "symbol flow:scale"
    [difference] = scale["differences"]
    assert "-    return total * factor\n+    return total * factor + 1\n" in difference["detail"]
    [prepare, *_] = [each for each in answers if each["task"] == "flow.prepare"]
    assert prepare["origin"]["run"] == "good"
    shown = again("why", "fork", scale["action"])
    assert "symbol flow:scale" in shown.out
    assert "+    return total * factor + 1" in shown.out
    tree = again("get", "action", "fork").out
    assert tree.count("recovered  from good") == 2


def test_a_dry_run_says_what_would_be_and_launches_nothing(again: Command, edited: Path) -> None:
    before = again("get", "run", "--json").json
    done = again("run", "--rerun-from", "good", "--recover", "--dry-run", "flow.py", "main", "--json")
    assert done.code == 0
    assert (done.json["execute"], done.json["reuse"]) == (2, 2)
    assert [each["verdict"] for each in done.json["actions"]] == ["execute", "reuse", "reuse", "execute"]
    told = again("rerun", "good", "--recover", "--dry-run", "--config", '{"rate": 2}')
    assert told.out.splitlines()[-1] == "1 recorded action to execute, 3 to reuse; nothing was launched"
    assert "input config.rate: 0.5 → 2.0" in told.out
    whole = again("rerun", "good", "--recover", "--dry-run", "--json")
    assert (whole.json["execute"], whole.json["reuse"]) == (0, 4)
    plain = again("rerun", "good", "--dry-run", "--json")
    assert (plain.json["execute"], plain.json["reuse"]) == (4, 0)
    assert again("get", "run", "--json").json == before


def test_forced_actions_are_named(again: Command) -> None:
    name = again("get", "action", "good", "--json").json[1]["name"]
    done = again("rerun", "good", "--recover", "--force-rerun-action", name, "--name", "forced", "--json")
    assert done.json["relation"]["forced"] == [name]
    verdicts = {each["action"]: each["verdict"] for each in again("why", "forced", "--json").json}
    assert verdicts.pop(name) == "forced"
    assert sorted(verdicts.values()) == ["executed", "reused", "reused"]
    [root] = [each for each in again("why", "forced", "--json").json if each["action"] == "a0"]
    assert root["reason"] == "an action below it was named to be executed again"
    unknown = again("rerun", "good", "--recover", "--force-rerun-action", "scale-x")
    assert unknown.code == 2
    assert "no action 'scale-x' in run 'good'" in unknown.err
    assert again("rerun", "good", "--force-rerun-action", name).code == 2


def test_a_failed_run_recovers_and_says_so(again: Command) -> None:
    done = again("rerun", "bad", "--recover", "--numbers", "[1, 2]", "--json")
    assert done.code == 0
    answers = again("why", done.json["name"], "--json").json
    assert answers[0]["reason"].startswith("it had failed in run bad")


def test_recovering_needs_a_run_to_recover_from(again: Command, edited: Path) -> None:
    for option in (["--recover"], ["--dry-run"], ["--force-rerun-action", "a0"]):
        done = again("run", *option, "flow.py", "main", "--numbers", "[1]")
        assert done.code == 2
        assert "go with --rerun-from RUN" in done.err


def test_the_code_of_a_task_can_be_shown_and_compared(again: Command, edited: Path) -> None:
    again("run", "--rerun-from", "good", "flow.py", "main", "--name", "fork")
    old, new = (
        again("get", "code", run, "--task", "flow.scale").out.splitlines() for run in ("good", "fork")
    )
    assert old[0] == new[0] == "task     flow.scale"
    changed = [line.split()[:2] for line in new if line not in old]
    assert changed == [["digest", new[1].split()[1]], ["symbol", "flow:scale"]]
    document = again("get", "code", "good", "--task", "scale", "--json").json
    assert {"module": "flow", "name": "scale"}.items() <= document["symbols"][-1].items()
    assert document["packages"]["python"].startswith("cpython 3.")
    missing = again("get", "code", "good", "--task", "flow.gone")
    assert missing.code == 2
    assert "it has flow.main, flow.prepare, flow.scale" in missing.err


def test_why_of_a_first_run(again: Command) -> None:
    answers = again("why", "good", "--json").json
    assert {each["verdict"] for each in answers} == {"executed"}
    assert {each["reason"] for each in answers} == {"the run is no rerun, there was nothing to take over"}
    assert again("why", "good", "nothing-x").code == 2
