"""Tasks that make any tree of calls, as a description says; what they give depends on nothing else.

A node is `[kind, way, number, children]`. Its kind is `async`, `sync`, `fails` (the caller catches its own exception),
`flaky` (the first attempt fails after it has called its children) or `traced`; its way of calling its children is `turn`,
`gather`, `map` or `group`. Every body that begins notes the name of its action, in `BEGUN` and in the file that is named by the
environment.
"""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import dalsegno
from dalsegno import durable, trace

env = dalsegno.TaskEnvironment("trees")

Node = list[Any]

BEGUN: list[str] = []
"""The names of the actions whose bodies have begun in this process, in order."""

PROBED: dict[str, int] = {}
"""What each call of `probe` gave: the world outside, which is the same however often it is asked."""

PAUSE = float(os.environ.get("TREES_PAUSE", "0"))


class OddError(Exception):
    """What a task of kind `fails` raises."""


def own_name() -> str:
    action = dalsegno.ctx().action
    assert action is not None
    return action.name


def begin() -> None:
    name = own_name()
    BEGUN.append(name)
    if "TREES_BEGUN" in os.environ:
        with Path(os.environ["TREES_BEGUN"]).open("a") as file:
            file.write(f"{name}\n")
    print(f"{name} begins")


@env.task
async def node(tree: Node) -> int:
    begin()
    return await total(tree)


@env.task
def sync_node(tree: Node) -> int:
    begin()
    number: int = tree[2]
    way, children = tree[1], tree[3]
    if way == "map":
        return number + sum(
            each if isinstance(each, int) else 1 for each in dalsegno.map(by_kind, children, concurrency=2)
        )
    return number + sum(called(child) for child in children)


def called(child: Node) -> int:
    if child[0] == "sync":
        return sync_node(child)
    try:
        return by_kind(child)
    except OddError as error:
        return int(error.args[0])


@env.task
def by_kind(tree: Node) -> int:
    """A sync task in the place of any other, since a sync task calls no async ones."""
    begin()
    if tree[0] == "fails":
        raise OddError(tree[2])
    return int(tree[2]) + len(tree[3])


@env.task
async def fails(tree: Node) -> int:
    begin()
    raise OddError(await total(tree))


@env.task(retries=2)
async def flaky(tree: Node) -> int:
    begin()
    found = await total(tree)
    if await probe() == 0:
        raise ValueError("not yet")
    return found


@env.task
async def probe() -> int:
    begin()
    name = own_name()
    return PROBED.setdefault(name, len(PROBED) % 2)


@trace
async def traced(tree: Node) -> int:
    begin()
    return await total(tree)


async def total(tree: Node) -> int:
    number: int = tree[2]
    way, children = tree[1], tree[3]
    if PAUSE:
        await asyncio.sleep(PAUSE * random.random())
    if way == "gather":
        found = await asyncio.gather(*map(value, children))
    elif way == "map":
        found = [
            each if isinstance(each, int) else each.args[0]
            async for each in dalsegno.map.aio(node, children, concurrency=2)
        ]
    elif way == "group":
        with dalsegno.group(f"g{number}"):
            found = [await value(child) for child in children]
    else:
        found = [await value(child) for child in children]
        found.append(round(await durable.random.aio()) * 0)
    return number + sum(found)


async def value(child: Node) -> int:
    try:
        if child[0] == "sync":
            return await sync_node.aio(child)
        task = {"fails": fails, "flaky": flaky, "traced": traced}.get(child[0], node)
        return await task(child)
    except OddError as error:
        return int(error.args[0])
    except ValueError:  # a flaky task whose every attempt failed
        return 7


def size(tree: Node) -> int:
    return 1 + sum(map(size, tree[3]))
