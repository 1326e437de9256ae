"""Where the time of a row goes: `python -m benchmarks.profile WORK [--top N]`; of all, one for every row with a target.

Executes one kind of work under cProfile, in the thread of the event loop and in the one that writes, and adds up what each
layer takes for one unit of work, such as an action. The profiler makes everything slower, calls most of all, so shares tell
more than times. The collector of garbage runs inside of whatever happens to allocate; its time is shown by itself too.

Of whole processes it is told what imports take, by package, as `python -X importtime` has it. Of memory it is told where what is
held was allocated while all actions wait.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import re
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import closures
from benchmarks.harness import QUICK, Session
from dalsegno import Engine, Run

LAYERS: Mapping[str, tuple[str, ...]] = {
    "waiting": ("'poll' of", "'acquire' of", "'get' of '_queue", "time.sleep"),
    "asyncio and anyio": ("/asyncio/", "/anyio/", "/selectors.py", "sniffio", "_contextvars", "_asyncio", "/concurrent/"),
    "LMDB": ("/lmdb", "of 'Transaction'", "of 'Cursor'", "of 'Environment'"),
    "parsing": ("/ast.py", "builtins.compile"),
    "closures": ("/closure/", "/_analysis.py", "of 're.Pattern'"),
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
    "reading": ("/_reading.py", "/_listing.py", "/runs.py", "/_recorded.py", "/objects.py", "/_cache.py", "/_zstd.py", "zstd"),
}  # fmt: skip
"""What is in a layer: parts of file names, or of the names of builtin functions."""

Unit = Callable[[], Awaitable[int]]
"""Does the work and gives how many units it was."""


async def work(name: str, session: Session, engine: Engine) -> Unit:
    """What is profiled; everything that it needs has been done before."""
    steps, n = session.steps, 1000
    relaxed = engine.with_runcontext(durability="relaxed")
    if name == "fan_out":
        return lambda: _counted(n, lambda: _ended(engine.run(steps.fan, n)))
    if name == "sequence":
        return lambda: _counted(200, lambda: _ended(engine.run(steps.chain, 200)))
    if name == "relaxed":
        return lambda: _counted(n, lambda: _ended(relaxed.run(steps.chain, n)))
    if name == "cached":
        return lambda: _counted(n, lambda: _ended(engine.run(steps.recall, n)))
    if name == "payload":
        return lambda: _counted(1, lambda: _ended(engine.run(steps.echo, os.urandom(10_000_000))))
    if name == "list":
        await asyncio.gather(*[_ended(relaxed.run(steps.moment)) for _ in range(n)])
        return lambda: _counted(1, lambda: _at_once(lambda: engine.list_runs(limit=100)))
    if name == "closures":
        return lambda: _counted(n, lambda: _at_once(lambda: closures.of_new_modules(n)))
    if name == "start":
        return lambda: _counted(1, lambda: _ended(engine.run(steps.moment)))
    if name == "recover":
        marker = session.folder / "mended"
        failed = await _ended(relaxed.run(steps.fragile, n, str(marker)))
        marker.touch()
        return lambda: _counted(n, lambda: _ended(engine.rerun(failed.name, recover=True)))
    source = await _ended(relaxed.run(steps.nest, n))
    action = source.actions()[-1].name
    return lambda: _counted(1, lambda: _ended(engine.rerun(source.name, action)))


WORKS = (
    "start", "rerun", "fan_out", "sequence", "relaxed", "recover", "cached", "payload", "list", "closures",
)  # fmt: skip


async def _ended(run: Awaitable[Run[Any]]) -> Run[Any]:
    started = await run
    await started.wait.aio()
    return started


async def _counted(units: int, each: Callable[[], Awaitable[object]]) -> int:
    await each()
    return units


async def _at_once(each: Callable[[], object]) -> object:
    return each()


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
    for profile in [each for each in profiles if each.getstats()]:
        statistics: Any = pstats.Stats(profile)
        for (file, line, function), (_, calls, own_time, _, _) in statistics.stats.items():
            place = f"{file}:{line}({function})"
            sums = found.setdefault(_layer(place), [0.0, 0])
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


def process(top: int) -> None:
    """Print what a process that reruns something imports, and what that takes."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), QUICK)
        command = ["-m", "dalsegno", "--store", f"{folder}/profile.store"]
        session.process([*command, "run", "--name", "first", "steps.py", "moment"], cwd=session.program)
        rerun = [*command, "rerun", "first", "--json"]
        session.process(rerun)
        told = session.process(["-X", "importtime", *rerun]).stderr
    times = {name: int(own) for own, name in re.findall(r"import time: *(\d+) \| *\d+ \| *(\S+)", told)}
    packages = Counter[str]()
    modules = Counter[str]()
    for name, own in times.items():
        package = name.partition(".")[0]
        package = package if package in PACKAGES else "the standard library"
        packages[package] += own
        modules[package] += 1
    print(f"process: {len(times)} modules are imported, {sum(times.values()) / 1e3:,.1f} ms")
    _shares(((name, own / 1e3, modules[name]) for name, own in packages.items()), "ms", "modules")
    for name, own in Counter(times).most_common(top):
        print(f"    {own / 1e3:8.2f} ms {name}")


def memory(top: int) -> None:
    """Print where what 10,000 waiting actions hold was allocated."""
    n = 10_000

    async def main(folder: Path) -> tracemalloc.Snapshot:
        session = Session(folder, QUICK)
        async with Engine(folder / "profile.store") as engine:
            await (await engine.run(session.steps.fan, 100)).wait.aio()
            tracemalloc.start()
            whole = asyncio.ensure_future(_ended(engine.run(session.steps.fan, n)))
            fullest, taken = 0, tracemalloc.take_snapshot()
            while not whole.done():
                held, _ = tracemalloc.get_traced_memory()
                if held > 1.2 * fullest:
                    fullest, taken = held, tracemalloc.take_snapshot()
                await asyncio.sleep(0)
            tracemalloc.stop()
            return taken

    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(main(Path(folder)))
    lines = taken.statistics("lineno")
    layers, objects = Counter[str](), Counter[str]()
    for line in lines:
        layer = _layer(str(line.traceback[0].filename))
        layers[layer] += line.size
        objects[layer] += line.count
    print(f"memory: {sum(layers.values()) / n:,.0f} bytes for each of {n:,} actions that wait")
    _shares(((name, size / n, objects[name] / n) for name, size in layers.items()), "B", "objects")
    for line in lines[:top]:
        print(f"    {line.size / n:8.1f} B {'/'.join(str(line.traceback[0]).split('/')[-2:])}")


def _shares(parts: Iterable[tuple[str, float, float]], unit: str, of: str) -> None:
    found = sorted(parts, key=lambda each: -each[1])
    total = sum(much for _, much, _ in found)
    for name, much, count in found:
        print(f"  {name:<20} {much:9.1f} {unit} {much / total:7.1%} {count:8.1f} {of}")


def _layer(place: str) -> str:
    return next((layer for layer, marks in LAYERS.items() if any(mark in place for mark in marks)), "other")


PACKAGES = frozenset(
    {"dalsegno", "dalsegno_storage", "anyio", "asyncio", "click", "rich", "rich_click", "msgpack", "lmdb", "typing_extensions"}
)  # fmt: skip
"""Those that are told of by themselves."""

OTHERS: Mapping[str, Callable[[int], None]] = {"process": process, "memory": memory}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("work", choices=[*WORKS, *OTHERS, "all"])
    parser.add_argument(
        "--top", type=int, default=0, help="so many functions, those that take most by themselves"
    )
    chosen = parser.parse_args()
    for name in (*WORKS, *OTHERS) if chosen.work == "all" else (chosen.work,):
        if name in OTHERS:
            OTHERS[name](chosen.top)
        else:
            profiled(name, chosen.top)


if __name__ == "__main__":
    main()
