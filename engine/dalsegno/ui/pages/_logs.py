"""The log of an action, with what comes in while it runs."""

from __future__ import annotations

from dalsegno.ui.pages._components import LogView
from dalsegno.ui.pages._elements import Text, copy, empty, phase_mark, tag
from dalsegno.ui.pages._looked import Looked
from dalsegno.ui.pages._words import counted, instant
from dalsegno.views import LogView as LogPiece

SHOWN = 5000
"""Of a longer log the last so many lines are shown at first."""


class Logs:
    """The lines of one action's log."""

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        self._view: LogView | None = None
        self._lines: list[list[str]] = []
        self._after = 0

    async def load(self) -> None:
        """Read what there is."""
        self._lines = await self._read()

    async def _read(self) -> list[list[str]]:
        looked = self._looked
        pieces, self._after = await looked.ask(looked.reader.logs, after=self._after)
        return [line for piece in pieces for line in lines_of(piece)]

    def build(self, *, live: bool) -> None:
        """Put it on the page."""
        with tag("div", "line"):
            self._count = Text(counted(len(self._lines), "line"), "span", "faint")
            tag("span", "grow")
            if live:
                phase_mark("running")
            copy("\n".join(line[2] for line in self._lines[-SHOWN:]), "the log")
        if not self._lines and not live:
            empty("notes", "No log", "This action printed and logged nothing.")
        else:
            self._view = LogView(self._lines[-SHOWN:])

    async def more(self) -> None:
        """Put what has come in since at the end."""
        fresh = await self._read()
        if fresh and self._view is not None:
            self._lines += fresh
            self._count.text = counted(len(self._lines), "line")
            self._view.add(fresh)


def lines_of(piece: LogPiece) -> list[list[str]]:
    """The lines of a piece of log, each with its time and stream."""
    at = f"{instant(piece['at']).astimezone():%H:%M:%S.%f}"[:-3]
    return [[at, piece["stream"], line] for line in piece["text"].splitlines()]
