"""Traced functions: their calls are actions like those of tasks, and cost the caller nothing it can see."""

import asyncio
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dalsegno
from dalsegno import Engine, Phase, Run, TaskEnvironment, ctx, group, trace
from dalsegno.errors import TaskDefinitionError

Play = Callable[..., Any]
Script = Callable[..., Any]
env = TaskEnvironment("traces", env_vars={"REGION": "north"})

bodies: list[str] = []
broken: set[int] = set()


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    bodies.clear()
    broken.clear()
    yield
    broken.clear()


class Refused(Exception):
    """An error of the user's own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


@trace
def fetch(number: int, factor=2) -> int:  # type: ignore[no-untyped-def]  # not all need be annotated
    """A helper."""
    bodies.append(f"fetch {number}")
    if number in broken:
        raise Refused(number)
    return int(number * factor)


@trace
async def gather(count: int) -> list[int]:
    bodies.append("gather")
    await asyncio.sleep(0)
    return [fetch(number) for number in range(count)]


@trace
def thread() -> int:
    return threading.get_ident()


@env.task
async def main(count: int = 3) -> int:
    bodies.append("main")
    return sum(await gather(count)) + fetch(10)


@env.task
def in_a_thread(count: int) -> list[Any]:
    return [thread() == threading.get_ident(), *(fetch(number) for number in range(count))]


@env.task
async def threads() -> list[bool]:
    here = threading.get_ident()
    return [thread() == here, await thread.aio() == here]


@env.task
async def catches(number: int) -> str:
    try:
        fetch(number)
    except Refused as error:
        return f"refused with {error.code}"
    return "not refused"


@pytest.fixture
def backend() -> str:
    return "asyncio"


def calls(run: Run[Any]) -> list[tuple[str, str, str | None]]:
    """Task, phase and the parent's task of each action."""
    return [
        (action.task, action.phase.value, action.parent.task if action.parent else None)
        for action in run.actions()
    ]


def test_outside_of_a_run_it_is_the_function() -> None:
    assert fetch(2) == 4
    assert fetch("2", 3) == 222  # type: ignore[arg-type]  # nothing is converted
    assert asyncio.run(gather(3)) == [0, 2, 4]
    assert asyncio.run(fetch.aio(4)) == 8
    assert fetch.__doc__ == "A helper."
    assert fetch.__wrapped__ is fetch.function


def test_its_calls_are_actions_below_the_caller(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(main)
        assert await run.result.aio() == 6 + 20
        below = ("trace.fetch", "succeeded", "trace.gather")
        assert calls(run) == [
            ("traces.main", "succeeded", None),
            ("trace.gather", "succeeded", "traces.main"),
            below,
            below,
            below,
            ("trace.fetch", "succeeded", "traces.main"),
        ]
        last = run.actions()[-1]
        assert last.name.startswith("fetch-")
        assert last.inputs() == {"number": 10, "factor": 2}
        assert last.result() == 20
        assert [action.template.kind for action in run.actions()[:2]] == ["task", "trace"]

    play(story)


def test_a_plain_function_runs_in_the_thread_that_calls_it(play: Play) -> None:
    async def story(engine: Engine) -> None:
        assert await (await engine.run(in_a_thread, 2)).result.aio() == [True, 0, 2]
        assert await (await engine.run(threads)).result.aio() == [True, False]

    play(story)
    bodies.clear()


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_both_event_loops(loop: str, store: Any) -> None:
    import anyio

    async def story() -> int:
        async with Engine(store) as engine:
            return await (await engine.run(calls_sync)).result.aio()

    assert anyio.run(story, backend=loop) == 21


@env.task
async def calls_sync() -> int:
    return fetch(10) + await one()


@trace
async def one() -> int:
    return 1


def test_a_traced_function_that_fails(play: Play) -> None:
    async def story(engine: Engine) -> None:
        broken.add(7)
        caught = await engine.run(catches, 7)
        assert await caught.result.aio() == "refused with 7"
        failed = caught.actions()[1]
        assert failed.phase is Phase.FAILED
        with pytest.raises(Refused, match="code 7"):
            failed.result()
        broken.add(10)
        first = await engine.with_runcontext(name="first").run(main)
        with pytest.raises(Refused):
            await first.result.aio()
        broken.clear()
        bodies.clear()
        again = await engine.rerun("first", recover=True)
        assert await again.result.aio() == 26
        assert bodies == ["main", "fetch 10"]  # what failed, and its caller
        assert [phase for _, phase, _ in calls(again)] == ["succeeded", "recovered", "succeeded"]

    play(story)


@env.task
async def several(count: int) -> int:
    with group("doubled"):
        return sum([fetch(number) for number in range(count)])


def test_they_are_taken_over_shown_and_forced_like_tasks(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(several, 3)
        assert await first.result.aio() == 6
        bodies.clear()
        more = await engine.rerun(first.name, recover=True, count=4)
        assert await more.result.aio() == 12
        assert bodies == ["fetch 3"]
        assert {action.group for action in more.actions()[1:]} == {"doubled"}
        reused, executed = more.actions()[1].why(), more.actions()[4].why()
        assert reused.verdict == "reused"
        assert reused.reason == f"same code and inputs as {first.actions()[1].name} of run {first.name}"
        assert executed.reason == f"there is no such call of trace.fetch in run {first.name}"
        name = first.actions()[2].name
        bodies.clear()
        forced = await engine.rerun(first.name, recover=True, force_rerun_actions=[name])
        assert await forced.result.aio() == 6
        assert bodies == ["fetch 1"]
        bodies.clear()
        alone = await engine.rerun(first.name, name, number=50)
        assert await alone.result.aio() == 100
        assert alone.task == "trace.fetch"

    play(story)


@trace
def leaves(name: str) -> str:
    print("at work")
    seen = os.environ["REGION"]
    os.environ["REGION"] = f"changed by {name}"
    return f"{seen}, {ctx().env_vars.get('REGION')}"


@env.task
async def variables() -> list[str]:
    return [leaves("a"), os.environ["REGION"]]


def test_it_sees_and_changes_the_variables_of_the_task_and_has_a_log_of_its_own(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(variables)
        assert await run.result.aio() == ["north, None", "changed by a"]
        assert "REGION" not in os.environ
        root, child = run.actions()
        assert [line.text for line in child.logs()] == ["at work\n"]
        assert root.logs() == []
        assert "REGION" in child.template.environ
        other = await engine.with_runcontext(env_vars={"REGION": "south"}).run(variables)
        assert await other.result.aio() == ["south, south", "changed by a"]
        assert other.actions()[1].template.environ != child.template.environ

    play(story)


@trace
def unusual(kind: str) -> Any:
    bodies.append(f"unusual {kind}")
    return (lambda: kind) if kind == "opaque" else threading.Lock()


@env.task
async def asks(kind: str) -> str:
    bodies.append("asks")
    made = unusual(kind)
    if broken:
        raise ValueError("broken")
    return str(made())


def test_results_that_no_codec_takes(play: Play) -> None:
    async def story(engine: Engine) -> None:
        broken.add(0)
        first = await engine.run(asks, "opaque")
        await first.wait.aio()
        assert first.actions()[1].record.opaque_outputs
        broken.clear()
        bodies.clear()
        again = await engine.rerun(first.name, recover=True)
        assert await again.result.aio() == "opaque"
        assert bodies == ["asks"]
        lock = await engine.run(asks, "lock")
        with pytest.raises(dalsegno.errors.EncodeError):
            await lock.result.aio()
        assert [action.phase for action in lock.actions()] == [Phase.FAILED, Phase.FAILED]

    play(story)


@env.task
async def leaf(number: int) -> int:
    return fetch(number) + 1


@env.task
async def wide(count: int) -> list[int]:
    return [value async for value in dalsegno.map.aio(leaf, range(count), return_exceptions=False)]


def test_in_many_tasks_at_once(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(wide, 50)
        assert await run.result.aio() == [2 * number + 1 for number in range(50)]
        fetches = [action for action in run.actions() if action.task == "trace.fetch"]
        assert len({action.name for action in fetches}) == 50
        assert all(
            action.parent is not None and action.parent.inputs() == {"number": action.inputs()["number"]}
            for action in fetches
        )

    play(story)


@trace
async def calls_a_task(number: int) -> int:
    return await leaf(number)


@env.task
async def through(number: int) -> int:
    return await calls_a_task(number)


def test_it_may_call_tasks(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(through, 4)
        assert await run.result.aio() == 9
        assert [(task, parent) for task, _, parent in calls(run)] == [
            ("traces.through", None),
            ("trace.calls_a_task", "traces.through"),
            ("traces.leaf", "trace.calls_a_task"),
            ("trace.fetch", "traces.leaf"),
        ]

    play(story)


def test_functions_without_an_importable_name(play: Play) -> None:
    local = TaskEnvironment("local")

    @trace
    def twice(number):  # type: ignore[no-untyped-def]  # as people write in a notebook
        return 2 * number

    @local.task
    async def root(number: int) -> int:
        return int(twice(number))

    async def story(engine: Engine) -> None:
        run = await engine.run(root, 4)
        assert await run.result.aio() == 8
        again = await engine.rerun(run.name, number=5)
        assert await again.result.aio() == 10
        assert [task for task, _, _ in calls(again)] == ["local.root", "trace.twice"]
        alone = await engine.rerun(run.name, run.actions()[1].name, number=6)
        assert await alone.result.aio() == 12

    play(story)
    assert pickle.loads(pickle.dumps(env)).name == "traces"


def _generator() -> Iterator[int]:
    yield 1


class Client:
    def get(self, url: str) -> str:
        return url

    @staticmethod
    @trace
    def quote(text: str) -> str:
        return f"'{text}'"


def test_a_static_method_is_a_function() -> None:
    assert Client.quote("a") == "'a'"
    assert Client().quote("a") == "'a'"


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_generator, "is a generator"),
        (Client.get, "is a method"),
        (Client, "made from a function"),
        (fetch, "recorded already"),
        (main, "recorded already"),
        (lambda *args: args, r"cannot take \*args"),
    ],
)
def test_what_cannot_be_traced(function: Any, told: str) -> None:
    with pytest.raises(TaskDefinitionError, match=told):
        trace(function)
    with pytest.raises(TaskDefinitionError, match="fetch is a task already|recorded already"):
        env.task(fetch)
