"""What an action costs, counted and not timed: a change that makes every action dearer is seen on any machine."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import anyio.to_thread
import pydantic
import pytest
from tests.engine.costs import CountingStore

from dalsegno import Engine, TaskEnvironment
from dalsegno.settings import Durability
from dalsegno_storage import Store, open_store
from dalsegno_storage.protocol import Writer

env = TaskEnvironment("costs")
MANY = 200
ROOT = Path(__file__).parents[2]
PACKAGE = "dalsegno"
"""In the path of every file of the engine and the storage."""


@env.task
async def nothing(x: int) -> int:
    return x


@env.task
def plain(x: int) -> int:
    return x


@env.task
async def in_turn(n: int, mark: int = 0) -> int:
    for number in range(n):
        await nothing(number)
    return n


@env.task
def plain_in_turn(n: int) -> int:
    for number in range(n):
        plain(number)
    return n


@env.task
async def at_once(n: int) -> int:
    await asyncio.gather(*(nothing.aio(number) for number in range(n)))
    return n


class Spent:
    """What runs cost above what the run before cost, per action."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = CountingStore(open_store("memory:"))
        self.counts = self.store.counts
        self._watch(monkeypatch, anyio.to_thread, "run_sync", "hops")
        self._watch(monkeypatch, threading.Thread, "start", "threads")
        self._watch(monkeypatch, pydantic.TypeAdapter, "validate_python", "validations")

    def _watch(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, counted: str) -> None:
        original = getattr(where, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.counts[counted] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(where, name, watched)

    def since(self, before: Counter[str]) -> dict[str, int]:
        return {name: count - before[name] for name, count in sorted(self.counts.items())}


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Spent:
    return Spent(monkeypatch)


async def _costs(spent: Spent, task: Any, *, recover: bool, durability: Durability) -> dict[str, int]:
    async with Engine(spent.store, durability=durability) as engine:
        for n in (0, MANY):
            run = await engine.with_runcontext(name=f"first-{n}").run(task, n)
            await run.wait.aio()
        found = []
        for n in (0, MANY):
            before = Counter(spent.counts)
            if recover:
                run = await engine.rerun(f"first-{n}", recover=True, mark=1)
            else:
                run = await engine.run(task, n)
            await run.wait.aio()
            found.append(spent.since(before))
    none, many = found
    return {name: many[name] - none.get(name, 0) for name in many}


def costs(
    spent: Spent, task: Any, *, recover: bool = False, durability: Durability = "full"
) -> dict[str, int]:
    """What a run of MANY actions costs above one of none, when the engine has seen both before."""
    return asyncio.run(_costs(spent, task, recover=recover, durability=durability))


def hops(cost: dict[str, int]) -> int:
    return sum(cost.get(name, 0) for name in ("hops", "threads", "validations"))


@pytest.mark.parametrize("task", [in_turn, plain_in_turn])
def test_in_turn_an_action_is_one_commit_of_one_record(spent: Spent, task: Any) -> None:
    cost = costs(spent, task)
    assert cost["writes"] == MANY
    assert cost["puts"] == MANY
    assert cost["gets"] <= 3 * MANY + 10
    assert cost["reads"] + cost["scans"] + cost["deletes"] <= 5
    assert hops(cost) == 0


def test_a_record_of_an_action_is_small(spent: Spent) -> None:
    assert costs(spent, in_turn)["bytes"] <= 160 * MANY


def test_at_once_actions_share_commits(spent: Spent) -> None:
    cost = costs(spent, at_once)
    assert cost["writes"] <= MANY // 4
    assert cost["puts"] <= MANY + 20
    assert cost["gets"] <= MANY + 4 * cost["writes"] + 20
    assert hops(cost) == 0


def test_relaxed_actions_share_commits_in_turn(spent: Spent) -> None:
    cost = costs(spent, in_turn, durability="relaxed")
    assert cost["writes"] <= MANY // 4
    assert cost["puts"] <= MANY + 20
    assert hops(cost) == 0


def test_a_replayed_action_waits_for_no_commit(spent: Spent) -> None:
    cost = costs(spent, in_turn, recover=True)
    assert cost["writes"] <= MANY // 4
    assert cost["puts"] <= MANY + 20
    assert cost["reads"] <= 10
    assert hops(cost) == 0


# What the interpreter does for it


class Watched:
    """What a run of MANY actions makes the interpreter do above one of none, per action."""

    def __init__(self, task: Any, *, recover: bool = False, durability: Durability = "full") -> None:
        self.calls = self.wakes = self.objects = 0.0
        asyncio.run(self._watch(task, recover=recover, durability=durability))

    async def _watch(self, task: Any, *, recover: bool, durability: Durability) -> None:
        loop: Any = asyncio.get_running_loop()
        original = loop.call_soon_threadsafe
        called = woken = 0

        def count(frame: FrameType, event: str, _: object) -> None:
            nonlocal called
            called += event == "call" and PACKAGE in frame.f_code.co_filename

        def wake(*args: Any, **kwargs: Any) -> Any:
            nonlocal woken
            woken += 1
            return original(*args, **kwargs)

        store = Waiting(open_store("memory:"))
        loop.call_soon_threadsafe = wake
        found = []
        async with Engine(store, durability=durability) as engine:
            for n in (0, MANY):
                await (await engine.with_runcontext(name=f"first-{n}").run(task, n)).wait.aio()
            # Now and then one of them has to look at the code anew: the best of three counts.
            for n in (0, MANY) * 3:
                called = woken = 0
                before, alive = tracked(), [0]
                store.seen = partial(note_alive, alive, before)
                sys.setprofile(count)
                if recover:
                    run = await engine.rerun(f"first-{n}", recover=True, mark=1)
                else:
                    run = await engine.run(task, n)
                await run.wait.aio()
                sys.setprofile(None)
                found.append((called, woken, max(alive)))
        none, many = (list(map(min, *found[which::2])) for which in (0, 1))
        self.calls, self.wakes, self.objects = ((b - a) / MANY for a, b in zip(none, many, strict=True))


class Waiting(CountingStore):
    """A store that calls `seen` before each transaction that writes."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.seen: Callable[[], object] = lambda: None

    @contextmanager
    def write(self) -> Iterator[Writer]:
        self.seen()
        with super().write() as transaction:
            yield transaction


def note_alive(alive: list[int], before: int) -> None:
    alive.append(tracked() - before)


def tracked() -> int:
    """How many objects the collector goes through."""
    gc.collect()
    return len(gc.get_objects())


def watched(task: str, *, recover: bool = False) -> Watched:
    """What a process of its own finds, in which nobody has registered codecs or the like."""
    line = [sys.executable, "-m", __name__, task, *(["recover"] if recover else [])]
    roots = [ROOT, ROOT / "engine", ROOT / "storage"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = Watched.__new__(Watched)
    found.__dict__.update(json.loads(done.stdout))
    return found


def test_what_an_action_in_turn_makes_the_interpreter_do() -> None:
    found = watched("in_turn")
    assert found.calls <= 84
    assert found.wakes <= 1.05


def test_what_an_action_at_once_makes_the_interpreter_do() -> None:
    found = watched("at_once")
    assert found.calls <= 77
    assert found.wakes <= 0.2
    assert found.objects <= 24


def test_what_a_replayed_action_makes_the_interpreter_do() -> None:
    found = watched("in_turn", recover=True)
    assert found.calls <= 77
    assert found.wakes <= 0.1


if __name__ == "__main__":
    print(
        json.dumps(
            vars(
                Watched({"in_turn": in_turn, "at_once": at_once}[sys.argv[1]], recover="recover" in sys.argv)
            )
        )
    )
