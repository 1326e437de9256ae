"""A run of one action that does nothing, from the call to its acknowledged result."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.floor import HAND_OFF, Floor
from benchmarks.harness import Row, Session, Target, alternate, timed
from dalsegno import Engine


def measure(session: Session) -> Iterator[Row]:
    """With both durabilities; the engine is warm."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    rows = []
    with Floor(session.folder / "start") as floor:
        async with Engine(session.folder / "start.store") as engine:
            step = session.steps.step

            async def full() -> None:
                await (await engine.run(step, 1)).wait.aio()

            async def relaxed() -> None:
                run = await engine.with_runcontext(durability="relaxed").run(step, 1)
                await run.wait.aio()

            async def started() -> float:
                """The start alone; its run is waited for outside of the measurement."""
                sample = timed(lambda: engine.run(step, 1))
                took = await sample()
                await engine.list_runs(limit=1)[0].wait.aio()
                return took

            for name, sample, target in (
                ("run of one no-op, full", timed(full), Target(0.4e-3)),
                ("run of one no-op, relaxed", timed(relaxed), None),
                ("run recorded and started", started, None),
            ):
                pairs = await alternate(session.scale.singles, sample, floor.run)
                rows.append(Row(name, pairs, HAND_OFF, target))
    return rows
