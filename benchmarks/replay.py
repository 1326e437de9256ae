"""Actions whose recorded results are taken over: by recovering a run whose last action failed, and from the cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from benchmarks.floor import Floor
from benchmarks.harness import Pairs, Row, Session, Target, alternate
from dalsegno import Engine


def measure(session: Session) -> Iterator[Row]:
    """Time for each action between the first and the last line of the root; and of the whole recovery."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    n = session.scale.chain
    rounds = session.scale.batches
    marker = session.folder / "mended"
    look_up = "hash, get, unpack"
    with Floor(session.folder / "replay") as floor:
        async with Engine(session.folder / "replay.store") as engine:
            failed = await engine.with_runcontext(durability="relaxed").run(
                session.steps.fragile, n, str(marker)
            )
            await failed.wait.aio()
            assert failed.phase == "failed"
            marker.touch()
            whole: list[float] = []
            first: list[float] = []

            async def bare() -> float:
                return await floor.replay(n)

            async def recover() -> float:
                before = time.perf_counter()
                run = await engine.rerun(failed.name, recover=True)
                await run.wait.aio()
                whole.append(time.perf_counter() - before)
                began, ended = await run.result.aio()
                assert sum(action.record.origin is not None for action in run.actions()) == n - 1
                first.append(began / 1e9 - before)
                return float(ended - began) / 1e9 / (n - 1)

            async def recall() -> float:
                run = await engine.run(session.steps.recall, n)
                began, ended = await run.result.aio()
                return float(ended - began) / 1e9 / n

            recovered = await alternate(rounds, recover, bare)
            cached = await alternate(rounds, recall, bare)
            lasted = Pairs(whole[-rounds:], [each * n for each in recovered.floors])
            return [
                Row("replayed action, recover", recovered, look_up, Target(8e-6)),
                Row("replayed action, cache", cached, look_up, Target(8e-6)),
                Row(f"recover of {n:,} whose last failed", lasted, f"{n:,} of these"),
                Row("recover to first line", Pairs(first[-rounds:])),
            ]
