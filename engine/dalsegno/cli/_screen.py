"""The terminal while a run is live: what tasks print goes above, a few lines about the run stay below.

Nothing is drawn in the first moments, so that a short run neither flickers nor pays for rich. The lines are on
stderr; what is written to a stream that is no terminal passes straight through.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, cast

from dalsegno.cli._tally import Tally
from dalsegno.cli._text import MARKS, clean, duration, mark

if TYPE_CHECKING:
    from rich.console import Group
    from rich.file_proxy import FileProxy
    from rich.live import Live

PATIENCE = 0.4
"""How long a run must last to be drawn, in seconds."""

ROWS = 8
"""How many running actions are named."""


class Screen:
    """Draws how a run stands, from `start` to `stop`."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._live: Live | None = None
        self._above: dict[int, FileProxy] = {}
        self._streams = (sys.stdout, sys.stderr)
        self._thread = threading.Thread(target=self._wait, name="dalsegno-screen", daemon=True)

    def start(self) -> None:
        """Begin to draw soon."""
        self._thread.start()

    def stop(self) -> None:
        """Take everything away that was drawn."""
        with self._lock:
            self._over.set()
        self._thread.join()
        with self._lock:
            for proxy in self._above.values():
                proxy.flush()
            self._above.clear()
            if self._live is not None:
                self._live.stop()

    def write(self, stream: TextIO, text: str) -> int:
        """Write to a stream, above what is drawn."""
        with self._lock:
            above = self._above.get(id(stream))
            return stream.write(text) if above is None else above.write(text)

    def _wait(self) -> None:
        if not self._over.wait(PATIENCE):
            self._show()

    def _show(self) -> None:
        from rich.console import Console
        from rich.file_proxy import FileProxy
        from rich.live import Live

        with self._lock:
            if self._over.is_set():
                return
            console = Console(file=self._streams[1], markup=False, highlight=False, emoji=False)
            self._live = Live(
                console=console,
                get_renderable=self._lines,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            for stream in self._streams:
                if stream.isatty():
                    stream.flush()
                    self._above[id(stream)] = FileProxy(console, stream)
            self._live.start()

    def _lines(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        tally = self._tally
        name = "" if tally.run is None else tally.run.name
        head = Text(f"{name}  {duration(tally.elapsed())}", style="bold", no_wrap=True, overflow="ellipsis")
        for phase, number in tally.phases().items():
            head.append(f"  {mark(phase)} {number:,} {phase}", style=MARKS[phase][1])
        lines = [head]
        now = time.time_ns()
        for action in tally.longest(ROWS):
            took = duration((now - action.started_at) / 1e9)
            lines.append(Text(f"  {clean(action.name)}  {took}", no_wrap=True, overflow="ellipsis"))
        more = tally.phases().get("running", 0) - 1 - ROWS
        if more > 0:
            lines.append(Text(f"  and {more:,} more", style="dim"))
        return Group(*lines)


class Through:
    """A stream whose text goes through a function, and that is the original in everything else."""

    def __init__(self, original: TextIO, write: Callable[[TextIO, str], int]) -> None:
        self._original = original
        self._write = write

    def write(self, text: str) -> int:
        """Write text."""
        return self._write(self._original, text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def as_stream(self) -> TextIO:
        """This, as what it stands for."""
        return cast(TextIO, self)
