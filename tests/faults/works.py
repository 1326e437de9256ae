"""What is done to stores while faults happen; each function is played in a process of its own (see stage.py).

A work gets the place of the store and `say`. What it says is what a caller has seen: from then on it has to be there
whatever happens. `examine` looks whether it is.
"""

import os
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from tests.faults.shim import Call, Fault, Shim

from dalsegno import Engine, Phase, Run, TaskEnvironment, maintenance
from dalsegno import errors as kinds
from dalsegno.errors import DalsegnoError, RunExistsError, RunNotFoundError
from dalsegno_storage import copies, open_store
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import get_object, put_object

Say = Callable[..., None]

env = TaskEnvironment("faults")


class _Reporter:
    """Who is told what the tasks of this process have seen; not part of what they compute."""

    say: Say = staticmethod(lambda *what: None)


def noise(seed: int, size: int) -> bytes:
    """So many bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


@env.task
async def step(n: int, size: int) -> bytes:
    """A child."""
    return noise(n, size)


@env.task
async def flow(count: int, size: int) -> int:
    """Calls children one after the other, which is seen, then some at once."""
    for n in range(count):
        await step(n, size)
        _Reporter.say("step", n, size)
    async with anyio.create_task_group() as group:
        for n in range(count, 2 * count):
            group.start_soon(_seen, n)
    return count


async def _seen(n: int) -> None:
    await step(n, 8)
    _Reporter.say("step", n, 8)


def warm_up() -> None:
    """Import what works import late, before anybody forks."""
    anyio.run(_run, MemoryStore(), lambda *what: None, {"name": "warm", "count": 1, "size": 600})
    with suppress(DalsegnoError):
        open_store("sqlite:///nowhere/at/all", create=False)
    with suppress(DalsegnoError):
        open_store("lmdb:///nowhere/at/all", create=False)


def create(place: str, say: Say) -> None:
    """Make the store."""
    open_store(place).close()
    say("created")


def record(place: str, say: Say, **options: Any) -> None:
    """Record a run of `flow` in the store."""
    anyio.run(_run, place, say, options)


async def _run(place: Any, say: Say, options: dict[str, Any]) -> None:
    name, count, size = options["name"], options["count"], options["size"]
    durability = options.get("durability", "full")
    _Reporter.say = say if durability == "full" else staticmethod(lambda *what: None)
    async with Engine(place, durability=durability) as engine:
        say("created")
        run = await engine.with_runcontext(name=name).run(flow, count, size)
        say("run", name)
        await run.wait.aio()
        assert run.phase is Phase.SUCCEEDED, run.failure
        say("done", name, count)


def keep(place: str, say: Say) -> None:
    """Give a run up and collect what nobody needs any more."""
    store = open_store(place)
    maintenance.delete_run(store, "first")
    say("gone", "first")
    collected = maintenance.gc(store, grace=0)
    say("collected", collected.objects)
    store.close()


def compact(place: str, say: Say) -> None:
    """Make the store small."""
    copies.compact(_path(place))
    say("compacted")


def backup(place: str, say: Say, target: str) -> None:
    """Copy the store."""
    store = open_store(place)
    copies.backup(store, Path(target))
    say("copied")
    store.close()


def _path(place: str) -> Path:
    return Path(place.partition("://")[2])


def refuse(place: str, say: Say, refusal: dict[str, Any], name: str, wanted: str) -> None:
    """Record a run on a disk that refuses, then another when the disk is well again; all in one process.

    Says which error came, whether the fault befell anything at all, and what was seen.
    """
    shim = Shim()

    async def main() -> None:
        async with Engine(place) as engine:
            say("created")
            _Reporter.say = say
            shim.arm(Fault.from_json(refusal))
            errors: list[BaseException] = []
            try:
                run = await engine.with_runcontext(name=name).run(flow, 3, 5000)
                say("run", name)
                await run.result.aio()
                say("done", name, 3)
            except* DalsegnoError as group:  # what befell several children at once comes in one
                errors += group.exceptions
            befell = shim.count >= refusal["target"]
            shim.arm(Fault())
            for each in errors:
                # What is not ours leaves the block and ends the process with a traceback.
                assert isinstance(each, getattr(kinds, wanted)), repr(each)
                assert str(_path(place)) in str(each), str(each)
            say("befell" if befell else "nothing befell", *(type(each).__name__ for each in errors))
            again = await engine.with_runcontext(name="again").run(flow, 2, 600)
            say("run", "again")
            await again.wait.aio()
            say("done", "again", 2)

    anyio.run(main)


def fill(place: str, say: Say, ballast: str) -> None:
    """Record runs until the disk is full, read, and go on when the file `ballast` has made room."""
    Path(ballast).write_bytes(bytes(2 << 20))
    _Reporter.say = say

    async def main() -> None:
        async with Engine(place) as engine:
            say("created")
            for number in range(1000):
                name = f"r{number}"
                try:
                    run = await engine.with_runcontext(name=name).run(flow, 3, 100_000 + number)
                    say("run", name)
                    await run.result.aio()
                    say("done", name, 3)
                except kinds.StoreFullError as error:
                    why = str(error)
                    break
            else:
                raise AssertionError("the disk was never full")
            assert str(_path(place)) in why
            assert engine.get_run("r0").outputs() == (3,)
            beside = open_store(place, create=False)
            assert maintenance.check(beside).is_clean
            beside.close()
            say("full", number)
            os.unlink(ballast)  # noqa: PTH108 - one call that does not block
            again = await engine.with_runcontext(name="again").run(flow, 2, 600)
            say("run", "again")
            await again.wait.aio()
            say("done", "again", 2)

    anyio.run(main)


def touch_everything(place: str, say: Say) -> None:
    """Make one call of each kind and say how many of that kind were counted."""
    shim, folder = Shim(), Path(place)
    numbers = [os.open(folder / name, os.O_RDWR | os.O_CREAT) for name in ("a", "b")]
    acts: dict[Call, Callable[[], object]] = {
        Call.WRITE: lambda: os.write(numbers[0], b"x"),
        Call.SYNC: lambda: os.fsync(numbers[0]),
        Call.TRUNCATE: lambda: os.truncate(folder / "a", 100),
        Call.CREATE: lambda: (folder / "c").open("x").close(),
        Call.RENAME: lambda: (folder / "a").rename(folder / "A"),
        Call.UNLINK: lambda: (folder / "b").unlink(),
        Call.LINK: lambda: (folder / "d").hardlink_to(folder / "A"),
        Call.MKDIR: lambda: (folder / "m").mkdir(),
        Call.RMDIR: lambda: (folder / "m").rmdir(),
    }
    for call, act in acts.items():
        shim.arm(Fault())
        act()
        everything = shim.count
        say(call.name, everything)


def race(place: str, say: Say, racers: int, names: Sequence[str]) -> None:
    """Let so many processes start runs of these names at once; says who got which."""
    barrier, start = os.pipe()
    children = []
    for number in range(racers):
        child = os.fork()
        if child == 0:
            os.close(start)
            try:
                anyio.run(_racer, place, say, number, names, barrier)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.close(barrier)
    os.close(start)  # which all of them wait for
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * racers


async def _racer(place: str, say: Say, number: int, names: Sequence[str], barrier: int) -> None:
    async with Engine(place) as engine:
        await anyio.to_thread.run_sync(_wait_for_all, barrier)
        for name in names:
            try:
                run: Run[Any] = await engine.with_runcontext(name=name, labels={"racer": str(number)}).run(
                    step, number, 8
                )
            except RunExistsError:
                say("taken", name, number)
            else:
                say("got", name, number)
                await run.wait.aio()


def _wait_for_all(barrier: int) -> None:
    while os.read(barrier, 1):
        pass


def examine(_: str, say: Say, stores: Sequence[tuple[str, Sequence[Sequence[Any]]]]) -> None:
    """Look whether each of these stores has what was said, is sound, and can be used; says what is wrong with which.

    Where nobody has said that it was created, there may be none, and one can be made.
    """
    for place, said in stores:

        def wrong(what: str, place: str = place) -> None:
            say(place, what)

        _examine(place, wrong, said)


def _examine(place: str, say: Callable[[str], None], said: Sequence[Sequence[Any]]) -> None:
    try:
        store = open_store(place, create=not said)
        for problem in maintenance.check(store).problems:
            say(f"check: {problem}")
        anyio.run(_look_up, store, say, said)
        with store.write() as writer:
            digest = put_object(writer, "blob", b"written after the fault")
        with store.read() as reader:
            assert get_object(reader, "blob", digest) == b"written after the fault"
        store.close()
    except DalsegnoError as error:
        say(repr(error))


async def _look_up(store: Any, say: Callable[[str], None], said: Sequence[Sequence[Any]]) -> None:
    async with Engine(store) as engine:
        run: Run[Any] | None = None
        ended: dict[int, list[bytes]] = {}
        for what, *facts in said:
            if what == "gone":
                with suppress(RunNotFoundError):
                    say(f"{engine.get_run(facts[0]).name} was gone, and is there")
            elif what == "run":
                run = engine.get_run(facts[0])
                ended = {}
                for action in run.actions():
                    if action.task == "faults.step" and action.phase is Phase.SUCCEEDED:
                        ended.setdefault(action.inputs()["n"], []).append(action.outputs()[0])
            elif what == "step":
                if ended.get(facts[0]) != [noise(*facts)]:
                    say(f"step {facts} was seen, and recorded is {ended.get(facts[0])!r:.100}")
            elif what == "done":
                done = engine.get_run(facts[0])
                if done.phase is not Phase.SUCCEEDED or done.outputs() != (facts[1],):
                    say(f"{facts[0]} was done, and recorded is {done.phase}")
