"""The first tab: how an action went, why it was executed or not, and what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from dalsegno.ui.pages._code import diff_lines
from dalsegno.ui.pages._components import CodeLines
from dalsegno.ui.pages._elements import Text, copy, digest, fact, link, phase_mark, tag
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.ui.pages._words import moment, origin_path, took
from dalsegno.views import AttemptView, ErrorView, WhyView

_VERDICTS = {
    "executed": "Executed",
    "reused": "Reused",
    "cached": "Served from the cache",
    "forced": "Executed, since it was named",
}


async def summary(looked: Looked, go_up: Callable[[], Awaitable[None]]) -> Fill:
    """Read what the tab shows; `go_up` selects the action that called this one."""
    action = looked.action
    own = action["run"] == looked.run["name"]
    why = await looked.ask(looked.reader.why) if own else None
    attempts = await looked.ask(looked.reader.attempts)

    def fill() -> None:
        if action["error"] is not None:
            _error(action["error"], "Failed with" if action["phase"] != "aborted" else "Stopped by")
        _facts(looked, go_up)
        if why is not None:
            _why(why)
        if attempts:
            _attempts(attempts)
        if own and action["name"] == "a0":
            _run_facts(looked)

    return fill


def _facts(looked: Looked, go_up: Callable[[], Awaitable[None]]) -> None:
    action = looked.action
    with tag("dl", "facts"):
        with fact("Phase"):
            phase_mark(action["phase"])
        with fact("Task"):
            Text(action["task"], "span", "mono")
        with fact("Began"):
            Text(moment(action["started_at"]), "span", "time")
        with fact("Duration"):
            Text(took(action["duration_s"]) or "goes on", "span", "time")
        if action["origin"] is not None:
            origin = action["origin"]
            with fact("Result of"), tag("span", "mark"):
                link(f"{origin['run']}/{origin['action']}", origin_path(origin))
        if (parent := action["parent"]) is not None:
            with fact("Called by"):
                made = link(parent, f"#{parent}", "mono")
                made.on("click.prevent", go_up, args=[])
        if action["group"]:
            with fact("Group"):
                Text(action["group"])
        if action["attempts"] != 1:
            with fact("Attempts"):
                Text(str(action["attempts"]))
        with fact("Key"):
            digest(action["key"], "the key")
        with fact("Inputs"):
            digest(action["inputs_digest"], "the digest of the inputs")
        if action["outputs_digest"] is not None:
            with fact("Outputs"):
                digest(action["outputs_digest"], "the digest of the outputs")
        with fact("Code"):
            digest(action["code_digest"], "the code digest")


def _why(why: WhyView) -> None:
    with tag("div", "section", data_testid="why"):
        Text("Why", "h3")
        with tag("div"):
            Text(_VERDICTS.get(why["verdict"], why["verdict"]), "b")
            Text(f": {why['reason']}" if why["reason"] else "")
        for each in why["differences"]:
            if each["name"] == why["reason"] and not each["detail"]:
                continue
            with tag("div", "stack", style="gap: 4px"):
                with tag("div", "line wrap"):
                    Text(each["kind"], "span", "chip")
                    Text(each["name"], "span", "mono")
                    if each["old"] or each["new"]:
                        Text(f"{each['old']} → {each['new']}", "span", "mono soft")
                if each["detail"]:
                    CodeLines(diff_lines(each["detail"]))


def _error(error: ErrorView, title: str) -> None:
    with tag("div", "section", data_testid="error"):
        with tag("div", "note bad"):
            with tag("div", "line"):
                Text(f"{title} {error['kind'].removeprefix('builtins.')}", "b")
                tag("span", "grow")
                copy(error["traceback"] or error["message"], "the traceback")
            Text(error["message"], "div", style="white-space: pre-wrap")
        if error["traceback"]:
            Text(error["traceback"], "pre", "text", data_testid="traceback")


def _attempts(attempts: Sequence[AttemptView]) -> None:
    with tag("div", "section", data_testid="attempts"):
        Text("Earlier attempts", "h3")
        for each in attempts:
            error = each["error"]
            with tag("details"):
                with tag("summary"):
                    Text(f"Attempt {each['attempt']} ", "b")
                    if error is not None:
                        Text(f"{error['kind'].removeprefix('builtins.')}: {error['message']}", "span", "soft")
                if error is not None:
                    Text(error["traceback"], "pre", "text")


def _run_facts(looked: Looked) -> None:
    run = looked.run
    with tag("div", "section"):
        Text("Run", "h3")
        with tag("dl", "facts"):
            with fact("Project"):
                Text(f"{run['project']} / {run['domain']}")
            if run["ended_at"] is not None:
                with fact("Ended"):
                    Text(moment(run["ended_at"]), "span", "time")
            relation = run["relation"]
            if relation is not None and relation["changed_inputs"]:
                with fact("Changed inputs"), tag("span", "line wrap", style="gap: 4px"):
                    for name in relation["changed_inputs"]:
                        Text(name, "span", "chip changed")
            if relation is not None and relation["forced"]:
                with fact("Forced"), tag("span", "line wrap", style="gap: 4px"):
                    for name in relation["forced"]:
                        Text(name, "span", "chip mono")
            for name, value in sorted(run["env_vars"].items()):
                with fact(name):
                    Text(value, "span", "mono")
            with fact("Bundle"):
                digest(run["bundle_digest"], "the digest of the bundle")
