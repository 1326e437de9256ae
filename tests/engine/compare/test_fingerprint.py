"""Runs that did the same have the same fingerprint, and others have another."""

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from tests.engine.compare.planned import Node, node, planned, trees
from tests.engine.costs import CountingStore

from dalsegno import Engine, Run, TaskEnvironment
from dalsegno import _records as records
from dalsegno._fingerprint import Fingerprints
from dalsegno.errors import DecodeError
from dalsegno.maintenance import delete_run
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("fingerprint")

TREE = {"a": Node(1, ("b", "c", "b")), "b": Node(2, ("d",)), "c": Node(3, (), "broken"), "d": Node(4)}


@pytest.fixture
def backend() -> str:
    return "asyncio"


@env.task
async def leaf(n: int) -> int:
    return n * n


@env.task
async def fan(count: int, backwards: bool) -> int:
    order = range(count)
    total = 0
    for n in reversed(order) if backwards else order:
        total += await leaf(n)
    return total


@env.task(cache="auto")
async def kept(n: int) -> int:
    return await leaf(n)


@env.task
async def above(n: int) -> int:
    return await kept(n)


def of(run: Run[Any]) -> bytes:
    """The fingerprint of a run, worked out anew."""
    return Fingerprints(run._records.ledger).of_run(run.record)


async def ended(engine: Engine, *args: Any, **settings: Any) -> Run[Any]:
    """A run that has ended."""
    run = await engine.with_runcontext(**settings).run(*args)
    await run.wait.aio()
    return run


def test_the_same_again_has_the_same(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with planned(TREE):
            first = await ended(engine, node, "a", name="first", labels={"some": "label"})
            again = await engine.rerun("first")
            await again.wait.aio()
            other = await ended(engine, node, "a")
        assert of(first) == of(again) == of(other)

    play(story)


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("d", Node(5)),
        ("d", Node("4")),
        ("d", Node(4.0)),
        ("c", Node(3, (), "broken otherwise")),
        ("c", Node(3)),
        ("b", Node(2)),
        ("d", Node(4, ("e",))),
        ("a", Node(1, ("b", "c"))),
    ],
)
def test_whatever_is_done_otherwise_below_shows_above(play: Play, name: str, now: Node) -> None:
    async def story(engine: Engine) -> None:
        with planned(TREE):
            first = await ended(engine, node, "a")
        with planned({**TREE, name: now}):
            second = await ended(engine, node, "a")
        assert of(first) != of(second)

    play(story)


def test_an_input_shows(play: Play) -> None:
    async def story(engine: Engine) -> None:
        assert of(await ended(engine, node, "x")) != of(await ended(engine, node, "y"))

    play(story)


def test_the_order_in_time_does_not_show(play: Play) -> None:
    async def story(engine: Engine) -> None:
        one = await ended(engine, fan, 3, True)
        other = await ended(engine, fan, 3, False)
        one_below = [Fingerprints(engine.ledger).of(child.record) for child in one.action().children]
        other_below = [Fingerprints(engine.ledger).of(child.record) for child in other.action().children]
        assert one_below == other_below[::-1]

    play(story)


def test_an_action_has_the_same_wherever_it_is_rooted(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with planned(TREE):
            run = await ended(engine, node, "a", name="whole")
            [_, *nested] = run.actions()
            for action in nested:
                again = await engine.rerun("whole", action.name)
                await again.wait.aio()
                assert of(again) == Fingerprints(engine.ledger).of(action.record)

    play(story)


def test_what_was_taken_over_counts_as_what_ran(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await ended(engine, above, 3)
        cached = await ended(engine, above, 3, name="second")
        assert cached.actions()[1].origin is not None
        recovered = await engine.rerun("second", recover=True)
        await recovered.wait.aio()
        assert recovered.action().origin is not None
        assert of(first) == of(cached) == of(recovered)

    play(story)


def test_what_ran_and_was_deleted_is_like_nothing(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        first = await ended(engine, above, 3, name="first")
        before = of(first)
        cached = await ended(engine, above, 3)
        delete_run(store, "first", force=True)
        assert of(cached) != before
        assert of(cached) == of(cached)

    play(story)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees(), trees())
def test_equal_fingerprints_mean_equal_trees(play: Play, one: Any, other: Any) -> None:
    async def story(engine: Engine) -> None:
        runs = []
        for plan in (one, other):
            with planned(plan):
                runs.append(await ended(engine, node, "a"))
        assert (of(runs[0]) == of(runs[1])) == (drawn(runs[0]) == drawn(runs[1]))

    play(story, store=MemoryStore())


def drawn(run: Run[Any]) -> Any:
    """The tree of a run as plain values."""

    def below(action: Any) -> Any:
        record = action.record
        failure = record.failure and record.failure.message
        return (
            record.inputs,
            record.outputs,
            failure,
            sorted((child.key, below(child)) for child in action.children),
        )

    return below(run.action())


def test_each_action_is_looked_at_once() -> None:
    store = CountingStore(MemoryStore())

    async def main() -> None:
        async with Engine(store, durability="relaxed") as engine:
            run = await ended(engine, fan, 3000, False)
            store.counts.clear()
            began = time.perf_counter()
            of(run)
            took = time.perf_counter() - began
        assert store.counts["scans"] <= 3
        assert store.counts["gets"] <= 8
        assert took < 5, "10,000 take well under a second where nothing else goes on"

    anyio.run(main)


def test_a_record_that_calls_itself_is_refused(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        with planned({"a": Node(1, ("b",)), "b": Node(2)}):
            run = await ended(engine, node, "a")
        [root, child] = [action.record for action in run.actions()]
        with store.write() as writer:
            key = records.action_key(child.run_id, 0, root.path)
            writer.put(key, records.pack_action(root._replace(parent=child.seq)))
        with pytest.raises(DecodeError, match="called by itself"):
            of(run)

    play(story)
