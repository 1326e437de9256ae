"""Actions that are cancelled at any moment: what was seen done is recorded, nothing is recorded twice, the run ends."""

import asyncio
import random
from pathlib import Path

import anyio
import anyio.lowlevel

from dalsegno import Engine, Phase, TaskEnvironment, maintenance
from dalsegno_storage import open_store

env = TaskEnvironment("cancelled")

SEEN: dict[int, bytes] = {}
"""What the callers saw done, by number."""


@env.task
async def leaf(n: int) -> bytes:
    """Waits a while or not, so that it is cut off before, in and after its body."""
    if n % 3 == 0:
        await anyio.lowlevel.checkpoint()
    return value(n)


def value(n: int) -> bytes:
    return random.Random(n).randbytes(700 if n % 50 == 0 else 20)


@env.task
async def root(many: int, at_once: int, seed: int) -> int:
    """Calls so many, each with a fate of its own; gives how many were cut off."""
    dice = random.Random(seed)
    cut = 0

    async def one(n: int) -> None:
        SEEN[n] = await leaf(n)

    for start in range(0, many, at_once):
        tasks = [asyncio.create_task(one(n)) for n in range(start, start + at_once)]
        for task in dice.sample(tasks, at_once // 2):
            task.cancel()
            for _ in range(dice.choice((0, 0, 1, 5))):  # turns of the loop, in which others go on
                await asyncio.sleep(0)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(each is None or isinstance(each, asyncio.CancelledError) for each in done)
        cut += sum(each is not None for each in done)
    return cut


def test_thousands_of_actions_are_cancelled_at_random(tmp_path: Path, often: int) -> None:
    many, at_once = 2000 * often, 500
    SEEN.clear()

    async def main() -> int:
        async with Engine(tmp_path / "store") as engine:
            run = await engine.with_runcontext(name="cut").run(root, many, at_once, 7)
            return await run.result.aio()

    cut = anyio.run(main)
    assert 0 < cut < many
    assert len(SEEN) == many - cut

    store = open_store(tmp_path / "store", create=False)
    assert maintenance.check(store).is_clean

    async def look() -> None:
        async with Engine(store) as engine:
            run = engine.get_run("cut")
            assert run.phase is Phase.SUCCEEDED
            leaves = [action for action in run.actions() if action.task == "cancelled.leaf"]
            numbers = [action.inputs()["n"] for action in leaves]
            assert len(numbers) == len(set(numbers)) <= many
            done = {
                action.inputs()["n"]: action.outputs()[0]
                for action in leaves
                if action.phase is Phase.SUCCEEDED
            }
            assert SEEN.items() <= done.items()
            assert all(output == value(n) for n, output in done.items())
            assert {action.phase for action in leaves} <= {Phase.SUCCEEDED, Phase.ABORTED}
            # The store is not held by anybody who was cut off.
            again = await engine.with_runcontext(name="after").run(leaf, 1)
            assert await again.result.aio() == value(1)

    anyio.run(look)
    store.close()
