"""Tasks whose runs are carried."""

import os
from dataclasses import dataclass
from pathlib import Path

from dalsegno import File, TaskEnvironment

env = TaskEnvironment("carried")


@dataclass
class Sum:
    """A value of the recorded code."""

    total: int


@env.task
async def parts(count: int) -> list[int]:
    """A value that is an object of its own."""
    print("part", count)
    return [count] * 1000


@env.task(cache="auto")
async def cached(count: int) -> int:
    """What is looked for in the cache."""
    return count + 1


@env.task
async def whole(count: int = 2) -> int:
    """Calls others."""
    return sum([len(await parts(each)) for each in range(count)]) + await cached(count)


@env.task
async def summed(count: int) -> Sum:
    """Gives a value of a class of its own."""
    return Sum(count)


@env.task
async def failing() -> int:
    """Fails."""
    raise ValueError("as planned")


@env.task
async def filed(text: str) -> File:
    """Gives a file of three megabytes."""
    place = Path(os.environ["CARRIED_FOLDER"]) / "large.txt"
    place.write_text(text * (3 << 20))
    return File(place)


class Held:
    """What no codec takes, with a mark that it was loaded again."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return spring, ()


def spring() -> Held:
    """Leave a trace where the environment says."""
    if "CARRIED_CANARY" in os.environ:
        Path(os.environ["CARRIED_CANARY"]).write_text("a pickle was loaded")
    return Held()


@env.task
async def opaque() -> object:
    """Gives such a thing."""
    return Held()


@env.task
async def gives(value: object) -> object:
    """Gives what it gets."""
    return value
