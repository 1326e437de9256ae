"""The mutation matrix with other tools: `python -m benchmarks.peers.reuse`, from the repository's root.

Every row is one run of the edited program, in a new process, over the results of a run of the unedited one. What each
peer makes of it is one of

- right: it gives what a fresh run gives, and executes what it must and nothing else;
- stale: it gives something else than a fresh run;
- needless: it executes something although the edit is cosmetic;
- unnoticed: it gives the right result, but reuses one of a task whose code changed, which here makes no difference;
- more: it gives the right result, and executes more than the edit concerns;
- failed: it cannot run the edited program, which plain Python can.

Only the tasks that do something count (`load`, `clean`, `features`, `fit`, `report`), not those that call them. A row
that fakes the version of an installed package is left out, since only tests can do that, and so is one that makes a
call twice, which for a cache is the same as once.

What peers cannot express: joblib and Flyte's local cache have no recorded run that is done again, so the edited program
is run anew over their cache. redun wants tasks that pass lazy results on without looking at them; the program is
written so. Left out are Hamilton, whose functions are nodes of a fixed graph that are found by their parameters' names,
so that the program would have to be another one, and Prefect, which starts a server for every process (25 s a row).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.engine.reuse.matrix import INPUTS, ROWS, Row, edited
from tests.engine.reuse.package import ENVIRONMENT, FILES, SOURCES, write

from benchmarks.peers.adapters import CALLERS
from benchmarks.peers.environments import CACHE, PEERS, make, python_of

ROOT = Path(__file__).parents[2]
OUTCOMES = ("right", "stale", "needless", "unnoticed", "more", "failed")
PATIENCE = 120
"""Seconds after which a run counts as failed."""


class Bench:
    """One peer in one folder: the tree, always in the same place, and a copy of its results for every row."""

    def __init__(self, peer: str, python: Path, folder: Path) -> None:
        self._peer = peer
        self._python = python
        self._tree = folder / "tree"
        self._store = folder / "store"
        self._recorded = folder / "recorded"
        self._store.mkdir()

    def record(self) -> str:
        """Run the unedited program twice, keep what the peer keeps, and give the result.

        Twice, because redun names values by their pickles, and those of values that come out of its database differ
        from those of values that were just computed: it settles in the second run.
        """
        result: str = self._play(FILES, INPUTS, (), {}, first=True)["result"]
        again: str = self._play(FILES, INPUTS, (), {}, first=False)["result"]
        assert again == result
        self._store.rename(self._recorded)
        return result

    def play(self, row: Row) -> dict[str, Any]:
        """Run the edited program over the results of the unedited one."""
        if self._store.exists():
            shutil.rmtree(self._store)
        shutil.copytree(self._recorded, self._store)
        inputs = {**INPUTS, **row.inputs}
        return self._play(edited(row), inputs, tuple(row.inputs), row.environ, first=False)

    def _play(
        self,
        files: Mapping[str, str],
        inputs: Mapping[str, Any],
        changed: Sequence[str],
        environ: Mapping[str, str],
        *,
        first: bool,
    ) -> dict[str, Any]:
        if self._tree.exists():
            shutil.rmtree(self._tree)
        write(files, self._tree)
        if self._peer != "dalsegno":
            pipeline = self._tree / SOURCES / "forecast" / "pipeline.py"
            text = pipeline.read_text(encoding="utf-8")
            assert text.count(ENVIRONMENT) == 1
            other = ENVIRONMENT.replace("dalsegno", "environment_of_the_peer")
            pipeline.write_text(text.replace(ENVIRONMENT, other), encoding="utf-8")
        own = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
        roots = [ROOT, *((ROOT / "engine", ROOT / "storage") if self._peer == "dalsegno" else ())]
        done = subprocess.run(
            [self._python, "-m", "benchmarks.peers.play", self._peer, self._tree, self._store],
            input=json.dumps({"inputs": dict(inputs), "changed": changed, "first": first}),
            env={
                **own,
                "PYTHONPATH": os.pathsep.join(map(str, roots)),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environ,
            },
            cwd=self._store,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if done.returncode != 0:
            raise PeerError(done.stderr.strip()[-2000:])
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


class PeerError(Exception):
    """A peer could not run the program."""


def judge(row: Row, answer: Mapping[str, Any], fresh: str) -> str:
    """What a peer made of a row."""
    executed, expected = leaves(answer["calls"]), leaves(row.executes)
    if answer["result"] != fresh:
        return "stale"
    if row.cosmetic and executed:
        return "needless"
    if not set(expected) <= set(executed):
        return "unnoticed"
    return "right" if executed == expected else "more"


def leaves(calls: Iterator[str] | Sequence[str] | frozenset[str]) -> list[str]:
    """The calls that count, sorted."""
    return sorted(call for call in calls if call.partition(":")[0] not in CALLERS)


def measure(peer: str, python: Path, rows: Sequence[Row], fresh: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every row with one peer."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(peer, python, Path(folder))
        assert bench.record() == fresh[""], f"{peer} gives another result than plain Python"
        for row in rows:
            line: dict[str, Any] = {"row": row.name, "kind": row.kind, "cosmetic": row.cosmetic}
            line["expected"] = leaves(row.executes)
            try:
                answer = bench.play(row)
                # A result that changed went through the last task, so that is a test of the watching.
                assert answer["result"] == fresh[""] or "report" in answer["calls"]
                line |= {"outcome": judge(row, answer, fresh[row.name]), "executed": leaves(answer["calls"])}
            except (PeerError, subprocess.TimeoutExpired) as error:
                line |= {"outcome": "failed", "error": str(error)}
            found.append(line)
            print(f"{peer:9} {line['outcome']:10} {row.name}", file=sys.stderr, flush=True)
    return found


def results(rows: Sequence[Row]) -> dict[str, str]:
    """What plain Python gives for every row, and for the unedited program under the name ""."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench("plain", Path(sys.executable), Path(folder))
        return {"": bench.record(), **{row.name: bench.play(row)["result"] for row in rows}}


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """The counts, a line for each peer."""
    lines = ["".join(["peer".ljust(18), *(outcome.rjust(11) for outcome in ("rows", *OUTCOMES))])]
    for peer, found in measured.items():
        counts = [len(found["rows"]), *(found["counts"][outcome] for outcome in OUTCOMES)]
        name = f"{peer} {found['version']}".strip()
        lines.append("".join([name.ljust(18), *(str(number).rjust(11) for number in counts)]))
    return "\n".join(lines)


def main() -> None:
    """Measure the peers that are asked for, and print the table."""
    parser = argparse.ArgumentParser(description="The mutation matrix with other tools.")
    parser.add_argument(
        "--only", choices=["dalsegno", *PEERS], action="append", help="this peer; may be repeated"
    )
    parser.add_argument("--rows", default="", help="only rows whose names contain this text")
    parser.add_argument("--json", type=Path, help="a file for everything that was found")
    parser.add_argument("--environments", type=Path, default=CACHE, help="the folder of virtual environments")
    options = parser.parse_args()
    peers = options.only or ["dalsegno", *PEERS]
    rows = [row for row in ROWS if options.rows in row.name and row.kind not in ("version", "calls")]
    make(options.environments, [peer for peer in peers if peer in PEERS])
    fresh = results(rows)
    measured: dict[str, Any] = {}
    for peer in peers:
        lines = measure(peer, python_of(options.environments, peer), rows, fresh)
        counts = Counter(line["outcome"] for line in lines)
        measured[peer] = {
            "version": PEERS.get(peer, ""),
            "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
            "rows": lines,
        }
        if options.json:
            options.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    print(table(measured))


if __name__ == "__main__":
    main()
