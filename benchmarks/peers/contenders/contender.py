"""What every contender does, and the bodies that most of them wrap.

A chain awaits steps in turn, a fan awaits them at once; `Bodies` makes them for steps that are awaited, which suits all
but redun, whose calls are lazy expressions. Nothing here imports a peer, for each has an environment of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["MARKS", "Bodies", "Contender", "body", "echo", "leave", "note", "perish", "remembered", "step"]

MARKS: list[float] = []
"""When a root's first line was reached, and when its last step had ended."""


def body(x: int) -> int:
    """What a step does."""
    return x + 1


def leave(number: int, folder: str) -> int:
    """A step that leaves a line behind."""
    with (Path(folder) / "executed").open("a") as file:
        file.write(f"{number}\n")
    return number


def perish(number: int, n: int, folder: str) -> None:
    """Kill the process half-way, once."""
    marker = Path(folder) / "killed"
    if number == n // 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Contender:
    """One peer with one durability, in a folder of its own; methods that it does not have are in `cannot`."""

    durabilities: ClassVar[Mapping[str, str]] = {"default": "as it comes"}
    """Its settings by name, the default first, and what they are."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """What it cannot express, and why."""
    most: ClassVar[int] = 1000
    """How many steps are feasible."""

    def __init__(self, folder: Path, durability: str) -> None:
        self.folder = folder
        self.durability = durability

    async def open(self) -> None:
        """Make it ready."""

    async def close(self) -> None:
        """End it."""

    async def run(self) -> None:
        """A run of one step, or of none, to its result."""
        raise NotImplementedError

    async def chain(self, n: int) -> None:
        """A run of `n` steps in turn."""
        raise NotImplementedError

    async def fan(self, n: int) -> None:
        """A run of `n` steps at once."""
        raise NotImplementedError

    async def echo(self, data: bytes) -> None:
        """A run of one step that takes the data and gives it back."""
        raise NotImplementedError

    async def again(self) -> None:
        """The newest recorded chain again from its start; `MARKS` tells when its first line was reached."""
        raise NotImplementedError

    async def replay(self, n: int) -> None:
        """A root whose `n` steps are all recorded; `MARKS` has its first and last line."""
        raise NotImplementedError

    async def nested(self) -> None:
        """One step of a recorded chain alone, from its recorded inputs."""
        raise NotImplementedError

    async def kill(self, n: int, folder: str) -> None:
        """A chain that leaves a line for each step, and is killed half-way."""
        raise NotImplementedError

    async def resume(self, n: int, folder: str) -> None:
        """The same chain in a new process, to its end."""
        await self.kill(n, folder)


class Bodies:
    """Roots over steps that are awaited."""

    def __init__(self, step: Callable[..., Any], echo: Callable[..., Any], note: Callable[..., Any]) -> None:
        async def chain(n: int, start: int = 0) -> int:
            MARKS.append(time.perf_counter())
            x = start
            for _ in range(n):
                x = await step(x)
            MARKS.append(time.perf_counter())
            return x

        async def fan(n: int, start: int = 0) -> int:
            return sum(await asyncio.gather(*[step(x) for x in range(start, start + n)]))

        async def echoing(data: bytes) -> int:
            return len(await echo(data))

        async def killed(n: int, folder: str) -> int:
            for number in range(n):
                perish(number, n, folder)
                await note(number, folder)
            return n

        self.chain, self.fan, self.echoing, self.killed = chain, fan, echoing, killed


async def step(x: int) -> int:
    """Does nothing."""
    return body(x)


async def echo(data: bytes) -> bytes:
    """Gives its input back."""
    return data


async def note(number: int, folder: str) -> int:
    """Leaves a line behind whenever it is executed."""
    return leave(number, folder)


async def remembered(x: int) -> int:
    """The step whose results are kept, where only some are."""
    return body(x)
