"""The actions of a run as a tree."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._table import colourful
from dalsegno.cli._text import MARKS, clean, count, duration, mark
from dalsegno.views import ActionView

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


def print_tree(views: Sequence[tuple[int | None, ActionView]], *, most: int | None) -> None:
    """Draw the tree of `query.tree_views`; with `most`, the first so many actions, and how many are left out."""
    from rich.console import Console
    from rich.tree import Tree

    shown = views if most is None else views[:most]
    nodes: list[dict[str, Tree]] = []
    for above, view in shown:
        label = _label(view)
        node = (
            Tree(label, guide_style="dim")
            if above is None
            else _group(nodes[above], view["group"]).add(label)
        )
        nodes.append({"": node})
    tree = nodes[0][""]
    terminal = sys.stdout.isatty()
    console = Console(
        markup=False,
        highlight=False,
        emoji=False,
        no_color=not colourful(sys.stdout),
        width=None if terminal else 1000,
    )
    with console.capture() as drawn:
        console.print(tree)
    # Written through click, so that a pipe gets neither escapes nor the spaces that fill up a line.
    for line in drawn.get().splitlines():
        click.echo(line.rstrip())
    left = len(views) - len(shown)
    if left:
        note(f"{count(left, 'more action')} not drawn; --all draws them, --json lists them")


def _group(groups: dict[str, Tree], group: str) -> Tree:
    """The node of a group below one action, made with those around it when it is new."""
    if group not in groups:
        outer, _, name = group.rpartition("/")
        groups[group] = _group(groups, outer).add(_text([(clean(name), "italic"), (" (group)", "dim")]))
    return groups[group]


def _label(view: ActionView) -> Text:
    sign, colour = mark(view["phase"]), MARKS[view["phase"]][1]
    parts = [(f"{sign} " if sign else "", colour), (clean(view["name"]), "bold")]
    if view["phase"] != "succeeded":
        parts.append((f"  {view['phase']}", colour))
    origin = view["origin"]
    if origin is not None:
        source = origin["run"] if origin["action"] == view["name"] else f"{origin['run']}/{origin['action']}"
        parts.append((f"  {'cached, ' if origin['kind'] == 'cache' else ''}from {clean(source)}", "dim"))
    elif view["duration_s"] is not None:
        parts.append((f"  {duration(view['duration_s'])}", "dim"))
    if view["attempts"] > 1:
        parts.append((f"  {view['attempts']} attempts", "dim"))
    if view["parent"] is None:
        parts.append((f"  {clean(view['task'])}", "dim"))
    error = view["error"]
    if error is not None:
        parts.append((f"  {clean(_brief(error['kind'], error['message']))}", colour))
    return _text(parts)


def _brief(kind: str, message: str) -> str:
    line = f"{kind.rpartition('.')[2]}: {message}".partition("\n")[0]
    return line if len(line) <= 80 else line[:79] + "…"


def _text(parts: Iterable[tuple[str, str]]) -> Text:
    from rich.text import Text

    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
