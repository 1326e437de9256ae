"""The tabs of what an action got and what it gave."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from dalsegno.ui.pages._components import ValueView
from dalsegno.ui.pages._elements import Text, copy, empty, tag
from dalsegno.ui.pages._files import with_contents
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._values import Node, node

COPIED = 200_000
"""A value of more characters has no copy button."""


class Shown(NamedTuple):
    """A value, ready to be put on the page."""

    name: str
    text: str
    node: Node


async def inputs(looked: Looked) -> Fill:
    """Read the inputs."""
    values = await _read(looked, "inputs")

    def fill() -> None:
        if not values:
            empty("input", "No inputs", "This task takes nothing.")
        for each in values:
            show_value(each)

    return fill


async def outputs(looked: Looked) -> Fill:
    """Read the outputs."""
    values = await _read(looked, "outputs")
    phase = looked.action["phase"]

    def fill() -> None:
        if not values:
            done = phase in ("succeeded", "recovered")
            empty("output", "No outputs", "This task gives nothing." if done else f"The action is {phase}.")
        for each in values:
            show_value(each)

    return fill


async def _read(looked: Looked, side: str) -> list[Shown]:
    found = await looked.ask(looked.reader.io)

    def prepare() -> list[Shown]:
        values = with_contents(found[side], looked.reader.content)
        return [Shown(name, _json(value), node(value)) for name, value in values.items()]

    return await beside(prepare)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=lambda _: None)


def show_value(shown: Shown) -> None:
    """A value below its name."""
    with tag("div", "section", data_testid=f"value-{shown.name}"):
        with tag("div", "line"):
            Text(shown.name, "h2", "mono")
            if len(shown.text) <= COPIED:
                copy(shown.text, "the value as JSON")
        ValueView(shown.node)
