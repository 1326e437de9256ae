"""Runs whose process is gone: how they show, what resuming one does, and when it is refused."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
import pytest
from tests.engine.resume.recorded import store_of

import dalsegno
from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno.errors import (
    ActionInterruptedError,
    CannotResumeError,
    RunInterruptedError,
    RunTakenOverError,
    TaskDefinitionError,
)
from dalsegno.maintenance import check
from dalsegno.models import ActionRecord
from dalsegno_storage.memory import MemoryStore

Image = dict[bytes, bytes]
Story = Callable[[Engine], Awaitable[Any]]

env = TaskEnvironment("resume")

BEGUN: list[str] = []
IMAGES: list[Image] = []
STORE: list[MemoryStore] = []
OPEN: list[anyio.Event] = []
BACKEND: list[str] = []


@pytest.fixture(autouse=True)
def nothing_left() -> None:
    for kept in (BEGUN, IMAGES, STORE, OPEN):
        kept.clear()
    BACKEND[:] = ["asyncio"]


@pytest.fixture
def in_both(backend: str) -> None:
    """Has the test's engines run in asyncio's loop and in trio's."""
    BACKEND[:] = [backend]


def crash() -> None:
    """Keep what a crash at this moment would leave, the first time that this is called on a store."""
    with STORE[-1].read() as reader:
        IMAGES.append(dict(reader.scan()))


def played(story: Story, store: MemoryStore | Image | None = None, **settings: Any) -> Any:
    """Run `story(engine)` on a store, or on what a crash has left."""

    async def main() -> Any:
        opened = store_of(store or {}) if not isinstance(store, MemoryStore) else store
        STORE.append(opened)
        async with Engine(opened, **settings) as engine:
            return await story(engine)

    return anyio.run(main, backend=BACKEND[-1])


def left_by(task: Any, *args: Any, **settings: Any) -> Image:
    """What the first crash leaves in a run, called "r", of this task."""

    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="r", **settings).run(task, *args)
        await run.wait.aio()

    played(story)
    BEGUN.clear()
    first = IMAGES[0]
    IMAGES.clear()
    return first


class Done(NamedTuple):
    """How a run ended, with its actions."""

    phase: Phase
    actions: list[ActionRecord]
    outputs: tuple[Any, ...]

    def phases(self) -> list[tuple[str, str]]:
        return [(action.short_name, action.phase.value) for action in self.actions]


async def resumed(engine: Engine) -> Done:
    run = await engine.resume("r")
    await run.wait.aio()
    outputs = run.outputs() if run.phase.is_success else ()
    return Done(run.phase, [action.record for action in run.actions()], outputs)


def resume_of(image: Image, **settings: Any) -> Done:
    """What comes of it when the run is resumed."""
    done = played(resumed, image, **settings)
    assert isinstance(done, Done)
    return done


@env.task
async def leaf(n: int) -> int:
    BEGUN.append(f"leaf {n}")
    return n


@env.task
async def stem(n: int) -> int:
    BEGUN.append("stem")
    print("one")
    one = await leaf(n)
    crash()
    print("two")
    return one + await leaf(n + 1)


@pytest.mark.usefixtures("in_both")
def test_it_shows_at_once_and_goes_on() -> None:
    image = left_by(stem, 1)

    async def story(engine: Engine) -> None:
        run = engine.get_run("r")
        assert run.phase is Phase.INTERRUPTED
        assert not run.done()
        assert [action.phase for action in run.actions()] == [Phase.INTERRUPTED, Phase.SUCCEEDED]
        assert [each.name for each in engine.list_runs(in_phase="interrupted")] == ["r"]
        assert engine.list_runs(in_phase="running") == []
        with pytest.raises(RunInterruptedError, match="dalsegno resume r"):
            await run.wait.aio()
        with pytest.raises(RunInterruptedError, match="dalsegno resume r"):
            run.outputs()
        again = await engine.resume("r")
        assert again.phase in (Phase.RUNNING, Phase.SUCCEEDED)
        assert await again.result.aio() == 3
        assert (again.attempts, again.record.ended_at is None) == (2, False)
        assert BEGUN == ["stem", "leaf 2"]
        printed = {1: "", 2: ""}
        for line in again.action().logs():
            printed[line.attempt] += line.text
        assert printed == {1: "one\n", 2: "one\ntwo\n"}
        [attempt] = again.action().record.failed_attempts
        assert attempt.failure.message == "its process ended before it did"

    played(story, image)


def test_an_engine_can_resume_when_it_is_opened() -> None:
    image = left_by(stem, 1)

    async def story(engine: Engine) -> None:
        run = engine.get_run("r")
        assert await run.result.aio() == 3

    played(story, image, resume_interrupted=True)
    assert BEGUN == ["stem", "leaf 2"]


def test_what_is_live_or_over_is_not_resumed() -> None:
    @env.task
    async def waits() -> None:
        OPEN.append(anyio.Event())
        await OPEN[-1].wait()

    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="r").run(waits)
        while not OPEN:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(CannotResumeError, match="this engine is executing it"):
            await engine.resume("r")
        async with Engine(STORE[-1]) as other:
            assert other.get_run("r").phase is Phase.RUNNING
            with pytest.raises(CannotResumeError, match=r"process \d+ is executing it; .*--take-over"):
                await other.resume("r")
        OPEN[-1].set()
        await run.wait.aio()
        with pytest.raises(CannotResumeError, match="it has ended and is succeeded"):
            await engine.resume("r")

    played(story)


@pytest.mark.usefixtures("in_both")
def test_an_owner_that_lost_its_run_records_nothing_more() -> None:
    """Both hold on to the store; the second one takes the run from the first, which has not noticed."""

    async def story(first: Engine) -> None:
        run = await first.with_runcontext(name="r", durability="relaxed").run(holding)
        while not OPEN:
            await anyio.lowlevel.checkpoint()
        async with Engine(STORE[-1]) as second:
            again = await second.resume("r", take_over=True)
            while len(OPEN) < 2:
                await anyio.lowlevel.checkpoint()
            OPEN[1].set()
            assert await again.result.aio() == 5
            with STORE[-1].read() as reader:
                before = dict(reader.scan())
            OPEN[0].set()  # goes on as one does that was stopped
            with pytest.raises(RunTakenOverError, match="'r' was taken over by another process"):
                await run.wait.aio()
        first.ledger.close()
        with STORE[-1].read() as reader:
            assert dict(reader.scan()) == before
        assert "late" not in "".join(line.text for line in run.logs())

    played(story)


@env.task
async def holding() -> int:
    event = anyio.Event()
    OPEN.append(event)
    late = len(OPEN) == 1
    await leaf(1)
    await event.wait()
    if late:
        print("late")
    return await leaf(2) + await leaf(3)


@pytest.mark.usefixtures("in_both")
def test_of_two_who_resume_one_wins() -> None:
    image = left_by(stem, 1)

    async def story(first: Engine) -> None:
        async with Engine(STORE[-1]) as second:
            outcomes: list[Any] = []

            async def resume(engine: Engine) -> None:
                try:
                    outcomes.append(await (await engine.resume("r")).result.aio())
                except CannotResumeError as error:
                    outcomes.append(error.reason)

            async with anyio.create_task_group() as both:
                both.start_soon(resume, first)
                both.start_soon(resume, second)
            assert sorted(map(str, outcomes))[0] == "3"
            assert len([each for each in outcomes if each == 3]) == 1
        assert BEGUN == ["stem", "leaf 2"]

    played(story, image)


def test_a_run_that_keeps_ending_its_process_is_parked(caplog: pytest.LogCaptureFixture) -> None:
    image = left_by(stem, 1)
    for _ in range(2):
        resume_of(image, max_recoveries=2)
        image = IMAGES[0]
        IMAGES.clear()

    async def parked(engine: Engine) -> None:
        with pytest.raises(CannotResumeError, match="it was resumed 2 times and interrupted each time"):
            await engine.resume("r")
        caplog.clear()
        with caplog.at_level(logging.WARNING, "dalsegno"):
            assert await engine.resume_all() == []
        assert "parked" in caplog.text
        assert await (await engine.resume("r", force=True)).result.aio() == 3

    played(parked, image, max_recoveries=2)


def test_other_code_is_refused() -> None:
    image = left_by(stem, 1)

    async def story(engine: Engine) -> None:
        with pytest.raises(CannotResumeError) as refused:
            await engine.resume("r", task_template=leaf)
        digests = {engine.get_run("r").template.code_digest.hex()}
        assert all(digest in str(refused.value) for digest in digests)
        assert "recover=True" in str(refused.value)
        assert await (await engine.resume("r", task_template=stem)).result.aio() == 3

    played(story, image)


def test_interruptions_use_up_no_retries() -> None:
    image = left_by(unlucky)
    done = resume_of(image)
    assert done.phase is Phase.SUCCEEDED
    assert BEGUN == ["unlucky", "unlucky"]
    attempts = [each.failure.code for each in done.actions[0].failed_attempts]
    assert attempts == ["RunInterruptedError", "ValueError"]


@env.task(retries=1)
async def unlucky() -> None:
    BEGUN.append("unlucky")
    if not IMAGES and len(BEGUN) == 1:
        await leaf(0)
        crash()
        raise ValueError("once")


def test_what_was_called_by_a_failed_attempt_is_not_served_to_the_next() -> None:
    image = left_by(counting)
    assert resume_of(image).outputs == ([0, 1],)
    assert BEGUN == ["counting"]


NUMBERS = [0]


@env.task
async def number() -> int:
    NUMBERS[0] += 1
    return (NUMBERS[0] - 1) % 2


@env.task(retries=1)
async def counting() -> list[int]:
    BEGUN.append("counting")
    found = await number()
    if found == 0:
        raise ValueError("zero")
    crash()
    return [0, found]


@env.task(at_most_once=True)
async def pays(amount: int) -> int:
    BEGUN.append("pays")
    crash()
    return amount


@env.task
async def shop(amount: int) -> int:
    return await pays(amount) + await leaf(1)


def test_what_runs_at_most_once_is_never_repeated_silently() -> None:
    image = left_by(shop, 5)

    async def story(engine: Engine) -> None:
        run = await engine.resume("r")
        with pytest.raises(
            ActionInterruptedError, match=r"pays-\w+ of run 'r' had begun .* force_rerun_actions"
        ):
            await run.result.aio()
        [_, paid] = run.actions()
        assert (paid.phase, paid.attempts) == (Phase.FAILED, 1)
        for name in ("r", (await engine.rerun("r", recover=True)).name):
            again = await engine.rerun(name, recover=True)
            with pytest.raises(ActionInterruptedError):
                await again.result.aio()
        assert BEGUN == []
        forced = await engine.rerun("r", recover=True, force_rerun_actions=[paid.name])
        assert await forced.result.aio() == 6
        assert BEGUN == ["pays", "leaf 1"]

    played(story, image)


@env.task(at_most_once=True)
def sync_pays(amount: int) -> int:
    BEGUN.append("pays")
    crash()
    return amount


@env.task
def sync_shop(amount: int) -> int:
    try:
        return sync_pays(amount)
    except ActionInterruptedError:
        return -1


def test_a_caller_may_deal_with_it() -> None:
    done = resume_of(left_by(sync_shop, 5))
    assert done.outputs == (-1,)
    assert done.phases() == [("sync_shop", "succeeded"), ("sync_pays", "failed")]
    assert BEGUN == []


def test_recovering_from_an_interrupted_run_does_not_repeat_it_either() -> None:
    image = left_by(shop, 5)

    async def story(engine: Engine) -> None:
        again = await engine.rerun("r", recover=True)
        with pytest.raises(ActionInterruptedError, match="of run 'r' had begun"):
            await again.result.aio()
        assert BEGUN == []
        assert await (await engine.rerun("r")).result.aio() == 6

    played(story, image)


def test_a_root_that_runs_at_most_once_fails() -> None:
    assert resume_of(left_by(pays, 5)).phase is Phase.FAILED
    assert BEGUN == []


def test_once_and_again_exclude_each_other() -> None:
    with pytest.raises(TaskDefinitionError, match="at most once and has retries"):
        pays.override(retries=1)
    with pytest.raises(TaskDefinitionError, match="at_most_once of"):
        env.task(at_most_once=2)(lambda_like)  # type: ignore[call-overload]  # what is refused


def lambda_like() -> None: ...


@env.task
async def gives_up() -> int:
    BEGUN.append("gives_up")
    with anyio.move_on_after(0.001):
        await never()
    crash()
    return await leaf(1)


@env.task
async def never() -> None:
    BEGUN.append("never")
    await anyio.sleep(60)


def test_what_was_aborted_begins_again() -> None:
    done = resume_of(left_by(gives_up))
    assert done.phase is Phase.SUCCEEDED
    assert BEGUN == ["gives_up", "never", "leaf 1"]
    _, aborted, _ = done.actions
    assert (aborted.phase, aborted.attempts) == (Phase.ABORTED, 2)


@env.task
async def fickle() -> int:
    if not BEGUN or BEGUN[-1] == "forget":
        BEGUN.append("here")
        return await stem(1)
    return await leaf(7)


def test_what_is_not_called_again_is_closed() -> None:
    image = left_by(fickle)
    BEGUN.append("other")
    assert resume_of(image).phases() == [
        ("fickle", "succeeded"),
        ("stem", "aborted"),
        ("leaf", "succeeded"),
        ("leaf", "succeeded"),
    ]


def test_a_run_that_recovers_goes_on_recovering() -> None:
    async def first(engine: Engine) -> None:
        done = await engine.with_runcontext(name="source").run(branches, 0)
        await done.wait.aio()
        again = await engine.with_runcontext(name="r").rerun("source", recover=True, x=1)
        await again.wait.aio()

    played(first)
    image = IMAGES[1]
    IMAGES.clear()
    BEGUN.clear()
    assert resume_of(image).phases() == [
        ("branches", "succeeded"),
        ("leaf", "recovered"),
        ("leaf", "succeeded"),
        ("leaf", "recovered"),
    ]
    assert BEGUN == []  # the new one had ended before


@env.task
async def branches(x: int) -> int:
    total = await leaf(10) + await leaf(20 + x)
    crash()
    return total + await leaf(30)


# Aborting from elsewhere


@env.task
async def parent_of_never() -> None:
    await leaf(1)
    crash()
    BEGUN.append("parent")
    await never()


@pytest.mark.usefixtures("in_both")
def test_a_run_is_aborted_from_another_engine() -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="r").run(parent_of_never)
        while "never" not in BEGUN:
            await anyio.lowlevel.checkpoint()
        async with Engine(STORE[-1]) as other:
            with anyio.fail_after(5):
                await other.get_run("r").abort.aio("enough")
        assert run.phase is Phase.ABORTED
        root, _, below = run.actions()
        assert root.failure is not None
        assert below.failure is not None
        assert (root.failure.message, below.failure.message) == ("enough", "enough")

    played(story)


def test_an_interrupted_run_is_aborted_by_whoever_asks() -> None:
    image = left_by(parent_of_never_in_time)

    async def story(engine: Engine) -> None:
        run = engine.get_run("r")
        await run.abort.aio("gone")
        assert [action.phase.value for action in run.actions()] == ["aborted", "succeeded"]
        assert run.failure is not None
        assert run.failure.message == "gone"
        await run.abort.aio("again")
        assert run.failure.message == "gone"
        with pytest.raises(CannotResumeError):
            await engine.resume("r")
        assert check(STORE[-1]).is_clean

    played(story, image)


@env.task(timeout=0.1)
async def parent_of_never_in_time() -> None:
    await leaf(1)
    crash()
    await never()


def test_a_wish_that_its_owner_did_not_see_is_granted_when_runs_are_resumed() -> None:
    image = left_by(parent_of_never_in_time)

    async def story(engine: Engine) -> None:
        run = engine.get_run("r")
        await engine.ledger.ask_to_stop(run.record.id, "wanted")
        assert await engine.resume_all() == []
        assert run.phase is Phase.ABORTED
        assert run.failure is not None
        assert run.failure.message == "wanted"

    played(story, image)


def test_the_blocking_form() -> None:
    assert callable(dalsegno.resume)
    assert callable(dalsegno.resume.aio)
