"""The module-level functions: one default engine, used from scripts, notebooks and any loop."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import dalsegno
from dalsegno import Phase, Run, TaskEnvironment, _default
from dalsegno.errors import ConfigError, InputError, RunNotFoundError, UsageError

env = TaskEnvironment("sdk")


@env.task
async def main(x_list: list[int], factor: int = 2) -> list[int]:
    return [await times.aio(x, factor) for x in x_list]


@env.task
def times(x: int, factor: int) -> int:
    return x * factor


@env.task
async def fixed_task(x_list: list[int], factor: int = 2) -> list[int]:
    return [x + factor for x in x_list]


@env.task
async def level() -> str:
    return os.environ["LOG_LEVEL"]


@pytest.fixture(autouse=True)
def default(tmp_path: Path) -> Iterator[Path]:
    """A default engine of the test's own."""
    dalsegno.init(tmp_path / "store")
    yield tmp_path / "store"
    _default.close()
    _default._config = None


def test_run_wait_and_read() -> None:
    run = dalsegno.run(main, [1, 2, 3])
    run.wait()
    assert run.phase is Phase.SUCCEEDED
    assert run.done()
    assert run.result() == [2, 4, 6]
    assert run.outputs() == ([2, 4, 6],)
    assert run.inputs() == {"x_list": [1, 2, 3], "factor": 2}
    assert [action.task for action in run.actions()] == ["sdk.main"] + ["sdk.times"] * 3


def test_every_form_of_rerun() -> None:
    name = dalsegno.run(main, x_list=[1, 2]).name
    assert dalsegno.rerun(name).result() == [2, 4]
    assert dalsegno.rerun(name, x_list=[1, 2, 3]).result() == [2, 4, 6]
    assert dalsegno.rerun(name, task_template=fixed_task).result() == [3, 4]
    assert dalsegno.rerun(name, task_template=fixed_task, factor=10).result() == [11, 12]
    assert dalsegno.rerun(name, inputs={"factor": 5}).result() == [5, 10]
    child = Run.get(name).action().children[1]
    assert dalsegno.rerun(name, child.name).result() == 4
    assert dalsegno.rerun(name, action_name=child.name, x=9).result() == 18


def test_with_runcontext() -> None:
    first = dalsegno.with_runcontext(name="first", env_vars={"LOG_LEVEL": "10"}).run(level)
    assert (first.name, first.result()) == ("first", "10")
    assert dalsegno.rerun("first").result() == "10"
    again = dalsegno.with_runcontext(name="retry-1", env_vars={"LOG_LEVEL": "20"}).rerun("first")
    assert (again.name, again.result()) == ("retry-1", "20")
    assert again.env_vars == {"LOG_LEVEL": "20"}


def test_runs_are_found_and_listed() -> None:
    with pytest.raises(RunNotFoundError):
        Run.get("none")
    first = dalsegno.with_runcontext(name="one", labels={"a": "b"}).run(main, [1])
    first.wait()
    second = dalsegno.with_runcontext(name="two").rerun("one")
    second.wait()
    assert Run.get("one").result() == [2]
    assert [run.name for run in Run.listall()] == ["two", "one"]
    assert [run.name for run in Run.listall(source_run="one")] == ["two"]
    assert [run.name for run in Run.listall(with_labels={"a": "b"}, limit=1)] == ["two"]


def test_errors_reach_the_caller() -> None:
    with pytest.raises(InputError, match="x_list"):
        dalsegno.run(main, 5)  # type: ignore[arg-type]  # wrong on purpose
    run = dalsegno.run(main, [1], factor=3)
    run.abort()
    assert run.done()


def test_the_awaitable_forms_work_in_any_foreign_loop(backend: str) -> None:
    async def cell() -> None:
        run = await dalsegno.run.aio(main, [1])
        await run.wait.aio()
        assert await run.result.aio() == [2]
        again = await dalsegno.rerun.aio(run.name, x_list=[4])
        assert await again.result.aio() == [8]
        named = await dalsegno.with_runcontext(name="named").run.aio(main, [5])
        assert await named.result.aio() == [10]
        results: list[list[int]] = []

        async def one(x: int) -> None:
            results.append(await (await dalsegno.run.aio(main, [x])).result.aio())

        async with anyio.create_task_group() as tasks:
            for x in range(5):
                tasks.start_soon(one, x)
        assert sorted(results) == [[0], [2], [4], [6], [8]]

    anyio.run(cell, backend=backend)


def test_the_blocking_forms_work_in_a_running_loop_as_in_a_notebook_cell(backend: str) -> None:
    async def cell() -> None:
        run = dalsegno.run(main, [1])
        run.wait()
        assert run.result() == [2]
        assert dalsegno.rerun(run.name, x_list=[2]).result() == [4]

    anyio.run(cell, backend=backend)


def test_threads_share_the_default_engine() -> None:
    results: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda x=x: results.append(dalsegno.run(main, [x]).result()))
        for x in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[2 * x] for x in range(8)]
    assert len(Run.listall()) == 8


@env.task
async def starts_a_run() -> str:
    try:
        dalsegno.run(main, [1])
    except UsageError as error:
        return str(error)
    return "started"


@env.task
async def starts_a_run_rightly() -> list[int]:
    run = await dalsegno.run.aio(main, [1])
    return await run.result.aio()


@env.task
def starts_a_run_in_a_thread() -> list[int]:
    return dalsegno.run(main, [1]).result()


def test_a_run_started_by_a_task_is_a_run_of_its_own() -> None:
    assert "aio" in dalsegno.run(starts_a_run).result()
    for task in (starts_a_run_rightly, starts_a_run_in_a_thread):
        outer = dalsegno.run(task)
        assert outer.result() == [2]
        assert len(outer.actions()) == 1
        assert Run.listall(task="sdk.main")[0].result() == [2]


def test_init_chooses_the_store_and_closes_the_engine_before(tmp_path: Path) -> None:
    run = dalsegno.run(main, [1, 2])
    dalsegno.init(tmp_path / "other", project="p", domain="d", durability="relaxed")
    other = dalsegno.run(main, [3])
    assert (other.project, other.domain) == ("p", "d")
    other.wait()
    assert Run.listall(everywhere=True) != []
    with pytest.raises(RunNotFoundError):
        Run.get(run.name)
    dalsegno.init(tmp_path / "store")
    assert Run.get(run.name).result() == [2, 4]  # closing waited for it


def test_init_from_config(tmp_path: Path) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text("store = 'configured'\nproject = 'p'\n")
    dalsegno.init_from_config(file)
    run = dalsegno.run(main, [1])
    assert run.project == "p"
    assert run.url.startswith(str(tmp_path / "configured"))
    run.wait()
    assert (tmp_path / "configured").is_dir()
    with pytest.raises(ConfigError, match="gone"):
        dalsegno.init_from_config(tmp_path / "gone.toml")


def test_init_from_config_forgets_what_init_said(tmp_path: Path) -> None:
    dalsegno.init(tmp_path / "store", durability="relaxed")
    file = tmp_path / "dalsegno.toml"
    file.write_text("store = 'configured'\n")
    dalsegno.init_from_config(file)
    assert _default.default_engine().settings.durability == "full"


Script = Callable[..., Any]
Write = Callable[..., Path]


def test_leaving_the_interpreter_waits_for_live_runs(
    script: Script, write_files: Write, tmp_path: Path
) -> None:
    folder = write_files(
        "project",
        {
            "main.py": """
                import dalsegno
                env = dalsegno.TaskEnvironment("e")

                @env.task
                async def slow(n: int) -> int:
                    for i in range(n):
                        await one(i)
                    return n

                @env.task
                async def one(i: int) -> int:
                    return i

                if __name__ == "__main__":
                    dalsegno.with_runcontext(name="left").run(slow, 50)
                    print('"started"')
            """
        },
    )
    assert script(folder / "main.py", cwd=folder) == "started"
    look = (
        "import json, dalsegno; r = dalsegno.Run.get('left'); print(json.dumps([r.phase, len(r.actions())]))"
    )
    assert script(look, cwd=tmp_path) == ["succeeded", 51]


def test_a_forked_child_is_refused_the_store_and_may_open_another(
    script: Script, write_files: Write, tmp_path: Path
) -> None:
    folder = write_files(
        "project",
        {
            "main.py": """
                import json, os, sys, warnings
                import dalsegno
                warnings.simplefilter("ignore", DeprecationWarning)
                env = dalsegno.TaskEnvironment("e")

                @env.task
                async def one(x: int) -> int:
                    return x

                if __name__ == "__main__":
                    dalsegno.run(one, 1).wait()
                    child = os.fork()
                    if child == 0:
                        try:
                            dalsegno.run(one, 2)
                        except dalsegno.errors.StoreError as error:
                            assert "forked" in str(error)
                            dalsegno.init("other")
                            sys.exit(dalsegno.run(one, 12).result())
                    else:
                        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                        result = dalsegno.run(one, 3).result()
                        print(json.dumps([code, result, len(dalsegno.Run.listall())]))
            """
        },
    )
    assert script(folder / "main.py", cwd=folder) == [12, 3, 2]


def test_asyncio_run_around_the_awaitable_forms() -> None:
    async def program() -> list[int]:
        return await (await dalsegno.run.aio(main, [7])).result.aio()

    assert asyncio.run(program()) == [14]
    assert asyncio.run(program()) == [14]
