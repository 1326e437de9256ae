"""What the benchmarks share: samples in turn with the floor, rows, and the session that they are taken in.

A row compares a *subject* with its *floor*, the least work that anybody must do for the same thing here. Samples of the
two are taken in turn, floor first, so that a neighbour on a shared machine hits both; the *ratio* is the median of the
ratios of such pairs, and moves much less than the times. p99 is that of the samples; of fewer than a hundred it is the
slowest.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import dalsegno
import dalsegno_storage

PROGRAMS = Path(__file__).parent / "programs"
ROOTS = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]
"""Where the engine and the storage that are measured lie."""

MANY = 15
"""Series of more samples than this are of single small things; before others garbage is collected each time."""

Sample = Callable[[], Awaitable[float]]
"""Does something once and gives the seconds that one unit of it took."""


@dataclass(frozen=True, slots=True)
class Target:
    """The most that a row may be: of its median, or of its ratio to the floor."""

    limit: float
    of: Literal["median", "ratio"] = "median"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Samples of a subject and of its floor, taken in turn."""

    values: Sequence[float]
    floors: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: seconds, bytes or a number, for one unit of work.

    `tail` are the samples that p99 is taken from, where there are finer ones than those of the median.
    """

    name: str
    pairs: Pairs
    floor: str = ""
    target: Target | None = None
    unit: Literal["s", "B", ""] = "s"
    tail: Sequence[float] = field(default=(), repr=False)

    @property
    def median(self) -> float:
        return statistics.median(self.pairs.values)

    @property
    def p99(self) -> float:
        return percentile(self.tail or self.pairs.values, 0.99)

    @property
    def floor_median(self) -> float | None:
        """None for a row that has no floor."""
        return statistics.median(self.pairs.floors) if self.pairs.floors else None

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is."""
        both = zip(self.pairs.values, self.pairs.floors, strict=False)
        ratios = [value / floor for value, floor in both if floor > 0]
        return statistics.median(ratios) if ratios else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        found = self.median if self.target.of == "median" else self.ratio
        return found is not None and found <= self.target.limit

    def record(self) -> dict[str, Any]:
        """The row for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "p99": self.p99,
            "least": min(self.pairs.values),
            "samples": len(self.tail or self.pairs.values),
            "floor": self.floor,
            "floor_median": self.floor_median,
            "ratio": self.ratio,
            "target": None if self.target is None else {"limit": self.target.limit, "of": self.target.of},
            "met": self.met,
        }


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest sample that at least `part` of the samples do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def alternate(rounds: int, subject: Sample, floor: Sample, *, warm: int = 1) -> Pairs:
    """`rounds` samples of each in turn, after `warm` of each that do not count."""
    values: list[float] = []
    floors: list[float] = []
    gc.collect()
    for number in range(-warm, rounds):
        if rounds <= MANY:  # else it would cool the caches for the floor, which comes first
            gc.collect()
        bare, own = await floor(), await subject()
        if number >= 0:
            floors.append(bare)
            values.append(own)
    return Pairs(values, floors)


def timed(action: Callable[[], Awaitable[object]], units: int = 1) -> Sample:
    """Samples of an action that does `units` units of work."""

    async def sample() -> float:
        began = time.perf_counter()
        await action()
        return (time.perf_counter() - began) / units

    return sample


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: rounds of single things and of whole batches, and the sizes of what is measured."""

    singles: int = 300
    batches: int = 10
    processes: int = 15
    chain: int = 1000
    wide: int = 10_000
    history_runs: int = 10_000
    history_actions: int = 1_000_000
    memory_actions: int = 100_000


QUICK = Scale(
    singles=20,
    batches=2,
    processes=3,
    chain=300,
    history_runs=1000,
    history_actions=100_000,
    memory_actions=10_000,
)


class Session:
    """One folder with the program that is run, and what claims need of it."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.program = self.place("program")
        self.steps: Any = load(self.program, "steps")
        """The tasks, in a source root of their own, so that the benchmarks themselves are not captured with them."""

    def place(self, name: str) -> Path:
        """A new folder with a copy of the programs."""
        made = self.folder / name
        shutil.copytree(PROGRAMS, made, ignore=shutil.ignore_patterns("__pycache__"))
        return made

    def environment(self, **more: str) -> Mapping[str, str]:
        """What processes of this session find in their environment. They keep bytecode, as what is installed has it."""
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": os.pathsep.join(ROOTS),
            "DALSEGNO_STORE": str(self.folder / "unused.store"),
            **more,
        }

    def child(self, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `programs/child.py` in a new process."""
        return self.process([str(PROGRAMS / "child.py"), *map(str, arguments)], cwd=cwd)

    def process(
        self, arguments: Sequence[str], *, cwd: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments to its end."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
        return done

    def told(self, *arguments: object) -> Any:
        """What `programs/child.py` prints last, as JSON."""
        return json.loads(self.child(*arguments, cwd=self.program).stdout.splitlines()[-1])


def load(folder: Path, name: str) -> Any:
    """Import a module from a folder as its programs would, under its own name."""
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
