"""Stores with runs, and capsules made of them."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.engine.capsule import carried

from dalsegno import Engine, Run, Task, capsule
from dalsegno_storage.memory import MemoryStore

Story = Callable[[Engine], Awaitable[Any]]


def play(store: MemoryStore, story: Story) -> Any:
    """What `story(engine)` gives, with an open engine on the store."""

    async def main() -> Any:
        async with Engine(store) as engine:
            return await story(engine)

    return anyio.run(main)


def record(store: MemoryStore, name: str, task: Task[..., Any], **inputs: Any) -> Run[Any]:
    """A run of that name, which has ended."""

    return _ended(store, lambda engine: engine.with_runcontext(name=name).run(task, **inputs))


def again(store: MemoryStore, name: str, source: str, **options: Any) -> Run[Any]:
    """A rerun of that name, which has ended."""

    return _ended(store, lambda engine: engine.with_runcontext(name=name).rerun(source, **options))


def _ended(store: MemoryStore, start: Callable[[Engine], Awaitable[Run[Any]]]) -> Run[Any]:
    async def story(engine: Engine) -> Run[Any]:
        run = await start(engine)
        await run.wait.aio()
        return run

    run: Run[Any] = play(store, story)
    return run


def everything(store: MemoryStore) -> Mapping[bytes, bytes]:
    """All pairs in a store."""
    with store.read() as reader:
        return dict(reader.scan())


@pytest.fixture
def other() -> Iterator[MemoryStore]:
    """Another empty store."""
    opened = MemoryStore()
    yield opened
    opened.close()


@pytest.fixture
def small(store: MemoryStore, tmp_path: Path) -> Path:
    """A capsule with the run `run`."""
    record(store, "run", carried.whole)
    file = tmp_path / "small.capsule"
    capsule.export_runs(store, ["run"], file)
    return file
