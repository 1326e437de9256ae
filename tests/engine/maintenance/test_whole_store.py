"""Whatever is run, rerun, removed and collected, in any order: the check finds nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.maintenance.building import content, dangling

from dalsegno import Cache, Engine, TaskEnvironment
from dalsegno.errors import RunInUseError
from dalsegno.maintenance import check, delete_run, gc, pin, unpin
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("any")
cached = TaskEnvironment("any_cached", cache=Cache("auto"))


@cached.task
async def kept(n: int) -> str:
    return f"kept {n} " * 100


@env.task
def plain(text: str) -> str:
    return text * 2


@env.task
async def whole(n: int) -> str:
    return await plain.aio(await kept(n % 2) + str(n))


@env.task
async def fails(n: int) -> None:
    await kept(n)
    raise ValueError(f"{n} " * 300)


numbers = st.integers(0, 3)
places = st.integers(0, 5)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["run", "fail", "cached"]), numbers),
        st.tuples(st.sampled_from(["rerun", "recover"]), places, numbers),
        st.tuples(st.sampled_from(["delete", "force", "pin", "unpin"]), places),
        st.tuples(st.just("gc"), st.none() | st.integers(0, 2), st.none() | st.integers(0, 20_000)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_check_finds_nothing(steps: list[tuple[Any, ...]]) -> None:
    store = MemoryStore()

    async def main() -> None:
        async with Engine(store, durability="relaxed") as engine:
            for step in steps:
                await take(engine, store, *step)
                assert check(store).problems == ()
                with store.read() as reader:
                    assert dangling(reader) == []

    anyio.run(main)
    gc(store, keep_last=0, grace=0)
    gc(store, grace=0)
    assert check(store).problems == ()
    store.close()


async def take(engine: Engine, store: MemoryStore, step: str, first: int, second: int = 0) -> None:
    """One step; those that need a run take the one in this place, if there is any."""
    tasks: dict[str, Any] = {"run": whole, "fail": fails, "cached": kept}
    if step in tasks:
        await (await engine.run(tasks[step], first)).wait.aio()
        return
    if step == "gc":
        gc(store, keep_last=first, max_size=second, grace=0)
        return
    runs = names(store)
    if not runs:
        return
    name = runs[first % len(runs)]
    if step in ("rerun", "recover"):
        await (await engine.rerun(name, recover=step == "recover", n=second)).wait.aio()
    elif step == "pin":
        pin(store, name)
    elif step == "unpin":
        unpin(store, name)
    else:
        with suppress(RunInUseError):
            delete_run(store, name, force=step == "force")


def names(store: MemoryStore) -> list[str]:
    return [key.rpartition(b"\0")[2].decode() for key in sorted(content(store)) if key.startswith(b"n")]
