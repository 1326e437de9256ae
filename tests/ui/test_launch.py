"""Rerunning from the page: each run in an engine process of its own, which gets what is asked for where nobody else can read it."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno.errors import InputError
from dalsegno.ui._launch import ask
from dalsegno.ui._orders import order
from dalsegno.ui._refusal import RefusedError
from dalsegno.ui._store import Reader

from .recorded import FLOW, TRACE, Api, Small, api, reader, small

__all__ = ["api", "reader", "small"]

PATIENCE = 30


def launched(api: Api, run: str = "first", action: str = "a0", **wanted: Any) -> Any:
    answer = api.post(f"/runs/{run}/actions/{action}/rerun", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


def until(happened: Any) -> Any:
    """What something gives as soon as that is true of it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def ended(api: Api, name: str) -> Any:
    """A run, when it has ended."""

    def look() -> Any:
        run = api.get(f"/runs/{name}").json()
        return run if run["ended_at"] else None

    return until(look)


def io(api: Api, run: str, action: str = "a0") -> Any:
    return api.get(f"/runs/{run}/actions/{action}/io").json()


def processes(text: str) -> list[int]:
    """The processes whose command line has that text."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def engines() -> list[int]:
    """The engine processes that this one has started and that live."""
    return [
        process
        for process in processes("dalsegno.ui._engine")
        if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())
    ]


def test_unchanged(api: Api) -> None:
    made = launched(api)
    assert made["relation"]["run"] == "first"
    assert made["relation"]["changed_inputs"] == []
    run = ended(api, made["name"])
    assert run["phase"] == "succeeded"
    assert run["fingerprint"] == api.get("/runs/first").json()["fingerprint"]
    assert run["labels"] == {"team": "a"}


def test_with_changed_inputs_name_labels_and_variables(api: Api) -> None:
    made = launched(
        api,
        inputs={"numbers": [5], "mode": "slow", "scale": 2},
        name="changed",
        labels={"why": "<b>"},
        env_vars={"LEVEL": "high"},
    )
    assert made["name"] == "changed"
    assert made["relation"]["changed_inputs"] == ["mode", "numbers", "scale"]
    run = ended(api, "changed")
    assert run["labels"] == {"team": "a", "why": "<b>"}
    assert io(api, "changed")["outputs"] == [20.0]
    assert io(api, "changed")["inputs"]["mode"]["value"] == "SLOW"
    lines = api.get("/runs/changed/actions/a0/logs").json()["lines"]
    assert "level high\n" in "".join(each["text"] for each in lines)


def test_one_action_alone(api: Api) -> None:
    second = api.get("/runs/first/actions").json()["actions"][1]["name"]
    made = launched(api, action=second, inputs={"number": 21})
    assert (made["task"], made["relation"]["action"]) == ("flow.prepare", second)
    ended(api, made["name"])
    assert io(api, made["name"])["outputs"] == [42]


def test_inputs_that_do_not_fit_are_named_one_by_one(api: Api, reader: Reader) -> None:
    before = len(reader.runs(limit=1000).runs)
    wanted = {"inputs": {"numbers": ["x"], "mode": "quick", "other": 1}}
    answer = api.post("/runs/first/actions/a0/rerun", json=wanted)
    error = answer.json()["error"]
    assert (answer.status_code, error["kind"]) == (422, "InputError")
    found = {each["input"]: (each["path"], each["got"]) for each in error["problems"]}
    assert found["numbers"] == ("0", "'x' (str)")
    assert {*found} == {"numbers", "mode", "other"}
    assert len(reader.runs(limit=1000).runs) == before


def test_what_the_recorded_interface_takes_is_told_without_a_process(reader: Reader) -> None:
    reader.check("first", "a0", inputs={"numbers": [1], "mode": "slow"})
    with pytest.raises(InputError) as caught:
        reader.check("first", "a0", inputs={"scale": "much", "numbers": 3})
    assert {problem.input for problem in caught.value.problems} == {"scale", "numbers"}


@pytest.mark.parametrize(
    ("wanted", "status", "kind"),
    [
        ({"name": "first"}, 409, "RunExistsError"),
        ({"name": "a/b"}, 400, "InvalidNameError"),
        ({"labels": {"": "x"}}, 400, "InvalidNameError"),
        ({"env_vars": {"A=B": "x"}}, 400, "InvalidNameError"),
        ({"force": ["prepare"]}, 400, "UsageError"),
        ({"recover": True, "force": ["none-abcdefgh"]}, 404, "ActionNotFoundError"),
        ({"unknown": 1}, 422, "UsageError"),
        ({"inputs": []}, 422, "UsageError"),
    ],
)
def test_what_the_engine_refuses_is_refused(api: Api, wanted: dict[str, Any], status: int, kind: str) -> None:
    answer = api.post("/runs/first/actions/a0/rerun", json=wanted)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)


def test_a_plan_records_nothing(api: Api, reader: Reader) -> None:
    before = len(reader.runs(limit=1000).runs)
    wanted = {"inputs": {"numbers": [1, 9]}, "recover": True}
    plan = api.post("/runs/first/actions/a0/plan", json=wanted).json()
    assert (plan["run"], plan["execute"], plan["reuse"]) == ("first", 1, 2)
    assert [each["verdict"] for each in plan["actions"]] == ["execute", "reuse", "reuse"]
    assert "numbers" in plan["actions"][0]["reason"]
    assert len(reader.runs(limit=1000).runs) == before


def test_recovering_with_one_action_forced(api: Api) -> None:
    first, second = (each["name"] for each in api.get("/runs/first/actions").json()["actions"])
    made = launched(api, recover=True, force=[second])
    ended(api, made["name"])
    phases = {
        each["name"]: each["phase"] for each in api.get(f"/runs/{made['name']}/actions").json()["actions"]
    }
    assert phases == {first: "recovered", second: "succeeded"}


def test_the_code_of_today(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textwrap import dedent

    (tmp_path / "flow.py").write_text(dedent(FLOW).replace("FACTOR = 2", "FACTOR = 10"))
    monkeypatch.chdir(tmp_path)
    made = launched(api, current_code=True)
    assert made["relation"]["kind"] == "fork"
    ended(api, made["name"])
    assert io(api, made["name"])["outputs"] == [30.0]
    recorded = launched(api)
    ended(api, recorded["name"])
    assert io(api, recorded["name"])["outputs"] == [6.0]


def test_code_of_today_that_cannot_be_imported(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text("raise RuntimeError('not now')")
    error = api.post("/runs/first/actions/a0/rerun", json={"current_code": True}).json()["error"]
    assert error["kind"] == "UsageError"
    assert "RuntimeError: not now" in error["message"]
    (tmp_path / "flow.py").write_text("add = 3")
    error = api.post("/runs/first/actions/a0/rerun", json={"current_code": True}).json()["error"]
    assert "no task any more" in error["message"]


def test_code_of_today_is_looked_for_in_known_places(
    reader: Reader, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reader.task("first", "a0")["current"] is True  # beside the store
    monkeypatch.setattr("dalsegno.ui._orders.Path.is_file", lambda file: file == tmp_path / "src" / "flow.py")
    assert reader.task("first", "a0")["current"] is False
    (tmp_path / "src").mkdir()
    assert reader.task("first", "a0")["current"] is True


def test_a_run_goes_on_alone_is_followed_and_is_stopped(api: Api, small: Small) -> None:
    secret = "in-no-command-line"
    made = launched(api, "slow", inputs={"seconds": 60}, env_vars={"LEVEL": secret}, name="long")
    assert made["phase"] in ("queued", "running")
    (process,) = until(lambda: engines() if len(engines()) == 1 else None)
    assert os.getsid(process) == process != os.getsid(0)
    assert processes(secret) == []
    log = until(lambda: api.get("/runs/long/actions/a0/logs").json()["lines"])
    assert [each["text"] for each in log] == ["begun\n"]
    assert api.get("/runs/long").json()["phase"] == "running"
    stopped = api.post("/runs/long/abort")
    assert (stopped.status_code, stopped.json()["phase"]) == (200, "aborted")
    until(lambda: not engines())
    assert api.get("/runs/long/actions/a0").json()["phase"] == "aborted"
    assert api.post("/runs/long/abort").json()["phase"] == "aborted"


def test_a_run_whose_process_is_gone_is_resumed(api: Api) -> None:
    refused = api.post("/runs/first/resume")
    assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "CannotResumeError")
    launched(api, "slow", inputs={"seconds": 4}, name="cut")
    until(lambda: api.get("/runs/cut/actions/a0/logs").json()["lines"])
    (process,) = until(lambda: engines() if len(engines()) == 1 else None)
    os.kill(process, signal.SIGKILL)
    until(lambda: api.get("/runs/cut").json()["phase"] == "interrupted")
    resumed = api.post("/runs/cut/resume")
    assert (resumed.status_code, resumed.json()["name"]) == (200, "cut")
    assert ended(api, "cut")["phase"] == "succeeded"
    assert api.get("/runs/cut/actions/a0").json()["attempts"] == 2


def test_into_another_project(api: Api) -> None:
    made = launched(api, name="there", project="tests", domain="staging")
    assert (made["project"], made["domain"]) == ("tests", "staging")
    run = until(
        lambda: (found := api.get("/runs/there?project=tests&domain=staging").json())["ended_at"] and found
    )
    assert run["relation"]["project"] != "tests"
    answer = api.post("/runs/first/actions/a0/rerun", json={"project": "a/b"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "InvalidNameError")


def test_a_pickled_input_is_loaded_by_the_engine_alone(api: Api, small: Small) -> None:
    made = launched(api, "pickled")
    assert ended(api, made["name"])["phase"] == "succeeded"
    (small.folder / TRACE).unlink(missing_ok=True)


def test_a_process_that_cannot_open_the_store_says_why(reader: Reader, tmp_path: Path) -> None:
    run, action = reader._action("first", "a0", None, None)
    wanted = order("rerun", reader._ledger, reader.place, run, action, {})
    (tmp_path / "file").write_text("no store")
    with pytest.raises(RefusedError) as caught:
        ask({**wanted, "store": str(tmp_path / "file")})
    assert caught.value.kind == "NotAStoreError"


def test_a_process_that_ends_without_an_answer_is_an_error(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, action = reader._action("first", "a0", None, None)
    wanted = order("rerun", reader._ledger, reader.place, run, action, {})
    monkeypatch.setattr("dalsegno.ui._launch._START", "raise SystemExit('nothing works')  # {paths}")
    with pytest.raises(RefusedError, match="status 1 before it answered: nothing works"):
        ask(wanted)


def test_an_order_is_json(reader: Reader) -> None:
    run, action = reader._action("first", "a0", None, None)
    wanted = order("plan", reader._ledger, reader.place, run, action, {"inputs": {"numbers": [1]}})
    assert json.loads(json.dumps(wanted)) == wanted
