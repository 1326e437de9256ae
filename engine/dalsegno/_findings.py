"""What was found, as the text of a failed test: no traceback, only what differs, where, and what it may come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dalsegno._places import Place
from dalsegno._verify import Divergence, Verification

if TYPE_CHECKING:
    from dalsegno._replay import Changed, Replay

__all__ = ["replay_text", "verification_text"]

MOST_PLACES = 10
"""So many places of one value are shown."""

MOST_CALLS = 5
"""So many calls are shown."""


def verification_text(run: str, task: str, found: Iterable[Verification]) -> str:
    """What diverged when a run was executed again; an action is shown once, as it was found first."""
    divergences: dict[str, Divergence] = {}
    for verification in found:
        for each in verification.divergences:
            divergences.setdefault(each.action, each)
    lines = [f"run {run} of {task} did not reproduce"]
    for each in list(divergences.values())[:MOST_CALLS]:
        how = f" ({each.how})" if each.how else ""
        lines.append(f"  {each.action} ({each.task}) did something else on the same inputs{how}")
        lines += _differences(each.outputs, each.error, "    ")
        for what, names in (("made now and not then", each.came), ("made then and not now", each.gone)):
            if names:
                lines.append(f"    calls {what}: {', '.join(names[:MOST_CALLS])}{_more(names)}")
        lines.append(f"    likely cause: {each.cause}")
        lines += [f"      {clue}" for clue in each.clues]
    if len(divergences) > MOST_CALLS:
        lines.append(f"  and {len(divergences) - MOST_CALLS} more actions")
    return "\n".join(lines)


def replay_text(found: Replay) -> str:
    """How a run with the current code ended otherwise than the recorded one."""
    if found.root is None:
        return f"run {found.run} of {found.task} gave what is recorded"
    lines = [f"run {found.run} of {found.task} ended otherwise with the current code than is recorded"]
    lines += _changed(found.root, "  ")
    for each in found.below[:MOST_CALLS]:
        lines.append(f"  it begins with {each.action} ({each.task}), on the same inputs")
        lines += _changed(each, "    ")
    if len(found.below) > MOST_CALLS:
        lines.append(f"  and with {len(found.below) - MOST_CALLS} more calls")
    return "\n".join(lines)


def _changed(each: Changed, indent: str) -> Iterator[str]:
    yield from _differences(each.outputs, each.error, indent)
    if each.where:
        yield f"{indent}  at {each.where}"


def _differences(outputs: Sequence[Place], error: tuple[str, str] | None, indent: str) -> Iterator[str]:
    for place in outputs[:MOST_PLACES]:
        yield f"{indent}output {place}"
    if len(outputs) > MOST_PLACES:
        yield f"{indent}and in more places"
    if error is not None:
        old, new = (text or "none" for text in error)
        yield f"{indent}error: {old} → {new}"


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - MOST_CALLS:,} more" if len(names) > MOST_CALLS else ""
