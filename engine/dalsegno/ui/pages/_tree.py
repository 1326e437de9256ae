"""The actions of a run as rows: which are unfolded, in which order they stand, and where their bars are.

A page holds the tree here and sends the browser only the rows that it can see. An action is known by its name, and by its
run and name where it is another run's, whose results were taken over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dalsegno.ui.pages._words import instant, moment, phase_words, short_task, took
from dalsegno.views import ActionView, RunView

SMALL = 200
"""A tree of up to so many actions is shown whole at first; of a larger one, what the root called."""

LIVE = ("queued", "running")


class Forest:
    """The tree of one run."""

    def __init__(self, actions: Sequence[tuple[int | None, ActionView]]) -> None:
        self.open: set[str] = set()
        self._met: set[str] = set()
        self.load(actions)
        self.arrange()

    def load(self, actions: Sequence[tuple[int | None, ActionView]]) -> None:
        """Take over what is recorded now; what was unfolded stays so. Call `arrange` after it."""
        own = actions[0][1]["run"] if actions else ""
        self.ids = [self._id(own, action) for _, action in actions]
        self._actions = {each: action for each, (_, action) in zip(self.ids, actions, strict=True)}
        self._above: dict[str, str | None] = {}
        self._children: dict[str, list[str]] = {each: [] for each in self.ids}
        self._depth: dict[str, int] = {}
        for each, (above, _) in zip(self.ids, actions, strict=True):
            parent = None if above is None else self.ids[above]
            known = each in self._above
            self._above[each] = parent
            self._depth[each] = 0 if parent is None else self._depth[parent] + 1
            if parent is not None and not known:
                self._children[parent].append(each)
        self._unfold_new()
        own_actions = [action for action in self._actions.values() if action["run"] == own]
        self._start = min((instant(each["started_at"]) for each in own_actions), default=datetime.now(UTC))
        self._ends = [instant(each["ended_at"]) for each in own_actions if each["ended_at"] is not None]
        self._own = own
        self.live = any(each["phase"] in LIVE for each in own_actions)

    def _unfold_new(self) -> None:
        """Unfold what has come to have calls, unless the tree is large; what somebody has folded stays so."""
        small = len(self.ids) <= SMALL
        new = {each for each in self.ids if self._children[each] and each not in self._met}
        self.open |= {each for each in new if small or self._depth[each] == 0}
        self._met |= new

    @staticmethod
    def _id(own: str, action: ActionView) -> str:
        return action["name"] if action["run"] == own else f"{action['run']}/{action['name']}"

    def arrange(self) -> None:
        """Work out which rows there are."""
        self.order: list[str] = []
        pending = [each for each in reversed(self.ids) if self._above[each] is None]
        while pending:
            each = pending.pop()
            self.order.append(each)
            if each in self.open:
                pending.extend(reversed(self._children[each]))
        self._place = {each: place for place, each in enumerate(self.order)}

    def __contains__(self, each: str) -> bool:
        return each in self._actions

    def __getitem__(self, each: str) -> ActionView:
        return self._actions[each]

    def __len__(self) -> int:
        return len(self.ids)

    def home(self, each: str, run: RunView) -> tuple[str, str, str]:
        """The run that an action belongs to, with its project and domain."""
        action = self._actions[each]
        if action["run"] == run["name"]:
            return run["name"], run["project"], run["domain"]
        above = self._above[each]
        while above is not None:
            origin = self._actions[above]["origin"]
            if origin is not None and origin["run"] == action["run"]:
                return origin["run"], origin["project"], origin["domain"]
            above = self._above[above]
        return action["run"], run["project"], run["domain"]

    def above(self, each: str) -> str | None:
        """What called an action, as this tree knows it; None for the root."""
        return self._above[each]

    def place(self, each: str | None) -> int:
        """The number of its row; -1 when it is folded away."""
        return -1 if each is None else self._place.get(each, -1)

    def fold(self, each: str) -> None:
        """Fold or unfold an action."""
        if self._children.get(each):
            self.open ^= {each}
            self.arrange()

    def reveal(self, each: str) -> None:
        """Unfold what is above an action."""
        above = self._above.get(each)
        while above is not None:
            self.open.add(above)
            above = self._above[above]
        self.arrange()

    def counts(self) -> Mapping[str, int]:
        """How many actions are in each phase."""
        found: dict[str, int] = {}
        for action in self._actions.values():
            found[action["phase"]] = found.get(action["phase"], 0) + 1
        return found

    def seen(self, start: int, stop: int, selected: str | None) -> dict[str, Any]:
        """What the browser draws: the rows of a window, how many there are, and the axis."""
        start = max(0, min(start, len(self.order)))
        now = datetime.now(UTC)
        end = now if self.live else max(self._ends, default=now)
        span = max((end - self._start).total_seconds(), 1e-6)
        rows = [
            self._row(each, start + at, span, now)
            for at, each in enumerate(self.order[start:max(start, stop)])
        ]  # fmt: skip
        return {
            "total": len(self.order),
            "rows": rows,
            "ticks": [[part / 4, took(span * part / 4) if part else "0"] for part in range(5)],
            "selected": selected,
            "place": self.place(selected),
        }

    def _row(self, each: str, index: int, span: float, now: datetime) -> dict[str, Any]:
        action = self._actions[each]
        icon, word = phase_words(action["phase"])
        begun = (instant(action["started_at"]) - self._start).total_seconds()
        lasted = action["duration_s"]
        if lasted is None and action["phase"] in LIVE:
            lasted = (now - instant(action["started_at"])).total_seconds()
        elsewhere = action["run"] != self._own
        left = min(max(begun / span, 0.0), 1.0)
        part = None if elsewhere else round(min((lasted or 0.0) / span, 1.0 - left), 5)
        children = len(self._children[each])
        name = action["name"]
        hashed = name.rpartition("-")[2] if "-" in name else name
        return {
            "id": each,
            "index": index,
            "depth": self._depth[each],
            "open": each in self.open if children else None,
            "phase": action["phase"],
            "icon": icon,
            "word": word,
            "task": short_task(action["task"]),
            "title": f"{action['task']} · {name}",
            "name": hashed,
            "took": took(lasted),
            "from": round(left, 5),
            "part": part,
            "marks": [*_marks(action, word, children, elsewhere)],
            "hint": f"{word}, {took(lasted) or 'not ended'}, began {moment(action['started_at'])}",
        }


def _marks(action: ActionView, word: str, children: int, elsewhere: bool) -> list[tuple[str, str]]:
    """Further words about an action, each with a class."""
    marks: list[tuple[str, str]] = []
    if elsewhere or action["phase"] not in ("succeeded", "running"):
        marks.append(
            ("in source" if elsewhere else word.lower(), "recovered" if elsewhere else action["phase"])
        )
    if action["attempts"] > 1:
        marks.append((f"{action['attempts']} attempts", ""))
    if action["kind"] != "task":
        marks.append((action["kind"], ""))
    if action["group"]:
        marks.append((action["group"], ""))
    if children > 5:
        marks.append((f"{children:,} calls", ""))
    return marks
