"""A collection beside three processes that record, remove and rerun: nothing is ever missing, and nothing fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest
from tests.engine.maintenance.building import dangling

from dalsegno._pins import sweeps
from dalsegno.errors import RunInUseError
from dalsegno.maintenance import check, delete_run, gc
from dalsegno_storage.lmdb import LmdbStore

ROUNDS = 8

FLOW = """
    import sys
    from dalsegno import Cache, TaskEnvironment

    env = TaskEnvironment("race")
    cached = TaskEnvironment("cached", cache=Cache("auto"))

    @cached.task
    async def kept(n: int) -> str:
        return f"kept {n % 3} " * 100

    @env.task
    def plain(text: str) -> str:
        return text * 2

    @env.task
    async def main(n: int) -> int:
        text = await kept(n % 3)
        return len(await plain.aio(text) + await plain.aio(f"{n:03}" * 250))

    @env.task
    def waits() -> str:
        print("running", file=sys.__stdout__, flush=True)
        return sys.stdin.readline()
"""

RECORDS = """
    import asyncio, sys
    import flow
    from dalsegno import Engine
    from dalsegno.errors import RunInUseError, RunNotFoundError
    from dalsegno.maintenance import delete_run
    from dalsegno_storage import open_store

    place, rounds = sys.argv[1], int(sys.argv[2])

    def removed(store, name):
        try:
            delete_run(store, name)
        except RunInUseError:  # another run has taken a cached result from it
            pass

    async def main():
        store = open_store(place)
        async with Engine(store) as engine:
            print("ready", flush=True)
            sys.stdin.readline()
            for n in range(rounds):
                run = await engine.run(flow.main, n)
                assert await run.result.aio() == 2900
                again = await engine.rerun(run.name, recover=True, n=n + 1)
                assert await again.result.aio() == 2900
                for each in (again, run)[:1 + n % 2]:
                    removed(store, each.name)
        store.close()

    asyncio.run(main())
"""

HOLDS = """
    import sys
    import dalsegno, flow

    dalsegno.init(sys.argv[1])
    run = dalsegno.with_runcontext(name="held").run(flow.waits)
    assert run.result() == "end\\n"
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python text in a process of its own, beside `flow`, and waits for its first line."""
    (tmp_path / "flow.py").write_text(dedent(FLOW))
    path = ":".join([str(tmp_path), *filter(None, sys.path)])
    with ExitStack() as stack:

        def started(code: str, *arguments: object, first: str) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", dedent(code), *map(str, arguments)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={"PYTHONPATH": path},
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == f"{first}\n"
            return process

        yield started


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_collecting_beside_three_processes(tmp_path: Path, start: Start) -> None:
    store = LmdbStore(tmp_path / "store")
    processes = [start(RECORDS, store.path, ROUNDS, first="ready") for _ in range(3)]
    for each in processes:
        say(each, "go")
    removed = looks = 0
    while any(each.poll() is None for each in processes):
        removed += gc(store, grace=0).objects
        with store.read() as reader:
            assert dangling(reader) == []
        looks += 1
    for each in processes:
        _, errors = each.communicate()
        assert (each.returncode, errors) == (0, "")
    assert removed > 0
    assert looks > 1
    gc(store, grace=0)
    assert check(store).problems == ()
    with store.read() as reader:
        assert sweeps(reader) > 0
    store.close()


def test_a_run_that_is_live_in_another_process_stays(tmp_path: Path, start: Start) -> None:
    store = LmdbStore(tmp_path / "store")
    process = start(HOLDS, store.path, first="running")
    with pytest.raises(RunInUseError, match="it is running"):
        delete_run(store, "held")
    assert gc(store, keep_last=0, grace=0).runs == ()
    say(process, "end")
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert check(store).problems == ()
    delete_run(store, "held")
    store.close()
