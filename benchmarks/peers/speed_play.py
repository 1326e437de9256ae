"""One part of what is timed, by one peer, in a process of its own.

`python -m benchmarks.peers.speed_play PEER DURABILITY FOLDER PART N` prints, last, a line of JSON with what it measured:
seconds for one unit, or bytes. PART is "work", or one half of the story that is killed: "kill", "resume".
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders import CONTENDERS, MARKS, Contender


def size(folder: Path) -> int:
    """The bytes of the files in a folder, once SQLite has moved what it has logged into its databases."""
    for log in folder.rglob("*-wal"):
        with closing(sqlite3.connect(str(log).removesuffix("-wal"), timeout=10)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def median(rounds: int, units: int, action: Callable[[], Awaitable[object]]) -> float:
    """Seconds for one unit, the median of some rounds after one that does not count."""
    times = []
    for number in range(rounds + 1):
        began = time.perf_counter()
        await action()
        if number:
            times.append((time.perf_counter() - began) / units)
    return statistics.median(times)


async def work(contender: Contender, n: int) -> dict[str, Any]:
    """Everything that happens in one process; what fails is told in words."""
    found: dict[str, Any] = {}
    few = 3 if n >= 500 else 2

    async def first_line() -> float:
        MARKS.clear()
        began = time.perf_counter()
        await contender.again()
        return MARKS[0] - began

    async def replayed() -> float:
        MARKS.clear()
        await contender.replay(n)
        return (MARKS[-1] - MARKS[-2]) / n

    async def of(sample: Callable[[], Awaitable[float]]) -> float:
        return statistics.median([await sample() for _ in range(few)])

    async def disk() -> float:
        before = size(contender.folder)
        await contender.chain(n)
        return (size(contender.folder) - before) / n

    async def data() -> float:
        times = []
        for _ in range(few):
            random = os.urandom(10_000_000)
            began = time.perf_counter()
            await contender.echo(random)
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    parts: dict[str, Callable[[], Awaitable[float]]] = {
        "run": lambda: median(20, 1, contender.run),
        "turn": lambda: median(few, n, lambda: contender.chain(n)),
        "once": lambda: median(few, n, lambda: contender.fan(n)),
        "disk": disk,  # before large data leaves free pages in databases
        "again": lambda: of(first_line),
        "replay": lambda: of(replayed),
        "nested": lambda: median(10, 1, contender.nested),
        "data": data,
    }
    for name, part in parts.items():
        if name in contender.cannot:
            found[name] = None
            continue
        try:
            found[name] = await part()
        except Exception as error:
            found[name] = f"failed: {type(error).__name__}: {error}"[:300]
        print(name, found[name], file=sys.stderr, flush=True)
    return found


async def main(peer: str, durability: str, folder: Path, part: str, n: int) -> dict[str, Any]:
    """Measure one part."""
    contender = CONTENDERS[peer](folder, durability)
    await contender.open()
    try:
        if part == "work":
            return await work(contender, n)
        await (contender.kill if part == "kill" else contender.resume)(n, str(folder))
    finally:
        await contender.close()
    return {}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer, durability, folder, part, n = sys.argv[1:]
    answer = asyncio.run(main(peer, durability, Path(folder), part, int(n)))
    print()
    print(json.dumps(answer), flush=True)
    if part != "work":
        os._exit(0)  # threads that a peer leaves behind are no part of what is timed
