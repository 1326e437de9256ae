"""Traced functions and recorded values as the command line shows them."""

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

Command = Callable[..., Any]

FLOW = """
    import dalsegno
    from dalsegno import durable, trace

    env = dalsegno.TaskEnvironment("flow")

    @trace
    def fetch(url):
        return f"{url} at {durable.time()}"

    @env.task
    def main(url: str) -> str:
        return fetch(url)
"""


@pytest.fixture
def recorded_here(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a flow, and a run of it called `one`."""
    (tmp_path / "flow.py").write_text(dedent(FLOW))
    monkeypatch.chdir(tmp_path)
    assert command("run", "flow.py", "main", "--url", "u", "--name", "one").code == 0
    return tmp_path


def test_only_tasks_are_offered(recorded_here: Path, command: Command) -> None:
    assert [task["name"] for task in command("run", "flow.py", "--json").json] == ["main"]
    refused = command("run", "flow.py", "fetch")
    assert refused.code == 2
    assert "no task 'fetch'" in refused.err


def test_actions_say_what_kind_they_are(recorded_here: Path, command: Command) -> None:
    actions = command("get", "action", "one", "--json").json
    assert [(action["task"], action["kind"], action["parent"]) for action in actions] == [
        ("flow.main", "task", None),
        ("trace.fetch", "trace", "a0"),
        ("durable.time", "durable", actions[1]["name"]),
    ]
    shown = command("get", "action", "one", actions[1]["name"]).out
    assert [line.split() for line in shown.splitlines() if line.startswith("kind")] == [["kind", "trace"]]
    assert "kind" not in command("get", "action", "one", "a0").out
    tree = command("get", "action", "one").lines()
    assert [line.lstrip("│├└─ ").split("-")[0].split()[1] for line in tree] == ["a0", "fetch", "time"]


def test_their_code_is_shown(recorded_here: Path, command: Command) -> None:
    fetch = command("get", "code", "one", "--task", "trace.fetch").lines()
    assert any(line.startswith("symbol   flow:fetch ") for line in fetch)
    assert not any(line.startswith(("symbol   flow:main ", "widened")) for line in fetch)
    value = command("get", "code", "one", "--task", "durable.time").lines()
    assert [line.split()[0] for line in value] == ["task", "digest"]


def test_why_and_what_a_plan_says(recorded_here: Path, command: Command) -> None:
    names = [action["name"] for action in command("get", "action", "one", "--json").json]
    source = Path("flow.py").read_text()
    Path("flow.py").write_text(source.replace("} at {", "} then {"))
    del sys.modules["flow"]
    planned = command("run", "--rerun-from", "one", "--recover", "flow.py", "main", "--dry-run", "--json")
    verdicts = {each["action"]: each["verdict"] for each in planned.json["actions"]}
    assert verdicts == dict(zip(names, ["execute", "execute", "reuse"], strict=True))
    again = command("run", "--rerun-from", "one", "--recover", "flow.py", "main", "--name", "two", "--json")
    assert again.json["outputs"][0].startswith("u then ")
    verdicts = {
        each["task"]: (each["verdict"], each["reason"]) for each in command("why", "two", "--json").json
    }
    assert verdicts["trace.fetch"][0] == "executed"
    assert verdicts["trace.fetch"][1].startswith("symbol flow:fetch")
    assert verdicts["durable.time"] == ("reused", f"the value of the same place, {names[2]} of run one")
