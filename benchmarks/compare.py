"""Comparing two recorded runs of many actions of which one did something else, and what the two did as a digest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.floor import Floor
from benchmarks.harness import Row, Session, Target, alternate, timed
from dalsegno import Engine, diff, fingerprint


def measure(session: Session) -> Iterator[Row]:
    """The number of actions is that of the widest fan-out."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    n = session.scale.wide
    rounds = session.scale.batches
    async with Engine(session.folder / "compare.store") as engine:
        runs = []
        for count in (n, n - 1):
            run = await engine.with_runcontext(durability="relaxed").run(session.steps.fan, count)
            await run.wait.aio()
            runs.append(run)
        with Floor(session.folder / "compare-floor") as floor:

            async def all_of_them() -> float:
                return await floor.scanned(n)

            async def one() -> None:
                assert len(fingerprint(runs[0])) == 64

            async def both() -> None:
                # The root has another input, and one call went.
                assert [each.change for each in diff(*runs).actions] == ["changed", "removed"]

            scan = "scan and unpack as many"
            rows = [
                Row(f"fingerprint of {n:,} actions", await alternate(rounds, timed(one), all_of_them), scan)
            ]
            pairs = await alternate(rounds, timed(both), all_of_them)
            rows.append(Row(f"diff of {n:,} actions, one differs", pairs, scan, Target(1.0)))
            return rows
