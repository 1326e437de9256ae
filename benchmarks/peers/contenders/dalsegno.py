"""dalsegno, in the interpreter that runs the comparison."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders.contender import MARKS, Contender


class Dalsegno(Contender):
    """One engine on an LMDB folder."""

    durabilities = {
        "full": "every action is on disk before its caller goes on",
        "relaxed": "the run's end is",
    }

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder, durability)
        sys.path.insert(0, str(Path(__file__).parents[2] / "programs"))
        self._steps: Any = import_module("steps")
        self._nested = ""
        self._engine: Any = import_module("dalsegno").Engine(folder / "store", durability=durability)

    async def open(self) -> None:
        await self._engine.__aenter__()

    async def close(self) -> None:
        await self._engine.__aexit__(None, None, None)

    async def _do(self, name: str, *inputs: Any) -> Any:
        run = await self._engine.run(getattr(self._steps, name), *inputs)
        return await run.result.aio()

    async def run(self) -> None:
        await self._do("step", 1)

    async def chain(self, n: int) -> None:
        self._chain = await self._engine.run(self._steps.chain, n)
        self._nested = ""
        await self._chain.wait.aio()

    async def fan(self, n: int) -> None:
        await self._do("fan", n)

    async def echo(self, data: bytes) -> None:
        await self._do("echo", data)

    async def again(self) -> None:
        run = await self._engine.rerun(self._chain.name)
        MARKS.append((await run.result.aio())[0] / 1e9)

    async def replay(self, n: int) -> None:
        marker = self.folder / "mended"
        marker.unlink(missing_ok=True)
        failed = await self._engine.run(self._steps.fragile, n, str(marker))
        await failed.wait.aio()
        marker.touch()
        run = await self._engine.rerun(failed.name, recover=True)
        MARKS.extend(each / 1e9 for each in await run.result.aio())

    async def nested(self) -> None:
        self._nested = self._nested or self._chain.actions()[-1].name
        await (await self._engine.rerun(self._chain.name, self._nested)).wait.aio()

    async def kill(self, n: int, folder: str) -> None:
        run = await self._engine.with_runcontext(name="killed").run(self._steps.killed, n, folder)
        await run.wait.aio()

    async def resume(self, n: int, folder: str) -> None:
        run = await self._engine.rerun("killed", recover=True)
        assert await run.result.aio() == n
