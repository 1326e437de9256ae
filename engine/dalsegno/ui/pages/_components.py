"""The parts of pages that are drawn in the browser: from data, which they put in as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

Row = dict[str, Any]
Line = tuple[str, str, Sequence[tuple[str, str]]]
"""A line of code: its number, a mark ("in", "add", "del", "hunk" or ""), and pieces with their kind."""


class RunList(Element, component="static/run_list.js"):
    """The rows of the list of runs."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.props["rows"] = rows

    def show(self, rows: list[Row]) -> None:
        """Put other rows in the place of these."""
        self.run_method("show", rows)


class RunTree(Element, component="static/run_tree.js"):
    """The tree of a run; asks for the rows that come into sight, and says which is picked or folded."""

    def __init__(
        self,
        first: Row,
        *,
        window: Callable[[int, int], object],
        pick: Callable[[str], object],
        fold: Callable[[str], object],
        step: Callable[[int], object],
    ) -> None:
        super().__init__()
        self.props["first"] = first

        def on_window(event: GenericEventArguments) -> None:
            window(int(event.args["start"]), int(event.args["stop"]))

        self.on("window", on_window)
        self.on("pick", lambda event: pick(str(event.args)))
        self.on("fold", lambda event: fold(str(event.args)))
        self.on("step", lambda event: step(int(event.args)))

    def show(self, seen: Row) -> None:
        """Put other rows, or another selection, in the place of these."""
        self.run_method("show", seen)


class ValueView(Element, component="static/value_view.js"):
    """A value; `node` is from `_values.node`."""

    def __init__(self, node: Row) -> None:
        super().__init__()
        self.props["node"] = node


class CodeLines(Element, component="static/code_view.js"):
    """Lines of code; with `reveal` the first marked one is scrolled to."""

    def __init__(self, lines: Sequence[Line], *, reveal: bool = False) -> None:
        super().__init__()
        self.props["lines"] = lines
        self.props["reveal"] = reveal


class LogView(Element, component="static/log_view.js"):
    """Lines of a log: time, stream and text."""

    def __init__(self, first: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.props["first"] = first

    def add(self, lines: Sequence[Sequence[str]]) -> None:
        """Put further lines at the end."""
        self.run_method("add", lines)


class JsonField(Element, component="static/json_field.js"):
    """A text that should be JSON, coloured as it is typed."""

    def __init__(self, text: str, *, on_change: Callable[[str], object]) -> None:
        super().__init__()
        self.props["text"] = text
        self.on("text", lambda event: on_change(str(event.args)))
