"""Identity does not depend on the schedule: chains that run at once have the same keys and never swap their values."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dalsegno import Engine, Phase, Run, TaskEnvironment

Play = Callable[..., Any]
Script = Callable[..., Any]
env = TaskEnvironment("schedules")

schedule = random.Random(0)


async def wander() -> None:
    """Let the others go first, a random number of times."""
    for _ in range(schedule.randrange(4)):
        await asyncio.sleep(0)


@env.task
async def step(chain: int, value: int) -> int:
    await wander()
    return value * 10 + chain


@env.task
async def draw() -> int:
    """The same call for everybody, with another result each time."""
    await wander()
    return random.randrange(10**9)


async def chain(number: int, length: int) -> int:
    """Not a task: its calls are those of the root."""
    value = 0
    for _ in range(length):
        await wander()
        value = await step(number, value)
    return value


@env.task
async def chains(count: int, length: int) -> list[int]:
    await draw()
    return list(await asyncio.gather(*(chain(number, length) for number in range(count))))


@env.task
async def branch(number: int) -> list[int]:
    await wander()
    return [number, await draw(), await draw()]


@env.task
async def branches(count: int, mark: str = "") -> list[list[int]]:
    return list(await asyncio.gather(*(branch(number) for number in range(count))))


@pytest.fixture
def backend() -> str:
    return "asyncio"


def identities(run: Run[Any]) -> set[tuple[bytes, str]]:
    return {(action.key, action.name) for action in run.actions()}


def test_a_thousand_schedules_give_one_tree(play: Play) -> None:
    wanted = [int("".join([str(number)] * 3)) for number in range(4)]

    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(durability="relaxed")
        first: set[tuple[bytes, str]] = set()
        orders = set()
        for seed in range(1000):
            schedule.seed(seed)
            run = await context.run(chains, 4, 3)
            assert await run.result.aio() == wanted
            found = identities(run)
            first = first or found
            assert found == first
            orders.add(tuple(action.name for action in run.actions()))
        assert len(first) == 14
        assert len(orders) > 100

    play(story)


def test_recovering_under_another_schedule_never_swaps_values(play: Play) -> None:
    async def story(engine: Engine) -> None:
        schedule.seed(0)
        first = await engine.with_runcontext(name="first", durability="relaxed").run(branches, 5)
        value = await first.result.aio()
        for seed in range(200):
            schedule.seed(seed)
            again = await engine.rerun("first", recover=True, mark=str(seed))
            assert await again.result.aio() == value
            assert {action.phase for action in again.actions()[1:]} == {Phase.RECOVERED}
        # One draw is made again: its branch executes and gets that one anew, the other one and all others as they were.
        draws = [action.name for action in first.actions() if action.task == "schedules.draw"]
        for seed in range(200):
            schedule.seed(seed)
            forced = draws[seed % len(draws)]
            again = await engine.rerun("first", recover=True, force_rerun_actions=[forced])
            result = await again.result.aio()
            changed = [
                (number, place)
                for number, (old, new) in enumerate(zip(value, result, strict=True))
                for place in (1, 2)
                if old[place] != new[place]
            ]
            assert len(changed) == 1
            assert [row[0] for row in result] == [0, 1, 2, 3, 4]

    play(story)


HASHED = """
    import asyncio, json
    import dalsegno
    from flow import main
    dalsegno.init("memory:")
    run = dalsegno.run(main, {"b": 1, "a": 2})
    run.wait()
    print(json.dumps([sorted(action.key.hex() for action in run.actions()), run.template.code_digest.hex(), run.result()]))
"""

FLOW = {
    "flow.py": """
        import asyncio
        import dalsegno

        env = dalsegno.TaskEnvironment("flow")
        KINDS = {"x", "y", "z"}

        @env.task
        async def part(name: str, kinds: set[str], weight: int) -> int:
            return weight + len(kinds | KINDS)

        @env.task
        async def main(weights: dict[str, int]) -> int:
            return sum(await asyncio.gather(*(part(name, set(weights), weight) for name, weight in weights.items())))
    """
}


def test_hash_seeds_do_not_matter(script: Script, write_files: Callable[..., Path]) -> None:
    folder = write_files("tree", FLOW)
    found = [script(HASHED, cwd=folder, PYTHONHASHSEED=str(seed)) for seed in range(5)]
    assert all(each == found[0] for each in found)
    assert found[0][2] == 13
