"""Two runs are laid over each other, and what differs is named; nothing is named when they did the same."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from tests.engine.compare.planned import Node, node, planned, trees
from tests.engine.costs import CountingStore

from dalsegno import Engine, Run, TaskEnvironment, diff
from dalsegno._comparison_views import comparison_view
from dalsegno._diff import ActionDifference, Comparison
from dalsegno.bundle import load
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("diff")

TREE = {"a": Node(1, ("b", "c")), "b": Node(2, ("d",)), "c": Node(3), "d": Node(4)}
late: set[int] = set()


@pytest.fixture
def backend() -> str:
    return "asyncio"


@env.task
async def leaf(n: int) -> int:
    return -n if n in late else n * n


@env.task
async def fan(count: int) -> int:
    for n in range(count):
        await leaf(n)
    return count


@env.task
async def spread(numbers: list[int]) -> int:
    return sum([await leaf(n) for n in numbers])


async def ended(engine: Engine, *args: Any, **settings: Any) -> Run[Any]:
    """A run that has ended."""
    run = await engine.with_runcontext(**settings).run(*args)
    await run.wait.aio()
    return run


def changes(found: Comparison) -> list[tuple[str, str | None]]:
    """What became of which action, by the first part of its name."""
    return [(each.change, (each.old or each.new or "").partition("-")[0]) for each in found.actions]


def test_a_run_and_itself(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with planned(TREE):
            run = await ended(engine, node, "a")
            again = await ended(engine, node, "a")
        for other in (run, again):
            found = diff(run, other)
            assert found.is_same
            assert (found.actions, found.around, found.compared) == ((), (), 0)

    play(story)


def test_only_what_differs_itself_is_named(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with planned(TREE):
            old = await ended(engine, node, "a")
        with planned({**TREE, "d": Node([1, {"x": 2}])}):
            new = await ended(engine, node, "a")
        found = diff(old, new)
        [changed] = found.actions
        assert not found.is_same
        assert changed.change == "changed"
        assert [str(place) for place in changed.outputs] == ['o0: 4 → [1, {"x": 2}]']
        assert (changed.code, changed.inputs, changed.error) == ((), (), None)
        assert found.compared == 3  # a, b, d; not c
        assert changed.seconds[0] is not None

    play(story)


def test_failures(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with planned(TREE):
            old = await ended(engine, node, "a")
        with planned({**TREE, "c": Node(fails="no more")}):
            new = await ended(engine, node, "a")
        [changed] = diff(old, new).actions
        assert changed.error is not None
        assert changed.error[0] is None
        assert changed.error[1] is not None
        assert changed.error[1].message == "no more"
        assert changed.phase == ("succeeded", "failed")

    play(story)


def test_calls_that_come_and_go(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with planned({**TREE, "a": Node(1, ("b", "c", "c"))}):
            old = await ended(engine, node, "a")
        with planned({**TREE, "a": Node(1, ("c", "c"))}):
            new = await ended(engine, node, "a")
        [gone] = diff(old, new).actions
        assert (gone.change, gone.below, gone.new) == ("removed", 1, None)
        [come] = diff(new, old).actions
        assert (come.change, come.below, come.old) == ("added", 1, None)

    play(story)


def test_calls_with_other_inputs_are_the_same_calls(play: Play) -> None:
    async def story(engine: Engine) -> None:
        old = await ended(engine, spread, [1, 2, 3])
        new = await ended(engine, spread, [1, 5, 3])
        found = diff(old, new)
        assert changes(found) == [("changed", "a0"), ("changed", "leaf")]
        [root, changed] = found.actions
        assert [str(place) for place in root.inputs] == ["numbers[1]: 2 → 5"]
        assert [str(place) for place in changed.inputs] == ["n: 2 → 5"]
        assert [str(place) for place in changed.outputs] == ["o0: 4 → 25"]

    play(story)


def test_one_action_and_its_rerun(play: Play) -> None:
    async def story(engine: Engine) -> None:
        old = await ended(engine, spread, [1, 2], name="old")
        nested = old.actions()[1].name
        new = await engine.rerun("old", nested)
        await new.wait.aio()
        assert diff(old, new, action=nested).is_same
        assert not diff(old, new).is_same

    play(story)


def test_runs_of_two_stores(play: Play) -> None:
    async def story(engine: Engine) -> None:
        async with Engine(MemoryStore()) as other:
            with planned(TREE):
                old, new = await ended(engine, node, "a"), await ended(other, node, "a")
            assert diff(old, new).is_same
            with planned({**TREE, "b": Node("x" * 2000)}):
                newer = await ended(other, node, "a")
            assert changes(diff(old, newer)) == [("changed", "node"), ("removed", "node")]

    play(story)


def test_variables_are_around(play: Play) -> None:
    async def story(engine: Engine) -> None:
        old = await ended(engine, leaf, 1, env_vars={"LEVEL": "1"})
        new = await ended(engine, leaf, 1, env_vars={"LEVEL": "2"})
        found = diff(old, new)
        assert found.is_same
        assert [str(each) for each in found.around] == ["env LEVEL: 1 → 2"]

    play(story)


SOURCE = """
    import dalsegno
    env = dalsegno.TaskEnvironment("changing")
    FACTOR = 2
    def scaled(n: int) -> int:
        return n * FACTOR
    @env.task
    async def part(n: int) -> int:
        return scaled(n)
    @env.task
    async def whole(n: int) -> int:
        return await part(n)
"""


def test_code_is_shown_by_symbol(
    play: Play, write_files: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(engine: Engine) -> None:
        runs = []
        for place, source in enumerate((SOURCE, SOURCE.replace("n * FACTOR", "n + FACTOR"))):
            folder = write_files(str(place), {"changing.py": source})
            with monkeypatch.context() as patch:
                patch.syspath_prepend(str(folder))
                import changing  # type: ignore[import-not-found]  # it was written a line above

                runs.append(await ended(engine, changing.whole, 2))
                del sys.modules["changing"]
        found = diff(*runs)
        assert changes(found) == [("changed", "a0"), ("changed", "part")]
        [_, part] = found.actions
        [code] = part.code
        assert (code.kind, code.name) == ("symbol", "changing:scaled")
        assert "-    return n * FACTOR" in code.detail
        assert "+    return n + FACTOR" in code.detail

    play(story)


def test_nothing_recorded_is_loaded(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(engine: Engine) -> None:
        with planned({**TREE, "d": Node(lambda: 1)}):
            old = await ended(engine, node, "a")
        with planned({**TREE, "d": Node(lambda: 2)}):
            new = await ended(engine, node, "a")
        for name in ("loads", "load", "Unpickler"):
            monkeypatch.setattr(f"pickle.{name}", None)
        monkeypatch.setattr(f"{load.__module__}.load", None)
        found = diff(old, new)
        assert [place.kind for each in found.actions for place in each.outputs] == ["opaque"]
        assert comparison_view(found)["actions"][0]["outputs"][0]["kind"] == "opaque"

    play(story)


def test_one_difference_among_many_is_found_by_looking_at_two() -> None:
    store = CountingStore(MemoryStore())

    async def main() -> None:
        async with Engine(store, durability="relaxed") as engine:
            old = await ended(engine, fan, 2500)
            late.add(1234)
            try:
                new = await ended(engine, fan, 2500)
            finally:
                late.clear()
            store.counts.clear()
            found = diff(old, new)
        assert [str(place) for each in found.actions for place in each.outputs] == ["o0: 1522756 → -1234"]
        assert found.compared == 2
        assert store.counts["gets"] < 40
        assert store.counts["scans"] < 10

    anyio.run(main)


def mirrored(each: ActionDifference) -> tuple[Any, ...]:
    """A difference as it is seen from the other side."""
    swap = {"added": "removed", "removed": "added", "changed": "changed"}
    error = each.error and each.error[::-1]
    places = sorted((place.path, repr(place.new), repr(place.old)) for place in each.outputs)
    return swap[each.change], each.task, each.new, each.old, each.below, _messages(error), places


def seen(each: ActionDifference) -> tuple[Any, ...]:
    places = sorted((place.path, repr(place.old), repr(place.new)) for place in each.outputs)
    return each.change, each.task, each.old, each.new, each.below, _messages(each.error), places


def _messages(error: Any) -> Any:
    return error and [None if each is None else each.message for each in error]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees(), trees())
def test_the_other_way_round_it_is_the_mirror_image(play: Play, one: Any, other: Any) -> None:
    async def story(engine: Engine) -> None:
        runs = []
        for plan in (one, other):
            with planned(plan):
                runs.append(await ended(engine, node, "a"))
        there, back = diff(*runs), diff(*runs[::-1])
        assert sorted(map(seen, there.actions), key=repr) == sorted(map(mirrored, back.actions), key=repr)
        assert there.is_same == back.is_same == (not there.actions)
        assert diff(runs[0], runs[0]).actions == ()

    play(story, store=MemoryStore())
