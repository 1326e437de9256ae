"""Tasks that do not reproduce, each for a reason of its own, and clean ones around them."""

import asyncio
import datetime
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

import dalsegno
from dalsegno import durable

env = dalsegno.TaskEnvironment("faulty")
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def stamp() -> float:
    return time.time()


@env.task
async def clock() -> dict[str, float]:
    return {"at": stamp(), "one": 1.0}


@env.task
async def moment() -> datetime.datetime:
    return datetime.datetime.now()


@env.task
async def chance() -> float:
    return random.random()


@env.task
async def identity() -> uuid.UUID:
    return uuid.uuid4()


@env.task
async def ordered() -> list[str]:
    return list(set(WORDS))


@env.task
async def summed() -> float:
    total = 0.0
    for word in set(WORDS):
        total += 1.1 ** WORDS.index(word) / 3
    return total


@env.task
async def variable() -> str:
    return os.environ.get("FLAVOUR", "none")


def remember(word: str, seen: list[str] = []) -> int:  # noqa: B006  # which is the fault
    seen.append(word)
    return len(seen)


@env.task
async def default() -> int:
    return remember("a")


@env.task
async def outside(path: str) -> str:
    return Path(path).read_text()  # noqa: ASYNC240  # it is a small file


@env.task
async def pickled() -> Any:
    number = random.random()
    return lambda: number


@env.task
async def double(n: int) -> int:
    return 2 * n


@env.task
async def branches() -> int:
    return await double(random.randrange(10**9)) * 0


@env.task
async def unlucky(n: int) -> int:
    raise ValueError(f"{n} is unlucky")


FAULTS: dict[str, Any] = {
    each.short_name: each
    for each in (clock, moment, chance, identity, ordered, summed, variable, default, pickled, branches)
}


@env.task
async def clean(fault: str = "", path: str = "") -> int:
    """Call what is clean, and the fault in the middle of it."""
    total = await double(3)
    try:
        await unlucky(13)
    except ValueError:
        total += 1
    await middle(fault, path)
    return total + int(durable.random() * 0) + int(durable.time()) * 0


@env.task
async def all_at_once(path: str) -> int:
    """Everything that a run may be spoilt by, side by side, some of it further down, with clean calls between."""
    spoilt = await asyncio.gather(clock(), chance(), ordered(), summed(), below(path))
    return sum([await double(each) for each in range(len(spoilt))])


@env.task
async def below(path: str) -> int:
    await asyncio.gather(variable(), default(), outside(path))
    return await double(4)


@env.task
async def middle(fault: str, path: str) -> int:
    if fault == "outside":
        await outside(path)
    elif fault:
        await FAULTS[fault]()
    return await double(4)
