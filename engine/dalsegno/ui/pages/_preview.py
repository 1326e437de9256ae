"""What a launch would do, told before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dalsegno.ui.pages._elements import Text, icon, tag
from dalsegno.ui.pages._words import counted, short_task
from dalsegno.views import PlanView, WhyView

SHOWN = 200

FOLLOWS = "what called it is taken over"
"""The reason that a plan gives for what lies below something that is taken over."""

_SIGNS = {
    "execute": ("play_arrow", "execute", "busy"),
    "reuse": ("replay", "reuse", "recovered"),
    "forced": ("bolt", "forced", "aborted"),
}


def show_plan(plan: PlanView) -> None:
    """How many actions would be executed, and each of them with the reason."""
    actions = plan["actions"]
    executed = sum(each["verdict"] != "reuse" for each in actions)
    with tag("section", "box form-box stack", data_testid="plan"):
        Text("Preview", "h2")
        with tag("div", "soft"):
            Text(counted(executed, "action"), "b")
            Text(" to execute, ")
            Text(f"{len(actions) - executed:,}", "b")
            Text(" to take over. Nothing was launched.")
        rows = [*_rows(actions)]
        with tag("div", "plan"):
            for each, below in rows[:SHOWN]:
                sign, word, tone = _SIGNS.get(each["verdict"], ("help_outline", each["verdict"], ""))
                with tag("div", f"plan-row {tone}", data_testid="plan-row"):
                    with tag("span", "phase"):
                        icon(sign)
                        Text(word)
                    with tag("span", "line", style="gap: 6px"):
                        Text(short_task(each["task"]), "b", "cut")
                        Text(each["action"].rpartition("-")[2], "span", "mono faint")
                    more = f", with {counted(below, 'call')} below it" if below else ""
                    Text(each["reason"] + more, "span", "plan-reason soft")
        if len(rows) > SHOWN:
            Text(f"and {len(rows) - SHOWN:,} more", "span", "faint")


def _rows(actions: Sequence[WhyView]) -> Iterator[tuple[WhyView, int]]:
    """The actions that something is to be said about, each with how many follow from it; they come in the order of the tree."""
    at, below = None, 0
    for each in actions:
        if at is not None and each["verdict"] == "reuse" and each["reason"] == FOLLOWS:
            below += 1
            continue
        if at is not None:
            yield at, below
        at, below = each, 0
    if at is not None:
        yield at, below
