"""The virtual environments of the peers that are timed: `python -m benchmarks.peers.speed_environments [FOLDER]`.

They lie beside those of the matrix, each made by the newest pip resolution of the versions that are pinned here;
`speed.py` records all that is installed in them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.environments import CACHE

__all__ = ["REQUIREMENTS", "installed", "make", "python_of"]

REQUIREMENTS: Mapping[str, Sequence[str]] = {
    "dbos": ("dbos==3.4.0",),
    "langgraph": ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2", "aiosqlite==0.22.1"),
    "redun": ("redun==0.44.1",),
    "flyte": ("flyte==2.12.1",),
    "prefect": ("prefect==3.8.8", "fastapi==0.139.2"),
}
"""The distributions of every peer. Prefect does not work with a newer fastapi, which it allows."""


def python_of(folder: Path, peer: str) -> Path:
    """The interpreter that has the peer; for dalsegno the one that runs this."""
    return folder / f"speed-{peer}" / "bin" / "python" if peer in REQUIREMENTS else Path(sys.executable)


def make(folder: Path, peers: Sequence[str] = tuple(REQUIREMENTS)) -> None:
    """Make the virtual environments that are not there yet; needs a package index."""
    for peer in peers:
        if peer not in REQUIREMENTS:
            continue
        place = folder / f"speed-{peer}"
        done = place / "requirements.json"
        wanted = list(REQUIREMENTS[peer])
        if not done.exists() or json.loads(done.read_text()) != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
            python = str(python_of(folder, peer))
            subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
            done.write_text(json.dumps(wanted))


def installed(folder: Path, peer: str) -> list[str]:
    """Every distribution in a peer's environment, as name==version."""
    command = [str(python_of(folder, peer)), "-m", "pip", "freeze", "--exclude-editable"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=CACHE)
    make(parser.parse_args().folder)
