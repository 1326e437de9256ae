"""The least work that anybody must do on this machine: `python -m benchmarks.floor` prints the primitives.

`Floor` does, for one claim each, what no implementation of a durable engine can leave out: the bare LMDB commits, hashes,
packs, event loop tasks and thread hand-offs, without names, types, errors, context, cancellation or anything else that
makes an engine of it. The claims measure it beside their subject, in the same process and on the same disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import lmdb
import msgpack

from benchmarks.harness import QUICK, Pairs, Row, Scale, Session

__all__ = ["HAND_OFF", "Floor", "measure"]

HAND_OFF = "durable commit in another thread"

_pack = msgpack.packb
_unpack = msgpack.unpackb


class Floor:
    """A bare LMDB environment in a folder of its own, and one thread to commit in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._environment = lmdb.open(str(folder), lib_version=0, map_size=1 << 34)
        self._queue: SimpleQueue[tuple[Sequence[bytes], asyncio.Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self._next = 0
        self._keys: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        self._environment.close()

    def _work(self) -> None:
        while (wanted := self._queue.get()) is not None:
            records, done = wanted
            self.commit(records)
            done.get_loop().call_soon_threadsafe(done.set_result, None)

    # Pieces

    def commit(self, records: Sequence[bytes] = (bytes(80),)) -> None:
        """One durable transaction with records that are appended in order; none without any."""
        if not records:
            return
        with self._environment.begin(write=True) as transaction:
            for record in records:
                self._next += 1
                transaction.put(self._next.to_bytes(8, "big"), record, append=True)

    async def acknowledged(self, records: Sequence[bytes] = (bytes(80),)) -> None:
        """The same in another thread, so that the event loop goes on meanwhile."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((records, done))
        await done

    @staticmethod
    def packed(x: int) -> bytes:
        """An action as a record: who it is, with which inputs, and when."""
        inputs = _pack({"x": x})
        key = hashlib.sha256(inputs).digest()[:16]
        return bytes(_pack([key, inputs, x + 1, time.time_ns(), time.time_ns()]))

    # One for each claim

    async def run(self) -> float:
        """A run that is acknowledged: one packed record, committed in another thread."""
        began = time.perf_counter()
        await self.acknowledged([self.packed(0)])
        return time.perf_counter() - began

    async def fan_out(self, n: int) -> float:
        """`n` event loop tasks that pack a record each, and one commit of them all."""

        async def step(x: int) -> bytes:
            return self.packed(x)

        began = time.perf_counter()
        await self.acknowledged(await asyncio.gather(*[step(x) for x in range(n)]))
        return (time.perf_counter() - began) / n

    async def in_turn(self, n: int) -> float:
        """`n` awaited coroutines that pack a record each, and one commit of them all."""

        async def step(x: int) -> bytes:
            return self.packed(x)

        began = time.perf_counter()
        await self.acknowledged([await step(x) for x in range(n)])
        return (time.perf_counter() - began) / n

    async def replay(self, n: int) -> float:
        """`n` look-ups of a record by the hash of its inputs."""
        if len(self._keys) < n:
            self._keys = [hashlib.sha256(bytes(_pack({"x": x}))).digest() for x in range(n)]
            with self._environment.begin(write=True) as transaction:
                for x, key in enumerate(self._keys):
                    transaction.put(key, self.packed(x))

        async def step(x: int, transaction: lmdb.Transaction[bytes]) -> object:
            record = transaction.get(hashlib.sha256(bytes(_pack({"x": x}))).digest())
            return None if record is None else _unpack(record)[2]

        began = time.perf_counter()
        with self._environment.begin() as transaction:
            for x in range(n):
                await step(x, transaction)
        return (time.perf_counter() - began) / n

    async def first_line(self) -> float:
        """From a look-up of a run and its action to the first line of a task of the event loop."""
        if not self._keys:
            await self.replay(1)

        async def moment() -> float:
            return time.perf_counter()

        began = time.perf_counter()
        with self._environment.begin() as transaction:
            for _ in range(2):
                record = transaction.get(self._keys[0])
                assert record is not None
                _unpack(record)
        return await asyncio.get_running_loop().create_task(moment()) - began

    async def stored(self, data: bytes) -> float:
        """Hash some data and commit it in another thread."""
        began = time.perf_counter()
        hashlib.sha256(data).digest()
        await self.acknowledged([data])
        return time.perf_counter() - began

    async def hashed(self, data: bytes) -> float:
        """Hash some data, which is there already, and commit a record."""
        began = time.perf_counter()
        hashlib.sha256(data).digest()
        await self.acknowledged()
        return time.perf_counter() - began

    async def scanned(self, n: int) -> float:
        """Read `n` records that lie together."""
        if self._next < n:
            self.commit([self.packed(x) for x in range(n)])
        found = 0
        began = time.perf_counter()
        with self._environment.begin() as transaction:
            for _, record in transaction.cursor().iterprev():
                if len(record) < 200:
                    _unpack(record, strict_map_key=False)
                found += 1
                if found == n:
                    break
        return time.perf_counter() - began


PASS = ("-c", "pass")
LOOP = ("-c", "import asyncio; asyncio.run(asyncio.sleep(0))")


async def process(session: Session, arguments: Sequence[str] = PASS) -> float:
    """A whole Python process."""
    began = time.perf_counter()
    session.process(arguments)
    return time.perf_counter() - began


def measure(session: Session) -> Iterator[Row]:
    """The primitives, one by one."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    rows: list[Row] = []
    loop = asyncio.get_running_loop()

    async def row(name: str, action: Callable[[], Awaitable[object]], rounds: int, units: int = 1) -> None:
        values = []
        for number in range(-1, rounds):
            began = time.perf_counter()
            await action()
            if number >= 0:
                values.append((time.perf_counter() - began) / units)
        rows.append(Row(name, Pairs(values)))

    def many(function: Callable[[], object], times: int) -> Callable[[], Awaitable[None]]:
        async def action() -> None:
            for _ in range(times):
                function()

        return action

    async def nothing() -> None:
        pass

    async def task() -> None:
        await loop.create_task(nothing())

    with Floor(session.folder / "floor") as floor:
        singles = session.scale.singles
        await row("LMDB durable commit of 1 record", many(floor.commit, 1), singles)
        for count in (100, 1000):
            records = [bytes(80)] * count
            await row(
                f"LMDB durable commit of {count:,}, a record",
                many(lambda: floor.commit(records), 1),  # noqa: B023 - it is called before the next round
                max(session.scale.batches, 5),
                count,
            )
        await row(HAND_OFF, floor.acknowledged, singles)
        await row(
            "hand-off to a thread and back",
            lambda: floor.acknowledged(()),
            singles,
        )
        await row("event loop task, made and awaited", task, singles)
        small, large = bytes(200), bytes(1 << 20)
        await row("sha256 of 200 B", many(lambda: hashlib.sha256(small).digest(), 100), singles, 100)
        await row("sha256 of 1 MB", many(lambda: hashlib.sha256(large).digest(), 1), singles)
        record = {"name": "step-k3v9q2", "inputs": b"\x81\xa1x\x01", "times": [1, 2], "phase": 3}
        packed = _pack(record)
        await row("msgpack pack of 61 B", many(lambda: _pack(record), 100), singles, 100)
        await row("msgpack unpack of 61 B", many(lambda: _unpack(packed), 100), singles, 100)
        file = session.folder / "file"
        file.write_bytes(bytes(4096))
        await row("read of a file of 4 KiB", many(file.read_bytes, 1), singles)
        processes = session.scale.processes
        for name, arguments in (("python -c pass", PASS), ("with import asyncio", ("-c", "import asyncio"))):
            await row(name, many(lambda: session.process(arguments), 1), processes)  # noqa: B023 - as above
    return rows


def main() -> None:
    from benchmarks.report import text  # the report has this module among its claims

    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), QUICK if "--quick" in sys.argv else Scale())
        print(text("floor", list(measure(session))))


if __name__ == "__main__":
    main()
