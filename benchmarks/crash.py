"""kill -9 at half of 1,000 actions, then the rest in a new process.

The process is killed between two actions, so every action that was executed has also been acknowledged, and none of
them may be executed again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import PROGRAMS, Pairs, Row, Session, Target, alternate

BARE = """
import asyncio, hashlib, lmdb, msgpack, sys
async def main(folder, n):
    with lmdb.open(folder, lib_version=0, map_size=1 << 30) as environment:
        for number in range(n):
            key = hashlib.sha256(msgpack.packb(number)).digest()
            if number < n // 2:
                with environment.begin() as transaction:
                    transaction.get(key)
            else:
                with environment.begin(write=True) as transaction:
                    transaction.put(number.to_bytes(8, "big"), bytes(80))
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def measure(session: Session) -> Iterator[Row]:
    """The time is that of the new process, from its start to its end."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    n = session.scale.chain
    folder = session.folder / "crash"
    folder.mkdir()
    killed = session.folder / "killed.store"
    done = session.process(
        [str(PROGRAMS / "child.py"), "kill", str(killed), str(n), str(folder)],
        cwd=session.program,
        check=False,
    )
    if done.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run was not killed:\n{done.stderr[-2000:]}")
    notes = folder / "executed"
    before = notes.read_text()
    assert len(before.splitlines()) == n // 2
    again: list[float] = []

    def fresh(number: int) -> Path:
        place = session.folder / f"recovered-{number}.store"
        shutil.copytree(killed, place)
        notes.write_text(before)
        return place

    def count() -> None:
        """How many were executed twice; all of them must have been executed."""
        times = Counter(notes.read_text().split())
        assert len(times) == n, f"{len(times)} of {n} were executed"
        again.append(sum(times.values()) - n)

    def recovery(number: int) -> float:
        store = fresh(number)
        began = time.perf_counter()
        ended = session.child("recover", store)
        took = time.perf_counter() - began
        assert json.loads(ended.stdout.splitlines()[-1]) == n
        count()
        return took

    numbers = iter(range(1_000_000))

    async def recover() -> float:
        return recovery(next(numbers))

    async def command() -> float:
        store = fresh(next(numbers))
        began = time.perf_counter()
        session.process(["-m", "dalsegno", "--store", str(store), "rerun", "first", "--recover"])
        took = time.perf_counter() - began
        count()
        return took

    async def bare() -> float:
        began = time.perf_counter()
        session.process(["-c", BARE, str(session.folder / f"bare-{next(numbers)}"), str(n)])
        return time.perf_counter() - began

    rounds = max(1, session.scale.processes // 3)
    what = f"python, asyncio, {n // 2} look-ups and {n - n // 2} commits"
    pairs = await alternate(rounds, recover, bare, warm=0)
    cli = await alternate(rounds, command, bare, warm=0)
    return [
        Row(f"kill -9 at half of {n:,}, new process to done", pairs, what, Target(0.25)),
        Row("the same with dalsegno rerun --recover", cli, what),
        Row("acknowledged actions executed again", Pairs(again), target=Target(0), unit=""),
    ]
