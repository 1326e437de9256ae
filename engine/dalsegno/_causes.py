"""What a result that was another one most likely comes from: told from the values, the code, and how it was found.

Each clue speaks for a cause with a weight. What is known outright weighs most: that a variable has another value, that all
that differs is a time of the execution, or floats by their last digits. What is merely in the code weighs little.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dalsegno._code import ANY
from dalsegno._places import Place
from dalsegno._reproduce import Evidence

CAUSES = (
    "opaque value",
    "environment",
    "time",
    "randomness",
    "set order",
    "float order",
    "file",
    "state",
    "packages",
)
"""In the order in which they count where clues weigh the same."""

UNKNOWN = "unknown"

ROUNDING = 1e-9
"""Floats that differ by less than this part of them differ in their last digits only."""

_MARGIN = 2 * 10**9
_UNITS = (1, 10**3, 10**6, 10**9)
_FILE_ERRORS = ("FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError")


class Clue(NamedTuple):
    """Something that speaks for a cause."""

    cause: str
    weight: int
    text: str


def likely(found: Evidence, *, seeded: bool) -> tuple[str, tuple[str, ...]]:
    """The likeliest cause, and all clues as text, the weightiest first; `seeded` says that the hash seed was another one."""
    clues = sorted(_clues(found, seeded=seeded), key=lambda clue: (-clue.weight, CAUSES.index(clue.cause)))
    weights: dict[str, int] = {}
    for clue in clues:
        weights[clue.cause] = max(weights.get(clue.cause, 0), 0) + clue.weight
    best = max(weights, key=lambda cause: (weights[cause], -CAUSES.index(cause)), default=UNKNOWN)
    return best, tuple(dict.fromkeys(f"{clue.cause}: {clue.text}" for clue in clues))


def _clues(found: Evidence, *, seeded: bool) -> list[Clue]:
    named = [name for name in found.variables if name != ANY]
    clues = [Clue("environment", 8, f"variable {name} has another value") for name in named[:3]]
    if ANY in found.variables:  # which are more than it may read
        clues.append(Clue("environment", 2, "variables of the process have other values"))
    if found.packages:
        names = ", ".join(found.packages[:5])
        clues.append(Clue("packages", 4, f"other versions of {names}"))
    clues += _of_values(found)
    if found.error is not None and any(name in text for name in _FILE_ERRORS for text in found.error):
        clues.append(Clue("file", 5, next(text for text in found.error if text)))
    by_cause: dict[str, list[str]] = {}
    for suspect in found.suspects:
        by_cause.setdefault(suspect.cause, []).append(f"{suspect.what} in {suspect.where}")
    for cause, texts in by_cause.items():
        # A variable that it reads has the recorded value, or it is named above.
        weight = 1 if cause in ("environment", "float order") else 2
        if cause == "set order" and seeded:
            weight = 4
        clues.append(Clue(cause, weight, ", ".join(texts[:3])))
    return clues


def _of_values(found: Evidence) -> list[Clue]:
    places = found.outputs
    if not places:
        return []
    if all(place.kind == "opaque" for place in places):
        return [Clue("opaque value", 9, "it is pickled, so that nobody knows whether it is equal")]
    if all(_is_time(place, found) for place in places):
        return [Clue("time", 5, "what differs is when it was executed")]
    if all(_kind(place.old) == _kind(place.new) == "uuid" for place in places):
        return [Clue("randomness", 5, "what differs is a UUID")]
    if all(_is_rounding(place) for place in places):
        return [Clue("float order", 6, "floats differ in their last digits")]
    if any(place.kind == "order" for place in places):
        return [Clue("set order", 3, "the same members in another order")]
    return []


def _kind(shown: Any) -> Any:
    return shown.get("$type") if isinstance(shown, dict) else None


def _is_time(place: Place, found: Evidence) -> bool:
    sides = place.old, place.new
    if all(_kind(side) in ("datetime", "date", "time") for side in sides):
        return True
    return all(
        isinstance(side, (int, float))
        and any(began - _MARGIN <= side * unit <= ended + _MARGIN for unit in _UNITS)
        for side, began, ended in zip(sides, found.began, found.ended, strict=True)
    )


def _is_rounding(place: Place) -> bool:
    if place.kind == "array":
        dtype = str(place.old.get("dtype"))[1:2]
        return dtype in ("f", "c") and place.largest is not None and place.largest < ROUNDING
    old, new = place.old, place.new
    if not (isinstance(old, float) and isinstance(new, float)):
        return False
    return abs(old - new) <= ROUNDING * max(abs(old), abs(new))
