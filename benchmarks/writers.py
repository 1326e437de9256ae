"""Several processes that record into one store at once: seconds for each action of them all together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import PROGRAMS, Pairs, Row, Session


def measure(session: Session) -> Iterator[Row]:
    """Each process awaits actions in turn with full durability; the floor does bare commits instead."""
    n = session.scale.chain // 2
    for count in (1, 2, 4):
        values, floors = [], []
        for number in range(max(1, session.scale.batches // 3)):
            place = session.folder / f"writers-{count}-{number}"
            floors.append(_together(session, count, "bare_write", place.with_suffix(".bare"), n))
            values.append(_together(session, count, "write", place.with_suffix(".store"), n))
        what = "1 process" if count == 1 else f"{count} processes"
        yield Row(f"action in turn, full, {what}", Pairs(values, floors), "bare commits of as many")


def _together(session: Session, count: int, mode: str, store: Path, n: int) -> float:
    """Start processes, let them begin at once, and give the seconds for each of their actions."""
    children = [
        subprocess.Popen(
            [sys.executable, str(PROGRAMS / "child.py"), mode, str(store), str(n)],
            cwd=session.program,
            env=session.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        times = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    took: float = max(ended for _, ended in times) - min(began for began, _ in times)
    return took / (count * n)
