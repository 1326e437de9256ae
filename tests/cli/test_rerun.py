"""`dalsegno rerun`: recorded inputs as options, changed inputs, settings; the sources are gone."""

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


def scale_of(again: Command) -> str:
    name: str = again("get", "action", "good", "--json").json[-1]["name"]
    return name


def test_rerun_reproduces(again: Command) -> None:
    done = again("rerun", "good", "--json")
    assert done.code == 0
    relation = done.json["relation"]
    assert (relation["kind"], relation["run"], relation["action"], relation["changed_inputs"]) == (
        "rerun", "good", "a0", [],
    )  # fmt: skip
    old, new = (again("get", "action", run, "a0", "--json").json for run in ("good", done.json["name"]))
    assert old["outputs_digest"] == new["outputs_digest"]
    assert old["inputs_digest"] == new["inputs_digest"]


def test_changed_inputs_are_read_as_text_against_the_record(again: Command) -> None:
    done = again("rerun", "good", "--numbers", "[10]", "--mode", "SLOW", "--config", '{"rate": 2}', "--json")
    assert done.json["outputs"][0] == 30.0
    assert done.json["relation"]["changed_inputs"] == ["config", "mode", "numbers"]


def test_one_action_with_flags_and_json(again: Command) -> None:
    name = scale_of(again)
    done = again("rerun", "good", "--action-name", name, "--loud", "--input", "factor=4", "--json")
    assert (done.json["task"], done.json["outputs"]) == ("flow.scale", [24.0])
    assert done.json["relation"]["action"] == name
    assert "LOUD" in done.err
    inputs = again("get", "io", done.json["name"], "--json").json["inputs"]
    assert inputs == {"total": 6, "factor": 4.0, "loud": True}


def test_settings_are_inherited_and_overridden(again: Command) -> None:
    done = again("rerun", "good", "--name", "retry-1", "--label", "by=me", "-e", "LEVEL=20", "-e", "MORE=1")
    assert done.code == 0
    run = again("get", "run", "retry-1", "--json").json
    assert run["labels"] == {"team": "a", "by": "me"}
    assert run["env_vars"] == {"LEVEL": "20", "MORE": "1"}


def test_help_lists_recorded_inputs(again: Command) -> None:
    help = again("rerun", "good", "--help").out
    assert "--numbers  list[int]  [recorded: [1, 2]]" in help
    assert '{"rate": 0.5, "title": "plain"}' in help
    name = scale_of(again)
    nested = again("rerun", "good", "--action-name", name, "--help").out
    assert "--loud/--no-loud" in nested
    assert "[recorded: 1.5]" in nested
    assert "--numbers" not in nested


def test_help_renders_without_run_store_or_known_run(
    again: Command, command: Command, tmp_path: Path
) -> None:
    assert "Usage: dalsegno rerun [OPTIONS] RUN" in again("rerun", "--help").out
    unknown = again("rerun", "nobody", "--help")
    assert (unknown.code, "Usage:" in unknown.out) == (0, True)
    assert unknown.err.startswith("The inputs cannot be listed: no run 'nobody' in default/development")
    nowhere = command("rerun", "good", "--help", "--store", tmp_path / "nowhere")
    assert (nowhere.code, "Usage:" in nowhere.out) == (0, True)


def test_rerun_of_a_failed_run_fails(again: Command) -> None:
    done = again("rerun", "bad")
    assert done.code == 1
    assert done.err.endswith("ValueError: 13 is unlucky\n")


def test_failed_run_succeeds_with_another_input(again: Command) -> None:
    assert again("rerun", "bad", "--numbers", "[1]", "--follow").code == 0


def test_a_process_of_its_own_is_told_of_as_any_run(again: Command) -> None:
    done = again("rerun", "good", "--isolation", "process", "--name", "apart", "--mode", "SLOW")
    assert done.code == 0
    started, ended = done.err.splitlines()
    assert started == "run apart started"
    assert ended.startswith("run apart succeeded in ")
    assert ended.endswith(", 4 actions")
    assert again("get", "run", "apart", "--json").json["relation"]["changed_inputs"] == ["mode"]


@pytest.mark.parametrize("isolation", ["private", "process"])
def test_isolation(again: Command, isolation: str) -> None:
    assert again("rerun", "good", "--isolation", isolation, "--json").json["outputs"][0] == 9.0


def test_a_script_that_starts_a_run_when_it_is_imported_is_refused(process: Command, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    text = """
import dalsegno
env = dalsegno.TaskEnvironment("guard")

@env.task
def one() -> int:
    return 1

print(dalsegno.run(one).result())
"""
    (here / "guard.py").write_text(text)
    store = tmp_path / "store"
    assert process("--store", store, "run", "guard.py", "one", "--name", "first", cwd=here).code == 0
    for folder in (here, elsewhere):
        done = process("--store", store, "rerun", "first", cwd=folder)
        assert done.code == 2
        assert "guard waits for a run while it is imported from the recorded code" in done.err
        assert 'below `if __name__ == "__main__":`' in done.err
