"""Comparisons as JSON documents; the keys and their meaning are a promise, as those of `dalsegno.views` are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from dalsegno._diff import ActionDifference, Comparison
from dalsegno._places import Place
from dalsegno._why import Difference
from dalsegno.query import error_view
from dalsegno.views import DifferenceView, ErrorView

if TYPE_CHECKING:
    from dalsegno._verify import Verification


class ComparedView(TypedDict):
    """One side of a comparison."""

    run: str
    action: str
    fingerprint: str


class PlaceView(TypedDict):
    """A place in which two values differ.

    `kind` is "value", "added", "removed", "order", "array", "table" or "opaque". For arrays and columns of equal shape
    `differing` of `size` elements do so, by at most `largest`, which is null where that has no meaning.
    """

    path: str
    kind: str
    old: Any
    new: Any
    differing: int
    size: int
    largest: float | None


class ActionDifferenceView(TypedDict):
    """A call that is different in itself, came, or went.

    `change` is "changed", "added" or "removed"; `old` and `new` are names of actions, null where there is none; `below` is
    how many nested calls came or went with it. `error` and `phase` are pairs, null if the outcome is equal.
    """

    change: str
    task: str
    old: str | None
    new: str | None
    below: int
    code: list[DifferenceView]
    inputs: list[PlaceView]
    outputs: list[PlaceView]
    error: list[ErrorView | None] | None
    phase: list[str] | None
    seconds: list[float | None]


class ComparisonView(TypedDict):
    """How two runs differ; `same` says that they did the same. `around` does not count for that."""

    same: bool
    old: ComparedView
    new: ComparedView
    actions: list[ActionDifferenceView]
    around: list[DifferenceView]
    seconds: list[float | None]


def comparison_view(found: Comparison) -> ComparisonView:
    """How two runs differ."""
    old, new = (
        ComparedView(run=run, action=action, fingerprint=fingerprint)
        for run, action, fingerprint in (found.old, found.new)
    )
    return {
        "same": found.is_same,
        "old": old,
        "new": new,
        "actions": [action_difference_view(each) for each in found.actions],
        "around": [_difference(each) for each in found.around],
        "seconds": [*found.seconds],
    }


def action_difference_view(found: ActionDifference) -> ActionDifferenceView:
    """How two calls differ."""
    return {
        "change": found.change,
        "task": found.task,
        "old": found.old,
        "new": found.new,
        "below": found.below,
        "code": [_difference(each) for each in found.code],
        "inputs": [place_view(each) for each in found.inputs],
        "outputs": [place_view(each) for each in found.outputs],
        "error": found.error and [None if each is None else error_view(each) for each in found.error],
        "phase": found.phase and [*found.phase],
        "seconds": [*found.seconds],
    }


def place_view(place: Place) -> PlaceView:
    """Where two values differ."""
    return {
        "path": place.path,
        "kind": place.kind,
        "old": place.old,
        "new": place.new,
        "differing": place.differing,
        "size": place.size,
        "largest": place.largest,
    }


def _difference(each: Difference) -> DifferenceView:
    return {"kind": each.kind, "name": each.name, "old": each.old, "new": each.new, "detail": each.detail}


class DivergenceView(TypedDict):
    """An action that did something else than is recorded; `cause` is the likeliest, `clues` say what speaks for it."""

    action: str
    task: str
    how: str
    outputs: list[PlaceView]
    error: list[str] | None
    came: list[str]
    gone: list[str]
    cause: str
    clues: list[str]


class VerificationView(TypedDict):
    """What came of executing a run again."""

    reproduced: bool
    run: str
    action: str
    times: int
    executed: int
    divergences: list[DivergenceView]
    kept: list[str]


def verification_view(found: Verification) -> VerificationView:
    """What came of executing a run again."""
    return {
        "reproduced": found.reproduced,
        "run": found.run,
        "action": found.action,
        "times": found.times,
        "executed": found.executed,
        "divergences": [
            {
                "action": each.action,
                "task": each.task,
                "how": each.how,
                "outputs": [place_view(place) for place in each.outputs],
                "error": each.error and [*each.error],
                "came": [*each.came],
                "gone": [*each.gone],
                "cause": each.cause,
                "clues": [*each.clues],
            }
            for each in found.divergences
        ],
        "kept": [*found.kept],
    }
