"""Whether the actions of a capsule that took over results lead somewhere.

Below such an action in the tree stands what the action called that really ran. Whoever goes through trees relies on it that
this ends. So an action that is taken from has to be there and to have run itself, and going from an action that took over to one that did so
below the action that ran must never lead back.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from dalsegno.models import ActionRecord

_Place = tuple[int, int]


class TakenOver:
    """The actions of all runs in a capsule, by the number of their run, from 1, and their own."""

    def __init__(self) -> None:
        self._parents: dict[int, dict[int, int]] = {}
        self._origins: dict[_Place, _Place] = {}

    def note(self, run: int, action: ActionRecord) -> None:
        """The next action, which comes after the one that called it."""
        parent = -1 if action.parent is None else action.parent
        self._parents.setdefault(run, {})[action.seq] = parent
        if action.origin is not None:
            self._origins[run, action.seq] = action.origin.run_id, action.origin.seq

    def wrong(self) -> tuple[int, str] | None:
        """The number of a run in which something is wrong with what was taken over, and what; None when nothing is."""
        for (run, seq), (source, ran) in self._origins.items():
            if source == 0:  # a run that is not there any more
                continue
            if ran not in self._parents.get(source, {}):
                return run, f"action number {seq} took over a result from an action that is missing"
            if (source, ran) in self._origins:
                return run, f"action number {seq} took over a result from an action that did not run itself"
        try:
            TopologicalSorter(self._above()).prepare()
        except CycleError as error:
            (run, seq), *_ = error.args[1]
            return run, f"action number {seq} is below itself, by way of results that were taken over"
        return None

    def _above(self) -> dict[_Place, set[_Place]]:
        """For each action that something was taken from, those of this kind that it is next below: of those that called it, and
        of those that called the actions that took from it."""
        above: dict[_Place, set[_Place]] = {place: set() for place in self._origins.values()}
        for run, parents in self._parents.items():
            nearest: dict[int, _Place | None] = {-1: None}
            for seq, parent in parents.items():
                place = run, seq
                over = nearest[parent]
                nearest[seq] = place if place in above else over
                below = place if place in above else self._origins.get(place)
                if below is not None and over is not None:
                    above[below].add(over)
        return above
