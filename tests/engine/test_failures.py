"""Failures: recorded with class, message and traceback, and the same class when they are replayed."""

import asyncio
import copy
import inspect
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import dalsegno
import dalsegno.errors
import dalsegno_storage.errors
from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno.errors import DalsegnoError, InputProblem, RecordedError, RunNotDoneError, UsageError
from dalsegno.failures import STATE_LIMIT, TEXT_LIMIT, failure_of, revive
from dalsegno.models import Failure

Play = Callable[..., Any]
env = TaskEnvironment("failures")


class QuotaError(Exception):
    """Wants other arguments than the ones it hands on."""

    def __init__(self, *, limit: int, used: int) -> None:
        super().__init__(f"{used} of {limit} used")
        self.limit, self.used = limit, used


class SlottedError(ValueError):
    __slots__ = ("code",)


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@env.task
async def fails(kind: str) -> int:
    if kind == "value":
        raise ValueError("bad", 3)
    if kind == "quota":
        raise QuotaError(limit=5, used=7)
    if kind == "key":
        raise KeyError("k")
    if kind == "os":
        raise FileNotFoundError(2, "No such file or directory", "/nonexistent/file")
    if kind == "mute":
        raise MuteError("x")
    if kind == "cause":
        try:
            raise KeyError("deep")
        except KeyError as error:
            raise QuotaError(limit=1, used=2) from error
    if kind == "group":
        raise ExceptionGroup("several", [ValueError("one"), QuotaError(limit=1, used=2)])
    if kind == "unicode":
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte")
    return 0


@env.task
def fails_in_a_thread(kind: str) -> int:
    return asyncio.run(fails(kind))


KINDS: dict[str, tuple[type[Exception], str]] = {
    "value": (ValueError, "('bad', 3)"),
    "quota": (QuotaError, "7 of 5 used"),
    "key": (KeyError, "'k'"),
    "os": (FileNotFoundError, "[Errno 2] No such file or directory: '/nonexistent/file'"),
    "cause": (QuotaError, "2 of 1 used"),
    "group": (ExceptionGroup, "several (2 sub-exceptions)"),
    "unicode": (UnicodeDecodeError, "'utf-8' codec can't decode byte 0xff in position 0: bad byte"),
}


@env.task
async def catches(kind: str) -> list[str]:
    caught = []
    for task in (fails, fails_in_a_thread):
        try:
            await task.aio(kind)
        except Exception as error:
            caught.append(f"{type(error).__qualname__}: {error}")
    return caught


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_keeps_its_class_in_parents_and_in_replayed_results(play: Play, kind: str) -> None:
    expected, message = KINDS[kind]

    async def story(engine: Engine) -> None:
        run = await engine.run(catches, kind)
        assert await run.result.aio() == [f"{expected.__qualname__}: {message}"] * 2
        first, second = run.action().children
        below = second.children[0]
        for action in (first, second, below):
            assert action.phase is Phase.FAILED
            assert action.failure is not None
            assert action.failure.message == message
            assert action.failure.kind == f"{expected.__module__}:{expected.__qualname__}"
            with pytest.raises(expected) as raised:
                action.result()
            assert type(raised.value) is expected
            assert str(raised.value) == message
            with pytest.raises(expected):
                action.outputs()
            assert action.io()["outputs"] == []

    play(story)


def test_attributes_and_arguments_come_back(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(fails, "quota")
        with pytest.raises(QuotaError) as quota:
            await run.result.aio()
        assert (quota.value.limit, quota.value.used) == (5, 7)
        run = await engine.run(fails, "value")
        with pytest.raises(ValueError, match="bad") as value:
            await run.result.aio()
        assert value.value.args == ("bad", 3)
        run = await engine.run(fails, "os")
        with pytest.raises(FileNotFoundError) as missing:
            await run.result.aio()
        assert missing.value.errno == 2
        assert missing.value.filename == "/nonexistent/file"
        run = await engine.run(fails, "group")
        with pytest.raises(ExceptionGroup) as group:
            await run.result.aio()
        assert [type(error) for error in group.value.exceptions] == [ValueError, QuotaError]

    play(story)


def test_the_traceback_has_source_lines_and_causes_and_no_frames_of_the_engine(play: Play) -> None:
    engine_folder = str(Path(str(dalsegno.__file__)).parent)

    async def story(engine: Engine) -> None:
        for task in (fails, fails_in_a_thread):
            run = await engine.run(task, "cause")
            await run.wait.aio()
            assert run.phase is Phase.FAILED
            assert run.failure is not None
            text = run.failure.text
            assert text.startswith("Traceback (most recent call last):\n")
            assert 'raise KeyError("deep")' in text
            assert "raise QuotaError(limit=1, used=2) from error" in text
            assert "The above exception was the direct cause" in text
            assert text.rstrip().endswith("QuotaError: 2 of 1 used")
            assert Path(__file__).name in text
            assert engine_folder not in text

    play(story)


def test_the_traceback_of_a_parent_leads_through_its_own_code_to_that_of_the_child(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(passes_on)
        await run.wait.aio()
        assert run.failure is not None
        lines = [line.strip() for line in run.failure.text.splitlines()]
        assert lines.index('return await fails("quota")') < lines.index("raise QuotaError(limit=5, used=7)")
        assert "_runner.py" not in run.failure.text

    play(story)


@env.task
async def passes_on() -> int:
    return await fails("quota")


def test_a_str_that_fails_does_not_hide_the_failure(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(fails, "mute")
        with pytest.raises(MuteError) as raised:
            await run.result.aio()
        assert raised.value.args == ("x",)
        assert run.failure is not None
        assert run.failure.message == "<RuntimeError while making the message>"
        assert "MuteError" in run.failure.text

    play(story)


class BareError(Exception):
    def __init__(self, handle: object) -> None:
        super().__init__("with a handle")
        self.handle = handle


@env.task
def fails_with_a_handle() -> None:
    raise BareError(sys.stdin)


def test_a_failure_with_state_that_cannot_be_recorded_is_still_a_failure(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(fails_with_a_handle)
        with pytest.raises((BareError, RecordedError), match="with a handle"):
            await run.result.aio()
        assert run.phase is Phase.FAILED
        assert run.failure is not None
        assert run.failure.code == "BareError"

    play(story)


def test_what_cannot_be_brought_back_is_a_recorded_error_with_its_text() -> None:
    failure = Failure("gone.module:Lost", "the message", "text", b"")

    def missing(module: str, qualname: str) -> object:
        raise ModuleNotFoundError(module)

    error = revive(failure, missing)
    assert isinstance(error, RecordedError)
    assert (error.kind, error.message) == ("gone.module.Lost", "the message")
    assert str(error) == "gone.module.Lost: the message"


def resolve(module: str, qualname: str) -> object:
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def test_a_recorded_class_that_is_no_exception_is_not_raised() -> None:
    state = failure_of(ValueError("x")).state
    error = revive(Failure("builtins:int", "x", "", state), resolve)
    assert isinstance(error, RecordedError)


@pytest.mark.parametrize("error", [SlottedError("a", 1), QuotaError(limit=1, used=9), StopIteration(4)])
def test_failures_round_trip(error: Exception) -> None:
    again = revive(failure_of(error), resolve)
    assert type(again) is type(error)
    assert again.args == error.args
    assert again.__dict__ == error.__dict__


def test_a_long_traceback_loses_its_middle() -> None:
    text = failure_of(ValueError("<" + "x" * TEXT_LIMIT * 2 + ">")).text
    assert len(text) < TEXT_LIMIT + 100
    assert "characters left out" in text
    assert text.startswith("ValueError: <xxx")
    assert text.endswith("xxx>\n")


class LockedError(ValueError):
    def __init__(self, message: str) -> None:
        super().__init__(message, threading.Lock(), 3)
        self.lock, self.code = self.args[1], 7


class Unpicklable:
    def __reduce__(self) -> str:
        raise RuntimeError("no reduce")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_what_cannot_be_encoded_is_left_out_and_the_class_is_kept() -> None:
    again = revive(failure_of(LockedError("busy")), resolve)
    assert type(again) is LockedError
    assert again.args == ("busy", "<lock that was not recorded>", 3)
    assert again.__dict__ == {"code": 7}
    again = revive(failure_of(OSError(2, "missing", Unpicklable())), resolve)
    assert type(again) is FileNotFoundError
    assert (again.errno, again.strerror, again.filename) == (2, "missing", None)
    again = revive(failure_of(ValueError(Unpicklable())), resolve)
    assert (type(again), again.args) == (ValueError, ("<Unpicklable that was not recorded>",))


def test_an_exception_that_carries_much_is_recorded_without_what_is_too_much() -> None:
    error = ValueError("x" * STATE_LIMIT * 3, "kept")
    error.add_note("y" * STATE_LIMIT)
    failure = failure_of(error)
    assert len(failure.state) < STATE_LIMIT
    again = revive(failure, resolve)
    assert type(again) is ValueError
    assert again.args[0].startswith("xxx")
    assert again.args[0].endswith(f" … {STATE_LIMIT * 3 - 1000} characters were not recorded")
    assert again.args[1:] == ("kept",)
    assert not hasattr(again, "__notes__")


def test_a_state_whose_many_parts_are_too_much_is_dropped() -> None:
    failure = failure_of(ValueError(*["x" * 20] * 10_000))
    assert failure.state == b""
    assert len(failure.message) < TEXT_LIMIT + 100
    assert isinstance(revive(failure, resolve), RecordedError)


def test_a_long_message_loses_its_middle() -> None:
    message = failure_of(ValueError("<" + "x" * TEXT_LIMIT * 2 + ">")).message
    assert len(message) < TEXT_LIMIT + 100
    assert message.startswith("<xxx")
    assert message.endswith("xxx>")


SURROGATE = "file " + os.fsdecode(b"\xff")


@env.task
async def fails_with_surrogates() -> None:
    raise ValueError(SURROGATE)


@env.task
async def catches_surrogates() -> str:
    try:
        await fails_with_surrogates()
    except ValueError as error:
        return type(error).__qualname__
    return "nothing"


def test_a_message_with_lone_surrogates_is_recorded_with_escapes(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(catches_surrogates)
        assert await run.result.aio() == "ValueError"
        failure = run.actions()[1].failure
        assert failure is not None
        assert failure.message == r"file \udcff"
        assert failure.text.endswith("ValueError: file \\udcff\n")
        again = revive(failure, resolve)
        assert (type(again), again.args) == (ValueError, (SURROGATE,))

    play(story)


class HostileError(Exception):
    """All that can be asked of it fails, and in ways that no `except Exception` sees."""

    def __str__(self) -> str:
        raise SystemExit

    def __getattribute__(self, name: str) -> Any:
        if name == "args":
            raise RuntimeError
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("module", "qualname", "kind"),
    [
        ("m", "Bad\ud800", r"m:Bad\ud800"),
        (3, "Bad", "3:Bad"),
        ([], "Bad", "<TypeError while making the class>"),
    ],
)
def test_hostile_classes_are_recorded_as_far_as_can_be(module: Any, qualname: str, kind: str) -> None:
    hostile = type("Bad", (HostileError,), {"__module__": module, "__qualname__": qualname})
    failure = failure_of(hostile("x"))
    assert failure.kind == kind
    assert failure.message == "<SystemExit while making the message>"
    assert failure.state == b""
    "".join(failure[:3]).encode()


FACTS: dict[str, Any] = {
    "seconds": 1.5,
    "action": "a0",
    "code": 3,
    "cure": "c",
    "digest": b"\1" * 32,
    "domain": "d",
    "entry": "e",
    "file": "f",
    "found": 2,
    "known": 1,
    "kind": "inputs",
    "length": 600,
    "limit": 511,
    "message": "m",
    "module": "m",
    "name": "n",
    "names": ("a", "b"),
    "path": "/store",
    "phase": "running",
    "pid": 12,
    "problems": (InputProblem("x", "y", "an integer", "'z'"),),
    "project": "p",
    "reason": "r",
    "run": "r1",
    "task": "t",
    "waited": 1.5,
    "what": "w",
}
"""An argument for every parameter of our error classes that must be given."""

ERRORS: list[type[DalsegnoError]] = sorted(
    {
        found
        for module in (dalsegno.errors, dalsegno_storage.errors)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, DalsegnoError)
    },
    key=lambda kind: kind.__qualname__,
)


def made(kind: type[DalsegnoError]) -> DalsegnoError:
    if "__init__" not in {
        name for base in kind.__mro__ if base.__module__ != "builtins" for name in vars(base)
    }:
        return kind("the message", 3)
    args, named = [], {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is not parameter.empty:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = FACTS[name]
        else:
            args.append(FACTS[name])
    return kind(*args, **named)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__qualname__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_our_errors_can_be_pickled(kind: type[DalsegnoError], protocol: int) -> None:
    error = made(kind)
    error.add_note("seen")
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)


def test_there_are_errors_with_facts_of_their_own() -> None:
    assert len(ERRORS) > 35
    assert sum(bool(vars(made(kind))) for kind in ERRORS) > 15


go_on: list[anyio.Event] = []
late: list[asyncio.Task[int]] = []


@env.task
async def child() -> int:
    return 1


@env.task
async def leaves_work_behind() -> str:
    async def later() -> int:
        await go_on[0].wait()
        return await child()

    late.append(asyncio.ensure_future(later()))
    return "done"


def test_a_call_made_after_its_parent_ended_is_refused(play: Play, backend: str) -> None:
    if backend == "trio":
        pytest.skip("trio has no way to leave work behind")

    async def story(engine: Engine) -> None:
        go_on[:] = [anyio.Event()]
        late.clear()
        run = await engine.run(leaves_work_behind)
        assert await run.result.aio() == "done"
        go_on[0].set()
        with pytest.raises(UsageError, match=rf"failures\.child was called by a0 of run '{run.name}'"):
            await late[0]
        assert len(run.actions()) == 1

    play(story)


@env.task(retries=2)
async def unreliable(tries: int) -> int:
    attempt = dalsegno.ctx().attempt_number
    if attempt < tries:
        raise ConnectionError(attempt)
    return attempt


def test_a_failed_attempt_is_tried_again_as_often_as_asked(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(unreliable, 2)
        assert await run.result.aio() == 2
        assert run.attempts == 3
        run = await engine.run(unreliable, 3)
        with pytest.raises(ConnectionError) as raised:
            await run.result.aio()
        assert raised.value.args == (2,)
        assert run.attempts == 3

    play(story)


@env.task
async def returns_too_few() -> tuple[int, int]:
    return (1,)  # type: ignore[return-value]  # wrong on purpose


def test_a_function_that_gives_too_few_outputs_fails(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(returns_too_few)
        await run.wait.aio()
        assert run.phase is Phase.FAILED
        assert run.failure is not None
        assert "returns_too_few" in run.failure.message

    play(story)


open_gate: list[anyio.Event] = []


@env.task
async def waits() -> int:
    await open_gate[0].wait()
    return 1


def test_a_result_that_is_not_there_yet(play: Play) -> None:
    async def story(engine: Engine) -> None:
        open_gate[:] = [anyio.Event()]
        run = await engine.run(waits)
        assert run.phase is Phase.RUNNING
        assert not run.done()
        with pytest.raises(RunNotDoneError, match="is running and has no result yet"):
            run.outputs()
        with pytest.raises(RunNotDoneError):
            run.action().result()
        open_gate[0].set()
        assert await run.result.aio() == 1
        assert run.done()
        assert run.outputs() == (1,)

    play(story)
