"""Reruns in a process of their own, and the blocking forms of an embedded engine."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from dalsegno import Engine, Phase
from dalsegno.errors import RunAbortedError, UsageError

Script = Callable[..., Any]
WriteFiles = Callable[..., Path]

TREE = {
    "flow.py": """
        import os
        import signal
        import dalsegno

        env = dalsegno.TaskEnvironment("flow")

        @env.task
        def inner(how: str) -> int:
            if how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            return os.getpid()

        @env.task
        def outer(how: str = "live", data: dalsegno.File | None = None) -> str:
            return f"{inner(how)} {data.read_text() if data else ''}"
    """
}

FIRST = """
    import json, dalsegno, flow
    dalsegno.init("store")
    run = dalsegno.with_runcontext(name="first").run(flow.outer)
    run.wait()
    print(json.dumps(run.phase))
"""


@pytest.fixture
def recorded(script: Script, write_files: WriteFiles, tmp_path: Path) -> str:
    """A store with one run whose code is not here."""
    folder = write_files("tree", TREE)
    assert script(FIRST, cwd=folder) == "succeeded"
    (folder / "flow.py").unlink()
    return str(folder / "store")


def test_the_rerun_has_a_process_of_its_own_and_takes_files(recorded: str, tmp_path: Path) -> None:
    from dalsegno import File

    (tmp_path / "data.txt").write_text("from a file")

    async def main() -> None:
        async with Engine(recorded) as engine:
            context = engine.with_runcontext(isolation="process")
            run = await context.rerun("first", data=File(tmp_path / "data.txt"))
            await run.wait.aio()
            pid, _, text = run.io()["outputs"][0].partition(" ")
            assert int(pid) != os.getpid()
            assert text == "from a file"

    anyio.run(main)


def test_a_process_that_is_killed_leaves_an_aborted_run(recorded: str) -> None:
    async def main() -> None:
        async with Engine(recorded) as engine:
            run = await engine.with_runcontext(isolation="process").rerun("first", how="die")
            await run.wait.aio()
            assert {action.phase for action in run.actions()} == {Phase.ABORTED}
            with pytest.raises(RunAbortedError, match=f"ended with status -{int(signal.SIGKILL)}"):
                await run.result.aio()

    anyio.run(main)


def test_a_blocking_form_in_the_loop_that_the_run_needs_is_refused(recorded: str) -> None:
    async def main() -> None:
        async with Engine(recorded) as engine:
            run = engine.get_run("first")
            with pytest.raises(UsageError, match="aio"):
                run.wait()
            # From another thread it works, in the engine's own loop.
            await asyncio.to_thread(run.wait)

    asyncio.run(main())
