"""What tasks see and leave of the process: printed and logged text, environment variables, the host's own things."""

import asyncio
import contextvars
import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from anyio import to_thread

from dalsegno import Engine, TaskEnvironment
from dalsegno._logs import CHUNK_CHARS

Play = Callable[..., Any]
env = TaskEnvironment("logs", env_vars={"FROM_ENVIRONMENT": "e", "BOTH": "environment"})
logger = logging.getLogger("tests.dalsegno.logs")


@env.task
async def prints(x: int) -> int:
    print("begin", x)
    print("oops", file=sys.stderr)
    if x:
        await prints(x - 1)
    print("end", x)
    return x


@env.task
def prints_in_a_thread() -> None:
    print("in a thread")
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(print, "in a thread of its own"))
    thread.start()
    thread.join()


@env.task
async def prints_in_worker_threads() -> None:
    await to_thread.run_sync(print, "from anyio's thread")
    await prints_in_a_thread.aio()


def text(lines: list[Any], stream: str) -> str:
    return "".join(line.text for line in lines if line.stream == stream)


def test_each_action_keeps_what_it_printed(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(prints, 2)
        await run.wait.aio()
        for action, x in zip(run.actions(), (2, 1, 0), strict=True):
            assert text(action.logs(), "stdout") == f"begin {x}\nend {x}\n"
            assert text(action.logs(), "stderr") == "oops\n"
            assert {line.seq for line in action.logs()} == {action.record.seq}
        assert [line.seq for line in run.logs()] == sorted(line.seq for line in run.logs())

    play(story)
    printed = capsys.readouterr()
    assert printed.out == "begin 2\nbegin 1\nbegin 0\nend 0\nend 1\nend 2\n"
    assert printed.err == "oops\n" * 3


def test_threads_of_an_action_print_into_its_log(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(prints_in_worker_threads)
        await run.wait.aio()
        root, child = run.actions()
        assert text(root.logs(), "stdout") == "from anyio's thread\n"
        assert text(child.logs(), "stdout") == "in a thread\nin a thread of its own\n"

    play(story)


@env.task
def logs() -> None:
    logger.info("an %s message", "info")
    logger.debug("not wanted")
    try:
        raise ValueError("inside")
    except ValueError:
        logger.exception("caught")


def test_logging_goes_to_the_action_and_to_the_hosts_handlers(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(stream)])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)

    async def story(engine: Engine) -> None:
        logger.info("the host's own")
        run = await engine.run(logs)
        await run.wait.aio()
        logged = text(run.logs(), "log")
        assert logged.startswith(
            "INFO tests.dalsegno.logs: an info message\nERROR tests.dalsegno.logs: caught\n"
        )
        assert "ValueError: inside" in logged
        assert {line.stream for line in run.logs()} == {"log"}

    play(story)
    assert stream.getvalue().startswith("the host's own\nan info message\ncaught\nTraceback")


@env.task
def logs_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)  # the stream that is exchanged while runs are live
    logger.addHandler(handler)
    try:
        logger.warning("once")
    finally:
        logger.removeHandler(handler)


def test_a_message_that_a_handler_prints_is_recorded_once(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(logs_to_stderr)
        await run.wait.aio()
        assert [(line.stream, line.text) for line in run.logs()] == [
            ("log", "WARNING tests.dalsegno.logs: once\n")
        ]

    play(story)
    assert capsys.readouterr().err == "once\n"


@env.task
def prints_much() -> None:
    for number in range(3000):
        print(f"{number:06} " + "x" * 20)
    print("y" * (CHUNK_CHARS * 3))


def test_long_logs_keep_order_and_every_character(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(prints_much)
        await run.wait.aio()
        expected = "".join(f"{number:06} " + "x" * 20 + "\n" for number in range(3000))
        assert text(run.logs(), "stdout") == expected + "y" * (CHUNK_CHARS * 3) + "\n"
        assert len(run.logs()) > 3

    play(story)


def test_show_logs_prints_them(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(prints, 1)
        await run.wait.aio()
        capsys.readouterr()
        run.action().show_logs()
        assert sorted(capsys.readouterr().out.splitlines()) == ["begin 1", "end 1", "oops"]
        run.show_logs()
        assert len(capsys.readouterr().out.splitlines()) == 6

    play(story)


gates: list[anyio.Event] = []


@env.task
async def holds() -> None:
    print("task")
    await gates[0].wait()


def test_the_hosts_prints_belong_to_no_action(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(engine: Engine) -> None:
        gates[:] = [anyio.Event()]
        run = await engine.run(holds)
        print("host")
        thread = threading.Thread(target=print, args=("host's thread",))
        thread.start()
        thread.join()
        gates[0].set()
        await run.wait.aio()
        assert text(run.logs(), "stdout") == "task\n"

    play(story)
    assert sorted(capsys.readouterr().out.splitlines()) == ["host", "host's thread", "task"]


def process() -> dict[str, Any]:
    """What a program may have arranged in its process."""
    root = logging.getLogger()
    return {
        "stdout": sys.stdout,
        "stderr": sys.stderr,
        "excepthook": sys.excepthook,
        "threadhook": threading.excepthook,
        "handlers": {
            name: list(logging.getLogger(name).handlers) for name in logging.root.manager.loggerDict
        },
        "root": (list(root.handlers), root.level, root.disabled, list(root.filters)),
        "callHandlers": logging.Logger.callHandlers,
        "factory": logging.getLogRecordFactory(),
        "environ": dict(os.environ),
        "data": id(os.environ._data),  # type: ignore[attr-defined]  # the dictionary inside
        "cwd": os.getcwd(),  # noqa: PTH109 - any form
    }


def handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


@env.task
async def fails() -> None:
    print("before")
    raise ValueError


@pytest.mark.parametrize("task", [holds, fails])
def test_the_process_is_afterwards_as_it_was(play: Play, backend: str, task: Any) -> None:
    async def story(engine: Engine) -> None:
        before = process()
        signals = handlers()
        gates[:] = [anyio.Event()]
        first = await engine.run(task)
        second = await engine.run(task)
        during = process()
        assert handlers() == signals
        assert during["handlers"].items() >= before["handlers"].items()
        for name in ("root", "excepthook", "threadhook", "factory", "cwd", "environ"):
            assert during[name] == before[name]
        gates[0].set()
        await first.wait.aio()
        await second.wait.aio()
        after = process()
        after["handlers"] = {name: after["handlers"][name] for name in before["handlers"]}
        assert after == before

    play(story)


def test_a_stream_that_somebody_else_has_exchanged_meanwhile_stays(play: Play) -> None:
    original, own = sys.stdout, io.StringIO()

    async def story(engine: Engine) -> None:
        gates[:] = [anyio.Event()]
        run = await engine.run(holds)
        sys.stdout = own
        gates[0].set()
        await run.wait.aio()
        assert sys.stdout is own

    try:
        play(story)
    finally:
        sys.stdout = original


# Environment variables


@env.task
async def reads(names: list[str]) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


@env.task
def reads_in_a_thread(name: str) -> list[str | None]:
    seen = [os.environ.get(name), os.getenv(name), dict(os.environ).get(name)]
    seen += [os.environ.copy().get(name), dict(os.environ.items()).get(name)]
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: seen.append(context.run(os.getenv, name)))
    thread.start()
    thread.join()
    return seen


@env.task
async def reads_below(name: str) -> list[str | None]:
    first = await to_thread.run_sync(os.getenv, name)
    return [first, *(await reads_in_a_thread.aio(name)), (await reads([name]))[name]]


def test_two_concurrent_runs_see_their_own_variables_everywhere(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEVEL", "host")

    async def story(engine: Engine) -> None:
        runs = [
            await engine.with_runcontext(env_vars=variables).run(reads_below, "LEVEL")
            for variables in ({"LEVEL": "1"}, {"LEVEL": "2"}, {})
        ]
        results = [await run.result.aio() for run in runs]
        assert results == [["1"] * 8, ["2"] * 8, ["host"] * 8]
        assert os.environ["LEVEL"] == "host"

    play(story)
    assert os.environ["LEVEL"] == "host"


def test_the_runs_variables_stand_above_the_environments_and_those_above_the_process(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTH", "process")
    monkeypatch.setenv("PROCESS", "p")
    names = ["FROM_ENVIRONMENT", "BOTH", "PROCESS", "NOWHERE"]

    async def story(engine: Engine) -> None:
        run = await engine.run(reads, names)
        assert await run.result.aio() == {
            "FROM_ENVIRONMENT": "e",
            "BOTH": "environment",
            "PROCESS": "p",
            "NOWHERE": None,
        }
        run = await engine.with_runcontext(env_vars={"BOTH": "run", "PROCESS": "run"}).run(reads, names)
        assert await run.result.aio() == {
            "FROM_ENVIRONMENT": "e",
            "BOTH": "run",
            "PROCESS": "run",
            "NOWHERE": None,
        }

    play(story)
    assert os.environ["BOTH"] == "process"
    assert "FROM_ENVIRONMENT" not in os.environ


@env.task
def changes() -> list[object]:
    os.environ["OURS"] = "changed"
    seen: list[object] = [os.environ["OURS"], len(os.environ) == len(list(os.environ))]
    del os.environ["OURS"]
    seen.append(os.environ.pop("ABSENT", "default"))
    return [*seen, "KEPT" in os.environ]


def test_a_task_that_changes_a_variable_of_its_run_changes_nothing_else(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OURS", raising=False)

    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(env_vars={"OURS": "run", "KEPT": "k"})
        run = await context.run(changes)
        assert await run.result.aio() == ["changed", True, "default", True]
        assert "OURS" not in os.environ
        assert run.env_vars == {"OURS": "run", "KEPT": "k"}

    play(story)


@env.task
def starts_a_process(name: str) -> str:
    program = f"import os; print(os.environ.get({name!r}))"
    return subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_child_process_given_the_environment_sees_the_runs(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(env_vars={"LEVEL": "7"}).run(starts_a_process, "LEVEL")
        assert await run.result.aio() == "7"

    play(story)


@pytest.fixture(autouse=True)
def _no_run_is_live() -> Iterator[None]:
    before = (sys.stdout, logging.Logger.callHandlers)
    yield
    assert before == (sys.stdout, logging.Logger.callHandlers)


def test_runs_of_two_loops_in_two_threads_share_the_exchange() -> None:
    """The last to end puts everything back, whichever it is."""
    results: dict[str, Any] = {}
    together = threading.Barrier(2)

    async def main(level: str) -> None:
        async with Engine("memory:") as engine:
            together.wait()
            run = await engine.with_runcontext(env_vars={"LEVEL": level}).run(reads_below, "LEVEL")
            results[level] = await run.result.aio()

    threads = [threading.Thread(target=lambda level=level: asyncio.run(main(level))) for level in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"a": ["a"] * 8, "b": ["b"] * 8}
