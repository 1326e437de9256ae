"""The tab of a task: what it is for, what it takes and gives, and its settings."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.ui.pages._elements import Text, fact, tag
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.views import VariableView


async def task(looked: Looked) -> Fill:
    """Read the task."""
    found = await looked.ask(looked.reader.task)

    def fill() -> None:
        with tag("div", "section"):
            Text(found["name"], "h2", "mono")
            if found["doc"]:
                Text(found["doc"], "p", "soft", style="white-space: pre-line")
        _variables("Inputs", found["inputs"])
        _variables("Outputs", found["outputs"])
        if found["settings"]:
            with tag("div", "section"):
                Text("Settings", "h3")
                with tag("dl", "facts"):
                    for name, value in found["settings"].items():
                        with fact(name):
                            Text(str(value), "span", "mono")

    return fill


def _variables(title: str, variables: Sequence[VariableView]) -> None:
    with tag("div", "section"):
        Text(title, "h3")
        if not variables:
            Text("None", "span", "faint")
            return
        with tag("div", "grid-box"), tag("table"):
            with tag("thead"), tag("tr"):
                for word in ("Name", "Type", *(["Default"] if title == "Inputs" else [])):
                    Text(word, "th", style="text-align: left")
            with tag("tbody"):
                for each in variables:
                    with tag("tr"):
                        Text(each["name"], "td", "words")
                        Text(each["type"], "td", "words soft", title=each["type"])
                        if title == "Inputs":
                            Text(each["default_text"] or "", "td", "words soft")
