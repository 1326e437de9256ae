"""LangGraph."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from benchmarks.peers.contenders.contender import MARKS, Bodies, Contender, echo, note, step


class LangGraph(Contender):
    """The functional API with the asynchronous SQLite checkpointer."""

    durabilities = {
        "async": "the default: checkpoints are written meanwhile",
        "sync": "each checkpoint is written before the next step of the graph, which is the whole entrypoint",
    }
    cannot = {"nested": "the inputs of tasks are not recorded, and there is no fork inside an entrypoint"}

    async def open(self) -> None:
        sqlite: Any = import_module("langgraph.checkpoint.sqlite.aio")
        func: Any = import_module("langgraph.func")
        self._context = sqlite.AsyncSqliteSaver.from_conn_string(str(self.folder / "langgraph.sqlite"))
        saver = await self._context.__aenter__()
        made = [func.task(each) for each in (step, echo, note)]
        bodies = Bodies(*made)
        self._fails = True

        async def chain(n: int) -> int:
            return await bodies.chain(n)

        async def mended(x: int) -> int:
            if self._fails:
                raise ValueError("not mended yet")
            return x

        mend = func.task(mended)

        async def fragile(n: int) -> int:
            x = await bodies.chain(n)
            return int(await mend(x))

        async def killed(both: tuple[int, str]) -> int:
            return await bodies.killed(*both)

        entry = func.entrypoint(checkpointer=saver)
        self._chain, self._fan, self._echoing, self._fragile, self._killed = (
            entry(each) for each in (chain, bodies.fan, bodies.echoing, fragile, killed)
        )
        self._threads = 0

    async def close(self) -> None:
        await self._context.__aexit__(None, None, None)

    def _thread(self, name: str = "") -> dict[str, Any]:
        self._threads += 1
        return {"configurable": {"thread_id": name or f"thread-{self._threads}"}}

    async def _invoke(self, graph: Any, given: Any, config: Mapping[str, Any]) -> Any:
        return await graph.ainvoke(given, config, durability=self.durability)

    async def run(self) -> None:
        await self._invoke(self._chain, 0, self._thread())

    async def chain(self, n: int) -> None:
        self._config = self._thread()
        await self._invoke(self._chain, n, self._config)

    async def fan(self, n: int) -> None:
        await self._invoke(self._fan, n, self._thread())

    async def echo(self, data: bytes) -> None:
        await self._invoke(self._echoing, data, self._thread())

    async def again(self) -> None:
        """From the checkpoint of its input."""
        history = [state async for state in self._chain.aget_state_history(self._config)]
        await self._invoke(self._chain, None, history[-1].config)

    async def replay(self, n: int) -> None:
        """The root is resumed after its last task has failed."""
        config = self._thread()
        self._fails = True
        try:
            await self._invoke(self._fragile, n, config)
        except ValueError:
            self._fails = False
        MARKS.clear()
        await self._invoke(self._fragile, None, config)

    async def kill(self, n: int, folder: str) -> None:
        await self._invoke(self._killed, (n, folder), self._thread("killed"))

    async def resume(self, n: int, folder: str) -> None:
        assert await self._invoke(self._killed, None, self._thread("killed")) == n
