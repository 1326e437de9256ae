"""Actions that are awaited at once: time for each, in runs of 1,000 and of 10,000."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.floor import Floor
from benchmarks.harness import Row, Session, Target, alternate, timed
from dalsegno import Engine


def measure(session: Session) -> Iterator[Row]:
    """With both durabilities; the floor commits all records at once."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    rows = []
    with Floor(session.folder / "fan") as floor:
        async with Engine(session.folder / "fan.store") as engine:
            for n in (1000, session.scale.wide):
                for durable in (True, False):

                    async def bare(n: int = n) -> float:
                        return await floor.fan_out(n)

                    async def fan(n: int = n, durable: bool = durable) -> None:
                        context = engine.with_runcontext(durability="full" if durable else "relaxed")
                        await (await context.run(session.steps.fan, n)).wait.aio()

                    rounds = session.scale.batches if n == 1000 else max(1, session.scale.batches // 2)
                    pairs = await alternate(rounds, timed(fan, n), bare, warm=1 if n == 1000 else 0)
                    name = f"action, {n:,} at once, {'full' if durable else 'relaxed'}"
                    rows.append(
                        Row(name, pairs, "tasks, packs, one commit", Target(25e-6) if durable else None)
                    )
    return rows
