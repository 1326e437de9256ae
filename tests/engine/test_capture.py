"""Capturing never gets in the way: of code that prints and logs, of forked children, of the process afterwards."""

import asyncio
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from dalsegno import Engine, Observer, Phase, TaskEnvironment
from dalsegno._capture import captured
from dalsegno._logs import ActionLog
from dalsegno._writer import Writer
from dalsegno.errors import DalsegnoError
from dalsegno.models import ActionRecord, RunRecord
from dalsegno.observers import notify
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("capture")
logger = logging.getLogger("tests.dalsegno.capture")


def text(lines: list[Any], stream: str = "stdout") -> str:
    return "".join(line.text for line in lines if line.stream == stream)


# Printing


@env.task
async def prints_bytes() -> str:
    try:
        sys.stdout.write(b"oops")  # type: ignore[arg-type]  # wrong on purpose
    except TypeError:
        print("refused")
    return "done"


def test_the_stream_itself_refuses_what_is_no_text_and_nothing_of_it_is_recorded(play: Play) -> None:
    async def story(engine: Engine) -> None:
        with redirect_stdout(io.StringIO()):
            run = await engine.run(prints_bytes)
            assert await run.result.aio() == "done"
            assert text(run.logs()) == "refused\n"

    play(story)


class Lax(io.StringIO):
    """Takes anything."""

    def write(self, s: Any) -> int:
        return super().write(str(s))


def test_only_text_is_recorded_where_the_stream_takes_anything(play: Play) -> None:
    stream = Lax()

    async def story(engine: Engine) -> None:
        with redirect_stdout(stream):
            run = await engine.run(prints_bytes)
            await run.wait.aio()
            assert run.logs() == []

    play(story)
    assert stream.getvalue() == "b'oops'"


def test_a_log_keeps_nothing_that_it_cannot_store() -> None:
    store = MemoryStore()
    writer = Writer(store)
    log = ActionLog(writer, 1, 0, str)
    log.add("stdout", "before")
    with pytest.raises(TypeError, match="a log takes text, not bytes"):
        log.add("stdout", b"oops")  # type: ignore[arg-type]  # wrong on purpose
    log.add("stdout", " after")
    log.close()
    writer.close()
    with store.read() as reader:
        (record,) = (value for _, value in reader.scan())
    assert b"before after" in record
    for _ in range(2):
        with pytest.raises(DalsegnoError, match="closed"):
            log.add("stdout", "too late")
    store.close()


go_on: list[anyio.Event] = []
left: list[asyncio.Task[str]] = []


@env.task
async def leaves_a_printer_behind() -> None:
    async def later() -> str:
        await go_on[0].wait()
        print("still here")
        logger.warning("and logging")
        return "ok"

    left.append(asyncio.ensure_future(later()))


@env.task
async def waits() -> None:
    await go_on[1].wait()


def test_what_a_task_leaves_behind_may_print_after_its_engine_is_closed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        go_on[:] = [anyio.Event(), anyio.Event()]
        left.clear()
        async with Engine("memory:") as other:  # its run keeps the streams exchanged
            run = await other.run(waits)
            async with Engine("memory:") as engine:
                await (await engine.run(leaves_a_printer_behind)).wait.aio()
            go_on[0].set()
            assert await left[0] == "ok"
            go_on[1].set()
            await run.wait.aio()
            assert run.logs() == []

    asyncio.run(main())
    assert capsys.readouterr().out == "still here\n"


class PrintsWhenRecorded(str):
    """Prints while it is being recorded, like an object that is collected just then."""

    def __len__(self) -> int:
        print("inside")
        return super().__len__()


@env.task
async def prints_while_recording() -> None:
    sys.stdout.write(PrintsWhenRecorded("outside\n"))


def test_printing_while_recording_only_forwards(play: Play) -> None:
    stream = Lax()

    async def story(engine: Engine) -> None:
        with redirect_stdout(stream):
            run = await engine.run(prints_while_recording)
            await run.wait.aio()
            assert text(run.logs()) == "outside\n"

    play(story)
    assert "inside\n" in stream.getvalue()


# Logging


class Unspeakable:
    def __repr__(self) -> str:
        raise LookupError


@env.task
async def logs_badly() -> int:
    logger.warning("%d items", "many")
    logger.warning("%s", Unspeakable())
    logger.warning("fine")
    return 1


def test_a_message_that_does_not_fit_its_arguments_is_recorded_with_them_beside_it(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])

    async def story(engine: Engine) -> None:
        run = await engine.run(logs_badly)
        assert await run.result.aio() == 1
        assert text(run.logs(), "log").splitlines() == [
            "WARNING tests.dalsegno.capture: '%d items' ('many',)",
            "WARNING tests.dalsegno.capture: <LookupError while making the message>",
            "WARNING tests.dalsegno.capture: fine",
        ]

    play(story)


# Streams that turn up later


@env.task
async def prints_after_the_gate() -> None:
    await go_on[0].wait()
    print("line")


def test_a_stream_that_was_put_aside_during_a_run_does_not_record_twice(play: Play) -> None:
    async def story(engine: Engine) -> None:
        for _ in range(3):
            go_on[:] = [anyio.Event()]
            run = await engine.run(prints_after_the_gate)
            with redirect_stdout(io.StringIO()):
                go_on[0].set()
                await run.wait.aio()
        aside = sys.stdout
        assert aside is not original
        go_on[:] = [anyio.Event()]
        run = await engine.run(prints_after_the_gate)
        assert sys.stdout is not aside
        go_on[0].set()
        await run.wait.aio()
        assert text(run.logs()) == "line\n"
        assert sys.stdout is original

    original = sys.stdout
    try:
        play(story)
    finally:
        sys.stdout = original


@env.task
async def prints_to(stream: int) -> None:
    print("elsewhere", file=streams[stream])


streams: list[Any] = []


def test_the_stream_of_an_earlier_run_only_forwards(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(engine: Engine) -> None:
        with captured():
            streams[:] = [sys.stdout]
        run = await engine.run(prints_to, 0)
        await run.wait.aio()
        assert run.phase is Phase.SUCCEEDED
        assert run.logs() == []

    play(story)
    assert capsys.readouterr().out == "elsewhere\n"


# Forked children


@pytest.mark.parametrize("level", ["host", "run"])
def test_forked_children_print_and_log_past_the_run(
    script: Callable[..., Any], tmp_path: Path, level: str
) -> None:
    """A pool that forks inside a task; each child finds the process as it was before the run."""
    (tmp_path / "forks.py").write_text(
        """
import asyncio, json, logging, multiprocessing, os, sys
from dalsegno import Engine, TaskEnvironment, _capture

env = TaskEnvironment("forks")

def work(number: int) -> list[object]:
    print("working", number)
    logging.warning("%d", "bad arguments are fine here too")
    os.environ["LEVEL"] += "!"
    with _capture.captured():
        during = type(sys.stdout).__name__
    return [
        during, type(sys.stdout).__name__, os.environ["LEVEL"], logging.Logger.callHandlers.__qualname__
    ]

@env.task
def root() -> list[list[object]]:
    print("before")
    with _capture._lock:  # as another thread may just when this one forks
        pool = multiprocessing.get_context("fork").Pool(2)
    with pool:
        found = pool.map(work, [1, 2])
    print("after")
    return found

async def main() -> None:
    async with Engine("memory:") as engine:
        run = await engine.with_runcontext(env_vars=json.loads(os.environ["VARIABLES"])).run(root)
        found = await run.result.aio()
        print(json.dumps([found, [line.text for line in run.logs() if line.stream == "stdout"]]))

if __name__ == "__main__":
    logging.raiseExceptions = False
    asyncio.run(main())
"""
    )
    found, logs = script(
        tmp_path / "forks.py",
        cwd=tmp_path,
        LEVEL="host",
        VARIABLES='{"LEVEL": "run"}' if level == "run" else "{}",
        PYTHONWARNINGS="ignore",  # newer releases warn of any fork beside threads
    )
    assert [(during, stream) for during, stream, _, _ in found] == [("_Tee", "TextIOWrapper")] * 2
    assert {variable.rstrip("!") for _, _, variable, _ in found} == {"host"}
    assert {handlers for _, _, _, handlers in found} == {"Logger.callHandlers"}
    assert "".join(logs) == "before\nafter\n"


# Environment variables


def in_a_child(name: str) -> str:
    """What a child process inherits from the C environment."""
    program = f"import os; print(os.environ.get({name!r}))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip()


@env.task
async def assigns(name: str) -> str:
    os.environ[name] = "changed"
    return os.environ[name]


@env.task
async def deletes(name: str) -> list[bool]:
    os.environ.pop(name)
    found = [name in os.environ, name in list(os.environ), name in dict(os.environ)]
    with pytest.raises(KeyError, match=name):
        del os.environ[name]
    os.environ[name] = "again"
    return [*found, os.environ[name] == "again", len(os.environ) == len(list(os.environ))]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OURS", "base")
    monkeypatch.delenv("ABSENT", raising=False)
    yield
    assert (os.environ["OURS"], "ABSENT" in os.environ) == ("base", False)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("name", ["OURS", "ABSENT"])
def test_changing_a_variable_of_the_run_leaves_the_process_and_its_children_alone(
    play: Play, name: str
) -> None:
    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(env_vars={name: "run"})
        run = await context.run(assigns, name)
        assert await run.result.aio() == "changed"
        other = await context.run(deletes, name)
        assert await other.result.aio() == [False, False, False, True, True]

    play(story)
    assert in_a_child(name) == {"OURS": "base", "ABSENT": "None"}[name]


@env.task
async def patches() -> list[str | None]:
    with mock.patch.dict(os.environ, {"Q": "1"}, clear=True):
        inside = [os.environ.get(name) for name in ("OURS", "ABSENT", "Q")]
    return [*inside, *(os.environ.get(name) for name in ("OURS", "ABSENT", "Q"))]


@pytest.mark.usefixtures("outside")
def test_a_patched_environment_is_restored_to_the_runs(play: Play) -> None:
    before = dict(os.environ)

    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(env_vars={"OURS": "run", "ABSENT": "secret"}).run(patches)
        assert await run.result.aio() == [None, None, "1", "run", "secret", None]

    play(story)
    assert dict(os.environ) == before
    assert in_a_child("ABSENT") == "None"


# Observers


class Fatal(Observer):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def action_finished(self, run: RunRecord, action: ActionRecord) -> None:
        raise self.error


@env.task
async def child() -> int:
    return 1


@env.task
async def parent() -> int:
    return await child()


@pytest.mark.parametrize("error", [SystemExit("observer"), pytest.fail.Exception("observer"), ValueError()])
def test_nothing_that_an_observer_raises_breaks_a_run(
    play: Play, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(parent)
        assert await run.result.aio() == 1
        assert run.phase is Phase.SUCCEEDED

    play(story, observers=[Fatal(error)])
    assert [record.getMessage() for record in caplog.records] == ["an observer failed in action_finished"] * 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError])
def test_stopping_the_program_goes_through_an_observer(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        notify([Fatal(kind())], "action_finished", None, None)
