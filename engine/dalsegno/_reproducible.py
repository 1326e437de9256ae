"""What the marker `reproducible` asks of the runs of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from dalsegno._findings import verification_text
from dalsegno._reproduce import LABEL
from dalsegno._stubs import stubbed
from dalsegno._verify import SEEDS, Verification
from dalsegno.errors import DalsegnoError, UsageError
from dalsegno.models import Phase
from dalsegno.runs import Run
from dalsegno.testing import TemporaryEngine

__all__ = ["Wanted", "problems", "wanted"]


class Wanted:
    """How often each run is executed again: `times` here, and in so many processes with `hash_seeds` of their own."""

    def __init__(self, times: int = 2, hash_seeds: int = 2) -> None:
        for name, count in (("times", times), ("hash_seeds", hash_seeds)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise UsageError(f"{name} of @pytest.mark.reproducible is a number from 0 up, not {count!r}")
        if 0 < hash_seeds < SEEDS:
            raise UsageError(
                f"hash_seeds of @pytest.mark.reproducible is 0, or {SEEDS} at least, not {hash_seeds}"
            )
        if not (times or hash_seeds):
            raise UsageError(
                "@pytest.mark.reproducible asks for no execution at all; give times or hash_seeds"
            )
        self.times, self.hash_seeds = times, hash_seeds


def wanted(*args: Any, **kwargs: Any) -> Wanted:
    """What the marker asks for; UsageError for what it does not take."""
    try:
        return Wanted(*args, **kwargs)
    except TypeError as error:
        words = str(error).partition(") ")[2] or str(error)
        raise UsageError(f"@pytest.mark.reproducible takes times and hash_seeds: {words}") from error


def problems(engine: TemporaryEngine, wanted: Wanted) -> str:
    """What is wrong with the runs that a test has made, as text; "" when all of them reproduce."""
    made = [*_made(engine)]
    runs = [run for run in made if not stubbed(engine.engine.ledger, run.template)]
    if not runs:
        stubs = f"; {len(made)} had stubs, which are not executed again" if made else ""
        return f"the test is marked as reproducible, but made no run that could be executed again{stubs}"
    texts = []
    for run in runs:
        try:
            found = [*_verified(engine, run, wanted)]
        except DalsegnoError as error:
            texts.append(f"run {run.name} of {run.task} could not be executed again: {error}")
            continue
        if not all(each.reproduced for each in found):
            texts.append(verification_text(run.name, run.task, found))
    return "\n\n".join(texts)


def _made(engine: TemporaryEngine) -> Iterator[Run[Any]]:
    """The runs with an outcome of their own, the oldest first; what was imported or executed to verify is none of them."""
    for run in reversed(engine.list_runs(everywhere=True, limit=sys.maxsize)):
        if run.record.id in engine.imported or LABEL in run.labels:
            continue
        run.wait()
        if run.phase is not Phase.ABORTED:
            yield run


def _verified(engine: TemporaryEngine, run: Run[Any], wanted: Wanted) -> Iterator[Verification]:
    engine.move_to(run)
    if wanted.times:
        yield engine.verify(run, times=wanted.times)
    if wanted.hash_seeds:
        yield engine.verify(run, times=wanted.hash_seeds, hash_seed=True)
