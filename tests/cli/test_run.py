"""`dalsegno run`: finding the file and the task, inputs, settings, what is printed."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Files = Callable[..., Path]


def test_run_prints_outputs_and_keeps_messages_apart(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--numbers", "[1, 2]", "--name", "one")
    assert done.code == 0
    assert done.lines() == ["preparing 1", "preparing 2", "o0 = 9.0", 'o1 = {"rate": 0.5, "title": "plain"}']
    first, last = (line for line in done.err.splitlines() if line.startswith("run "))
    assert first == "run one started"
    assert last.startswith("run one succeeded in ")
    assert last.endswith("s, 4 actions")


@pytest.mark.parametrize("task", ["main", "flow.main"])
def test_task_is_found_by_either_name(command: Command, here: Path, task: str) -> None:
    assert command("run", "flow.py", task, "--numbers", "[]", "--json").json["outputs"][0] == 0.0


def test_run_as_json_is_one_document(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--numbers", "[3]", "--name", "one", "--json")
    document = done.json
    assert list(document)[-3:] == ["url", "outputs", "error"]
    assert document["url"] == f"{here / '.dalsegno'}#default/development/one"
    assert document["outputs"][0] == 9.0
    assert document["error"] is None
    shown = command("get", "run", "one", "--json").json
    assert len(shown.pop("fingerprint")) == 64
    assert {key: document[key] for key in shown} == shown
    assert "preparing 3" in done.err


def test_inputs_as_text_flags_json_and_file(command: Command, here: Path) -> None:
    (here / "inputs.json").write_text('{"total": 1, "factor": 9, "loud": false}')
    done = command(
        "run", "flow.py", "scale", "--inputs-file", "inputs.json", "--input", "factor=2.5", "--loud", "--json"
    )
    assert done.json["outputs"] == [2.5]
    assert command("get", "io", done.json["name"], "--json").json["inputs"] == {
        "total": 1,
        "factor": 2.5,
        "loud": True,
    }


def test_inputs_of_classes_are_given_as_json_and_enums_by_name(command: Command, here: Path) -> None:
    done = command(
        "run", "flow.py", "main", "--numbers", "[]", "--config", '{"title": "t"}', "--mode", "SLOW", "--json"
    )
    shown = command("get", "io", done.json["name"]).lines()
    assert '  config = {"rate": 0.5, "title": "t"}' in shown
    assert '  mode = "Mode.SLOW"' in shown


def test_an_input_may_be_in_a_file(command: Command, here: Path) -> None:
    (here / "numbers.json").write_text("[5]")
    assert (
        command("run", "flow.py", "main", "--numbers", "@numbers.json", "--json").json["outputs"][0] == 15.0
    )


def test_inputs_with_names_of_own_options_are_given_by_input(command: Command, here: Path) -> None:
    done = command(
        "run",
        "flow.py",
        "greet",
        "--name",
        "the-run",
        "--input",
        'name="Ada"',
        "--input",
        "json=true",
        "--json",
    )
    assert (done.json["name"], done.json["outputs"]) == ("the-run", ["Ada True"])
    help = command("run", "flow.py", "greet", "--help").out
    assert "Only --input NAME=JSON sets: name, json" in help


def test_dashes_may_stand_for_underscores(command: Command, write_files: Files) -> None:
    root = write_files("d", {"dashes.py": """
        import dalsegno
        env = dalsegno.TaskEnvironment("dashes")
        @env.task
        def twice(a_number: int, no_end: bool = True) -> int:
            return 2 * a_number
    """})  # fmt: skip
    store = ("--store", root / "store", "--json")
    for spelling in ("--a_number", "--a-number"):
        assert command("run", root / "dashes.py", "twice", spelling, "4", *store).json["outputs"] == [8]
    assert command("run", root / "dashes.py", "twice", "--a-number=-4", *store).json["outputs"] == [-8]


def test_settings_are_recorded(command: Command, here: Path) -> None:
    command(
        "run", "flow.py", "nothing", "--name", "set", "-p", "apollo", "-d", "lab", "--label", "a=1", "--label", "b=x=y",
        "-e", "LEVEL=3", "--durability", "relaxed", "--copy-style", "all",
    )  # fmt: skip
    run = command("get", "run", "set", "-p", "apollo", "-d", "lab", "--json").json
    assert (run["labels"], run["env_vars"]) == ({"a": "1", "b": "x=y"}, {"LEVEL": "3"})


def test_a_task_without_outputs_prints_none(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "nothing")
    assert (done.code, done.out) == (0, "")


def test_file_without_task_lists_its_tasks(command: Command, here: Path) -> None:
    assert [re.split(r"  +", line) for line in command("run", "flow.py").lines()] == [
        ["TASK", "INPUTS", "DOES"],
        ["prepare", "(number: int)", "Double a number."],
        ["scale", "(total: int, factor: float, loud: bool)"],
        ["main", "(numbers: list[int], config: Config, mode: Mode)", "Scale the doubled sum."],
        ["greet", "(name: str, json: bool)"],
        ["nothing", "()", "Do nothing."],
    ]


def test_tasks_as_json(command: Command, here: Path) -> None:
    tasks = command("run", "flow.py", "--json").json
    assert [task["name"] for task in tasks] == ["prepare", "scale", "main", "greet", "nothing"]
    assert tasks[1] == {
        "name": "scale",
        "task": "flow.scale",
        "doc": "",
        "inputs": [
            {"name": "total", "type": "int", "required": True, "default": None},
            {"name": "factor", "type": "float", "required": False, "default": "1.5"},
            {"name": "loud", "type": "bool", "required": False, "default": "False"},
        ],
    }


def test_help_lists_inputs_with_type_and_default(command: Command, here: Path) -> None:
    help = command("run", "flow.py", "main", "--help").out
    rows = {line.split()[1]: line.split()[2:-1] for line in help.splitlines() if line.startswith("│ --")}
    assert rows["--numbers"] == ["list[int]", "[required]"]
    assert rows["--mode"] == ["[f|s]", "[default:", "FAST]"]
    help = command("run", "flow.py", "scale", "--help").out
    assert "--loud/--no-loud" in help
    assert "[default: False]" in help


def test_module_in_a_package_keeps_its_name(
    command: Command, write_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_files("src", {
        "shop/__init__.py": "",
        "shop/prices.py": "RATE = 3\n",
        "shop/tasks/__init__.py": "",
        "shop/tasks/sell.py": """
            import dalsegno
            from ..prices import RATE
            env = dalsegno.TaskEnvironment("sell")
            @env.task
            def price(n: int) -> str:
                return f"{RATE * n} {__name__}"
        """,
    })  # fmt: skip
    options = ("--n", "2", "--json", "--store", root.parent / "store")
    wanted = ["6 shop.tasks.sell"]
    assert command("run", root / "shop/tasks/sell.py", "price", *options).json["outputs"] == wanted
    monkeypatch.chdir(root)
    assert command("run", "shop.tasks.sell", "price", *options).json["outputs"] == wanted


def test_root_dir_names_the_module(command: Command, write_files: Files) -> None:
    root = write_files("spaces", {"part/job.py": """
        import dalsegno
        env = dalsegno.TaskEnvironment("job")
        @env.task
        def name() -> str:
            return __name__
    """})  # fmt: skip
    options = ("--json", "--store", root / "store")
    assert command("run", root / "part/job.py", "name", "--root-dir", root, *options).json["outputs"] == [
        "part.job"
    ]


def test_rerun_from_takes_recorded_inputs_and_this_code(
    process: Command, recorded: Path, flow: str, tmp_path: Path
) -> None:
    shutil.copytree(recorded, tmp_path / "store")
    (tmp_path / "flow.py").write_text(flow.replace("number == 13", "number == 14"))
    line = ("run", "--store", "store", "--rerun-from", "bad", "flow.py", "main")
    done = process(*line, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.json["outputs"][0] == 42.0
    relation = done.json["relation"]
    assert (relation["kind"], relation["run"], relation["changed_inputs"]) == ("fork", "bad", [])
    changed = process(*line, "--numbers", "[1]", "--json", cwd=tmp_path)
    assert changed.json["outputs"][0] == 3.0
    assert changed.json["relation"]["changed_inputs"] == ["numbers"]
    assert "[recorded value by default]" in process(*line, "--help", cwd=tmp_path).out


def test_failure_shows_class_traceback_and_first_action(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--numbers", "[13]", "--name", "bad")
    assert done.code == 1
    lines = done.err.splitlines()
    (sentence,) = (line for line in lines if line.startswith("run bad failed in "))
    assert sentence.endswith("s, 2 actions (2 failed)")
    (first,) = (line for line in lines if line.startswith("the first action to fail was prepare-"))
    assert first.endswith(" (flow.prepare)")
    assert lines[-1] == "ValueError: 13 is unlucky"
    assert '    raise ValueError(f"{number} is unlucky")' in lines
    assert "dalsegno/_runner.py" not in done.err


def test_failure_as_json(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--numbers", "[13]", "--json")
    assert (done.code, done.json["phase"], done.json["outputs"]) == (1, "failed", [])
    assert done.json["error"]["message"] == "13 is unlucky"


def test_follow_labels_the_logs_of_every_action(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--numbers", "[1]", "-f", "--name", "seen")
    prepare, scale = (action["name"] for action in command("get", "action", "seen", "--json").json[1:])
    assert done.lines()[:2] == [f"[{prepare}] preparing 1", f"[{scale}] WARNING flow: scaling 2"]
    assert command("get", "logs", "seen").lines() == done.lines()[:2]


def test_follow_with_json_keeps_stdout_clean(command: Command, here: Path) -> None:
    done = command("run", "flow.py", "main", "--numbers", "[1]", "--follow", "--json")
    assert done.json["phase"] == "succeeded"
    assert "] preparing 1\n" in done.err


def test_long_outputs_are_cut_for_people_only(command: Command, write_files: Files) -> None:
    root = write_files("long", {"lengthy.py": """
        import dalsegno
        env = dalsegno.TaskEnvironment("lengthy")
        @env.task
        def much() -> list[int]:
            return list(range(1000))
    """})  # fmt: skip
    store = ("--store", root / "store", "--name", "l")
    done = command("run", root / "lengthy.py", "much", *store)
    assert done.lines()[0] == "o0 = ["
    assert done.lines()[-1] == "… 942 more lines; `dalsegno get io l` prints them all"
    assert len(command("get", "io", "l", *store[:2]).lines()) == 1004
    assert json.loads(command("get", "io", "l", "--json", *store[:2]).out)["outputs"] == [list(range(1000))]
