"""Arguments that cannot be meant: each is refused in one sentence, before anything is recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dalsegno
from dalsegno import Engine, TaskEnvironment
from dalsegno.errors import ConfigError, RunNotFoundError, TaskDefinitionError, UsageError

Play = Callable[..., Any]
env = TaskEnvironment("misuse")


@env.task
async def double(x: int) -> int:
    return 2 * x


@env.task
def halve(x: int) -> float:
    return x / (x - 2)


@pytest.fixture
def backend() -> str:
    return "asyncio"


def test_a_run_is_named_not_given(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run: Any = await engine.with_runcontext(name="first").run(double, 1)
        with pytest.raises(
            UsageError, match=r"a run to rerun is given by its name, .*; write 'first', its .name"
        ):
            await engine.rerun(run)
        nothing: Any = None
        with pytest.raises(UsageError, match="a run to rerun is given by its name, not as None"):
            await engine.rerun(nothing)
        five: Any = 5
        with pytest.raises(UsageError, match="an action to rerun is given by its name, not as 5"):
            await engine.rerun("first", five)
        with pytest.raises(UsageError, match="a run is given by its name"):
            engine.get_run(run)
        with pytest.raises(UsageError, match=r"inputs maps names of inputs to values, and is not \[1\]"):
            await engine.rerun("first", inputs=[1])
        await run.wait.aio()
        assert [run.name for run in engine.list_runs()] == ["first"]

    play(story)


@pytest.mark.parametrize("limit", [0, -1, True, "3", 1.5])
def test_a_limit_is_a_number_of_runs(play: Play, limit: Any) -> None:
    async def story(engine: Engine) -> None:
        with pytest.raises(UsageError, match="limit is a number of runs from 1 up"):
            engine.list_runs(limit=limit)

    play(story)


def test_a_page_continues_after_a_run(play: Play) -> None:
    async def story(engine: Engine) -> None:
        before: Any = "first"
        with pytest.raises(UsageError, match="before is the last run of an earlier page, not 'first'"):
            engine.list_runs(before=before)

    play(story)


def test_a_missing_run_is_looked_for_where_the_caller_said(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with pytest.raises(RunNotFoundError, match="no run 'gone' in books/live"):
            await engine.with_runcontext(project="books", domain="live").rerun("gone")

    play(story)


def test_a_store_is_a_path_or_a_store(tmp_path: Path) -> None:
    number: Any = 5
    with pytest.raises(ConfigError, match="store is a path, a URL or an open store, not 5"):
        Engine(number)


@pytest.mark.parametrize("env_vars", [{"A": 1}, {1: "A"}, ["A=1"], "A=1"])
def test_variables_are_text(env_vars: Any) -> None:
    with pytest.raises(TaskDefinitionError, match="the env_vars of misuse2 map text to text"):
        TaskEnvironment("misuse2", env_vars=env_vars)
    with pytest.raises(TaskDefinitionError, match=r"the env_vars of misuse\.double map text to text"):
        double.override(env_vars=env_vars)


def test_map_outside_of_a_run_gives_exceptions_as_inside() -> None:
    first, second, third = dalsegno.map(halve, [4, 2, 1])
    assert (first, third) == (2.0, -1.0)
    assert isinstance(second, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        list(dalsegno.map(halve, [4, 2, 1], return_exceptions=False))
