"""The JSON API: the documents of the command line, one form of error, and nothing recorded ever loaded."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno.config import Config
from dalsegno.ui._api import ONE, PREFIX, RUN
from dalsegno.ui._store import Reader

from .conftest import dalsegno, environment
from .recorded import SCRIPT, TRACE, Api, Small, api, line, reader, small

__all__ = ["api", "reader", "small"]


def ok(api: Api, address: str, **asked: Any) -> Any:
    answer = api.get(address, params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def refused(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["kind"], error["message"]


# Runs


def test_a_run_is_the_document_of_the_command_line(api: Api, small: Small) -> None:
    assert ok(api, "/runs/first") == line(small, "get", "run", "first")
    assert ok(api, "/runs/first")["fingerprint"]


def test_runs_come_newest_first_page_by_page(api: Api) -> None:
    everything = ok(api, "/runs")
    names = [run["name"] for run in everything["runs"]]
    assert names[-5:] == ["again", "slow", "pickled", "failed", "first"]
    assert everything["next"] == ""
    paged, before = [], ""
    while True:
        page = ok(api, "/runs", limit=1, before=before)
        paged += [run["name"] for run in page["runs"]]
        before = page["next"]
        if not before:
            break
    assert paged == names


def named(api: Api, **asked: Any) -> list[str]:
    """Those of the recorded runs that are listed; tests may have made others."""
    mine = ("first", "failed", "pickled", "again")
    return [run["name"] for run in ok(api, "/runs", **asked)["runs"] if run["name"] in mine]


def test_runs_are_searched_and_filtered(api: Api) -> None:
    assert named(api, text="PICK") == ["pickled"]
    assert named(api, text="flow.broken") == ["failed"]
    assert named(api, text="team=A") == ["again", "first"]
    assert named(api, text="a%b") == []
    assert named(api, phase="failed") == ["failed"]
    assert named(api, task="flow.add") == ["again", "first"]
    assert named(api, task="stran") == ["pickled"]
    assert named(api, label="team=a") == ["again", "first"]
    assert named(api, label="team") == ["again", "first"]
    assert named(api, label="team=b") == []
    assert named(api, task="flow.add", phase="failed") == []
    assert named(api, project="default", domain="development", text="first") == ["first"]
    assert named(api, project="other") == []


def test_runs_are_listed_by_time(api: Api) -> None:
    moment = datetime.fromisoformat(ok(api, "/runs/failed")["started_at"])
    after = moment + timedelta(microseconds=1)
    assert named(api, since=moment.isoformat()) == ["again", "pickled", "failed"]
    assert named(api, since=after.isoformat()) == ["again", "pickled"]
    assert named(api, until=moment.isoformat()) == ["first"]
    assert named(api, since=datetime.now(UTC).isoformat()) == []


def test_a_page_looks_at_a_bounded_number_of_runs(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = reader._ledger
    whole = ledger.run_page
    monkeypatch.setattr(ledger, "run_page", lambda *args, **rest: whole(*args, **rest, most=1))
    seen, before = [], ""
    while True:
        page = reader.runs(text="first", before=before)
        seen.append([run["name"] for run in page.runs])
        before = page.next
        if not before:
            break
    assert [names for names in seen if names] == [["first"]]
    assert len(seen) > 4


def test_the_family_of_a_run(api: Api) -> None:
    family = ok(api, "/runs/again/lineage")
    assert [(each["run"]["name"], each["parent"]) for each in family[:1]] == [("first", None)]
    assert ("again", 0) in [(each["run"]["name"], each["parent"]) for each in family]
    assert ok(api, "/runs/first/lineage") == family


def test_a_comparison_is_the_document_of_the_command_line(api: Api, small: Small) -> None:
    found = ok(api, "/diff", old="first", new="again")
    assert found["same"] is False
    assert found == line(small, "diff", "first", "again")
    assert ok(api, "/diff", old="first", new="first")["same"] is True


def test_runs_of_other_projects_are_compared_by_project_domain_and_name(api: Api) -> None:
    run = ok(api, "/runs/first")
    whole = f"{run['project']}/{run['domain']}/first"
    assert ok(api, "/diff", old=whole, new="again") == ok(api, "/diff", old="first", new="again")
    status, kind, _ = refused(api.get(f"/diff?old=other/{run['domain']}/first&new=again"))
    assert (status, kind) == (404, "RunNotFoundError")
    assert refused(api.get("/diff?old=a/b&new=again"))[:2] == (400, "InvalidNameError")


# Actions


def test_actions_come_level_by_level_and_page_by_page(api: Api, small: Small) -> None:
    recorded = line(small, "get", "action", "first")
    below = ok(api, "/runs/first/actions")
    assert [each["name"] for each in below["actions"]] == [each["name"] for each in recorded[1:]]
    assert [each["children"] for each in below["actions"]] == [0, 0]
    assert (below["run"], below["next"]) == ("first", None)
    one = ok(api, "/runs/first/actions", limit=1)
    two = ok(api, "/runs/first/actions", limit=1, after=one["next"])
    assert one["actions"] + two["actions"] == below["actions"]
    assert two["next"] is None


def test_what_is_below_a_reused_action_is_that_of_the_run_where_it_ran(api: Api) -> None:
    phases = {each["task"]: each["phase"] for each in ok(api, "/runs/again/actions")["actions"]}
    assert phases == {"flow.prepare": "succeeded"}
    first, second = ok(api, "/runs/again/actions")["actions"]
    assert (first["phase"], second["phase"]) == ("recovered", "succeeded")
    assert first["origin"]["run"] == "first"
    assert ok(api, "/runs/again/actions", parent=first["name"])["run"] == "first"


def test_a_run_whose_source_was_deleted_is_shown(small: Small, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    subprocess.run(dalsegno(small.store, "backup", store), env=environment(), check=True)
    subprocess.run(dalsegno(store, "delete", "run", "first", "--force"), env=environment(), check=True)
    reader = Reader(Config(store))
    api = Api(reader)
    reused = ok(api, "/runs/again/actions")["actions"][0]
    assert (reused["phase"], reused["origin"], reused["children"]) == ("recovered", None, 0)
    assert ok(api, "/runs/again/actions", parent=reused["name"])["actions"] == []
    assert ok(api, "/runs/again/lineage")[0]["run"]["name"] == "again"
    for what in ("", "/why", "/io", "/code", "/task", "/logs"):
        ok(api, f"/runs/again/actions/{reused['name']}{what}")
    assert len(reader.tree("again")) == 3
    reader.close()


def test_an_action_with_its_values_and_its_log(api: Api, small: Small) -> None:
    name = ok(api, "/runs/first/actions")["actions"][0]["name"]
    assert ok(api, f"/runs/first/actions/{name}") == line(small, "get", "action", "first", name)
    assert ok(api, f"/runs/first/actions/{name}/io") == {"inputs": {"number": 1}, "outputs": [2]}
    assert ok(api, f"/runs/first/actions/{name}/why") == line(small, "why", "first")[1]
    log = ok(api, f"/runs/first/actions/{name}/logs")
    assert "".join(each["text"] for each in log["lines"]) == "preparing 1\n"
    assert ok(api, f"/runs/first/actions/{name}/logs", after=log["next"]) == {
        "lines": [],
        "next": log["next"],
    }


def test_failed_attempts_come_with_their_tracebacks(api: Api) -> None:
    (fragile,) = ok(api, "/runs/failed/actions")["actions"]
    assert fragile["attempts"] == 2
    (attempt,) = ok(api, f"/runs/failed/actions/{fragile['name']}/attempts")
    assert attempt["attempt"] == 1
    assert attempt["error"]["kind"] == "builtins.ValueError"
    assert "raise ValueError(text)" in attempt["error"]["traceback"]


def test_a_task_with_its_schemas(api: Api) -> None:
    task = ok(api, "/runs/first/actions/a0/task")
    assert (task["name"], task["doc"], task["current"]) == ("flow.add", "Sum what was prepared.", True)
    numbers, mode, scale = task["inputs"]
    assert (numbers["name"], numbers["required"], numbers["default_text"]) == ("numbers", True, None)
    assert numbers["schema"] == {"type": "array", "items": {"type": "integer"}}
    assert (mode["required"], mode["schema"]["enum"]) == (False, ["fast", "slow"])
    assert scale["default_text"] == "1.0"
    assert [each["required"] for each in task["outputs"]] == [False]


def test_the_code_that_a_task_reaches_line_by_line(api: Api, small: Small) -> None:
    name = ok(api, "/runs/first/actions")["actions"][0]["name"]
    code = ok(api, f"/runs/first/actions/{name}/code")
    assert code["closure"] == line(small, "get", "code", "first", "--task", "prepare")
    (file,) = code["files"]
    lines = file["text"].splitlines()
    reached = [lines[number - 1].strip() for number in file["marked"]]
    assert file["path"] == "flow.py"
    assert file["text"] == (small.folder / "flow.py").read_text()
    assert "FACTOR = 2" in reached
    assert "return scaled(number)" in reached
    assert "raise ValueError(text)" not in reached


# What was recorded is only ever shown


def test_nothing_recorded_is_unpickled_or_imported(api: Api, small: Small) -> None:
    for what in ("", "/io", "/logs", "/attempts", "/why", "/task", "/code"):
        ok(api, f"/runs/pickled/actions/a0{what}")
    for address in ("/runs", "/runs/pickled", "/runs/pickled/lineage", "/runs/pickled/actions"):
        ok(api, address)
    ok(api, "/diff", old="pickled", new="first")
    io = ok(api, "/runs/pickled/actions/a0/io")
    assert "$opaque" in str(io["inputs"]["value"])
    assert not (small.folder / TRACE).exists()
    assert "flow" not in sys.modules


def test_what_json_cannot_say_is_an_object(api: Api) -> None:
    assert ok(api, "/runs/pickled/actions/a0/io")["outputs"] == [{"$type": "float", "value": "nan"}]


def test_texts_like_scripts_are_texts_of_json(api: Api) -> None:
    answer = api.get("/runs/failed")
    assert answer.json()["labels"] == {"note": SCRIPT}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


# Errors


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("/runs/frist", 404, "RunNotFoundError"),
        ("/runs/first/actions/none-abcdefgh", 404, "ActionNotFoundError"),
        ("/runs/first/actions/none-abcdefgh/io", 404, "ActionNotFoundError"),
        ("/runs/first?project=none", 404, "RunNotFoundError"),
        ("/runs?limit=0", 422, "UsageError"),
        ("/runs?limit=100000", 422, "UsageError"),
        ("/runs?since=yesterday", 422, "UsageError"),
        ("/runs?since=2026-01-01T00:00:00", 400, "UsageError"),
        ("/runs?before=zz", 400, "UsageError"),
        ("/runs?before=-1", 400, "UsageError"),
        (f"/runs?before={'f' * 17}", 400, "UsageError"),
        ("/runs?phase=odd", 400, "UsageError"),
        ("/runs/first/actions/a0/logs?after=-1", 422, "UsageError"),
        ("/runs/..%2f..%2fetc", 404, "NotFoundError"),
        ("/runs/a%00b", 400, "InvalidNameError"),
        ("/diff?old=first", 422, "UsageError"),
        ("/nothing", 404, "NotFoundError"),
    ],
)
def test_every_error_has_one_form(api: Api, address: str, status: int, kind: str) -> None:
    found, name, message = refused(api.get(address))
    assert (found, name) == (status, kind)
    assert message


@pytest.mark.parametrize(
    "address",
    [
        f"/runs/first/actions?after={10**40}",
        f"/runs/first/actions?after=-{10**40}",
        f"/runs/first/actions/a0/logs?after={10**40}",
        "/runs?since=0001-01-01T00:00:00Z",
        "/runs?until=9999-12-31T23:59:59Z",
        "/runs?since=9999-12-31T23:59:59-23:59",
        "/runs?before=ffffffffffffffff",
        "/runs?label=%3D",
        "/runs?label=a%3D%00",
        f"/runs?task={'x' * 5000}",
        f"/runs?label={'k' * 3000}%3D{'v' * 3000}",
        f"/runs/{'x' * 5000}",
        "/runs/%ed%a0%80",
        "/runs/first/actions/%ed%a0%80",
        f"/runs/first/actions/{'y' * 5000}",
        "/runs/first?project=%ed%a0%80",
        "/runs/first/actions?parent=a0/..",
        "/diff?old=first&new=first&action=zz",
    ],
)
def test_odd_addresses_are_answered_all_the_same(api: Api, address: str) -> None:
    assert api.get(address).status_code in (200, 400, 404, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        200_000 * b"[",
        b'{"inputs": {"numbers": ' + 5000 * b"[" + 5000 * b"]" + b"}}",
        b'{"inputs": {"numbers": ' + 5000 * b"9" + b"}}",
        b'{"inputs": {"numbers": 1e999}}',
        b'{"name": "\\ud800"}',
        b'{"labels": {"a": 1}}',
        b'{"force": ["a0"], "more": 1}',
        b"null",
        b"\xff\xfe",
    ],
)
def test_odd_orders_are_refused(api: Api, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    status, kind, message = refused(api.post("/runs/first/actions/a0/plan", content=body, headers=headers))
    assert status in (400, 422)
    assert kind != "InternalError"
    assert message


def test_what_is_nested_too_deeply_is_refused_however_deep_the_stack_may_be(api: Api) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        answer = api.post(
            "/runs/first/actions/a0/plan",
            content=b'{"inputs": {"numbers": ' + 5000 * b"[" + 5000 * b"]" + b"}}",
            headers={"content-type": "application/json"},
        )
    finally:
        sys.setrecursionlimit(limit)
    assert refused(answer) == (
        400,
        "UsageError",
        "an input is nested deeper than 100 levels, which no value may be",
    )


def test_near_names_are_in_the_sentence(api: Api) -> None:
    assert "'first'" in refused(api.get("/runs/frist"))[2]


def test_an_error_that_nobody_knows_says_nothing_of_itself(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "run", lambda *args, **rest: dict[str, int]()["secret"])
    status, kind, message = refused(Api(reader).get("/runs/first"))
    assert (status, kind) == (500, "InternalError")
    assert "secret" not in message


def test_another_method_is_another_address(api: Api) -> None:
    assert refused(api.ask("DELETE", "/runs/first"))[:2] == (404, "NotFoundError")
    assert refused(api.get("/runs/first/abort"))[:2] == (404, "NotFoundError")
    for method in ("HEAD", "OPTIONS"):
        answer = api.ask(method, "/runs/first")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


def test_read_only_executes_nothing(small: Small) -> None:
    reader = Reader(Config(small.store), read_only=True)
    before = reader.version()
    looking = Api(reader)
    for address in ("actions/a0/rerun", "actions/a0/plan", "abort", "resume"):
        answer = looking.post(f"/runs/first/{address}", json={})
        assert refused(answer)[:2] == (403, "ReadOnlyError"), address
    assert looking.get("/runs/first").status_code == 200
    assert reader.version() == before
    reader.close()


# The description


def test_every_route_is_described(api: Api) -> None:
    document = ok(api, "/openapi.json")
    assert document["info"]["title"] == "dalsegno"
    assert {RUN, ONE, f"{ONE}/rerun", f"{PREFIX}/runs", f"{PREFIX}/diff"} <= {*document["paths"]}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            assert described["description"], path
            done = described["responses"]["201" if path.endswith("rerun") else "200"]
            assert "schema" in done["content"]["application/json"], (method, path)
    schemas = document["components"]["schemas"]
    assert schemas["RunView"]["properties"]["phase"] == {"title": "Phase", "type": "string"}
    assert "fingerprint" not in schemas["RunView"]["required"]
    assert schemas["ErrorDocument"]["properties"]["error"] == {"$ref": "#/components/schemas/RefusalView"}
