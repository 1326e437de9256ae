"""What values cost: 10 MB in and out, 100 floats, the same megabyte for 100 actions; and bytes on disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.floor import Floor
from benchmarks.harness import Pairs, Row, Session, Target, alternate, timed
from dalsegno import Engine

MEGABYTE = 1_000_000


def measure(session: Session) -> Iterator[Row]:
    """The data is random, so that no compression helps."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    steps, rounds = session.steps, max(3, session.scale.batches)
    rows = []
    with Floor(session.folder / "payload") as floor:
        async with Engine(session.folder / "payload.store") as engine:
            data = b""

            async def new() -> float:
                nonlocal data
                data = os.urandom(10 * MEGABYTE)
                return await floor.stored(data)

            async def old() -> float:
                return await floor.hashed(data)

            async def echo() -> None:
                await (await engine.run(steps.echo, data)).wait.aio()

            pairs = await alternate(rounds, timed(echo), new)
            rows.append(
                Row("10 MB in and out, new", pairs, "hash it, commit it in another thread", Target(20e-3))
            )
            pairs = await alternate(rounds, timed(echo), old)
            rows.append(
                Row("10 MB in and out, already stored", pairs, "hash it, commit a record", Target(8e-3))
            )

            async def weighings() -> None:
                context = engine.with_runcontext(durability="relaxed")
                await (await context.run(steps.weighings, 100, 100)).wait.aio()

            async def in_turn() -> float:
                return await floor.in_turn(100)

            pairs = await alternate(rounds, timed(weighings, 100), in_turn)
            rows.append(Row("action with 100 floats, relaxed", pairs, "pack 100 in turn, one commit"))
    return rows + await _on_disk(session)


async def _on_disk(session: Session) -> list[Row]:
    """How much a store's folder grows."""
    rows = []
    with Floor(session.folder / "disk") as floor:
        before = size(floor.folder)
        await floor.in_turn(10_000)
        bare = (size(floor.folder) - before) / 10_000
    n = 10_000 if session.scale.chain >= 1000 else 2000
    store = session.folder / "disk.store"
    async with Engine(store) as engine:
        for name, task, count in (
            ("on disk, no-op action at once", session.steps.fan, n),
            ("on disk, no-op action in turn", session.steps.chain, n // 10),
        ):
            await (await engine.run(task, 10)).wait.aio()
            before = size(store)
            await (await engine.run(task, count)).wait.aio()
            grown = (size(store) - before) / count
            rows.append(Row(name, Pairs([grown], [bare]), "a bare record", Target(250), unit="B"))
    store = session.folder / "megabytes.store"
    async with Engine(store, durability="relaxed") as engine:
        await (await engine.run(session.steps.echoes, bytes(10), 3)).wait.aio()
        before = size(store)
        data = os.urandom(MEGABYTE)

        async def echoes() -> None:
            await (await engine.run(session.steps.echoes, data, 100)).wait.aio()

        took = await timed(echoes, 100)()
        grown = size(store) - before
        rows.append(
            Row(
                "on disk, same 1 MB for 100 actions",
                Pairs([grown], [MEGABYTE]),
                "1 MB",
                Target(1.05 * MEGABYTE),
                unit="B",
            )
        )
        rows.append(Row("action with the same 1 MB, relaxed", Pairs([took])))
    return rows


def size(folder: Path) -> int:
    """The bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
