"""The actions of a run as a tree."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._table import colourful
from dalsegno.cli._text import MARKS, clean, count, duration, mark
from dalsegno.query import ActionView

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


def print_tree(views: list[ActionView], *, most: int | None) -> None:
    """Draw the tree; with `most`, the first so many actions in the order of the tree, and how many are left out."""
    from rich.console import Console
    from rich.tree import Tree

    children: dict[str | None, list[ActionView]] = {}
    for view in views:
        children.setdefault(view["parent"], []).append(view)
    shown = _first(children, most)
    (root,) = children[None]
    tree = Tree(_label(root), guide_style="dim")
    waiting = [(tree, root)]
    while waiting:
        node, view = waiting.pop()
        groups: dict[str, Tree] = {"": node}
        for child in children.get(view["name"], ()):
            if child["name"] in shown:
                waiting.append((_group(groups, child["group"]).add(_label(child)), child))
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


def _first(children: Mapping[str | None, list[ActionView]], most: int | None) -> set[str]:
    """The names of the first actions in the order of the tree."""
    found: set[str] = set()
    waiting = list(reversed(children[None]))
    while waiting and (most is None or len(found) < most):
        view = waiting.pop()
        found.add(view["name"])
        waiting += reversed(children.get(view["name"], []))
    return found


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
    if view["duration_s"] is not None:
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
