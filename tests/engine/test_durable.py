"""Recorded time, waiting and chance: what was got once is got again, by place."""

import asyncio
import copy
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
import pytest
from anyio.lowlevel import checkpoint

import dalsegno
from dalsegno import Engine, Phase, Run, TaskEnvironment, durable, group, trace
from dalsegno.errors import InputError
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
Write = Callable[..., Path]
env = TaskEnvironment("durable_values")

HOUR = 3600.0
START = 1_700_000_000.0


class Clock:
    """A time that passes only when somebody waits, and who waited how long."""

    def __init__(self) -> None:
        self.now = START
        self.waits: list[float] = []
        self.holding = False
        self.begun = threading.Event()

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.holding:
            self.begun.set()
            await anyio.sleep_forever()
        await checkpoint()
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(durable, "_clock", made)
    monkeypatch.setattr(durable, "_pause", made.pause)
    monkeypatch.setattr(durable, "_sleep_here", made.waits.append)
    return made


broken = False


@pytest.fixture(autouse=True)
def whole() -> Iterator[None]:
    """Nothing is broken."""
    global broken
    broken = False
    yield
    broken = False


@pytest.fixture
def backend() -> str:
    return "asyncio"


def draw() -> list[Any]:
    """One of everything."""
    return [
        durable.now(),
        durable.now(UTC),
        durable.time(),
        durable.uuid4(),
        durable.random(),
        durable.entropy(),
    ]


@env.task
async def values() -> list[Any]:
    got = [*draw(), *draw(), await durable.uuid4.aio(), await durable.now.aio(ZoneInfo("Asia/Tokyo"))]
    seen.append(got)
    if broken:
        raise ValueError("broken")
    return got


@env.task
def values_in_a_thread() -> list[Any]:
    got = [*draw(), *draw()]
    seen.append(got)
    if broken:
        raise ValueError("broken")
    return got


seen: list[list[Any]] = []


def kinds(got: list[Any]) -> list[type]:
    return [type(value) for value in got]


def test_outside_of_a_run_they_are_the_plain_functions(clock: Clock) -> None:
    assert kinds(draw()) == [datetime, datetime, float, UUID, float, int]
    assert durable.now() == datetime.fromtimestamp(START)
    assert durable.now(UTC) == datetime.fromtimestamp(START, UTC)
    assert durable.now(UTC).tzinfo is UTC
    assert durable.time() == START
    assert durable.uuid4() != durable.uuid4()
    assert durable.uuid4().version == 4
    assert 0 <= durable.random() < 1
    assert 0 <= durable.entropy() < 1 << 128
    durable.sleep(1.5)
    durable.sleep(timedelta(minutes=1))
    durable.sleep(-1)
    assert clock.waits == [1.5, 60.0, 0.0]

    async def waits() -> None:
        await durable.sleep(2)
        await durable.sleep.aio(3)
        assert await durable.time.aio() == START + 5

    asyncio.run(waits())
    assert clock.waits[3:] == [2.0, 3.0]


@pytest.mark.parametrize("task", [values, values_in_a_thread])
def test_each_is_an_action_and_is_got_again(play: Play, task: Any) -> None:
    async def story(engine: Engine) -> None:
        global broken
        seen.clear()
        broken = True
        first = await engine.with_runcontext(name="first").run(task)
        await first.wait.aio()
        [got] = seen
        assert len(set(map(str, got))) == len(got)  # none came twice
        assert [action.result() for action in first.actions()[1:]] == got
        assert {action.template.kind for action in first.actions()[1:]} == {"durable"}
        assert {action.parent.name for action in first.actions()[1:] if action.parent} == {"a0"}
        broken = False
        again = await engine.rerun("first", recover=True)
        assert await again.result.aio() == got
        assert {action.phase for action in again.actions()[1:]} == {Phase.RECOVERED}
        assert kinds(got) == kinds(seen[1])
        fresh = await engine.rerun("first")
        assert set(map(str, await fresh.result.aio())).isdisjoint(map(str, got))

    play(story)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_both_event_loops(loop: str, clock: Clock) -> None:
    async def story() -> None:
        async with Engine(MemoryStore()) as engine:
            assert await (await engine.run(sleeps, HOUR)).result.aio() == [START, START + HOUR]
            assert await (await engine.run(sleeps_in_a_thread, HOUR)).result.aio() == START + 2 * HOUR
            assert len(await (await engine.run(values)).result.aio()) == 14

    anyio.run(story, backend=loop)
    assert clock.waits == [HOUR, HOUR]


# By place

FLOW = """
from dalsegno import TaskEnvironment, durable, trace

env = TaskEnvironment("flow")
FACTOR = {factor}


@trace
def price(item):
    return [item, durable.random(), durable.uuid4()]


@env.task
async def order(item: str) -> list:
    return [FACTOR, durable.now(), durable.uuid4(), price(item), durable.entropy()][{first}:]


@env.task
async def main(items: list[str]) -> list:
    return [durable.now(), [await order(item) for item in items]]
"""


@pytest.fixture
def flows(write_files: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a version of the flow, a module of its own."""

    def made(name: str, factor: int, first: int = 0) -> Any:
        folder = write_files(name, {f"{name}.py": FLOW.format(factor=factor, first=first)})
        monkeypatch.syspath_prepend(folder)
        return __import__(name)

    return made


def test_changed_code_gets_the_recorded_values(play: Play, flows: Callable[..., Any]) -> None:
    old, new = flows("flow_old", 1), flows("flow_new", 2)

    async def story(engine: Engine) -> None:
        first = await engine.run(old.main, ["a", "b"])
        moment, orders = await first.result.aio()
        fork = await engine.rerun(first.name, task_template=new.main, recover=True)
        assert await fork.result.aio() == [moment, [[2, *order[1:]] for order in orders]]
        phases = {action.phase for action in fork.actions() if action.template.kind == "durable"}
        assert phases == {Phase.RECOVERED}
        assert {a.phase for a in fork.actions() if a.task == "flow.order"} == {Phase.SUCCEEDED}
        answer = next(each for each in fork.why() if each.task == "durable.entropy")
        assert answer.verdict == "reused"
        assert answer.reason.startswith("the value of the same place, entropy-")

    play(story)


def test_a_caller_that_is_new_gets_new_values(play: Play, flows: Callable[..., Any]) -> None:
    flow = flows("flow_places", 1)

    async def story(engine: Engine) -> None:
        first = await engine.run(flow.main, ["a"])
        moment, [order] = await first.result.aio()
        more = await engine.rerun(first.name, recover=True, items=["a", "b", "c"])
        again, orders = await more.result.aio()
        assert again == moment  # the root stands for the root
        assert orders[0] == order
        identifiers = [uuid for _, _, uuid, (_, _, other), _ in orders for uuid in (uuid, other)]
        identifiers = [order[2] for order in orders] + [order[3][2] for order in orders]
        assert len(set(identifiers)) == 6
        news = [each for each in more.why() if each.task == "durable.entropy"]
        assert {each.reason for each in news} == {
            f"there is no such call of durable.entropy in this place of run {first.name}"
        }

    play(story)


def test_what_is_forced_gets_new_values(play: Play, flows: Callable[..., Any]) -> None:
    flow = flows("flow_forced", 1)

    async def story(engine: Engine) -> None:
        first = await engine.run(flow.main, ["a", "b"])
        moment, orders = await first.result.aio()
        name = next(action.name for action in first.actions() if action.task == "flow.order")
        forced = await engine.rerun(first.name, recover=True, force_rerun_actions=[name])
        again, new = await forced.result.aio()
        assert again == moment
        assert new[1] == orders[1]
        assert {*map(str, new[0])} & {*map(str, orders[0])} == {"1"}  # its constant
        one = next(
            a.name
            for a in first.actions()
            if a.task == "durable.uuid4" and a.parent and a.parent.name == name
        )
        forced = await engine.rerun(first.name, recover=True, force_rerun_actions=[one])
        _, new = await forced.result.aio()
        assert [a == b for a, b in zip(new[0], orders[0], strict=True)] == [True, True, False, True, True]
        plan = await engine.with_runcontext().plan(first.name, recover=True, force_rerun_actions=(one,))
        verdicts = {each.action: each.verdict for each in plan.actions}
        assert (verdicts[one], verdicts[name], verdicts["a0"]) == ("forced", "execute", "execute")

    play(story)


@env.task
async def draws(number: int) -> UUID:
    with group("group"):
        return durable.uuid4()


@env.task
def draws_in_a_thread(number: int) -> int:
    return Random(durable.entropy()).getrandbits(64)


@env.task
async def many(count: int) -> list[Any]:
    ids = [value async for value in dalsegno.map.aio(draws, range(count), return_exceptions=False)]
    numbers = dalsegno.map.aio(draws_in_a_thread, range(count), return_exceptions=False)
    seen.append([*ids, *[number async for number in numbers]])
    if broken:
        raise ValueError("broken")
    return seen[-1]


def test_in_many_tasks_and_threads_at_once(play: Play) -> None:
    async def story(engine: Engine) -> None:
        global broken
        seen.clear()
        broken = True
        first = await engine.run(many, 30)
        await first.wait.aio()
        assert len(set(seen[0])) == 60
        broken = False
        names = [action.name for action in first.actions() if action.task == "durable_values.draws"][::2]
        again = await engine.rerun(first.name, recover=True, force_rerun_actions=names)
        got = await again.result.aio()
        assert sum(a == b for a, b in zip(got, seen[0], strict=True)) == 45
        third = await engine.rerun(again.name, recover=True, count=29)
        assert await third.result.aio() == [*got[:29], *got[30:59]]

    play(story)


engines: list[Engine] = []


@env.task
async def looks(durability: str) -> list[bool]:
    def is_recorded() -> bool:
        [run] = [run for run in engines[0].list_runs() if run.labels == {"looks": "yes"}]
        values = [action for action in run.actions() if action.template.kind == "durable"]
        return len(values) == len(found) + 1 and all(action.phase is Phase.SUCCEEDED for action in values)

    found: list[bool] = []
    for call in (durable.uuid4, durable.time):
        call()
        found.append(is_recorded())
    await durable.random.aio()
    return [*found, is_recorded()]


def test_a_value_is_in_the_store_before_it_is_given_out(play: Play) -> None:
    async def story(engine: Engine) -> None:
        engines[:] = [engine]
        run = await engine.with_runcontext(labels={"looks": "yes"}).run(looks, "full")
        assert await run.result.aio() == [True, True, True]

    play(story)
    engines.clear()


# Sleeping


@env.task
async def sleeps(seconds: float) -> list[float]:
    before = durable.time()
    await durable.sleep(seconds)
    return [before, durable.time()]


@env.task
def sleeps_in_a_thread(seconds: float) -> float:
    durable.sleep(timedelta(seconds=seconds))
    return durable.time()


async def begun(clock: Clock) -> None:
    with anyio.fail_after(20):
        while not clock.begun.is_set():
            await checkpoint()
    clock.begun.clear()


def test_a_sleep_is_an_action_that_knows_when_it_began(play: Play, clock: Clock) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(sleeps, HOUR)
        assert await run.result.aio() == [START, START + HOUR]
        _, _, slept, began, _ = run.actions()
        assert (slept.task, slept.inputs(), slept.result()) == ("durable.sleep", {"seconds": HOUR}, None)
        assert (began.task, began.parent and began.parent.name, began.result()) == (
            "durable.time",
            slept.name,
            START,
        )
        assert clock.waits == [HOUR]

    play(story)


@pytest.mark.parametrize("task", [sleeps, sleeps_in_a_thread])
@pytest.mark.parametrize(("passed", "left"), [(1000.0, 2600.0), (HOUR, 0.0), (99 * HOUR, 0.0), (-HOUR, HOUR)])
def test_a_recovered_sleep_waits_for_what_is_left(
    play: Play, clock: Clock, task: Any, passed: float, left: float
) -> None:
    async def story(engine: Engine) -> None:
        clock.holding = True
        first: Run[Any] = await engine.run(task, HOUR)
        await begun(clock)
        await first.abort.aio()
        assert first.phase is Phase.ABORTED
        slept = next(action for action in first.actions() if action.task == "durable.sleep")
        assert slept.phase is Phase.ABORTED
        clock.now += passed
        clock.holding = False
        again = await engine.rerun(first.name, recover=True)
        await again.result.aio()
        assert clock.waits == [HOUR, left]
        clock.waits.clear()
        third = await engine.rerun(again.name, recover=True, seconds=2 * HOUR)  # another wait
        await third.result.aio()
        assert clock.waits == [2 * HOUR]

    play(story)


@env.task
async def gives_up() -> str:
    with anyio.move_on_after(0):
        await durable.sleep(HOUR)
        return "slept"
    return "gave up"


def test_cancelling_a_sleep(play: Play, clock: Clock) -> None:
    async def story(engine: Engine) -> None:
        clock.holding = True
        run = await engine.run(gives_up)
        assert await run.result.aio() == "gave up"
        assert [action.phase for action in run.actions()][:2] == [Phase.SUCCEEDED, Phase.ABORTED]

    play(story)


@env.task
async def refuses() -> None:
    await durable.sleep("soon")  # type: ignore[arg-type]  # what is to be refused


def test_what_is_no_time(play: Play, clock: Clock) -> None:
    async def story(engine: Engine) -> None:
        with pytest.raises((InputError, ValueError)):
            await (await engine.run(refuses)).result.aio()

    play(story)


# What carries them about


def test_they_are_named_in_pickles_and_copies() -> None:
    for thing in (durable.now, durable.sleep, durable.entropy):
        assert pickle.loads(pickle.dumps(thing)) is thing
        assert copy.deepcopy(thing) is thing


def test_functions_without_an_importable_name(play: Play) -> None:
    local = TaskEnvironment("local")
    uuid4 = durable.uuid4

    @trace
    def label() -> str:
        return str(uuid4())

    @local.task
    async def root(number: int) -> list[Any]:
        return [label(), durable.time()]

    async def story(engine: Engine) -> None:
        run = await engine.run(root, 1)
        got = await run.result.aio()
        again = await engine.rerun(run.name, number=2, recover=True)
        assert (await again.result.aio())[1:] == got[1:]

    play(story)


def test_the_module_takes_nothing_long_to_import(script: Callable[..., Any], tmp_path: Path) -> None:
    code = """
        import json, sys
        import dalsegno
        before = "dalsegno.durable" in sys.modules
        dalsegno.durable.time()
        print(json.dumps([before, sorted({"anyio", "asyncio", "pydantic", "numpy"} & sys.modules.keys())]))
    """
    assert script(code, cwd=tmp_path) == [False, []]


KILLED = {
    "flow.py": """
        import os, signal, sys, time
        import dalsegno
        from dalsegno import durable, trace

        env = dalsegno.TaskEnvironment("flow")

        @trace
        def label():
            with open("labels", "a") as file:
                file.write("label ")
            return str(durable.uuid4())

        @env.task
        async def main() -> list:
            got = [label(), durable.now(), durable.random()]
            os.write(1, f"{got}\\n".encode())
            await durable.sleep(3600)
            return got
    """,
    "first.py": """
        import os, signal
        import dalsegno, flow
        from dalsegno import durable

        async def dies(seconds):
            os.kill(os.getpid(), signal.SIGKILL)

        durable._pause = dies
        dalsegno.with_runcontext(name="killed").run(flow.main).wait()
    """,
    "second.py": """
        import asyncio, json, os, time
        import dalsegno
        from dalsegno import durable

        async def pause(seconds):
            waits.append(seconds)

        waits = []
        durable._pause = pause
        durable._clock = lambda: time.time() + 1000

        async def again():
            async with dalsegno.Engine() as engine:
                resume = os.environ["HOW"] == "resume"
                again = engine.resume("killed") if resume else engine.rerun("killed", recover=True)
                return await (await again).result.aio()

        result = asyncio.run(again())
        print(json.dumps([f"{result}", waits, open("labels").read()]))
    """,
}


@pytest.mark.parametrize("how", ["resume", "recover"])
def test_a_killed_process_leaves_what_it_saw(
    write_files: Write, script: Callable[..., Any], how: str
) -> None:
    folder = write_files("tree", KILLED)
    status, printed = script(
        """
        import json, subprocess, sys
        ended = subprocess.run([sys.executable, "first.py"], stdout=subprocess.PIPE, text=True)
        print(json.dumps([ended.returncode, ended.stdout]))
        """,
        cwd=folder,
    )
    assert status == -signal.SIGKILL
    result, [wait], labels = script(folder / "second.py", cwd=folder, HOW=how)
    assert result == printed.strip()
    assert HOUR - 1100 < wait <= HOUR - 1000
    assert labels == "label "


def test_time_is_the_real_one() -> None:
    assert abs(durable.time() - time.time()) < 60
