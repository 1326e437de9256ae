"""The tab of a run's family: what it was made from, and what was made from it."""

from __future__ import annotations

from dalsegno.ui.pages._elements import Text, empty, icon, link, phase_mark, tag
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._words import ago, counted, path_of, relation_mark, took
from dalsegno.views import RunView

SHOWN = 200
"""Of a larger family so many members are shown, those around the run itself."""


async def lineage(looked: Looked) -> Fill:
    """Read the family of the run."""
    run = looked.run
    family = await beside(looked.reader.lineage, run["name"], project=run["project"], domain=run["domain"])

    def fill() -> None:
        if len(family) < 2:
            empty(
                "account_tree", "No relatives", "This run is nobody's rerun, and nothing was rerun from it."
            )
            return
        depths: list[int] = []
        for each in family:
            depths.append(0 if each["parent"] is None else depths[each["parent"]] + 1)
        at = next((place for place, each in enumerate(family) if path_of(each["run"]) == path_of(run)), 0)
        shown = around(at, len(family))
        with tag("div", "stack", style="gap: 0", data_testid="lineage"):
            _left_out(shown.start, "before")
            for place in shown:
                _member(family[place]["run"], depths[place], here=place == at)
            _left_out(len(family) - shown.stop, "after")

    return fill


def around(at: int, count: int) -> range:
    """The places that are shown of so many, those around one."""
    start = max(0, min(at - SHOWN // 2, count - SHOWN))
    return range(start, min(start + SHOWN, count))


def _left_out(count: int, where: str) -> None:
    if count:
        Text(f"{counted(count, 'run')} {where} these", "div", "faint")


def _member(run: RunView, depth: int, *, here: bool) -> None:
    with tag("div", f"family{' here' if here else ''}", style=f"padding-left: {12 + 22 * min(depth, 12)}px"):
        phase_mark(run["phase"])
        relation = run["relation"]
        mark = None if relation is None else relation_mark(relation)
        if mark is not None:
            with tag("span", "mark", title=f"{mark.word} {mark.run}"):
                icon(mark.icon, mark.word)
        if here:
            Text(run["name"], "b", "mono")
            Text("this run", "span", "chip")
        else:
            link(run["name"], path_of(run), "mono")
        if relation is not None and relation["action"] != "a0":
            Text(f"of {relation['action']}", "span", "faint mono")
        for name in [] if relation is None else relation["changed_inputs"]:
            Text(name, "span", "chip changed")
        tag("span", "grow")
        Text(ago(run["started_at"]), "span", "faint time")
        Text(took(run["duration_s"]), "span", "time")
