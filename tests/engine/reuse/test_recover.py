"""Recovering a run executes what failed, what is new and what was forced, and takes over the rest."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dalsegno import Engine, Observer, Phase, Run, TaskEnvironment
from dalsegno.errors import ActionNotFoundError, UsageError

Play = Callable[..., Any]
env = TaskEnvironment("recover")

broken: set[int] = set()
bodies: list[str] = []


@pytest.fixture(autouse=True)
def whole() -> Iterator[None]:
    """Nothing is broken and nothing has run."""
    broken.clear()
    bodies.clear()
    yield
    broken.clear()


@pytest.fixture
def backend() -> str:
    return "asyncio"


@env.task
async def leaf(n: int) -> int:
    bodies.append(f"leaf {n}")
    if n in broken:
        raise ValueError(f"{n} is broken")
    return n * n


@env.task
def sync_leaf(n: int) -> list[int]:
    bodies.append(f"sync_leaf {n}")
    return [n, n]


@env.task
async def branch(start: int, count: int) -> int:
    bodies.append(f"branch {start}")
    squares = await asyncio.gather(*(leaf(n) for n in range(start, start + count)))
    return sum(squares)


@env.task
async def root(wide: int = 3, name: str = "a") -> int:
    bodies.append("root")
    pair = await sync_leaf.aio(wide)
    return await branch(0, wide) + await branch(10, pair[0])


@env.task
def in_threads(n: int) -> int:
    bodies.append("in_threads")
    return sum(sync_leaf(n)) + sum(sync_leaf(n + 1))


def named(run: Run[Any], task: str, **inputs: Any) -> str:
    """The name of the one action of a task with these inputs."""
    [found] = [
        action.name
        for action in run.actions()
        if action.task == f"recover.{task}" and inputs.items() <= action.inputs().items()
    ]
    return found


async def failed(engine: Engine, *names: int) -> Run[Any]:
    """A recorded run with broken leaves, which work again; no body has run since."""
    broken.update(names)
    run = await engine.with_runcontext(name="first").run(root)
    await run.wait.aio()
    broken.clear()
    bodies.clear()
    return run


def test_a_failed_leaf_executes_with_its_callers_and_nothing_else(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await failed(engine, 11)
        again = await engine.rerun("first", recover=True)
        assert await again.result.aio() == 5 + 365
        assert bodies == ["root", "branch 10", "leaf 11"]
        phases = {action.name: action.phase for action in again.actions()}
        assert phases == {
            "a0": Phase.SUCCEEDED,
            named(first, "sync_leaf"): Phase.RECOVERED,
            named(first, "branch", start=0): Phase.RECOVERED,
            named(first, "branch", start=10): Phase.SUCCEEDED,
            named(first, "leaf", n=10): Phase.RECOVERED,
            named(first, "leaf", n=11): Phase.SUCCEEDED,
            named(first, "leaf", n=12): Phase.RECOVERED,
        }
        assert again.relation is not None
        assert (again.relation.kind, again.relation.recover) == ("rerun", True)

    play(story)


def test_a_reused_action_points_at_the_one_that_ran_and_shows_what_is_below_it(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await failed(engine, 11)
        second = await engine.rerun("first", recover=True)
        await second.wait.aio()
        third = await engine.rerun(second.name, recover=True, name="b")
        assert await third.result.aio() == 5 + 365
        taken = third.action(named(second, "branch", start=0))
        assert taken.phase is Phase.RECOVERED
        assert taken.attempts == 0
        origin = taken.origin
        assert origin is not None
        assert (origin.run.name, origin.phase) == ("first", Phase.SUCCEEDED)
        assert [child.inputs() for child in taken.children] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert taken.result() == 5
        assert taken.template.name == "recover.branch"
        newer = third.action(named(second, "branch", start=10)).origin
        assert newer is not None
        assert newer.run.name == second.name
        assert first.action("a0").origin is None

    play(story)


def test_a_run_that_holds_as_a_whole_is_taken_over_whole(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(name="first").run(root)
        value = await first.result.aio()
        bodies.clear()
        again = await engine.rerun("first", recover=True)
        assert again.done()
        assert again.phase is Phase.SUCCEEDED
        assert await again.result.aio() == value
        assert [(action.name, action.phase) for action in again.actions()] == [("a0", Phase.RECOVERED)]
        assert bodies == []
        third = await engine.rerun(again.name, recover=True)
        origin = third.action().origin
        assert origin is not None
        assert origin.run.name == "first"

    play(story)


def test_without_recover_everything_is_executed(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(name="first").run(root)
        await first.wait.aio()
        before = sorted(bodies)
        bodies.clear()
        again = await engine.rerun("first")
        await again.wait.aio()
        assert sorted(bodies) == before

    play(story)


def test_a_changed_input_executes_what_it_concerns(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(name="first").run(root)
        await first.wait.aio()
        bodies.clear()
        other = await engine.rerun("first", recover=True, name="b")
        await other.wait.aio()
        assert bodies == ["root"]
        bodies.clear()
        wider = await engine.rerun("first", recover=True, wide=4)
        assert await wider.result.aio() == 14 + 100 + 121 + 144 + 169
        # The branches have other inputs, so they stand for no recorded ones; their unchanged leaves are found all the same.
        assert sorted(bodies) == ["branch 0", "branch 10", "leaf 13", "leaf 3", "root", "sync_leaf 4"]

    play(story)


def test_one_action_can_be_recovered_alone(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await failed(engine, 11)
        name = named(first, "branch", start=10)
        again = await engine.rerun("first", name, recover=True)
        assert await again.result.aio() == 365
        assert bodies == ["branch 10", "leaf 11"]
        assert again.relation is not None
        assert again.relation.action == name
        bodies.clear()
        whole = await engine.rerun("first", named(first, "branch", start=0), recover=True)
        assert await whole.result.aio() == 5
        assert bodies == []

    play(story)


def test_forced_actions_execute_with_all_that_is_below_and_above_them(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await failed(engine)
        forced = named(first, "branch", start=10)
        again = await engine.rerun("first", recover=True, force_rerun_actions=[forced])
        assert await again.result.aio() == 5 + 365
        assert sorted(bodies) == ["branch 10", "leaf 10", "leaf 11", "leaf 12", "root"]
        assert again.relation is not None
        assert again.relation.forced == (forced,)
        bodies.clear()
        everything = await engine.rerun("first", recover=True, force_rerun_actions=["a0"])
        await everything.wait.aio()
        assert len(bodies) == 10
        bodies.clear()
        # A name is understood where it is seen, also below an action that was taken over itself.
        leaf_name = named(first, "leaf", n=1)
        deep = await engine.rerun(again.name, recover=True, force_rerun_actions=[leaf_name])
        await deep.wait.aio()
        assert sorted(bodies) == ["branch 0", "leaf 1", "root"]

    play(story)


def test_names_that_are_forced_must_be_known(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await failed(engine)
        known = named(first, "branch", start=10)
        with pytest.raises(ActionNotFoundError, match=rf"no action '{known}x' in run 'first' \(did you mean"):
            await engine.rerun("first", recover=True, force_rerun_actions=[f"{known}x"])
        outside = named(first, "leaf", n=0)
        with pytest.raises(ActionNotFoundError, match=f"in run 'first' below {known}"):
            await engine.rerun("first", known, recover=True, force_rerun_actions=[outside])
        with pytest.raises(UsageError, match="without recover everything is executed"):
            await engine.rerun("first", force_rerun_actions=[known])
        with pytest.raises(UsageError, match="a list of names of actions, not 'a0'"):
            await engine.rerun("first", recover=True, force_rerun_actions="a0")
        maybe: Any = "yes"
        with pytest.raises(UsageError, match="recover is True or False"):
            await engine.rerun("first", recover=maybe)
        assert [run.name for run in engine.list_runs()] == ["first"]
        assert bodies == []

    play(story)


def test_sync_tasks_recover_in_their_threads(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(in_threads, 4)
        assert await first.result.aio() == 18
        bodies.clear()
        again = await engine.rerun(
            first.name, recover=True, force_rerun_actions=[named(first, "sync_leaf", n=5)]
        )
        assert await again.result.aio() == 18
        assert bodies == ["in_threads", "sync_leaf 5"]

    play(story)


def test_callers_get_copies_of_what_is_taken_over(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(changes_its_result, 1)
        assert await first.result.aio() == [1, 1, 0]
        again = await engine.rerun(first.name, recover=True, force_rerun_actions=[named(first, "leaf", n=0)])
        assert await again.result.aio() == [1, 1, 0]
        taken = again.action(named(first, "sync_leaf"))
        assert taken.phase is Phase.RECOVERED
        assert taken.result() == [1, 1]

    play(story)


@env.task
async def changes_its_result(n: int) -> list[int]:
    pair = await sync_leaf.aio(n)
    pair.append(await leaf(0))
    return pair


def test_observers_see_what_is_reused(play: Play) -> None:
    seen: list[tuple[str, str]] = []

    class Watch(Observer):
        def action_started(self, run: Any, action: Any) -> None:
            seen.append(("started", action.short_name))

        def action_finished(self, run: Any, action: Any) -> None:
            seen.append(("finished", action.short_name))

        def action_reused(self, run: Any, action: Any) -> None:
            seen.append(("reused", action.short_name))

    async def story(engine: Engine) -> None:
        first = await engine.run(branch, 0, 2)
        await first.wait.aio()
        again = await engine.rerun(first.name, recover=True, force_rerun_actions=[named(first, "leaf", n=1)])
        await again.wait.aio()
        seen.clear()
        third = await engine.rerun(again.name, recover=True)
        await third.wait.aio()
        assert seen == [("reused", "branch")]
        seen.clear()
        fourth = await engine.rerun(again.name, recover=True, force_rerun_actions=[named(first, "leaf", n=1)])
        await fourth.wait.aio()
        assert sorted(seen) == [
            ("finished", "branch"),
            ("finished", "leaf"),
            ("reused", "leaf"),
            ("started", "branch"),
            ("started", "leaf"),
        ]

    play(story, observers=[Watch()])


class Handle:
    """No codec takes it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return Handle, (self.number,)


@env.task
async def opens(number: int) -> Any:
    bodies.append("opens")
    return Handle(number)


@env.task
async def uses(handle: Any) -> int:
    bodies.append("uses")
    return int(handle.number)


@env.task
async def through_a_handle(number: int) -> int:
    bodies.append("through_a_handle")
    await leaf(0)
    return await uses(await opens(number))


def test_what_is_pickled_is_never_a_reason_to_reuse(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(through_a_handle, 7)
        await first.wait.aio()
        bodies.clear()
        again = await engine.rerun(first.name, recover=True, force_rerun_actions=[named(first, "leaf", n=0)])
        assert await again.result.aio() == 7
        # What was given out may be pickled: it is what it was. What is taken in may not.
        assert bodies == ["through_a_handle", "leaf 0", "uses"]

    play(story)
