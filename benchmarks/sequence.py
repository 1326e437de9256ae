"""Actions that are awaited one after the other: time for each, in a run of 1,000."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from benchmarks.floor import HAND_OFF, Floor
from benchmarks.harness import Row, Sample, Session, Target, alternate, timed
from dalsegno import Engine


def measure(session: Session) -> Iterator[Row]:
    """With both durabilities; the median is that of whole runs, from the first line of the root to the acknowledged end; p99
    that of single actions."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    rows = []
    n = session.scale.chain
    with Floor(session.folder / "sequence") as floor:

        async def commits() -> float:
            return await timed(lambda: _repeat(floor, 50), 50)()

        async def together() -> float:
            return await floor.in_turn(n)

        cases: tuple[tuple[Literal["full", "relaxed"], Sample, str, Target], ...] = (
            ("full", commits, HAND_OFF, Target(1.3, "ratio")),
            ("relaxed", together, f"pack {n:,} in turn, one commit", Target(25e-6)),
        )
        for durability, bare, what, target in cases:
            single: list[float] = []
            async with Engine(
                session.folder / f"sequence-{durability}.store", durability=durability
            ) as engine:

                async def chain(
                    engine: Engine = engine, single: list[float] = single
                ) -> float:  # bound now, for the next round rebinds the names
                    run = await engine.run(session.steps.chain, n)
                    await run.wait.aio()
                    ended = time.perf_counter()
                    times: list[float] = [each / 1e9 for each in await run.result.aio()]
                    single.extend(after - before for before, after in pairwise(times))
                    return (ended - times[0]) / n

                pairs = await alternate(session.scale.batches, chain, bare)
            rows.append(Row(f"action in turn, {durability}", pairs, what, target, tail=single))
    return rows


async def _repeat(floor: Floor, times: int) -> None:
    for _ in range(times):
        await floor.acknowledged()
