"""`dalsegno diff`, and fingerprints where runs and actions are shown."""

from collections.abc import Callable

import pytest

from dalsegno import errors

from .conftest import Done

Command = Callable[..., Done]


def test_a_run_and_itself(look: Command) -> None:
    done = look("diff", "good", "good")
    assert done.code == 0
    assert done.out.startswith("good and good did the same (")
    assert look("diff", "good", "good", "--json").json["actions"] == []


def test_runs_that_differ(look: Command) -> None:
    done = look("diff", "good", "bad")
    assert done.code == 1
    lines = done.lines()
    assert lines[0].startswith("good → bad: 2 changed, 0 added, 1 removed; took ")
    assert "  env LEVEL: 2 → not there" in lines
    assert "  input numbers[1]: 2 → 13" in lines
    assert "  error: none → ValueError: 13 is unlucky" in lines
    assert any(line.startswith("removed scale-") and line.endswith("  flow.scale") for line in lines)


def test_the_document(look: Command) -> None:
    done = look("diff", "good", "bad", "--json")
    assert done.code == 1
    found = done.json
    assert found["same"] is False
    assert found["old"]["run"] == "good"
    assert found["old"]["fingerprint"] == look("get", "run", "good", "--json").json["fingerprint"]
    assert [each["change"] for each in found["actions"]] == ["changed", "removed", "changed"]
    [place] = found["actions"][2]["inputs"]
    assert (place["path"], place["old"], place["new"]) == ("number", 2, 13)
    assert found["actions"][2]["error"][1]["message"] == "13 is unlucky"


def test_an_action_and_its_rerun(look: Command) -> None:
    listed = look("get", "action", "good", "--json").json
    [scale] = [each for each in listed if each["task"] == "flow.scale"]
    assert look("diff", "good", "again", "--action", scale["name"]).code == 0
    assert look("diff", "again", "good", "--other-action", scale["name"]).code == 0
    assert scale["fingerprint"] == look("get", "run", "again", "--json").json["fingerprint"]
    shown = look("get", "action", "good", scale["name"])
    assert f"fingerprint  {scale['fingerprint'][:12]}" in shown.lines()


def test_what_is_not_there(look: Command) -> None:
    done = look("diff", "good", "gone")
    assert done.code == 2
    assert "no run 'gone'" in done.err
    assert look("diff", "good", "bad", "--action", "gone").code == 2
    assert issubclass(errors.RunNotFoundError, LookupError)


@pytest.mark.parametrize("name", ["good", "bad"])
def test_the_short_form_of_the_fingerprint(look: Command, name: str) -> None:
    whole = look("get", "run", name, "--json").json["fingerprint"]
    assert len(whole) == 64
    assert any(line.split() == ["fingerprint", whole[:12]] for line in look("get", "run", name).lines())
