"""`sys.exit()` in a task: a failure of the task, and not the end of the host."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno.errors import TaskExitError
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("exits")


@env.task
async def leaves(how: str) -> int:
    if how == "exit":
        sys.exit("enough")
    if how == "code":
        raise SystemExit(3)
    return 1


@env.task
def leaves_in_a_thread(how: str) -> int:
    sys.exit(how)


@env.task
async def survives() -> str:
    try:
        await leaves("code")
    except TaskExitError as error:
        return f"left with {error.code}"
    return "stayed"


def test_system_exit_in_a_task_is_its_failure_and_not_the_end_of_the_host(play: Play) -> None:
    async def story(engine: Engine) -> None:
        for task in (leaves, leaves_in_a_thread):
            run = await engine.run(task, "exit")
            await run.wait.aio()
            assert run.phase is Phase.FAILED
            assert run.failure is not None
            assert run.failure.kind == "dalsegno.errors:TaskExitError"
            with pytest.raises(TaskExitError):
                await run.result.aio()
        survivor = await engine.run(survives)
        assert await survivor.result.aio() == "left with 3"
        (child,) = survivor.action().children
        assert child.phase is Phase.FAILED

    play(story)


@env.task
async def gathers() -> list[int]:
    return list(await asyncio.gather(leaves("stay"), leaves("code")))


def test_an_exit_in_a_task_of_asyncio_ends_the_run_and_not_the_hosts_loop(store: MemoryStore) -> None:
    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.run(gathers)
            await run.wait.aio()
            assert run.phase is Phase.FAILED
            again = await engine.run(leaves, "stay")
            assert await again.result.aio() == 1

    asyncio.run(main())


@env.task
async def gathers_an_exit() -> list[int]:
    async def one(i: int) -> int:
        return await leaves("code" if i == 1 else "stay")

    results = [0, 0, 0]

    async def put(i: int) -> None:
        try:
            results[i] = await one(i)
        except TaskExitError as error:
            results[i] = int(str(error.code))

    async with anyio.create_task_group() as tasks:
        for i in range(3):
            tasks.start_soon(put, i)
    return results


def test_system_exit_among_concurrent_children(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(gathers_an_exit)
        assert await run.result.aio() == [1, 3, 1]

    play(story)
