"""Names with values that can be edited: environment variables, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nicegui import ui

from dalsegno.ui.pages._elements import Button, Text, icon, tag


class Pairs:
    """A list of names and values; those of the recorded run come first and can be changed, not taken away."""

    def __init__(self, recorded: Mapping[str, str], word: str, on_change: Callable[[], object]) -> None:
        self._recorded = dict(recorded)
        self._rows = [[name, value] for name, value in sorted(recorded.items())]
        self._word = word
        self._on_change = on_change

    @property
    def changed(self) -> dict[str, str]:
        """What is other than recorded, without empty rows."""
        return {
            name.strip(): value
            for name, value in self._rows
            if name.strip() and self._recorded.get(name.strip()) != value
        }

    @property
    def nameless(self) -> bool:
        """Whether a value has no name."""
        return any(value and not name.strip() for name, value in self._rows)

    def build(self) -> None:
        """Put it on the page."""
        self._place = tag("div", "stack", style="gap: 6px")
        self._fill()

    def _fill(self) -> None:
        self._place.clear()
        with self._place:
            for index, (name, value) in enumerate(self._rows):
                self._row(index, name, value)
            with tag("div"):
                Button(f"Add {self._word}", self._add, sign="add", classes="small")

    def _row(self, index: int, name: str, value: str) -> None:
        recorded = index < len(self._recorded)
        with tag("div", "pair"):
            if recorded:
                Text(name, "span", "mono cut", title=name)
            else:
                made = ui.input(
                    value=name, placeholder="name", on_change=lambda event: self._put(index, 0, event.value)
                )
                made.props("outlined dense")
            made = ui.input(
                value=value, placeholder="value", on_change=lambda event: self._put(index, 1, event.value)
            )
            made.props("outlined dense")
            if recorded:
                tag("span")
            else:
                remove = tag("button", "plain", type="button")
                with remove:
                    icon("close", "Remove")
                remove.on("click", lambda: self._remove(index), args=[])

    def _put(self, index: int, part: int, text: str | None) -> None:
        self._rows[index][part] = text or ""
        self._on_change()

    def _add(self) -> None:
        self._rows.append(["", ""])
        self._fill()

    def _remove(self, index: int) -> None:
        del self._rows[index]
        self._fill()
        self._on_change()
