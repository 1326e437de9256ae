"""Twenty pipelines that reproduce, though each uses what makes others fail to: in a way that is right."""

import asyncio
import datetime
import json
import math
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import dalsegno
from dalsegno import RetryStrategy, ctx, durable, group

env = dalsegno.TaskEnvironment("clean", env_vars={"SEASONING": "salt"})
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@dataclass
class Order:
    """A value with a default that every instance has for itself."""

    number: int
    items: list[str] = field(default_factory=list)


@env.task
async def double(n: int) -> int:
    return 2 * n


@env.task
async def durable_time() -> list[Any]:
    """The time, as it was recorded."""
    return [durable.now(), durable.time(), durable.now(datetime.UTC)]


@env.task
def durable_chance() -> list[Any]:
    """Chance, as it was recorded, also for a generator."""
    drawn = random.Random(durable.entropy())
    return [durable.random(), durable.uuid4(), [drawn.random() for _ in range(5)]]


@env.task
async def seeded(n: int = 5) -> list[float]:
    """A generator with a seed of its own."""
    drawn = random.Random(13)
    return [drawn.gauss(0, 1) for _ in range(n)]


@env.task
async def sorted_set() -> list[str]:
    """The members of a set in an order of their own."""
    return sorted({*WORDS} - {"one"})


@env.task
async def set_itself() -> set[str]:
    """A set, which has no order."""
    return {word.upper() for word in WORDS}


@env.task
async def exact_sum() -> float:
    """A sum of which the order does not matter."""
    return math.fsum(1.1 ** WORDS.index(word) / 3 for word in {*WORDS})


@env.task
async def decimal_sum() -> Decimal:
    """The same without floats."""
    return sum((Decimal(len(word)) / 4 for word in {*WORDS}), Decimal(0))


@env.task
async def own_variable() -> str | None:
    """A variable that the tasks set for themselves."""
    return os.environ.get("SEASONING")


def appended(word: str, seen: list[str] | None = None) -> list[str]:
    """What is appended to is new in every call."""
    seen = [] if seen is None else seen
    seen.append(word)
    return seen


@env.task
async def no_default() -> list[str]:
    return appended("a") + appended("b")


@env.task
def own_file(text: str = "some text") -> str:
    """A file that it has written itself."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "text.txt")
        file.write_text(text)
        return file.read_text()


@env.task
async def measured(n: int = 1000) -> int:
    """How long it took is not what it gives."""
    began = time.perf_counter()
    total = sum(range(n))
    print(f"it took {time.perf_counter() - began} seconds")
    return total


@env.task
async def side_by_side() -> list[int]:
    """Calls that end in any order."""
    return [*await asyncio.gather(*(double(n) for n in range(8)))]


@env.task
async def grouped() -> int:
    """Equal calls, told apart by group."""
    total = 0
    for name in ("first", "second"):
        with group(name):
            total += await double(1)
    return total


@env.task
def threads() -> int:
    """A reduction that does not mind the order, in threads of its own."""
    with ThreadPoolExecutor(4) as pool:
        return max(pool.map(len, WORDS))


@env.task
async def keys_in_order() -> dict[str, int]:
    """A dict that is filled in an order of its own."""
    return {word: len(word) for word in sorted({*WORDS})}


@cache
def remembered(n: int) -> int:
    """What stays from one call to the next does not change what comes out."""
    return n**2


@env.task
async def with_a_cache() -> list[int]:
    return [remembered(n) for n in (1, 2, 1)]


@env.task
async def mutated(order: Order | None = None) -> Order:
    """An input that is changed is a copy."""
    order = order or Order(7)
    order.items.append("salt")
    return order


@env.task(retries=RetryStrategy(2))
async def at_last() -> int:
    """It fails twice, the same way each time."""
    attempt = ctx().attempt_number
    if attempt < 2:
        raise ConnectionError("again")
    return attempt


@env.task
async def failing() -> str:
    """A failure that is always the same."""
    try:
        await unlucky(13)
    except ValueError as error:
        return str(error)
    return ""


@env.task
async def unlucky(n: int) -> int:
    raise ValueError(f"{n} is unlucky")


@asynccontextmanager
async def connection() -> AsyncIterator[dict[str, int]]:
    yield {"id": id(WORDS)}


@env.task
async def addresses() -> str:
    """Where things lie in memory is used, and left out."""
    async with connection() as opened:
        return json.dumps({"known": opened["id"] == id(WORDS)})


PIPELINES: list[Any] = [
    durable_time, durable_chance, seeded, sorted_set, set_itself, exact_sum, decimal_sum, own_variable, no_default,
    own_file, measured, side_by_side, grouped, threads, keys_in_order, with_a_cache, mutated, at_last, failing, addresses,
]  # fmt: skip


@env.task
async def all_of_them() -> int:
    """Every one of them in one run."""
    for pipeline in PIPELINES:
        await pipeline.aio()
    return len(PIPELINES)
