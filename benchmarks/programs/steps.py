"""The tasks that are measured. They do as little as they can."""

import asyncio
import os
import signal
import time
from pathlib import Path

from dalsegno import TaskEnvironment

env = TaskEnvironment("steps")


@env.task
async def step(x: int) -> int:
    return x + 1


@env.task
async def chain(n: int) -> list[int]:
    """The times before, between and after `n` actions in turn, in nanoseconds."""
    times = [time.perf_counter_ns()]
    x = 0
    for _ in range(n):
        x = await step(x)
        times.append(time.perf_counter_ns())
    assert x == n
    return times


@env.task
async def fan(n: int) -> int:
    return sum(await asyncio.gather(*[step(i) for i in range(n)]))


@env.task
async def waves(n: int, width: int) -> int:
    """`n` actions, `width` of them at once."""
    total = 0
    for start in range(0, n, width):
        total += sum(await asyncio.gather(*[step(i) for i in range(start, min(start + width, n))]))
    return total


@env.task
async def moment() -> int:
    """The time of its first line, on the clock that all processes of a machine share."""
    return time.perf_counter_ns()


@env.task
async def nest(n: int) -> int:
    """Calls an action after `n` others."""
    for x in range(n):
        await step(x)
    return await moment()


@env.task
async def mend(marker: str) -> int:
    if not Path(marker).exists():  # noqa: ASYNC240 - a look at a file is what it does
        raise ValueError("not mended yet")
    return 0


@env.task
async def fragile(n: int, marker: str) -> list[int]:
    """The times of its first line and after `n` - 1 actions; one more follows, which fails until it is mended."""
    began = time.perf_counter_ns()
    for x in range(n - 1):
        await step(x)
    ended = time.perf_counter_ns()
    await mend(marker)
    return [began, ended]


@env.task(cache="auto")
async def remembered(x: int) -> int:
    return x + 1


@env.task
async def recall(n: int) -> list[int]:
    """The times before and after `n` actions that are cached."""
    began = time.perf_counter_ns()
    for x in range(n):
        await remembered(x)
    return [began, time.perf_counter_ns()]


@env.task
async def echo(data: bytes) -> bytes:
    return data


@env.task
async def echoes(data: bytes, n: int) -> int:
    """Passes the same data through `n` actions."""
    for _ in range(n):
        data = await echo(data)
    return len(data)


@env.task
async def weigh(values: list[float]) -> list[float]:
    return values


@env.task
async def weighings(n: int, width: int) -> int:
    """Passes `width` floats through `n` actions."""
    values = [number / 7 for number in range(width)]
    for number in range(n):
        values[0] = float(number)
        await weigh(values)
    return n


@env.task
async def note(number: int, folder: str) -> int:
    """Leaves a line behind whenever it is executed."""
    with (Path(folder) / "executed").open("a") as file:
        file.write(f"{number}\n")
    return number


@env.task
async def killed(n: int, folder: str) -> int:
    """`n` actions; half-way, between two of them, the process is killed if that has not happened yet."""
    marker = Path(folder) / "killed"
    for number in range(n):
        if number == n // 2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        await note(number, folder)
    return n
