"""A rerun from a root and from a nested action: from the call to the first line of user code, and to the result.

Warm, and with a bundle that is not there yet: every round takes another bundle, whose modules are not loaded, as in
a process that has just been started.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine, Iterator
from typing import Any

from benchmarks.floor import HAND_OFF, Floor
from benchmarks.harness import Pairs, Row, Session, Target, alternate, load
from dalsegno import Engine, Run

FIRST = "two gets, event loop task"


def measure(session: Session) -> Iterator[Row]:
    """The nested action is the last of a run of 1,000."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    rows = []
    singles = session.scale.singles
    with Floor(session.folder / "rerun") as floor:
        async with Engine(session.folder / "rerun.store") as engine:
            alone = await _ended(engine.run(session.steps.moment))
            relaxed = engine.with_runcontext(durability="relaxed")
            nest = await _ended(relaxed.run(session.steps.nest, session.scale.chain))
            nested = nest.actions()[-1].name
            for where, name, action in (("root", alone.name, "a0"), ("nested action", nest.name, nested)):
                whole: list[float] = []

                async def first_line(
                    name: str = name, action: str = action, whole: list[float] = whole
                ) -> float:
                    began = time.perf_counter()
                    run = await engine.rerun(name, action)
                    await run.wait.aio()
                    whole.append(time.perf_counter() - began)
                    return float(await run.result.aio()) / 1e9 - began

                floors: list[float] = []

                async def bare(floors: list[float] = floors) -> float:
                    floors.append(await floor.run())
                    return await floor.first_line()

                first = await alternate(singles, first_line, bare)
                rows.append(Row(f"rerun of {where} to first line", first, FIRST, Target(100e-6)))
                target = Target(0.4e-3) if where == "nested action" else None
                done = Pairs(whole[-singles:], floors[-singles:])
                rows.append(Row(f"rerun of {where}, acknowledged", done, HAND_OFF, target))
        rows += await _loading(session, floor)
    return rows


async def _loading(session: Session, floor: Floor) -> list[Row]:
    """The same where the bundle has to be loaded from the store."""
    rounds = session.scale.processes
    names = []
    store = session.folder / "bundles.store"
    async with Engine(store) as engine:
        for number in range(2 * (rounds + 1)):
            folder = session.place(f"bundle-{number}")
            module = f"steps_{number}"
            (folder / "steps.py").rename(folder / f"{module}.py")
            (folder / "child.py").unlink()
            names.append((await _ended(engine.run(load(folder, module).moment))).name)
            del sys.modules[module]
    rows = []
    async with Engine(store) as engine:
        whole: list[float] = []

        async def first_line() -> float:
            began = time.perf_counter()
            run = await engine.rerun(names.pop())
            await run.wait.aio()
            whole.append(time.perf_counter() - began)
            return float(await run.result.aio()) / 1e9 - began

        source = (session.program / "steps.py").read_text()

        async def compiled() -> float:
            began = time.perf_counter()
            exec(compile(source, "steps.py", "exec"), {"__name__": "steps"})
            return time.perf_counter() - began + await floor.first_line()

        first = await alternate(rounds, first_line, compiled)
        rows.append(Row("rerun to first line, bundle to load", first, "compile and execute the module"))
        rows.append(Row("rerun, acknowledged, bundle to load", Pairs(whole[1:], first.floors), "the same"))
    return rows


async def _ended(start: Coroutine[Any, Any, Run[Any]]) -> Run[Any]:
    run: Run[Any] = await start
    await run.wait.aio()
    return run
