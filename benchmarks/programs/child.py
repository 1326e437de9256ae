"""What is measured in processes of its own: `python child.py MODE STORE …`, which prints JSON last."""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping


def memory(field: str) -> int:
    """A field of this process's memory, in bytes: VmRSS is what it has now, VmHWM the most it ever had."""
    with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib would be measured too
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise LookupError(field)


async def kill(store: str, n: str, folder: str) -> None:
    """A run that is killed half-way."""
    steps = importlib.import_module("steps")  # beside this file, where no type checker looks

    from dalsegno import Engine

    async with Engine(store) as engine:
        await (await engine.with_runcontext(name="first").run(steps.killed, int(n), folder)).wait.aio()


async def recover(store: str) -> object:
    """The same run in a new process, to its end."""
    from dalsegno import Engine

    async with Engine(store) as engine:
        return await (await engine.rerun("first", recover=True)).result.aio()


async def peak(store: str, task: str, n: str) -> object:
    """The peak of a run of `n` actions above what the process has when idle, in bytes."""
    steps = importlib.import_module("steps")  # beside this file, where no type checker looks

    from dalsegno import Engine

    async with Engine(store, durability="relaxed") as engine:
        arguments = {"chain": (int(n),), "fan": (int(n),), "waves": (int(n), 1000)}[task]
        small = {"chain": (10,), "fan": (10,), "waves": (10, 5)}[task]
        await (await engine.run(getattr(steps, task), *small)).wait.aio()
        idle = memory("VmRSS")
        await (await engine.run(getattr(steps, task), *arguments)).wait.aio()
        return memory("VmHWM") - idle


async def bare_peak(_: str, task: str, n: str) -> object:
    """The same for asyncio alone, which is the floor of what is awaited at once."""

    async def step(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    idle = memory("VmRSS")
    width = {"fan": int(n), "waves": 1000}[task]
    for start in range(0, int(n), width):
        await asyncio.gather(*[step(x) for x in range(start, start + width)])
    return memory("VmHWM") - idle


async def write(store: str, n: str) -> object:
    """Seconds at which a chain of `n` actions began and ended; it begins when a line comes."""
    steps = importlib.import_module("steps")  # beside this file, where no type checker looks

    from dalsegno import Engine

    async with Engine(store) as engine:
        await (await engine.run(steps.chain, 1)).wait.aio()
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.perf_counter()
        await (await engine.run(steps.chain, int(n))).wait.aio()
        return began, time.perf_counter()


async def bare_write(store: str, n: str) -> object:
    """The same for bare LMDB commits."""
    import os

    import lmdb

    with lmdb.open(store, lib_version=0, map_size=1 << 30) as environment:
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.perf_counter()
        for number in range(int(n)):
            with environment.begin(write=True) as transaction:
                transaction.put(time.time_ns().to_bytes(8, "big") + os.getpid().to_bytes(4, "big"), bytes(80))
            assert number >= 0
        return began, time.perf_counter()


MODES: Mapping[str, Callable[..., Awaitable[object]]] = {
    "kill": kill,
    "recover": recover,
    "peak": peak,
    "bare_peak": bare_peak,
    "write": write,
    "bare_write": bare_write,
}


def main(mode: str, *arguments: str) -> None:
    async def measured() -> object:
        return await MODES[mode](*arguments)

    print(json.dumps(asyncio.run(measured())))


if __name__ == "__main__":
    main(*sys.argv[1:])
