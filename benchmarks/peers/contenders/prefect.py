"""Prefect."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders.contender import MARKS, Bodies, Contender, echo, note, remembered, step


class Prefect(Contender):
    """Flows with a server of their own in this process's folder, as Prefect starts it.

    Steps that are to be found again (in `replay` and `resume`) keep their results with both settings.
    """

    durabilities = {
        "default": "states of runs, no results",
        "persist": "results too: persist_result, and a cache by inputs",
    }
    cannot = {
        "again": "a flow run has no recorded code to run; calling the flow again is another run",
        "nested": "no command for it; the inputs of tasks are not recorded",
    }
    most = 100

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder, durability)
        os.environ.update(
            PREFECT_HOME=str(folder),
            PREFECT_LOGGING_LEVEL="CRITICAL",
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
        )
        os.environ.update(PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="60", DO_NOT_TRACK="1")
        prefect: Any = import_module("prefect")
        policies: Any = import_module("prefect.cache_policies")
        kept = durability == "persist"
        plain = prefect.task(persist_result=kept, cache_policy=policies.NO_CACHE)
        cached = prefect.task(persist_result=True, cache_policy=policies.INPUTS)
        bodies = Bodies(plain(step), plain(echo), cached(note))
        over_cache = Bodies(cached(remembered), plain(echo), cached(note))

        async def replaying(n: int) -> int:
            return await over_cache.chain(n)

        flow = prefect.flow(validate_parameters=False)
        self._chain, self._fan, self._echoing, self._killed, self._replaying = map(
            flow, (bodies.chain, bodies.fan, bodies.echoing, bodies.killed, replaying)
        )

    async def run(self) -> None:
        await self._chain(0)

    async def chain(self, n: int) -> None:
        await self._chain(n)

    async def fan(self, n: int) -> None:
        await self._fan(n)

    async def echo(self, data: bytes) -> None:
        await self._echoing(data)

    async def replay(self, n: int) -> None:
        await self._replaying(n)
        MARKS.clear()
        await self._replaying(n)

    async def kill(self, n: int, folder: str) -> None:
        await self._killed(n, folder)
