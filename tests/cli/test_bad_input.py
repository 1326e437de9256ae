"""Bad input is one clear error on stderr, exit 2, and nothing is written."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Files = Callable[..., Path]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("get run goood", "no run 'goood' in default/development (did you mean 'good'?)"),
        ("get run good -p elsewhere", "no run 'good' in elsewhere/development"),
        ("get action good scala-xyz", "no action 'scala-xyz' in run 'good'"),
        ("get io nobody", "no run 'nobody'"),
        ("get run good --phase failed", "NAME says which run"),
        ("get run --phase odd", "'odd' is not one of"),
        ("get run --limit 0", "0 is not in the range x>=1"),
        ("get run --label team", "'team' is not KEY=VALUE"),
        ("get nothing", "No such command 'nothing'"),
        ("rerun", "Missing argument 'RUN'"),
        ("rerun goood", "no run 'goood' in default/development (did you mean 'good'?)"),
        ("rerun good --action-name nobody-x", "no action 'nobody-x' in run 'good'"),
        (
            "rerun good --colour red",
            "there is no input or option '--colour'; the inputs are --numbers, --config, --mode",
        ),
        ("rerun good --input colour=1", "colour: expected an input of this task"),
        ("rerun good --input numbers", "--input 'numbers' is not NAME=JSON"),
        ("rerun good --input numbers=[", "--input numbers: '[' is not JSON"),
        ("rerun good --numbers [1] --input numbers=[2]", "the input 'numbers' is given twice"),
        ("rerun good --inputs-file nowhere.json", "'nowhere.json' does not exist"),
        ("rerun good --name good", "run 'good' already exists in default/development"),
        ("rerun good --name a/b", "run name 'a/b' cannot be used: it has a '/'"),
        ("rerun good --label a", "'a' is not KEY=VALUE"),
        ("rerun good -e =x", "'=x' is not KEY=VALUE"),
    ],
)
def test_one_sentence(look: Command, line: str, message: str) -> None:
    done = look(*line.split())
    assert (done.code, done.out) == (2, "")
    error = done.err[done.err.index("Error: ") :]
    assert message in error
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "it is empty"), ("x" * 129, "129 bytes"), ("a\x1b[2Jb", "control or invisible characters")],
)
def test_names_that_cannot_be(look: Command, name: str, message: str) -> None:
    done = look("rerun", "good", "--name", name)
    assert done.code == 2
    assert message in done.err
    assert "\x1b" not in done.err


def test_every_wrong_input_is_listed(look: Command) -> None:
    done = look(
        "rerun", "good", "--numbers", '[1, "x", []]', "--mode", "MEDIUM", "--config", '{"rate": "a", "x": 1}'
    )
    assert done.code == 2
    assert done.err.startswith("Error: ")
    where = [line.split(":")[0].strip() for line in done.err.splitlines()[1:]]
    assert {"numbers.1", "numbers.2", "mode", "config.rate", "config.x"} == set(where)


def test_missing_and_unknown_inputs_of_a_file(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--input", "colour=1")
    assert done.code == 2
    assert "colour: expected an input of this task (numbers, config, mode), got an unknown name" in done.err
    missing = command("run", "flow.py", "main")
    assert (missing.code, "numbers: expected a list" in missing.err) == (2, True)
    assert not list(here.glob(".dalsegno/*.mdb")) or command("get", "run", "--json").json == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("flow.py", "mian"),
            "no task 'mian' in flow.py (did you mean 'main'?); it has prepare, scale, main",
        ),
        (("nowhere.py", "main"), "nowhere.py does not exist"),
        (("nowhere.deep", "main"), "there is no file or module 'nowhere.deep'"),
        (("no where", "main"), "there is no file 'no where'"),
        ((".", "main"), ". is a folder; name a Python file in it"),
        (("notes.txt", "main"), "notes.txt is not a Python file"),
        (("two-words.py", "main"), "'two-words' is no name in Python"),
        (("empty.py",), "it has no tasks; make one with @env.task"),
        (("flow.py", "main", "--root-dir", "sub"), "is not below the root folder"),
        (("types.py", "main"), "'types', but that is the name of"),
        (
            ("flow.py", "main", "--colour", "red"),
            "there is no input or option '--colour'; the inputs are --numbers",
        ),
        (("--colour", "red", "flow.py", "main"), "No such option '--colour'"),
        ((), "Missing argument 'FILE'"),
    ],
)
def test_files_and_tasks_that_are_not_there(
    command: Command, here: Path, args: tuple[str, ...], message: str
) -> None:
    for name in ("notes.txt", "two-words.py", "empty.py", "types.py"):
        (here / name).write_text("")
    (here / "sub").mkdir()
    done = command("run", *args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (here / ".dalsegno").exists()


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("import dalsegno\n\nraise RuntimeError('not\\x1b today')\n", "RuntimeError: not\\x1b today"),
        ("import nowhere_at_all\n", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    ],
)
def test_errors_of_the_users_file_come_with_its_own_traceback(
    command: Command, here: Path, text: str, last: str
) -> None:
    (here / "broken.py").write_text(text)
    done = command("run", "broken.py", "main")
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert lines[0] == "Error: broken.py cannot be imported"
    assert lines[-1] == last
    assert f'File "{here / "broken.py"}"' in done.err
    assert "importlib" not in done.err
    assert "dalsegno/cli" not in done.err


def test_a_wrong_task_definition_is_an_error_of_the_file(command: Command, here: Path) -> None:
    (here / "wrong.py").write_text(
        "import dalsegno\nenv = dalsegno.TaskEnvironment('w')\n@env.task\ndef f(x): return x\n"
    )
    done = command("run", "wrong.py", "f")
    assert done.code == 2
    assert "parameter 'x' has no type" in done.err


def test_several_tasks_of_one_short_name(command: Command, here: Path) -> None:
    (here / "twins.py").write_text(
        "import dalsegno\nenv = dalsegno.TaskEnvironment('t')\n"
        "@env.task(short_name='s')\ndef f() -> int: return 1\n@env.task(short_name='s')\ndef g() -> int: return 2\n"
    )
    done = command("run", "twins.py", "s")
    assert done.code == 2
    assert "write the full name of one: t.f, t.g" in done.err
    assert command("run", "twins.py", "t.g", "--json").json["outputs"] == [2]


def test_stores_that_are_none(command: Command, tmp_path: Path) -> None:
    nowhere = command("--store", tmp_path / "nowhere", "get", "run")
    assert nowhere.code == 2
    assert nowhere.err == (
        f"Error: there is no store at {tmp_path / 'nowhere'}; run a task first, or name another place with --store\n"
    )
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").write_text("no store")
    file = command("get", "--store", tmp_path / "file", "run")
    assert (file.code, "is not a store" in file.err) == (2, True)
    scheme = command("get", "run", "--store", "postgres://x")
    assert (scheme.code, "names a backend that is not installed" in scheme.err) == (2, True)


def test_a_newer_format_is_refused(command: Command, recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(recorded, copy)
    marker = copy / "store.json"
    marker.write_text(marker.read_text().replace('"format": 1', '"format": 99'))
    done = command("get", "run", "--store", copy)
    assert done.code == 2
    assert "has format 99" in done.err


def test_a_store_without_permission_is_refused(command: Command, recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(recorded, copy)
    if os.geteuid() == 0:  # root may read everything, so the store belongs to somebody else
        for path in (copy, *copy.iterdir()):
            os.chown(path, 65534, 65534)
    else:
        copy.chmod(0)
    done = command("get", "run", "--store", copy)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Error: no permission for the store {copy}")
    if os.geteuid() != 0:
        copy.chmod(0o700)


def test_a_damaged_store_is_exit_3(command: Command, recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(recorded, copy)
    (copy / "data.mdb").write_bytes(b"\0" * 8192)
    done = command("get", "run", "--store", copy)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("Error: the store ")


def test_the_last_store_on_the_line_counts(command: Command, recorded: Path, tmp_path: Path) -> None:
    done = command(
        "--store", tmp_path / "nowhere", "get", "--store", tmp_path / "no", "run", "--store", recorded
    )
    assert done.code == 0


def test_the_variable_and_pyproject_name_the_store(
    command: Command, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(f'[tool.dalsegno]\nstore = "{recorded}"\n')
    assert len(command("get", "run", "--json").json) == 3
    monkeypatch.setenv("DALSEGNO_STORE", str(tmp_path / "nowhere"))
    assert command("get", "run").code == 2
    monkeypatch.delenv("DALSEGNO_STORE")
    (tmp_path / "pyproject.toml").write_text("[tool.dalsegno]\ncolour = 'red'\n")
    wrong = command("get", "run")
    assert (wrong.code, "unknown setting 'colour'" in wrong.err) == (2, True)
