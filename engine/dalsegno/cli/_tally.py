"""What is known of a run while it goes on: how many actions are in which phase, and which are running."""

from __future__ import annotations

import threading
import time
from collections import Counter

from dalsegno.cli._text import count, duration
from dalsegno.models import ActionRecord, RunRecord
from dalsegno.observers import Observer


class Tally(Observer):
    """Counts the actions of one run; may be asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[str] = Counter()
        self._running: dict[int, ActionRecord] = {}
        self.run: RunRecord | None = None

    def run_started(self, run: RunRecord) -> None:
        """Take the run that is watched."""
        self.run = run

    def run_finished(self, run: RunRecord) -> None:
        """Take its end."""
        self.run = run

    def action_started(self, run: RunRecord, action: ActionRecord) -> None:
        """One more is running."""
        with self._lock:
            self._running[action.seq] = action

    def action_finished(self, run: RunRecord, action: ActionRecord) -> None:
        """One has ended."""
        with self._lock:
            self._running.pop(action.seq, None)
            self._ended[action.phase.value] += 1

    def action_reused(self, run: RunRecord, action: ActionRecord) -> None:
        """One has taken over a recorded result."""
        self.action_finished(run, action)

    def phases(self) -> dict[str, int]:
        """How many actions are in each phase, those that run first."""
        with self._lock:
            running = {"running": len(self._running)} if self._running else {}
            return {**running, **dict(self._ended.most_common())}

    def longest(self, most: int) -> list[ActionRecord]:
        """The running actions that began first, at most so many; the root is always among them and is left out."""
        with self._lock:
            return [action for seq, action in self._running.items() if seq][:most]

    def elapsed(self) -> float:
        """Seconds since the run began, or how long it took."""
        if self.run is None:
            return 0.0
        return ((self.run.ended_at or time.time_ns()) - self.run.started_at) / 1e9

    def sentence(self) -> str:
        """How the run stands, in one line."""
        if self.run is None:
            return ""
        phases = self.phases()
        parts = ", ".join(f"{number:,} {phase}" for phase, number in phases.items())
        shown = f" ({parts})" if phases.keys() - {"succeeded"} else ""
        actions = count(sum(phases.values()), "action")
        return f"run {self.run.name} {self.run.phase.value} in {duration(self.elapsed())}, {actions}{shown}"
