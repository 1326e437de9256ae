"""The figures that the README quotes: `python -m benchmarks.figures`, from the repository's root.

Each is a median of several rounds on this machine, in one process unless it says otherwise. Beside every figure that
waits for the disk stands the ratio to a bare LMDB commit, measured in the same session, which a slower or busier
disk changes much less than the figure itself.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import lmdb

from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno import _records as records
from dalsegno._ledger import Ledger
from dalsegno._listing import Query
from dalsegno.models import RunRecord
from dalsegno.settings import Durability
from dalsegno.task import AsyncTask
from dalsegno_storage import open_store

ROOT = Path(__file__).parent.parent
env = TaskEnvironment("figures")


@env.task
async def step(x: int) -> int:
    return x + 1


@env.task
async def chain(n: int) -> int:
    x = 0
    for _ in range(n):
        x = await step(x)
    return x


@env.task
async def fan(n: int) -> int:
    return sum(await asyncio.gather(*[step(i) for i in range(n)]))


def bare_commit(folder: Path, rounds: int = 100) -> float:
    """Seconds for one LMDB transaction with one put, on disk."""
    with lmdb.open(str(folder), lib_version=0, map_size=1 << 24) as environment:
        times = []
        for number in range(rounds):
            began = time.perf_counter()
            with environment.begin(write=True) as transaction:
                transaction.put(number.to_bytes(4, "big"), b"x" * 100)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


async def median(rounds: int, action: Callable[[], Awaitable[object]]) -> float:
    """Seconds for one call of `action`."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def engine_figures(folder: Path, floor: float, durability: Durability) -> None:
    """Runs, actions and reruns with one durability."""
    async with Engine(folder / f"{durability}.store", durability=durability) as engine:

        async def once(task: AsyncTask[[int], int], n: int) -> None:
            run = await engine.run(task, n)
            await run.wait.aio()

        await once(step, 1)
        first = await engine.run(chain, 20)
        await first.wait.aio()
        nested = first.actions()[7].name

        async def again() -> None:
            await (await engine.rerun(first.name, nested)).wait.aio()

        rows = [
            ("run of one action", await median(100, lambda: once(step, 1)), 1),
            ("action, 1,000 in turn", await median(5, lambda: once(chain, 1000)), 1000),
            ("action, 1,000 at once", await median(5, lambda: once(fan, 1000)), 1000),
            ("action, 10,000 at once", await median(3, lambda: once(fan, 10_000)), 10_000),
            ("rerun of one nested action", await median(100, again), 1),
        ]
        for what, seconds, count in rows:
            each = seconds / count
            show(f"{what}, {durability}", each, f"{each / floor:.2f} commits")


def listing_figures(folder: Path, count: int = 100_000) -> None:
    """Listing the newest hundred among many runs, in one process; the runs are written without being executed."""
    store = open_store(folder / "many.store")
    nothing = bytes(32)
    for start in range(1, count + 1, 5000):
        with store.write() as transaction:
            for number in range(start, start + 5000):
                phase = Phase.FAILED if number % 5000 == 7 else Phase.SUCCEEDED
                run = RunRecord(
                    id=number,
                    project="default",
                    domain="development",
                    name=f"r{number}",
                    task=f"env.task{number % 50}",
                    template=nothing,
                    bundle=nothing,
                    manifest=nothing,
                    code_digest=nothing,
                    phase=phase,
                    started_at=number,
                    ended_at=number + 1,
                    labels={"batch": str(number % 1000)},
                )
                transaction.put(records.run_key(number), records.pack_run(run))
                for key in records.index_keys(run):
                    transaction.put(key, b"")
    ledger = Ledger(store)
    for what, query in (
        ("newest 100", Query(project="default", domain="development")),
        ("100 of a label", Query(labels={"batch": "7"})),
        ("100 of a task", Query(task="env.task3")),
        ("20 that failed", Query(phases=frozenset({Phase.FAILED}))),
    ):
        times = []
        for _ in range(9):
            began = time.perf_counter()
            found = ledger.runs(query, limit=100)
            times.append(time.perf_counter() - began)
        show(f"{what} of {count:,} runs", statistics.median(times), f"{len(found)} found")
    store.close()


def census_figures(folder: Path) -> None:
    """The example as whole processes, and its rerun in an empty folder."""
    store = str(folder / "census.store")
    command = [sys.executable, "-m", "dalsegno", "--store", store]
    example = str(ROOT / "examples" / "census.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "engine", ROOT / "storage")))}

    def whole(arguments: Sequence[str], rounds: int = 3) -> float:
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run(
                [*command, *arguments], check=True, capture_output=True, cwd=folder, env=environment
            )
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    first = whole(["run", "--name", "census-1", example, "census"], rounds=1)
    listed = subprocess.run(
        [*command, "get", "action", "census-1", "--json"], check=True, capture_output=True, env=environment
    )
    actions = listed.stdout.count(b'"parent"')
    show(f"census, {actions} actions, whole process", first, f"{first / actions * 1e6:.0f} µs per action")
    show("census rerun, whole process", whole(["rerun", "census-1"]), "")
    show("dalsegno get run, whole process", whole(["get", "run"], rounds=9), "")
    bare = [sys.executable, "-c", "import dalsegno"]
    times = []
    for _ in range(9):
        began = time.perf_counter()
        subprocess.run(bare, check=True, env=environment)
        times.append(time.perf_counter() - began)
    show("import dalsegno, whole process", statistics.median(times), "")


def show(what: str, seconds: float, note: str) -> None:
    """One row."""
    unit, scale = ("µs", 1e6) if seconds < 1e-3 else ("ms", 1e3) if seconds < 1 else ("s", 1)
    print(f"{what:<44}{seconds * scale:>9.1f} {unit:<3} {note}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor = bare_commit(folder / "bare")
        show("bare LMDB commit", floor, "1 commit")
        asyncio.run(engine_figures(folder, floor, "full"))
        asyncio.run(engine_figures(folder, floor, "relaxed"))
        listing_figures(folder)
        census_figures(folder)


if __name__ == "__main__":
    main()
