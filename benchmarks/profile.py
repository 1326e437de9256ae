"""Where the time of a row goes: `python -m benchmarks.profile WORK [--top N]`.

Executes one kind of work under cProfile, in the thread of the event loop and in the one that writes, and adds up what each
layer takes for one unit of work, such as an action. The profiler makes everything slower, calls most of all, so shares tell
more than times. The collector of garbage runs inside of whatever happens to allocate; its time is shown by itself too.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import QUICK, Session
from dalsegno import Engine, Run

LAYERS: Mapping[str, tuple[str, ...]] = {
    "waiting": ("'poll' of", "'acquire' of", "'get' of '_queue", "time.sleep"),
    "asyncio and anyio": ("/asyncio/", "/anyio/", "/selectors.py", "sniffio", "_contextvars", "_asyncio", "/concurrent/"),
    "LMDB": ("/lmdb", "of 'Transaction'", "of 'Cursor'", "of 'Environment'"),
    "identity": ("/_identity.py", "hashlib", "_hashlib", "/digest.py"),
    "values": ("/codec/", "/_values.py", "/interface.py"),
    "records": ("/_records.py", "/_completion.py", "msgpack", "zlib", "/models.py"),
    "writing": ("/_writer.py", "/_tickets.py", "/_fence.py", "/_puts.py", "/_ledger.py", "/_ownership.py"),
    "actions": (
        "/_runner.py", "/_body.py", "/_call.py", "/_context.py", "/_live.py", "/_inside.py", "/task.py", "/_taken.py",
        "/_reuse.py", "/_earlier.py", "/_loops.py",
    ),
    "starting": (
        "/_start.py", "/_rerun.py", "/_driver.py", "/_codebase.py", "/_code.py", "/bundle/", "/settings.py", "/engine.py",
        "/run_context.py", "/_request.py", "/_capture.py", "/names.py", "dataclasses.py",
    ),
    "reading": ("/_reading.py", "/_listing.py", "/runs.py", "/_recorded.py", "/objects.py"),
}  # fmt: skip
"""What is in a layer: parts of file names, or of the names of builtin functions."""

Unit = Callable[[], Awaitable[int]]
"""Does the work and gives how many units it was."""


async def work(name: str, session: Session, engine: Engine) -> Unit:
    """What is profiled; everything that it needs has been done before."""
    steps, n = session.steps, 1000

    async def ended(run: Awaitable[Run[Any]]) -> Run[Any]:
        started = await run
        await started.wait.aio()
        return started

    relaxed = engine.with_runcontext(durability="relaxed")
    if name == "fan_out":
        return lambda: _counted(n, lambda: ended(engine.run(steps.fan, n)))
    if name == "sequence":
        return lambda: _counted(200, lambda: ended(engine.run(steps.chain, 200)))
    if name == "relaxed":
        return lambda: _counted(n, lambda: ended(relaxed.run(steps.chain, n)))
    if name == "start":
        return lambda: _counted(1, lambda: ended(engine.run(steps.moment)))
    if name == "recover":
        marker = session.folder / "mended"
        failed = await ended(relaxed.run(steps.fragile, n, str(marker)))
        marker.touch()
        return lambda: _counted(n, lambda: ended(engine.rerun(failed.name, recover=True)))
    source = await ended(relaxed.run(steps.nest, n))
    action = source.actions()[-1].name
    return lambda: _counted(1, lambda: ended(engine.rerun(source.name, action)))


WORKS = ("start", "rerun", "fan_out", "sequence", "relaxed", "recover")


async def _counted(units: int, each: Callable[[], Awaitable[object]]) -> int:
    await each()
    return units


def profiled(name: str, top: int) -> None:
    """Print where the time of one kind of work goes."""
    profiles: list[cProfile.Profile] = []

    def enter(*_: object) -> None:  # called in each new thread, at its first call
        sys.setprofile(None)
        profiles.append(profile := cProfile.Profile())
        profile.enable()

    async def main(folder: Path) -> tuple[int, float, float]:
        session = Session(folder, QUICK)
        threading.setprofile(enter)
        async with Engine(folder / "profile.store") as engine:
            unit = await work(name, session, engine)
            for _ in range(5):
                await unit()
            threading.setprofile(None)
            for each in profiles:
                each.clear()
            profiles.append(own := cProfile.Profile())
            collecting = 0.0
            since = 0.0

            def note(phase: str, _: object) -> None:
                nonlocal collecting, since
                now = time.perf_counter()
                since = now if phase == "start" else since
                collecting += now - since if phase == "stop" else 0.0

            gc.callbacks.append(note)
            began = time.perf_counter()
            own.enable()
            units = 0
            while time.perf_counter() - began < 2:
                units += await unit()
            own.disable()
            gc.callbacks.remove(note)
            return units, time.perf_counter() - began, collecting

    with tempfile.TemporaryDirectory() as folder:
        units, lasted, collecting = asyncio.run(main(Path(folder)))
    found: dict[str, list[float]] = {}
    functions: list[tuple[float, int, str]] = []
    for profile in profiles:
        statistics: Any = pstats.Stats(profile)
        for (file, line, function), (_, calls, own_time, _, _) in statistics.stats.items():
            place = f"{file}:{line}({function})"
            layer = next(
                (layer for layer, marks in LAYERS.items() if any(mark in place for mark in marks)), "other"
            )
            sums = found.setdefault(layer, [0.0, 0])
            sums[0] += own_time
            sums[1] += calls
            functions.append((own_time, calls, place))
    total = sum(seconds for layer, (seconds, _) in found.items() if layer != "waiting")
    print(f"{name}: {units:,} units, {lasted / units * 1e6:,.1f} µs each under the profiler")
    for layer, (seconds, calls) in sorted(found.items(), key=lambda each: -each[1][0]):
        share = "" if layer == "waiting" else f"{seconds / total:6.1%}"
        print(f"  {layer:<20} {seconds / units * 1e6:9.1f} µs {share:>7} {calls / units:8.1f} calls")
    print(f"  {'collector, in these':<20} {collecting / units * 1e6:9.1f} µs {collecting / total:7.1%}")
    for seconds, calls, place in sorted(functions, reverse=True)[:top]:
        print(f"    {seconds / units * 1e6:8.2f} µs {calls / units:7.2f} × {'/'.join(place.split('/')[-2:])}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("work", choices=[*WORKS, "all"])
    parser.add_argument(
        "--top", type=int, default=0, help="so many functions, those that take most by themselves"
    )
    chosen = parser.parse_args()
    for name in WORKS if chosen.work == "all" else (chosen.work,):
        profiled(name, chosen.top)


if __name__ == "__main__":
    main()
