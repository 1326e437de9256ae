"""The logs of actions as they come, each line behind the name of its action."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from dalsegno.cli._text import clean
from dalsegno.models import ActionRecord, RunRecord
from dalsegno.observers import Observer

_END = re.compile(r"\r\n|\r|\n")


def log_lines(text: str) -> list[str]:
    """The lines of a piece of log; the return of a progress bar begins a new line."""
    return [clean(line, keep="\t") for line in _END.split(text)]


class Labelled:
    """Cuts what several actions print into whole lines, and hands each on behind its action's name."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._open: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def add(self, action: str, stream: str, text: str) -> None:
        """A piece of an action's log."""
        with self._lock:
            *whole, rest = log_lines(self._open.get((action, stream), "") + text)
            self._open[action, stream] = rest
            for line in whole:
                self._write(f"[{clean(action)}] {line}\n")

    def end(self, action: str | None = None) -> None:
        """Nothing more comes from an action, or from any: the last lines need no line break."""
        with self._lock:
            for key in [key for key in self._open if action in (None, key[0])]:
                rest = self._open.pop(key)
                if rest:
                    self._write(f"[{clean(key[0])}] {rest}\n")


class Follower(Observer):
    """Writes the logs of live actions."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._lines = Labelled(write)

    def logged(self, run: RunRecord, action: ActionRecord, stream: str, text: str) -> None:
        """Write what is whole of it."""
        self._lines.add(action.name, stream, text)

    def action_finished(self, run: RunRecord, action: ActionRecord) -> None:
        """Write the rest."""
        self._lines.end(action.name)
