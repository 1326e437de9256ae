"""The family of a run: what it was made from, and everything that was made from that."""

from __future__ import annotations

from dalsegno._ledger import Ledger
from dalsegno._listing import Query
from dalsegno.errors import RunNotFoundError
from dalsegno.models import RunRecord
from dalsegno.query import run_view
from dalsegno.views import FamilyView

MOST = 500
"""A family of more runs is shown in part."""


def family_views(ledger: Ledger, run: RunRecord) -> list[FamilyView]:
    """The family of a run: each behind the one it came from, and of several with one source the oldest first.

    Those that it comes from are always there, as far as they were not deleted; of the others as many as `MOST` allows.
    """
    line = [run]
    while (relation := line[-1].relation) is not None and len(line) < MOST:
        try:
            source = ledger.find_run(relation.project, relation.domain, relation.run)
        except RunNotFoundError:
            break
        if source.id >= line[-1].id:  # another run, that took the name of one that was deleted
            break
        line.append(source)
    own = {each.id: each for each in line}
    left = MOST - len(line)
    found: list[FamilyView] = []
    waiting: list[tuple[RunRecord, int | None]] = [(line[-1], None)]
    while waiting:
        each, parent = waiting.pop()
        place = len(found)
        found.append({"run": run_view(each), "parent": parent})
        query = Query(source=(each.project, each.domain, each.name))
        reruns = {
            made.id: made for made in ledger.runs(query, limit=max(left, 1)) if left and made.id > each.id
        }
        left -= sum(made not in own for made in reruns)
        reruns |= {made.id: made for made in line if _came_from(made, each)}
        waiting += [(reruns[number], place) for number in sorted(reruns, reverse=True)]
    return found


def _came_from(run: RunRecord, source: RunRecord) -> bool:
    relation = run.relation
    return relation is not None and (relation.project, relation.domain, relation.run) == (
        source.project,
        source.domain,
        source.name,
    )
