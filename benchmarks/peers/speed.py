"""The same work by other tools, side by side: `python -m benchmarks.peers.speed`, from the repository's root.

run     a run of no steps, or of one, from the call to its result
turn    a step that is awaited in turn, in a run of 1,000 (redun 200, Prefect 100)
once    a step of as many at once
again   a recorded run again, from the call to the first line of user code
replay  a step whose recorded result is taken, of as many
nested  one step of a recorded run alone, from its recorded inputs
data    10 MB of new random bytes into one step and out of it
disk    what a step that does nothing leaves on disk
kill    kill -9 at half of the steps: from starting a new process to the end of the rest
redone  steps that were executed, and are executed again after that

`-` is what a peer cannot express; the reasons follow the table. Each peer has its default and its strongest durability.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import ROOTS
from benchmarks.peers.contenders import CONTENDERS
from benchmarks.peers.environments import CACHE
from benchmarks.peers.speed_environments import REQUIREMENTS, installed, make, python_of
from benchmarks.report import machine, shown

COLUMNS = ("run", "turn", "once", "again", "replay", "nested", "data", "disk", "kill", "redone")
UNITS: Mapping[str, Any] = {"disk": "B", "redone": ""}
ROOT = Path(__file__).parents[2]
PATIENCE = 600
"""Seconds after which a part counts as failed."""


class Played(NamedTuple):
    """How a part ended."""

    returncode: int
    out: str
    errors: str


def play(python: Path, peer: str, durability: str, folder: Path, part: str, n: int) -> Played:
    """One part of the work in a process of its own; what it leaves running, such as a server, is killed with it."""
    roots = [str(ROOT), *(ROOTS if peer == "dalsegno" else ())]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            [str(python), "-m", "benchmarks.peers.speed_play", peer, durability, str(folder), part, str(n)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
            cwd=folder,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
        try:
            child.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        out.seek(0)
        errors.seek(0)
        return Played(child.returncode, out.read(), errors.read())


def measure(peer: str, durability: str, python: Path, n: int) -> dict[str, Any]:
    """Everything about one peer with one durability."""
    with tempfile.TemporaryDirectory(prefix="dalsegno-speed-") as name:
        folder = Path(name)
        try:
            done = play(python, peer, durability, folder, "work", n)
        except subprocess.TimeoutExpired:
            return {"error": f"not done in {PATIENCE} s"}
        if done.returncode:
            return {"error": done.errors[-2000:]}
        found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    with tempfile.TemporaryDirectory(prefix="dalsegno-speed-") as name:
        return found | _killed(peer, durability, python, n, Path(name))


def _killed(peer: str, durability: str, python: Path, n: int, folder: Path) -> dict[str, Any]:
    done = play(python, peer, durability, folder, "kill", n)
    if done.returncode != -signal.SIGKILL:
        return {"kill": f"failed: it was not killed: {done.errors[-300:]}"}
    began = time.perf_counter()
    try:
        done = play(python, peer, durability, folder, "resume", n)
    except subprocess.TimeoutExpired:
        return {"kill": f"failed: not done in {PATIENCE} s"}
    took = time.perf_counter() - began
    if done.returncode:
        return {"kill": f"failed: {done.errors[-300:]}"}
    times = Counter((folder / "executed").read_text().split())
    if len(times) != n:
        return {"kill": f"failed: {len(times)} of {n} steps were executed"}
    return {"kill": took, "redone": sum(times.values()) - n}


def line(label: str, found: Mapping[str, Any]) -> str:
    """One line of the table."""
    cells = []
    for column in COLUMNS:
        value = found.get(column)
        if isinstance(value, (int, float)):
            cells.append(str(value) if column == "redone" else shown(value, UNITS.get(column, "s")))
        else:
            cells.append("-" if value is None else "failed")
    return label.ljust(30) + "".join(cell.rjust(11) for cell in cells)


def main() -> None:
    """Measure the peers that are asked for, print the table and what they cannot do."""
    parser = argparse.ArgumentParser(description="The same work by other tools.")
    parser.add_argument("--only", choices=[*CONTENDERS], action="append", help="this peer; may be repeated")
    parser.add_argument("--steps", type=int, default=1000, help="steps of a run")
    parser.add_argument("--json", type=Path, help="a file for everything that was found")
    parser.add_argument("--environments", type=Path, default=CACHE, help="the folder of virtual environments")
    options = parser.parse_args()
    peers = options.only or [*CONTENDERS]
    make(options.environments, peers)
    told: dict[str, Any] = {"machine": machine(), "peers": {}}
    notes: list[str] = []
    print(" · ".join(f"{key} {value}" for key, value in told["machine"].items() if key != "packages"))
    print("".ljust(30) + "".join(column.rjust(11) for column in COLUMNS), flush=True)
    for peer in peers:
        kind = CONTENDERS[peer]
        python = python_of(options.environments, peer)
        version = REQUIREMENTS[peer][0].partition("==")[2] if peer in REQUIREMENTS else ""
        n = min(options.steps, kind.most)
        packages = installed(options.environments, peer) if version else told["machine"]["packages"]
        record: dict[str, Any] = {"version": version, "steps": n, "installed": packages}
        record |= {"cannot": dict(kind.cannot), "durabilities": {}}
        told["peers"][peer] = record
        for durability, meaning in kind.durabilities.items():
            found = measure(peer, durability, python, n)
            record["durabilities"][durability] = {"meaning": meaning, **found}
            print(line(f"{peer} {version} {durability}", found), flush=True)
            notes.append(f"{peer} {durability}: {meaning}")
            for what, value in found.items():
                if isinstance(value, str):
                    notes.append(f"{peer} {durability}, {what}: {value.strip()}")
            if options.json:
                options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
        notes += [f"{peer} cannot do {what}: {why}" for what, why in kind.cannot.items()]
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main()
