"""`get run`, `get action`, `get io`, `get logs` and `get code` on recorded runs."""

import platform
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dalsegno._ledger import Ledger
from dalsegno._records import log_key, pack_log
from dalsegno_storage import open_store
from dalsegno_storage.lmdb import LmdbStore

Command = Callable[..., Any]

RUN_KEYS = [
    "name", "project", "domain", "phase", "task", "action", "labels", "env_vars", "relation", "started_at",
    "ended_at", "duration_s", "code_digest", "bundle_digest", "imported",
]  # fmt: skip
ACTION_KEYS = [
    "run", "name", "task", "kind", "phase", "parent", "key", "attempts", "group", "started_at", "ended_at", "duration_s",
    "inputs_digest", "outputs_digest", "error", "code_digest", "origin",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def test_run_as_json_has_the_promised_keys(look: Command) -> None:
    run = look("get", "run", "good", "--json").json
    assert list(run) == [*RUN_KEYS, "fingerprint"]
    assert (run["name"], run["project"], run["domain"]) == ("good", "default", "development")
    assert (run["phase"], run["task"], run["action"]) == ("succeeded", "flow.main", "a0")
    assert (run["labels"], run["env_vars"]) == ({"team": "a"}, {"LEVEL": "2"})
    assert run["relation"] is None
    assert TIME.match(run["started_at"])
    assert TIME.match(run["ended_at"])
    assert 0 < run["duration_s"] < 60
    assert DIGEST.match(run["code_digest"])
    assert DIGEST.match(run["bundle_digest"])


def test_a_list_has_fingerprints_if_they_are_asked_for(look: Command) -> None:
    assert all("fingerprint" not in view for view in look("get", "run", "--json").json)
    views = look("get", "run", "--fingerprint", "--json").json
    alone = look("get", "run", "good", "--json").json
    assert {view["name"]: view["fingerprint"] for view in views}["good"] == alone["fingerprint"]
    assert all(DIGEST.match(view["fingerprint"]) for view in views)
    table = look("get", "run", "--fingerprint").out
    assert "FINGERPRINT" in table
    assert alone["fingerprint"][:12] in table
    assert "FINGERPRINT" not in look("get", "run").out


def test_relation_as_json(look: Command) -> None:
    relation = look("get", "run", "again", "--json").json["relation"]
    assert list(relation) == [
        "kind", "run", "project", "domain", "action", "changed_inputs", "source_code_digest", "code_digest",
        "recover", "forced",
    ]  # fmt: skip
    assert (relation["kind"], relation["run"], relation["changed_inputs"]) == ("rerun", "good", [])
    assert relation["action"].startswith("scale-")
    assert relation["code_digest"] == relation["source_code_digest"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), ["again", "bad", "good"]),
        (("--limit", "1"), ["again"]),
        (("--phase", "failed"), ["bad"]),
        (("--phase", "failed", "--phase", "succeeded"), ["again", "bad", "good"]),
        (("--label", "team=a"), ["again", "good"]),
        (("--label", "team=a", "--task", "flow.main"), ["good"]),
        (("--task", "flow.scale"), ["again"]),
        (("--source-run", "good"), ["again"]),
        (("-p", "elsewhere"), []),
        (("-p", "elsewhere", "--all-projects"), ["again", "bad", "good"]),
    ],
)
def test_list_selects_newest_first(look: Command, options: tuple[str, ...], names: list[str]) -> None:
    assert [run["name"] for run in look("get", "run", *options, "--json").json] == names


def test_list_for_people_is_a_table_without_escapes(look: Command) -> None:
    done = look("get", "run", "--task", "flow.main")
    assert [re.split(r"  +", line)[:3] for line in done.lines()] == [
        ["NAME", "TASK", "PHASE"],
        ["bad", "flow.main", "✗ failed"],
        ["good", "flow.main", "✓ succeeded"],
    ]
    assert "\x1b" not in done.out
    assert not any(line.endswith(" ") for line in done.lines())


def test_empty_list_is_a_message_for_people_and_an_array_for_programs(look: Command) -> None:
    done = look("get", "run", "-p", "elsewhere")
    assert (done.code, done.out) == (0, "")
    assert "there are no runs in elsewhere/development" in done.err
    assert look("get", "run", "-p", "elsewhere", "--json").out == "[]\n"


def test_run_for_people(look: Command) -> None:
    facts = dict(re.split(r"  +", line, maxsplit=1) for line in look("get", "run", "again").lines())
    assert facts["phase"] == "✓ succeeded"
    assert re.fullmatch(r"rerun of good/scale-\w+ \(recorded code, recorded inputs\)", facts["from"])
    assert facts["labels"] == "team=a"
    assert facts["env"] == "LEVEL=2"


def test_actions_as_json_have_the_promised_keys(look: Command) -> None:
    actions = look("get", "action", "good", "--json").json
    assert all(list(action) == [*ACTION_KEYS, "fingerprint"] for action in actions)
    assert [(a["task"], a["parent"], a["group"], a["phase"]) for a in actions] == [
        ("flow.main", None, "", "succeeded"),
        ("flow.prepare", "a0", "halves/first", "succeeded"),
        ("flow.prepare", "a0", "halves/first", "succeeded"),
        ("flow.scale", "a0", "", "succeeded"),
    ]
    assert {a["attempts"] for a in actions} == {1}
    assert {a["error"] for a in actions} == {None}
    for action in actions:
        assert re.fullmatch("[0-9a-f]{32}", action["key"])
        assert DIGEST.match(action["inputs_digest"])
        assert DIGEST.match(action["outputs_digest"])
        assert DIGEST.match(action["code_digest"])
        assert look("get", "action", "good", action["name"], "--json").json == action


def test_failed_action_as_json(look: Command) -> None:
    *_, failed = look("get", "action", "bad", "--json").json
    assert failed["phase"] == "failed"
    assert failed["outputs_digest"] is None
    assert list(failed["error"]) == ["kind", "message", "traceback"]
    assert failed["error"]["kind"] == "builtins.ValueError"
    assert failed["error"]["message"] == "13 is unlucky"
    assert 'raise ValueError(f"{number} is unlucky")' in failed["error"]["traceback"]


def test_help_says_action(look: Command) -> None:
    assert "RUN [ACTION]" in look("get", "action", "--help").out


def test_tree_shows_phases_groups_and_errors(look: Command) -> None:
    lines = [re.sub(r"-\w{8}|  [\d.]+ m?s", "", line) for line in look("get", "action", "bad").lines()]
    assert lines == [
        "✗ a0  failed  flow.main  ValueError: 13 is unlucky",
        "└── halves (group)",
        "    └── first (group)",
        "        ├── ✓ prepare",
        "        └── ✗ prepare  failed  ValueError: 13 is unlucky",
    ]


def test_tree_is_cut_with_a_count(command: Command, here: Path) -> None:
    numbers = str(list(range(1000, 1210)))
    assert command("run", "flow.py", "main", "--numbers", numbers, "--name", "wide").code == 0
    done = command("get", "action", "wide")
    assert sum("prepare-" in line for line in done.lines()) == 199
    assert done.err == "12 more actions not drawn; --all draws them, --json lists them\n"
    whole = command("get", "action", "wide", "--all")
    assert sum("prepare-" in line for line in whole.lines()) == 210
    assert "drawn" not in whole.err


def test_io_as_json(look: Command) -> None:
    shown = look("get", "io", "good", "--json").json
    config = {"$type": "dataclass", "class": "flow.Config", "fields": {"rate": 0.5, "title": "plain"}}
    assert list(shown) == ["inputs", "outputs"]
    assert list(shown["inputs"]) == ["numbers", "config", "mode"]
    assert shown["inputs"]["numbers"] == [1, 2]
    assert shown["inputs"]["config"] == config
    assert shown["outputs"] == [9.0, config]


def test_io_for_people(look: Command) -> None:
    assert look("get", "io", "good").lines() == [
        "inputs",
        "  numbers = [1, 2]",
        '  config = {"rate": 0.5, "title": "plain"}',
        '  mode = "Mode.FAST"',
        "outputs",
        "  o0 = 9.0",
        '  o1 = {"rate": 0.5, "title": "plain"}',
    ]
    assert look("get", "io", "bad").lines()[-1] == "outputs  none, it is failed"


def test_io_of_one_action(look: Command) -> None:
    *_, scale = look("get", "action", "good", "--json").json
    shown = look("get", "io", "good", scale["name"], "--json").json
    assert shown == {"inputs": {"total": 6, "factor": 1.5, "loud": False}, "outputs": [9.0]}


def test_logs(look: Command) -> None:
    _, first, second, scale = (action["name"] for action in look("get", "action", "good", "--json").json)
    assert look("get", "logs", "good").lines() == [
        f"[{first}] preparing 1",
        f"[{second}] preparing 2",
        f"[{scale}] WARNING flow: scaling 6",
    ]
    assert look("get", "logs", "good", second).out == "preparing 2\n"
    (piece,) = look("get", "logs", "good", second, "--json").json
    assert (piece["run"], piece["action"], piece["stream"], piece["text"]) == (
        "good", second, "stdout", "preparing 2\n",
    )  # fmt: skip
    assert TIME.match(piece["at"])


def test_logs_that_are_followed_are_json_lines(look: Command) -> None:
    done = look("get", "logs", "good", "--follow", "--json")
    assert len(done.lines()) == 3
    assert done.lines()[0].startswith('{"run": "good", "action": "prepare-')


def test_a_log_without_its_action_is_shown(recorded: Path, tmp_path: Path, command: Command) -> None:
    store = tmp_path / "copy"
    shutil.copytree(recorded, store)
    with closing(open_store(str(store))) as opened, opened.write() as transaction:
        run_id = Ledger(opened).find_run("default", "development", "good").id
        transaction.put(log_key(run_id, 99, 0), pack_log("stdout", 2**62, "early\n", 1))
    lines = command("--store", store, "get", "logs", "good").lines()
    assert (len(lines), lines[-1]) == (4, "[?] early")
    piece = command("--store", store, "get", "logs", "good", "--json").json[-1]
    assert (piece["action"], piece["text"]) == ("?", "early\n")


def test_code_is_listed_and_written(look: Command, tmp_path: Path) -> None:
    (file,) = look("get", "code", "good", "--json").json
    assert list(file) == ["path", "size", "digest"]
    assert file["path"] == "flow.py"
    written = look("get", "code", "good", "-o", tmp_path / "out")
    assert (written.code, written.out) == (0, "")
    assert written.err == f"1 file written to {tmp_path / 'out'}\n"
    text = (tmp_path / "out" / "flow.py").read_bytes()
    assert len(text) == file["size"]
    again = look("get", "code", "good", "-o", tmp_path / "out")
    assert again.code == 2
    assert "flow.py cannot be written below" in again.err
    assert (tmp_path / "out" / "flow.py").read_bytes() == text


def test_looking_never_writes(look: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: LmdbStore) -> Any:
        raise AssertionError("a command that only looks began to write")

    monkeypatch.setattr(LmdbStore, "write", write)
    for line in (
        ("run",),
        ("run", "good"),
        ("action", "good"),
        ("io", "good"),
        ("logs", "good"),
        ("code", "good"),
    ):
        assert look("get", *line).code == 0, line


def test_looking_opens_the_store_read_only(look: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    original = LmdbStore.__init__

    def opened(self: LmdbStore, path: str, *, create: bool, read_only: bool = False) -> None:
        asked.append(read_only and not create)
        original(self, path, create=create, read_only=read_only)

    monkeypatch.setattr(LmdbStore, "__init__", opened)
    look("get", "run")
    assert asked == [True]


def test_environment_beside_what_is_here(look: Command) -> None:
    lines = look("get", "env", "again", "--json").json
    assert [list(line) for line in lines] == [
        ["kind", "name", "recorded", "here", "origin", "differs"]
    ] * len(lines)
    found = {line["name"]: line for line in lines}
    assert (found["Python"]["recorded"], found["Python"]["differs"]) == (platform.python_version(), False)
    assert (found["LEVEL"]["kind"], found["LEVEL"]["recorded"], found["LEVEL"]["here"]) == ("env", "2", None)
    differing = look("get", "env", "again", "--diff")
    assert [line.split()[:4] for line in differing.lines()[1:]] == [["≠", "env", "LEVEL", "2"]]
    assert differing.code == 1
    same = look("get", "env", "bad", "--diff")
    assert (same.code, same.out, same.err) == (0, "", "nothing differs\n")
