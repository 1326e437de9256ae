"""All claims in one table: `python -m benchmarks.report [--quick] [--only NAME] [--json FILE] [--svg FILE]`.

Run it from the repository's root. Every row has the median and p99 of the engine, the floor of the same session, the
ratio of the two, and the target, if there is one. Busy neighbours change the times much and the ratios little; the
two calibrations, taken before and after, tell how quiet the machine was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import (
    closures,
    compare,
    crash,
    fan_out,
    floor,
    history,
    memory,
    payload,
    plot,
    processes,
    replay,
    rerun,
    sequence,
    start,
    writers,
)
from benchmarks.harness import QUICK, ROOTS, Row, Scale, Session

CLAIMS: Mapping[str, Callable[[Session], Iterator[Row]]] = {
    "floor": floor.measure,
    "start": start.measure,
    "fan_out": fan_out.measure,
    "sequence": sequence.measure,
    "replay": replay.measure,
    "rerun": rerun.measure,
    "processes": processes.measure,
    "crash": crash.measure,
    "closures": closures.measure,
    "payload": payload.measure,
    "compare": compare.measure,
    "history": history.measure,
    "memory": memory.measure,
    "writers": writers.measure,
}
"""What is measured, in the order of the table."""

HEAD = ("", "median", "p99", "floor", "ratio", "target", "met")
NAME, COLUMN = 50, 11


def shown(value: float | None, unit: str) -> str:
    """A number as a person reads it."""
    if value is None:
        return ""
    steps: Sequence[tuple[float, str]] = ((1, ""),)
    if unit == "s":
        steps = ((1e-6, "µs"), (1e-3, "ms"), (1, "s"))
    elif unit == "B":
        steps = ((1, "B"), (1e3, "kB"), (1e6, "MB"))
    scale, name = steps[0]
    for larger, its_name in steps:
        if abs(value) >= larger:
            scale, name = larger, its_name
    return f"{value / scale:,.{2 if abs(value / scale) < 10 else 1}f} {name}".strip()


def target_text(row: Row) -> str:
    """The most that the row may be."""
    if row.target is None:
        return ""
    of_ratio = row.target.of == "ratio"
    return f"≤ {row.target.limit:.1f} ×" if of_ratio else f"≤ {shown(row.target.limit, row.unit)}"


def line(row: Row) -> str:
    """One line of the table."""
    cells = (
        shown(row.median, row.unit),
        "" if len(row.tail or row.pairs.values) == 1 else shown(row.p99, row.unit),
        shown(row.floor_median, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        target_text(row),
        {True: "yes", False: "NO", None: ""}[row.met],
    )
    return _line(f"  {row.name}", cells)


def text(claim: str, rows: Sequence[Row]) -> str:
    """The table of one claim."""
    return "\n".join([_line(claim, HEAD[1:]), *map(line, rows)])


def _line(first: str, cells: Sequence[str]) -> str:
    return "".join([first.ljust(NAME), *(cell.rjust(COLUMN) for cell in cells)]).rstrip()


def machine() -> dict[str, Any]:
    """What it was measured on, and what."""
    model = [
        text.partition(":")[2].strip()
        for text in Path("/proc/cpuinfo").read_text().splitlines()
        if text.startswith("model name")
    ]
    commit = subprocess.run(
        ["git", "-C", ROOTS[0], "describe", "--always", "--dirty"], capture_output=True, text=True
    )
    packages = ("anyio", "lmdb", "msgpack", "pydantic", "pydantic_core")
    return {
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": model[0] if model else platform.processor(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages},
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def calibration(folder: Path) -> dict[str, float]:
    """Seconds for a fixed loop of Python, and for a synced write of 4 KiB; medians of a few."""
    loops, writes = [], []
    with (folder / "calibration").open("wb", buffering=0) as file:
        for _ in range(15):
            began = time.perf_counter()
            total = 0
            for number in range(100_000):
                total += number
            middle = time.perf_counter()
            file.seek(0)
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            loops.append(middle - began)
            writes.append(time.perf_counter() - middle)
    return {"loop": sorted(loops)[7], "fdatasync": sorted(writes)[7]}


def run(scale: Scale, only: Sequence[str] = ()) -> dict[str, Any]:
    """Measure, print as it goes, and give everything for JSON."""
    found: dict[str, Any] = {"machine": machine(), "claims": {}, "failed": {}, "seconds": {}}
    print(" · ".join(f"{key} {value}" for key, value in found["machine"].items() if key != "packages"))
    with tempfile.TemporaryDirectory(prefix="dalsegno-benchmarks-") as name:
        found["before"] = calibration(Path(name))
        for claim, measure in CLAIMS.items():
            if only and claim not in only:
                continue
            folder = Path(name) / claim
            folder.mkdir()
            rows: list[Row] = []
            began = time.perf_counter()
            print(_line(claim, HEAD[1:]), flush=True)
            try:
                for row in measure(Session(folder, scale)):
                    rows.append(row)
                    print(line(row), flush=True)
            except Exception:
                found["failed"][claim] = traceback.format_exc()
                print(f"  failed: {traceback.format_exc(limit=-3)}", flush=True)
            sys.modules.pop("steps", None)
            found["seconds"][claim] = time.perf_counter() - began
            found["claims"][claim] = [row.record() for row in rows]
        found["after"] = calibration(Path(name))
    for when in ("before", "after"):
        told = ", ".join(f"{what} {shown(value, 's')}" for what, value in found[when].items())
        print(f"{when}: {told}")
    judged = [row for rows in found["claims"].values() for row in rows if row["met"] is not None]
    met = sum(row["met"] for row in judged)
    print(f"{met} of {len(judged)} targets met, in {sum(found['seconds'].values()):.0f} s")
    if met < len(judged):
        print("where the time goes: python -m benchmarks.profile all")
    return found


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description="The benchmarks of dalsegno.")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer; under two minutes")
    parser.add_argument("--only", choices=[*CLAIMS], action="append", help="this claim; may be repeated")
    parser.add_argument("--json", type=Path, help="a file for everything that was found")
    parser.add_argument("--svg", type=Path, help="a file for a picture of the ratios")
    parser.add_argument("--history-runs", type=int, help="how many runs the long history has")
    parser.add_argument("--history-actions", type=int, help="how many actions they have together")
    options = parser.parse_args()
    scale = QUICK if options.quick else Scale()
    scale = replace(
        scale,
        history_runs=options.history_runs or scale.history_runs,
        history_actions=options.history_actions or scale.history_actions,
    )
    found = run(scale, options.only or ())
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    if options.svg:
        options.svg.write_text(plot.svg(found), encoding="utf-8")
    sys.exit(1 if found["failed"] else 0)


if __name__ == "__main__":
    main()
