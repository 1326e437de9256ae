"""The report of the benchmarks has a row with a verdict for every target, whatever the times are.

Left out are the claims that start processes, which take too long for every day.
"""

import re
from pathlib import Path
from typing import Any

import pytest

CLAIMS = ("start", "fan_out", "sequence", "replay", "rerun", "payload", "compare", "history")

TARGETS = (
    "run of one no-op, full",
    "action, 1,000 at once, full",
    "action, 1,500 at once, full",
    "action in turn, full",
    "action in turn, relaxed",
    "replayed action, recover",
    "replayed action, cache",
    "rerun of root to first line",
    "rerun of nested action to first line",
    "rerun of nested action, acknowledged",
    "10 MB in and out, new",
    "10 MB in and out, already stored",
    "on disk, no-op action at once",
    "on disk, no-op action in turn",
    "on disk, same 1 MB for 100 actions",
    "diff of .* actions, one differs",
    "run of one no-op, with history",
    "action at once, with history",
    "rerun of nested action, with history",
    "newest 100 of .*",
)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The report at its smallest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1]))
        from benchmarks import report
        from benchmarks.harness import Scale

        return report.run(
            Scale(
                singles=2,
                batches=1,
                processes=1,
                chain=20,
                wide=1500,
                history_runs=110,
                history_actions=1100,
            ),
            CLAIMS,
        )


def test_every_target_is_judged(found: dict[str, Any]) -> None:
    judged = [row["name"] for rows in found["claims"].values() for row in rows if row["met"] is not None]
    assert found["failed"] == {}
    assert len(judged) == len(TARGETS)
    for target in TARGETS:
        assert [name for name in judged if re.fullmatch(target, name)], f"no row for {target}"


def test_the_picture_shows_every_row_with_a_floor(found: dict[str, Any]) -> None:
    from benchmarks.plot import svg

    with_floor = [row for rows in found["claims"].values() for row in rows if row["ratio"]]
    assert svg(found).count("<rect ") == 1 + len(with_floor)
