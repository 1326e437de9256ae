"""The tabs of what an action got and what it gave."""

from __future__ import annotations

import json
from typing import Any

from dalsegno.ui.pages._components import ValueView
from dalsegno.ui.pages._elements import Text, copy, empty, tag
from dalsegno.ui.pages._files import with_contents
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._values import node

COPIED = 200_000
"""A value of more characters has no copy button."""


async def inputs(looked: Looked) -> Fill:
    """Read the inputs."""
    io = await _read(looked)

    def fill() -> None:
        if not io["inputs"]:
            empty("input", "No inputs", "This task takes nothing.")
        for name, value in io["inputs"].items():
            show_value(name, value)

    return fill


async def outputs(looked: Looked) -> Fill:
    """Read the outputs."""
    io = await _read(looked)
    phase = looked.action["phase"]

    def fill() -> None:
        if not io["outputs"]:
            done = phase in ("succeeded", "recovered")
            empty("output", "No outputs", "This task gives nothing." if done else f"The action is {phase}.")
        for name, value in io["outputs"].items():
            show_value(name, value)

    return fill


async def _read(looked: Looked) -> dict[str, Any]:
    found = await looked.ask(looked.reader.io)
    shown: dict[str, Any] = await beside(with_contents, found, looked.reader.content)
    return shown


def show_value(name: str, value: Any) -> None:
    """A value below its name."""
    with tag("div", "section", data_testid=f"value-{name}"):
        text = json.dumps(value, ensure_ascii=False, indent=1, default=lambda _: None)
        with tag("div", "line"):
            Text(name, "h2", "mono")
            if len(text) <= COPIED:
                copy(text, "the value as JSON")
        ValueView(node(value))
