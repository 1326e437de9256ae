"""What a store with a long history costs: the same work in an empty store and in a full one, lists, and big runs.

The history is written without being executed: one real run of 100 actions is recorded, and its records are repeated
under other run ids and names. For the rows that compare, the floor is the same work in the empty store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.floor import Floor
from benchmarks.harness import Row, Sample, Session, Target, alternate, timed
from dalsegno import Engine
from dalsegno import _records as records
from dalsegno.models import Phase
from dalsegno_storage import open_store

TOGETHER = 50_000
"""How many records of the history are written in one transaction."""


def measure(session: Session) -> Iterator[Row]:
    """The sizes are those of the session's scale."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    scale, steps = session.scale, session.steps
    full, empty = session.folder / "history.store", session.folder / "no-history.store"
    await fill(session, full, scale.history_runs, scale.history_actions)
    rows = []
    size = f"{scale.history_runs:,} runs, {scale.history_actions:,} actions"
    async with Engine(empty) as young, Engine(full) as old:
        nested = {}
        for engine in (young, old):
            run = await engine.with_runcontext(name="nest").run(steps.nest, 50)
            await run.wait.aio()
            nested[engine] = run.actions()[-1].name

        def sample(what: str, engine: Engine) -> Sample:
            async def no_op() -> None:
                await (await engine.run(steps.step, 1)).wait.aio()

            async def fan() -> None:
                await (await engine.run(steps.fan, 1000)).wait.aio()

            async def again() -> None:
                await (await engine.rerun("nest", nested[engine])).wait.aio()

            return {"run of one no-op": timed(no_op), "action at once": timed(fan, 1000)}.get(
                what, timed(again)
            )

        for what in ("run of one no-op", "action at once", "rerun of nested action"):
            rounds = scale.batches if what == "action at once" else scale.singles
            pairs = await alternate(rounds, sample(what, old), sample(what, young), warm=2)
            rows.append(Row(f"{what}, with history", pairs, "the same without", Target(1.1, "ratio")))
        rows += await _looks(session, old, scale.history_runs, size)
    return rows


async def _looks(session: Session, engine: Engine, old: int, size: str) -> list[Row]:
    """Lists of runs and the tree of a big one."""
    n = 10 * session.scale.chain
    big = await engine.with_runcontext(durability="relaxed", name="big").run(session.steps.fan, n)
    await big.wait.aio()
    last = big.actions()[-1].name
    rows = []
    with Floor(session.folder / "history-floor") as floor:

        async def hundred() -> float:
            return await floor.scanned(100)

        async def all_of_them() -> float:
            return await floor.scanned(n)

        async def newest() -> None:
            assert len(engine.list_runs(limit=100)) == 100

        async def labelled() -> None:
            assert len(engine.list_runs(limit=100, with_labels={"batch": "7"})) >= min(100, old // 20)

        async def failed() -> None:
            assert len(engine.list_runs(limit=100, in_phase=Phase.FAILED)) > 0

        async def tree() -> None:
            assert len(big.actions()) == n + 1

        async def named() -> None:
            assert big.action(last).record.seq == n

        singles, batches = session.scale.singles, session.scale.batches
        scan = "scan and unpack as many"
        pairs = await alternate(singles, timed(newest), hundred)
        rows.append(Row(f"newest 100 of {size}", pairs, scan, Target(1e-3)))
        pairs = await alternate(singles, timed(labelled), hundred)
        rows.append(Row("newest 100 of a label", pairs, scan))
        pairs = await alternate(singles, timed(failed), hundred)
        rows.append(Row("those that failed", pairs, scan))
        pairs = await alternate(batches, timed(tree), all_of_them)
        rows.append(Row(f"tree of {n:,} actions", pairs, scan))
        pairs = await alternate(batches, timed(named), hundred)
        rows.append(Row(f"one of {n:,} actions by name", pairs, "scan and unpack a hundred"))
    return rows


async def fill(session: Session, place: Path, runs: int, actions: int) -> None:
    """Make a store with a history of finished runs; every hundredth has failed, and every tenth has a label."""
    each = actions // runs
    async with Engine(place) as engine:
        pattern = await engine.run(session.steps.fan, each - 1)
        await pattern.wait.aio()
        run = pattern.record
    store = open_store(place)
    try:
        with store.read() as reader:
            lines = list(reader.scan(*records.actions_range(run.id)))
        tails = [(key[9:], data) for key, data in lines]
        assert len(tails) == each
        together = max(1, TOGETHER // each)
        now = time.time_ns()
        for start in range(1, runs + 1, together):
            with store.write() as transaction:
                for number in range(start, min(start + together, runs + 1)):
                    made = run._replace(
                        id=now - (runs - number + 1) * 1_000_000_000,
                        name=f"old-{number}",
                        phase=Phase.FAILED if number % 100 == 7 else Phase.SUCCEEDED,
                        labels={"batch": "7"} if number % 10 == 7 else {},
                    )
                    _write(transaction, made, tails)
    finally:
        store.close()


def _write(transaction: Any, run: Any, tails: list[tuple[bytes, bytes]]) -> None:
    transaction.put(records.run_key(run.id), records.pack_run(run))
    name = records.name_key(run.project, run.domain, run.name)
    transaction.put(name, records.pack_number(run.id))
    for key in records.index_keys(run):
        transaction.put(key, b"")
    head = b"a" + run.id.to_bytes(8, "big")
    for tail, data in tails:
        transaction.put(head + tail, data)
