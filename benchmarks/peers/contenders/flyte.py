"""Flyte 2."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders.contender import MARKS, Bodies, Contender, echo, note, remembered, step


class Flyte(Contender):
    """Flyte 2 in local mode. What is reused is the task cache, the only record that local runs can be resumed from."""

    durabilities = {
        "default": "nothing is recorded but the task cache",
        "persist": "local_persistence, and the task cache for every step: all that it can record",
    }
    cannot = {
        "again": "flyte.rerun is for remote runs only",
        "nested": "flyte.rerun is for remote runs only",
    }

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder, durability)
        os.environ["HOME"] = str(folder)
        self._flyte: Any = import_module("flyte")
        self._inputs = 0
        cached = "auto" if durability == "persist" else "disable"
        env = self._flyte.TaskEnvironment("speed")
        made = [env.task(cache=cached)(each) for each in (step, echo)]
        kept = env.task(cache="auto")
        bodies = Bodies(made[0], made[1], kept(note))
        over_cache = Bodies(kept(remembered), made[1], kept(note))

        async def replaying(n: int) -> int:
            return await over_cache.chain(n)

        self._chain, self._fan, self._echoing, self._killed, self._replaying = (
            env.task(each) for each in (bodies.chain, bodies.fan, bodies.echoing, bodies.killed, replaying)
        )

    async def open(self) -> None:
        await self._flyte.init.aio(local_persistence=self.durability == "persist")

    async def _do(self, task: Any, *inputs: Any) -> None:
        await self._flyte.with_runcontext(mode="local").run.aio(task, *inputs)

    async def run(self) -> None:
        await self._do(self._chain, 0)

    async def chain(self, n: int) -> None:
        await self._do(self._chain, n, self._new())

    async def fan(self, n: int) -> None:
        await self._do(self._fan, n, self._new())

    def _new(self) -> int:
        """Inputs that are not in the cache."""
        self._inputs += 1_000_000
        return self._inputs

    async def echo(self, data: bytes) -> None:
        await self._do(self._echoing, data)

    async def replay(self, n: int) -> None:
        await self._do(self._replaying, n)
        MARKS.clear()
        await self._do(self._replaying, n)

    async def kill(self, n: int, folder: str) -> None:
        await self._do(self._killed, n, folder)
