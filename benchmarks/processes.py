"""Whole processes: the command line, from starting Python to its end, and imports."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.floor import LOOP, PASS, process
from benchmarks.harness import Pairs, Row, Session, Target, alternate

TASK = "import dalsegno\nenv = dalsegno.TaskEnvironment('e')\n"
A_PROGRAM = TASK + "def f(x: int) -> int:\n    return x\nenv.task(f)"


def measure(session: Session) -> Iterator[Row]:
    """The rerun happens in an empty folder, without the code."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    rounds = session.scale.processes
    store = session.folder / "processes.store"
    elsewhere = session.folder / "elsewhere"
    elsewhere.mkdir()
    _cli(session, store, ["run", "--name", "first", "steps.py", "moment"], session.program)
    _cli(session, store, ["run", "--name", "big", "steps.py", "fan", "--n", "1000"], session.program)
    rows = []

    async def bare() -> float:
        return await process(session, PASS)

    async def loop() -> float:
        return await process(session, LOOP)

    whole: list[float] = []

    async def rerun() -> float:
        began = time.perf_counter()
        printed = _cli(session, store, ["rerun", "first", "--json"], elsewhere)
        whole.append(time.perf_counter() - began)
        return _first_integer(json.loads(printed)) / 1e9 - began

    pairs = await alternate(rounds, rerun, loop, warm=1)
    looping = "python with an asyncio loop"
    rows.append(Row("dalsegno rerun RUN, new process to first line", pairs, looping, Target(150e-3)))
    rows.append(Row("dalsegno rerun RUN, whole process", Pairs(whole[-rounds:], pairs.floors), looping))
    for name, arguments in (
        ("dalsegno get run", ["get", "run"]),
        ("dalsegno get run --json", ["get", "run", "--json"]),
        ("dalsegno get action, 1,000 actions", ["get", "action", "big"]),
        ("dalsegno --help", ["--help"]),
    ):

        async def command(arguments: Sequence[str] = tuple(arguments)) -> float:
            began = time.perf_counter()
            _cli(session, store, arguments, elsewhere)
            return time.perf_counter() - began

        rows.append(
            Row(f"{name}, whole process", await alternate(rounds, command, bare, warm=1), "python -c pass")
        )
    for name, source in (("import dalsegno", "import dalsegno"), ("import and define a task", A_PROGRAM)):
        # A function of a task needs source that can be found.
        file = session.folder / "imported.py"
        file.write_text(source)

        async def imported(file: Path = file) -> float:
            return await process(session, [str(file)])

        pairs = await alternate(rounds, imported, bare, warm=1)
        rows.append(Row(f"{name}, whole process", pairs, "python -c pass"))
    return rows


def _cli(session: Session, store: Path, arguments: Sequence[str], folder: Path) -> str:
    return session.process(["-m", "dalsegno", *_with_store(arguments, store)], cwd=folder).stdout


def _with_store(arguments: Sequence[str], store: Path) -> list[str]:
    return ["--store", str(store), *arguments]


def _first_integer(document: object) -> int:
    """The result in what `rerun --json` prints: the one integer among the outputs."""
    assert isinstance(document, dict)
    outputs = document["outputs"]
    found = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs[0]
    while isinstance(found, dict):
        found = found["value"]
    return int(found)
