"""Two runs side by side: which calls differ, in what, and what was around them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from dalsegno._comparison_views import ActionDifferenceView, ComparisonView, PlaceView
from dalsegno.errors import DalsegnoError
from dalsegno.ui._store import Reader, parts_of
from dalsegno.ui.pages._code import diff_lines
from dalsegno.ui.pages._components import CodeLines
from dalsegno.ui.pages._elements import Text, digest, empty, icon, link, note, tag
from dalsegno.ui.pages._layout import frame
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._values import plain
from dalsegno.ui.pages._words import counted, reference_of, run_path, short_task, took
from dalsegno.views import DifferenceView

OFFERED = 200
"""So many of the newest runs can be picked from a list; any other is typed."""

SHOWN = 200

LONG = 160
"""Of a value's text so many characters are shown."""

_CHANGES = {
    "changed": ("edit", "changed", "running"),
    "added": ("add_circle", "added", "succeeded"),
    "removed": ("remove_circle", "removed", "failed"),
}


async def compare_page(
    reader: Reader, old: str, new: str, action: str, other_action: str, *, read_only: bool
) -> None:
    """Build the page that compares two runs."""
    with frame("Compare", ("Runs", "/"), ("Compare", ""), read_only=read_only), tag("div", "page stack wide"):
        page = await beside(reader.runs, limit=OFFERED)
        home = reader.place.project, reader.place.domain
        _pick([reference_of(run, home) for run in page.runs], old, new)
        if not (old and new):
            with tag("div", "box"):
                empty("difference", "Pick two runs", "What differs between them is shown call by call.")
            return
        try:
            found = await beside(reader.diff, old, new, action=action, other_action=other_action)
        except DalsegnoError as error:
            note(str(error), "bad")
            return
        show_comparison(found, old, new)


def _pick(names: list[str], old: str, new: str) -> None:
    chosen = {"old": old, "new": new}

    def put(side: str, name: str | None) -> None:
        chosen[side] = name or ""
        if chosen["old"] and chosen["new"]:
            ui.navigate.to(_address(chosen["old"], chosen["new"]))

    with tag("div", "tools", style="margin: 0"):
        for side, word in (("old", "Old"), ("new", "New")):
            Text(word, "label", "soft")
            offered = names if chosen[side] in ("", *names) else [chosen[side], *names]
            made = ui.select(
                offered,
                value=chosen[side] or None,
                with_input=True,
                new_value_mode="add-unique",
                on_change=lambda event, side=side: put(side, event.value),
            )
            made.props(f'outlined dense placeholder="{word.lower()} run" data-testid=pick-{side}').style(
                "width: 260px"
            )
            if side == "old" and old and new:
                with tag(
                    "a",
                    "plain",
                    href=_address(new, old),
                    title="Exchange the two",
                    aria_label="Exchange the two",
                ):
                    icon("swap_horiz")


def _address(old: str, new: str) -> str:
    return f"/compare?{urlencode({'old': old, 'new': new})}"


def show_comparison(found: ComparisonView, old: str, new: str) -> None:
    """What differs between the runs that go by these names; the sides first."""
    with tag("section", "box form-box stack", data_testid="comparison"):
        with tag("div", "line"):
            icon("drag_handle" if found["same"] else "difference")
            Text("They did the same" if found["same"] else _headline(found), "h1", style="font-size: 15px")
        with tag("div", "sides"):
            sides = ("Old", old, found["old"]), ("New", new, found["new"])
            for (word, reference, side), seconds in zip(sides, found["seconds"], strict=True):
                with tag("div", "stack", style="gap: 2px"):
                    with tag("div", "line"):
                        Text(word, "span", "faint")
                        link(reference, run_path(*parts_of(reference), action=side["action"]), "mono")
                        if side["action"] != "a0":
                            Text(side["action"], "span", "mono faint")
                        Text(took(seconds), "span", "soft time")
                    with tag("div", "line", style="gap: 5px"):
                        Text("fingerprint", "span", "faint")
                        digest(side["fingerprint"], "the fingerprint")
    if found["actions"]:
        with tag("section", "stack"):
            Text("Calls", "h2")
            for each in found["actions"][:SHOWN]:
                _action(each, old, new)
            if len(found["actions"]) > SHOWN:
                Text(f"and {len(found['actions']) - SHOWN:,} more", "span", "faint")
    if found["around"]:
        with tag("section", "box form-box stack"):
            Text("Around them", "h2")
            Text(
                "What surrounded the runs; it does not count as a difference of what they did.",
                "span",
                "faint",
            )
            _differences(found["around"])


def _headline(found: ComparisonView) -> str:
    counts: dict[str, int] = {}
    for each in found["actions"]:
        counts[each["change"]] = counts.get(each["change"], 0) + 1
    words = [f"{count:,} {change}" for change, count in sorted(counts.items())]
    return f"{counted(len(found['actions']), 'call')} differ: {', '.join(words)}" if words else "They differ"


def _action(each: ActionDifferenceView, old: str, new: str) -> None:
    sign, word, tone = _CHANGES.get(each["change"], ("help_outline", each["change"], ""))
    with tag("article", "box form-box stack", data_testid="difference"):
        with tag("div", "line wrap"):
            with tag("span", f"phase {tone}", style="color: var(--tone)"):
                Text(sign, "i", "icon", style="animation: none", aria_hidden="true")
                Text(word)
            Text(short_task(each["task"]), "b", title=each["task"])
            for side, name in (("old", each["old"]), ("new", each["new"])):
                if name is not None and (side == "new" or name != each["new"]):
                    run = old if side == "old" else new
                    link(name, run_path(*parts_of(run), action=name), "mono", title=f"in {run}")
            if each["below"]:
                Text(f"and {counted(each['below'], 'call')} below it", "span", "faint")
            tag("span", "grow")
            Text(" → ".join(took(part) or "–" for part in each["seconds"]), "span", "faint time")
        if each["phase"] and each["phase"][0] != each["phase"][1]:
            _row("phase", *each["phase"])
        if each["code"]:
            _differences(each["code"])
        _places("Inputs", each["inputs"])
        _places("Outputs", each["outputs"])
        if each["error"]:
            texts = ["none" if one is None else f"{one['kind']}: {one['message']}" for one in each["error"]]
            _row("error", *texts)


def _row(name: str, old: str, new: str) -> None:
    with tag("div", "change"):
        Text(name, "span", "mono soft")
        Text(old, "span", "mono old")
        Text(new, "span", "mono new")


def _places(title: str, places: list[PlaceView]) -> None:
    if not places:
        return
    with tag("div", "stack", style="gap: 4px"):
        Text(title, "h3")
        for place in places[:50]:
            words = ""
            if place["size"] and place["kind"] in ("array", "table"):
                words = f"{place['differing']:,} of {place['size']:,} elements differ"
                words += "" if place["largest"] is None else f", by at most {place['largest']:.6g}"
            if words:
                with tag("div", "line wrap"):
                    Text(place["path"] or "value", "span", "mono soft")
                    Text(words)
            if not words or place["old"] is not None or place["new"] is not None:
                _row(place["path"] or place["kind"], _side(place, "old"), _side(place, "new"))
        if len(places) > 50:
            Text(f"and {len(places) - 50:,} more places", "span", "faint")


def _side(place: PlaceView, side: str) -> str:
    absent = {"old": "added", "new": "removed"}
    value: Any = place["old"] if side == "old" else place["new"]
    if place["kind"] == absent[side]:
        return "–"
    if place["path"].endswith(".base64") and isinstance(value, str):
        return f"{value[:24]} … {counted(len(value), 'character')}"
    words = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else plain(value)
    return words if len(words) <= LONG else f"{words[:LONG]} …"


def _differences(found: list[DifferenceView]) -> None:
    for each in found:
        with tag("div", "stack", style="gap: 4px"):
            with tag("div", "change"):
                with tag("span", "line"):
                    Text(each["kind"], "span", "chip")
                    Text(each["name"], "span", "mono cut", title=each["name"])
                Text(each["old"], "span", "mono old")
                Text(each["new"], "span", "mono new")
            if each["detail"]:
                CodeLines(diff_lines(each["detail"]))
