"""DBOS."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders.contender import MARKS, Bodies, Contender, echo, note, step


class Dbos(Contender):
    """Async workflows and steps over SQLite, whose default journal is as durable as it can be set."""

    durabilities = {"default": "SQLite, rollback journal, synchronous FULL; nothing stronger can be set"}
    cannot = {"nested": "the inputs of steps are not recorded, and a fork begins in the workflow"}

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder, durability)
        dbos: Any = import_module("dbos")
        self._dbos = dbos.DBOS
        url = f"sqlite:///{folder / 'dbos.sqlite'}"
        self._dbos(
            config={
                "name": "speed",
                "system_database_url": url,
                "log_level": "ERROR",
                "application_version": "1",
                "executor_id": "local",
            }
        )
        made = [self._dbos.step(name=each.__name__)(each) for each in (step, echo, note)]
        bodies = Bodies(*made)
        self._chain, self._fan, self._echoing, self._killed = (
            self._dbos.workflow(name=each.__name__)(each)
            for each in (bodies.chain, bodies.fan, bodies.echoing, bodies.killed)
        )

    async def open(self) -> None:
        self._dbos.launch()

    async def close(self) -> None:
        self._dbos.destroy()

    async def run(self) -> None:
        await self._chain(0)

    async def chain(self, n: int) -> None:
        handle = await self._dbos.start_workflow_async(self._chain, n)
        await handle.get_result()
        self._id = handle.get_workflow_id()

    async def fan(self, n: int) -> None:
        await self._fan(n)

    async def echo(self, data: bytes) -> None:
        await self._echoing(data)

    async def again(self) -> None:
        handle = await self._dbos.fork_workflow_async(self._id, 1)
        await handle.get_result()

    async def replay(self, n: int) -> None:
        await self.chain(n)
        MARKS.clear()
        handle = await self._dbos.fork_workflow_async(self._id, n + 1)
        await handle.get_result()

    async def kill(self, n: int, folder: str) -> None:
        with import_module("dbos").SetWorkflowID("killed"):
            await self._killed(n, folder)

    async def resume(self, n: int, folder: str) -> None:
        handle = await self._dbos.retrieve_workflow_async("killed")
        assert await handle.get_result() == n
