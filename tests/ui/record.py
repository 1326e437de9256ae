"""Record the runs that the pages are tested and pictured with.

python tests/ui/record.py STORE
"""

import datetime as dt
import sys
from typing import Any

import shop  # type: ignore[import-not-found]  # it is beside this file, where a script looks first

import dalsegno


def record(store: str) -> None:
    """A plan that went well, two reruns of it, two failures, and a run with many calls."""
    dalsegno.init(store)
    labels = {"team": "demand", "env": "prod"}
    play(shop.plan_week, "weekly-plan", labels, regions=["north", "south", "coast"])
    dalsegno.with_runcontext(name="summer-plan").rerun("weekly-plan", season="summer").wait()
    recovering = dalsegno.with_runcontext(name="winter-plan", labels={"env": "staging"})
    recovering.rerun("weekly-plan", recover=True, season="winter").wait()
    play(shop.odd, "odd-one", {"kind": "odd"}, text=shop.SCRIPT)
    play(shop.plan_week, "unpublished", labels, regions=["north"], publish=True, since=dt.date(2026, 8, 3))
    play(shop.many, "many", {}, count=300)


def play(task: Any, name: str, labels: dict[str, str], **inputs: Any) -> None:
    """One run, waited for."""
    dalsegno.with_runcontext(name=name, labels=labels).run(task, **inputs).wait()


if __name__ == "__main__":
    record(sys.argv[1])
