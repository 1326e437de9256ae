"""Keys and names: functions of what was called with what, never of the schedule."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno import Engine, Phase, Run, TaskEnvironment, group
from dalsegno._identity import (
    ROOT_KEY,
    action_key,
    action_name,
    action_path,
    long_action_name,
    split_action_name,
)
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("identity")

scheduler = random.Random(0)
"""Decides the order of calls and the number of turns that each one waits."""


@env.task
async def node(label: int, below: list[Any]) -> int:
    """Calls itself for each `[label, below, group]` of `below`, all at once, in a random order."""
    calls = list(below)
    scheduler.shuffle(calls)
    for _ in range(scheduler.randrange(4)):
        await checkpoint()

    async def call(label: int, below: list[Any], heading: str) -> None:
        for _ in range(scheduler.randrange(4)):
            await checkpoint()
        if heading:
            with group(heading):
                await node(label, below)
        else:
            await node(label, below)

    async with anyio.create_task_group() as tasks:
        for arguments in calls:
            tasks.start_soon(call, *arguments)
    return label


def tree(run: Run[Any], root: str = "a0") -> Counter[tuple[Any, ...]]:
    """The actions below `root`: their keys from there down, what they were called with, what they gave."""
    actions = {action.record.seq: action for action in run.actions()}
    top = run.action(root).record.seq

    def keys(seq: int) -> tuple[bytes, ...]:
        record = actions[seq].record
        return () if record.parent is None else (*keys(record.parent), record.key)

    here = keys(top)
    found: Counter[tuple[Any, ...]] = Counter()
    for seq, action in actions.items():
        path = keys(seq)
        if path[: len(here)] == here:
            record = action.record
            found[path[len(here) :], record.inputs, record.outputs, action.phase] += 1
    return found


labels = st.integers(0, 2)
groups = st.sampled_from(["", "", "g", "h"])
trees: st.SearchStrategy[list[Any]] = st.recursive(
    st.just([]),
    lambda below: st.lists(st.tuples(labels, below, groups).map(list), max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(trees, st.lists(st.integers(), min_size=2, max_size=2), st.sampled_from(["asyncio", "trio"]))
def test_any_schedule_gives_the_same_keys_and_names(calls: list[Any], seeds: list[int], backend: str) -> None:
    async def story() -> None:
        async with Engine(MemoryStore(), durability="relaxed") as engine:
            runs = []
            for seed in seeds:
                scheduler.seed(seed)
                run = await engine.run(node, 0, calls)
                await run.wait.aio()
                runs.append(run)
            first, second = runs
            assert tree(first) == tree(second)
            names = [sorted(action.name for action in run.actions()) for run in runs]
            assert names[0] == names[1]
            assert len(set(names[0])) == len(names[0])

    anyio.run(story, backend=backend)


@settings(max_examples=10, deadline=None)
@given(trees.filter(bool), st.integers())
def test_a_subtree_has_the_same_keys_when_it_is_a_run_of_its_own(calls: list[Any], seed: int) -> None:
    async def story() -> None:
        async with Engine(MemoryStore(), durability="relaxed") as engine:
            scheduler.seed(seed)
            run = await engine.run(node, 0, calls)
            await run.wait.aio()
            for action in run.actions():
                again = await engine.rerun(run.name, action.name)
                await again.wait.aio()
                assert tree(again) == tree(run, action.name)

    anyio.run(story)


waiting: list[asyncio.Event] = []


@env.task
async def step(index: int) -> int:
    if waiting:
        await waiting[index].wait()
    return index


@env.task
async def steps(count: int) -> list[int]:
    return await asyncio.gather(*(step(index) for index in range(count)))


def test_the_order_in_which_children_end_changes_nothing() -> None:
    orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]]

    async def story() -> None:
        trees = []
        async with Engine(MemoryStore()) as engine:
            for order in orders:
                waiting[:] = [asyncio.Event() for _ in order]
                run = await engine.run(steps, len(order))
                for index in order:
                    waiting[index].set()
                    while sum(action.done() for action in run.actions()) <= order.index(index):
                        await checkpoint()
                        if run.done():
                            break
                assert await run.result.aio() == [0, 1, 2, 3, 4]
                trees.append(tree(run))
                ends = sorted(run.action().children, key=lambda child: child.record.ended_at or 0)
                assert [child.result() for child in ends] == order
        assert trees[0] == trees[1] == trees[2]

    try:
        asyncio.run(story())
    finally:
        waiting.clear()


@env.task
async def same(x: int) -> int:
    return x


@env.task
async def identical_calls() -> list[int]:
    return [await same(1), await same(1), await same(2), await same(1)]


def test_identical_calls_of_one_parent_are_counted(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(identical_calls)
        assert await run.result.aio() == [1, 1, 2, 1]
        first, second, other, third = run.action().children
        assert len({child.key for child in (first, second, other, third)}) == 4
        digest = first.record.inputs
        assert second.record.inputs == third.record.inputs == digest != other.record.inputs
        again = await engine.rerun(run.name)
        await again.wait.aio()
        assert [child.key for child in again.action().children] == [
            child.key for child in run.action().children
        ]
        assert [child.name for child in again.actions()] == [child.name for child in run.actions()]

    play(story)


@env.task
async def counts(n: int, extra: bool = False) -> None:
    if extra:
        await same(99)
    for i in range(n):
        await same(i)


def test_a_call_keeps_its_key_when_others_come_before_it_and_when_its_parent_has_other_inputs(
    play: Play,
) -> None:
    async def story(engine: Engine) -> None:
        plain = await engine.run(counts, 3)
        more = await engine.run(counts, 4, extra=True)
        await plain.wait.aio()
        await more.wait.aio()
        before = {child.name: child.key for child in plain.action().children}
        after = {child.name: child.key for child in more.action().children}
        assert before.items() <= after.items()
        assert len(after) == 5

    play(story)


def test_the_parts_of_a_key_do_not_run_into_each_other() -> None:
    digest = bytes(32)
    different = {
        action_key(b"e.a", digest, 0, b""),
        action_key(b"e.a", digest, 1, b""),
        action_key(b"e.a", digest, 0, b"g"),
        action_key(b"e.b", digest, 0, b""),
        action_key(b"e.a", b"\1" * 32, 0, b""),
        action_key(b"e.a1", digest, 0, b""),
        action_key(b"e.a", digest, 10, b""),
    }
    assert len(different) == 7
    assert {len(key) for key in different} == {16}


def test_keys_and_names_are_those_of_every_release() -> None:
    key = action_key(b"env.task", bytes(range(32)), 2, b"a/b")
    path = action_path(ROOT_KEY, key)
    assert key.hex() == "0aa854706d4894bff82562ae04f20fa9"
    assert path.hex() == "fcc7ea5c8ba915c11b10e23209a3e375"
    assert action_name("task", path) == "task-7td6uxel"


@given(st.from_regex(r"[a-z_][a-z0-9_\-]{0,20}", fullmatch=True), st.binary(min_size=16, max_size=16))
def test_a_name_gives_its_parts_back(short: str, path: bytes) -> None:
    assert split_action_name(action_name(short, path)) == (short, path[:5])
    assert split_action_name(long_action_name(short, path)) == (short, path[:10])
    assert long_action_name(short, path).startswith(action_name(short, path))


@pytest.mark.parametrize("name", ["", "a0", "prep", "prep-", "prep-0!", "-k3v9q2ab-", "prep-abc"])
def test_what_is_no_action_name_has_no_parts(name: str) -> None:
    assert split_action_name(name) is None


def test_actions_are_found_by_either_form_of_their_name(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(identical_calls)
        await run.wait.aio()
        for action in run.actions():
            record = action.record
            assert run.action(action.name).record == record
            if record.seq:
                assert run.action(long_action_name("same", record.path)).record == record
        assert run.action("a0").phase is Phase.SUCCEEDED

    play(story)
