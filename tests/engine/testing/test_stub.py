"""Stubs stand in the place of bodies, and nothing that they had a hand in is ever taken for the real thing."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from tests.engine.resume.recorded import store_of

import dalsegno
from dalsegno import Engine, TaskEnvironment, durable
from dalsegno.errors import CannotResumeError, UsageError
from dalsegno.testing import TemporaryEngine, engine, ran, reused, stub
from dalsegno_storage.memory import MemoryStore

env = TaskEnvironment("stubs")

OTHER = r"other stubs than are in place now, for stub_flow:total"


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module `stub_flow`, in a source root of its own."""
    folder = tmp_path_factory.mktemp("flow")
    shutil.copy(Path(__file__).with_name("stub_flow.py"), folder)
    sys.path.insert(0, str(folder))
    try:
        yield import_module("stub_flow")
    finally:
        sys.path.remove(str(folder))
        del sys.modules["stub_flow"]


@pytest.fixture(autouse=True)
def opened() -> Iterator[TemporaryEngine]:
    with engine() as made:
        yield made


def test_what_it_returns(flow: Any) -> None:
    with stub(flow.fetch, returns=[20, 1]) as stubbed:
        run = dalsegno.run(flow.main, 3)
        assert run.result() == 21
    assert stubbed.calls == [{"n": 3}]
    assert ran(run) == ["flow.main", "flow.aside", "flow.fetch", "flow.total"]
    assert dalsegno.run(flow.main, 3).result() == 3


def test_what_it_raises(flow: Any) -> None:
    with stub(flow.fetch, raises=ConnectionError("down")):
        with pytest.raises(ConnectionError, match="down"):
            dalsegno.run(flow.main, 3).result()
        with pytest.raises(ConnectionError, match="down"):
            dalsegno.run(flow.plain, 3).result()
    with stub(flow.total, raises=KeyError), pytest.raises(KeyError):
        dalsegno.run(flow.main, 3).result()


def test_bodies_of_all_kinds(flow: Any) -> None:
    async def doubled(numbers: list[int]) -> int:
        return 2 * len(await flow.fetch.aio(len(numbers)))

    with stub(flow.total, doubled), stub(flow.fetch, Mock(return_value=[1, 2])) as fetched:
        run = dalsegno.run(flow.main, 3)
        assert run.result() == 4
    assert fetched.calls == [{"n": 3}, {"n": 2}]
    [inner] = [each for each in run.actions() if each.inputs() == {"n": 2}]
    assert inner.parent is not None
    assert inner.parent.task == "flow.total"
    with stub(flow.total, lambda numbers: 7):
        assert dalsegno.run(flow.total, [1]).result() == 7


def test_the_innermost_counts_and_each_ends_with_its_block(flow: Any) -> None:
    with stub(flow.total, returns=1):
        with stub(flow.total, returns=2):
            assert dalsegno.run(flow.total, []).result() == 2
        assert dalsegno.run(flow.total, []).result() == 1
    assert dalsegno.run(flow.total, []).result() == 0
    assert flow.total.function is not None


def test_other_settings_are_the_same_task(flow: Any) -> None:
    with stub(flow.total, returns=5):
        assert dalsegno.run(flow.total.override(short_name="other"), []).result() == 5


def test_outside_of_runs_it_is_not_there(flow: Any) -> None:
    with stub(flow.fetch, returns=[]):
        assert flow.fetch(2) == [1, 1]


def test_what_a_stub_gave_is_not_recovered(flow: Any) -> None:
    with stub(flow.fetch, returns=[5]):
        first = dalsegno.run(flow.main, 3)
        assert first.result() == 5
    again = dalsegno.rerun(first.name, recover=True)
    assert again.result() == 3
    assert ran(again) == ["flow.main", "flow.fetch", "flow.total"]
    assert reused(again) == ["flow.aside"]


def test_what_is_real_is_not_recovered_where_a_stub_is(flow: Any) -> None:
    first = dalsegno.run(flow.main, 3)
    assert first.result() == 3
    with stub(flow.fetch, returns=[5]):
        again = dalsegno.rerun(first.name, recover=True)
        assert again.result() == 5
        assert reused(again) == ["flow.aside"]
        once_more = dalsegno.rerun(again.name, recover=True)
        assert once_more.result() == 5
        assert ran(once_more) == []
    with stub(flow.fetch, returns=[5]):  # another stub, whatever it gives
        assert ran(dalsegno.rerun(again.name, recover=True)) == ["flow.main", "flow.fetch"]


def test_a_failure_is_played_and_recovered_from(flow: Any) -> None:
    with stub(flow.total, raises=ConnectionError("down")):
        failed = dalsegno.run(flow.main, 3)
        failed.wait()
    again = dalsegno.rerun(failed.name, recover=True)
    assert again.result() == 3
    assert ran(again) == ["flow.main", "flow.total"]
    assert reused(again) == ["flow.aside", "flow.fetch"]


@pytest.mark.parametrize("name", ["cached", "pinned"])
def test_the_cache_keeps_them_apart(flow: Any, name: str) -> None:
    task = getattr(flow, name)
    with stub(flow.total, returns=100) as stubbed:
        assert [dalsegno.run(task, 1).result() for _ in range(2)] == [100, 100]
        assert len(stubbed.calls) == 1
    assert dalsegno.run(task, 1).result() == 1
    with stub(flow.total, returns=200):
        assert dalsegno.run(task, 1).result() == 200
    with stub(flow.aside, returns=0):
        assert dalsegno.run(task, 1).result() == 1


def test_tasks_without_a_source(flow: Any) -> None:
    @env.task
    async def inner(n: int) -> int:
        return n

    @env.task
    async def outer(n: int) -> int:
        return await inner(n) + int(await flow.aside(n))

    with stub(inner, returns=10):
        first = dalsegno.run(outer, 1)
        assert first.result() == 9
    assert dalsegno.rerun(first.name, recover=True).result() == 0
    with stub(flow.aside, returns=10):
        second = dalsegno.run(outer, 1)
        assert second.result() == 11
    assert dalsegno.rerun(second.name, recover=True).result() == 0


def test_recorded_code_gets_them_too(flow: Any) -> None:
    first = dalsegno.run(flow.main, 3)
    first.wait()
    with stub(flow.total, returns=9):
        again = dalsegno.with_runcontext(isolation="private").rerun(first.name)
        assert again.result() == 9


def test_a_run_keeps_the_stubs_that_it_began_with(flow: Any) -> None:
    @env.task
    async def late(n: int) -> int:
        await durable.sleep(0.05)
        return int(await flow.total([n]))

    with stub(flow.total, returns=9):
        before = dalsegno.run(late, 1)
    assert before.result() == 9
    run = dalsegno.run(late, 1)
    with stub(flow.total, returns=9):
        assert run.result() == 1


def test_it_is_verified_where_the_stub_is(flow: Any) -> None:
    with stub(flow.total, returns=9) as stubbed:
        run = dalsegno.run(flow.main, 3)
        run.wait()
        assert dalsegno.verify(run).reproduced
        assert len(stubbed.calls) == 2
        with pytest.raises(UsageError, match="exclude each other"):
            dalsegno.with_runcontext(isolation="process").rerun(run.name)
        with pytest.raises(UsageError, match=OTHER):
            dalsegno.verify(run, process=True)
    with pytest.raises(UsageError, match=OTHER):
        dalsegno.verify(run)
    with stub(flow.total, returns=9), pytest.raises(UsageError, match=OTHER):
        dalsegno.verify(run)
    aside = next(each for each in run.actions() if each.task == "flow.aside")
    assert dalsegno.verify(run, action=aside.name).reproduced


def test_what_is_real_is_not_verified_where_a_stub_is(flow: Any) -> None:
    run = dalsegno.run(flow.main, 3)
    run.wait()
    with stub(flow.fetch, returns=[]), pytest.raises(UsageError, match="other stubs"):
        dalsegno.verify(run)
    with stub(flow.pinned, returns=1):
        assert dalsegno.verify(run).reproduced


def test_it_is_not_resumed_without_the_stub(flow: Any) -> None:
    store = MemoryStore()
    left: list[MemoryStore] = []

    def fetched(n: int) -> list[int]:
        with store.read() as reader:
            left.append(store_of(dict(reader.scan())))
        return [n]

    async def begun() -> None:
        async with Engine(store) as own:
            await (await own.with_runcontext(name="r").run(flow.main, 3)).wait.aio()

    async def resumed() -> Any:
        async with Engine(left[0]) as own:
            return await (await own.resume("r")).result.aio()

    with stub(flow.fetch, fetched):
        asyncio.run(begun())
    with pytest.raises(CannotResumeError, match=r"other stubs .*stub_flow:fetch; rerun it"):
        asyncio.run(resumed())


def test_why_says_so(flow: Any) -> None:
    with stub(flow.total, returns=9):
        run = dalsegno.run(flow.main, 3)
        run.wait()
    again = dalsegno.rerun(run.name, recover=True)
    again.wait()
    why = again.why()[0]
    assert why.verdict == "executed"
    assert "total as a stub" in why.reason


def test_what_cannot_be(flow: Any) -> None:
    with pytest.raises(UsageError, match="takes one of"), stub(flow.total):
        pass
    with pytest.raises(UsageError, match="takes one of"), stub(flow.total, returns=1, raises=ValueError):
        pass
    with pytest.raises(UsageError, match="takes a task"), stub(print, returns=1):  # type: ignore[arg-type]  # on purpose
        pass
    with pytest.raises(UsageError, match="use dalsegno.testing.clock"), stub(durable.now, returns=1):
        pass

    async def body(n: int) -> list[int]:
        return []

    with pytest.raises(UsageError, match="no async function either"), stub(flow.fetch, body):
        pass
