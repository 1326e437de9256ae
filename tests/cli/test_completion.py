"""What a shell is offered to complete."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dalsegno.cli._app import app

Command = Callable[..., Any]


def offered(*words: str) -> list[str]:
    """The completions of the last word."""
    from click.shell_completion import ShellComplete

    completer = ShellComplete(app, {}, "dalsegno", "_DALSEGNO_COMPLETE")
    return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]


@pytest.fixture
def store(recorded: Path) -> tuple[str, str]:
    """The option that names the store with recorded runs."""
    return "--store", str(recorded)


def test_commands() -> None:
    assert offered("")[:6] == ["run", "rerun", "resume", "abort", "get", "why"]
    assert offered("get", "") == ["run", "action", "io", "logs", "code", "env"]


def test_runs(store: tuple[str, str]) -> None:
    assert offered(*store, "rerun", "") == ["again", "bad", "good"]
    assert offered(*store, "get", "run", "g") == ["good"]
    assert offered("get", "logs", *store, "b") == ["bad"]
    assert offered("run", *store, "--rerun-from", "a") == ["again"]


def test_actions(store: tuple[str, str], look: Command) -> None:
    names = [action["name"] for action in look("get", "action", "good", "--json").json]
    assert offered(*store, "get", "action", "good", "") == names
    assert offered(*store, "rerun", "good", "--action-name", "sc") == names[-1:]
    assert offered(*store, "get", "io", "nobody", "") == []


def test_recorded_inputs_and_their_choices(store: tuple[str, str]) -> None:
    assert offered(*store, "rerun", "good", "--n") == ["--name", "--numbers"]
    assert offered(*store, "rerun", "good", "--mode", "") == ["f", "s"]


def test_tasks_of_a_file_without_importing_it(here: Path) -> None:
    (here / "flow.py").write_text((here / "flow.py").read_text() + "\nraise RuntimeError('imported')\n")
    assert offered("run", "flow.py", "") == ["prepare", "scale", "main", "greet", "nothing"]
    assert offered("run", "flow.py", "m") == ["main"]


def test_recorded_tasks_and_phases(store: tuple[str, str]) -> None:
    assert offered(*store, "get", "run", "--task", "") == ["flow.scale", "flow.main"]
    assert offered("get", "run", "--phase", "f") == ["failed"]


def test_nothing_is_offered_where_nothing_is(tmp_path: Path) -> None:
    assert offered("--store", str(tmp_path / "nowhere"), "get", "run", "") == []
    assert offered("run", str(tmp_path / "nowhere.py"), "") == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(command: Command, shell: str) -> None:
    done = command("completion", shell)
    assert done.code == 0
    assert f"_DALSEGNO_COMPLETE={shell}_complete" in done.out
    assert command("completion", "tcsh").code == 2
