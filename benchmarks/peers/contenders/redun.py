"""redun."""

from __future__ import annotations

import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders.contender import MARKS, Contender, body, leave, perish


class Redun(Contender):
    """Lazy expressions over SQLite; a chain is a nested expression, which needs a deep stack."""

    durabilities = {"default": "SQLite, rollback journal, synchronous FULL; nothing stronger can be set"}
    cannot = {"nested": "no command for it; its inputs could be looked up in the call graph by hand"}
    most = 200

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder, durability)
        sys.setrecursionlimit(1_000_000)
        threading.stack_size(512 << 20)
        redun: Any = import_module("redun")
        made = redun.task(namespace="speed")
        one, same, line = made(redun_step), made(redun_echo), made(redun_note)
        self._salt = 0

        def redun_chain(n: int, salt: int) -> Any:
            MARKS.append(time.perf_counter())
            x: Any = 0
            for _ in range(n):
                x = one(x, salt)
            return x

        def redun_fan(n: int, salt: int) -> Any:
            return [one(x, salt) for x in range(n)]

        def redun_killed(n: int, folder: str) -> Any:
            x: Any = 0
            for number in range(n):
                x = line(number, n, folder, x)
            return x

        self._chain, self._fan, self._killed = map(made, (redun_chain, redun_fan, redun_killed))
        self._same = same
        database = f"sqlite:///{folder / 'redun.db'}"
        config = import_module("redun.config").Config(
            {"backend": {"db_uri": database, "automigrate": "True"}}
        )
        self._scheduler = redun.Scheduler(config=config)

    async def open(self) -> None:
        import_module("logging").disable()
        self._scheduler.load()

    async def _do(self, expression: Any) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(self._scheduler.run(expression)))
        thread.start()
        thread.join()
        return found[0]

    def _new(self) -> int:
        self._salt += 1
        return self._salt

    async def run(self) -> None:
        await self._do(self._chain(0, self._new()))

    async def chain(self, n: int) -> None:
        self._last = (n, self._new())
        await self._do(self._chain(*self._last))

    async def fan(self, n: int) -> None:
        await self._do(self._fan(n, self._new()))

    async def echo(self, data: bytes) -> None:
        await self._do(self._same(data, self._new()))

    async def again(self) -> None:
        """The root is executed, its steps come from the cache, which a rerun of the same code takes."""
        await self._do(self._chain.options(cache=False)(*self._last))

    async def replay(self, n: int) -> None:
        """As long as the whole takes, since the root only builds the expression."""
        await self.chain(n)
        MARKS.clear()
        await self.again()
        MARKS.append(time.perf_counter())

    async def kill(self, n: int, folder: str) -> None:
        assert await self._do(self._killed(n, folder)) == n - 1


def redun_step(x: int, salt: int) -> int:
    return body(x)


def redun_echo(data: bytes, salt: int) -> bytes:
    return data


def redun_note(number: int, n: int, folder: str, before: int) -> int:
    perish(number, n, folder)
    return leave(number, folder)
