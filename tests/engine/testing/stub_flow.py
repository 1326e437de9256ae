"""A flow to put stubs into: `main` calls `fetch` and `total`, and `aside` reaches neither.

It is imported from a folder of its own, since what its tasks reach would else depend on which tests are loaded beside it.
"""

import dalsegno
from dalsegno import Cache

env = dalsegno.TaskEnvironment("flow")


@env.task
def fetch(n: int) -> list[int]:
    return [1] * n


@env.task
async def total(numbers: list[int]) -> int:
    return sum(numbers)


@env.task
async def aside(n: int) -> int:
    return -n


@env.task
async def main(n: int) -> int:
    await aside(n)
    return await total(await fetch.aio(n))


@env.task(cache="auto")
async def cached(n: int) -> int:
    return await total([n])


@env.task(cache=Cache("override", "1"))
async def pinned(n: int) -> int:
    return await total([n])


@env.task
def plain(n: int) -> int:
    return sum(fetch(n))
