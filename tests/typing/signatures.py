"""What a type checker knows of tasks; `test_typing.py` has it checked.

An `# type: ignore` below is itself a claim: the checker reports it when the line is not an error.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, assert_type
from uuid import UUID

import dalsegno
from dalsegno import Run, TaskEnvironment, durable, trace

env = TaskEnvironment("signatures")


@env.task
def scale(x: float, factor: int = 2) -> float:
    """A sync task."""
    return x * factor


@env.task
async def label(x: float, *, unit: str) -> str:
    """An async task."""
    return f"{await scale.aio(x)} {unit}"


@env.task(retries=2, short_name="n")
def count(words: list[str]) -> int:
    """A task with settings."""
    return len(words)


@env.task(timeout=3)
async def nothing() -> None:
    """An async task with settings."""


@trace
def tidy(text: str, *, width: int = 80) -> str:
    """A traced plain function."""
    return text[:width]


@trace
async def fetch(url: str) -> bytes:
    """A traced async function."""
    return url.encode()


def calls_of_sync_tasks() -> None:
    """A sync task has the signature of its function."""
    assert_type(scale(1.0), float)
    assert_type(scale(1.0, factor=3), float)
    assert_type(count(["a"]), int)
    scale("1")  # type: ignore[arg-type]  # the wrong type
    scale()  # type: ignore[call-arg]  # an argument is missing
    scale(1.0, power=3)  # type: ignore[call-arg]  # there is no such argument
    count("a")  # type: ignore[arg-type]  # the wrong type, of a task with settings


async def calls_of_async_tasks() -> None:
    """An async task has it too, and so has `aio`."""
    assert_type(await label(1.0, unit="m"), str)
    assert_type(await label.aio(1.0, unit="m"), str)
    assert_type(await scale.aio(1.0, 3), float)
    assert_type(await count.aio(["a"]), int)
    await nothing()
    await label(1.0)  # type: ignore[call-arg]  # an argument is missing
    await label(1.0, unit=1)  # type: ignore[arg-type]  # the wrong type
    await scale.aio("1")  # type: ignore[arg-type]  # the wrong type
    await scale(1.0)  # type: ignore[misc]  # a sync task gives a float, which is nothing to await


def runs() -> None:
    """`run` takes what the task takes, and the run knows what it gives."""
    assert_type(dalsegno.run(scale, 1.0, factor=3), Run[float])
    assert_type(dalsegno.run(scale, 1.0).result(), float)
    assert_type(dalsegno.run(label, 1.0, unit="m").result(), str)
    assert_type(dalsegno.with_runcontext(name="r").run(count, ["a"]).result(), int)
    assert_type(dalsegno.rerun("r"), Run[Any])
    assert_type(dalsegno.rerun("r", task_template=scale, x=2.0), Run[Any])
    dalsegno.run(scale)  # type: ignore[call-arg]  # an argument is missing
    dalsegno.run(label, "1", unit="m")  # type: ignore[arg-type]  # the wrong type


async def awaited_runs() -> None:
    """The awaitable forms know the same."""
    run = await dalsegno.run.aio(label, 1.0, unit="m")
    assert_type(run, Run[str])
    assert_type(await run.result.aio(), str)
    async with dalsegno.Engine("memory:") as engine:
        assert_type(await (await engine.run(scale, 1.0)).result.aio(), float)


async def calls_of_traced_functions() -> None:
    """A traced function has the signature of the function, wherever it is called."""
    assert_type(tidy("a", width=3), str)
    assert_type(await tidy.aio("a"), str)
    assert_type(await fetch("u"), bytes)
    tidy(1)  # type: ignore[arg-type]  # the wrong type
    tidy("a", 3)  # type: ignore[call-arg]  # it is to be given by name
    await fetch()  # type: ignore[call-arg]  # an argument is missing


async def recorded_values() -> None:
    """The functions of `durable` have the types of those that they stand for."""
    assert_type(durable.now(), datetime)
    assert_type(durable.now(UTC), datetime)
    assert_type(durable.time(), float)
    assert_type(await durable.uuid4.aio(), UUID)
    assert_type(durable.random(), float)
    assert_type(durable.entropy(), int)
    assert_type(await durable.sleep.aio(timedelta(hours=1)), None)
    await durable.sleep(3)
    durable.now("UTC")  # type: ignore[arg-type]  # the wrong type
    durable.time(1)  # type: ignore[call-arg]  # it takes nothing
    await durable.sleep("soon")  # type: ignore[arg-type]  # the wrong type
