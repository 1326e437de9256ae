"""The peers' versions, and their virtual environments: `python -m benchmarks.peers.environments [FOLDER]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["CACHE", "PEERS", "make", "python_of"]

PEERS: Mapping[str, str] = {"redun": "0.44.1", "joblib": "1.6.0", "flyte": "2.12.1"}
"""The version of every peer's distribution."""

PROGRAM = ("numpy==2.4.6", "pydantic==2.14.3")
"""What the program of the matrix needs."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dalsegno-peers"
"""Where the environments are unless said otherwise."""


def make(folder: Path, peers: Sequence[str] = tuple(PEERS)) -> None:
    """Make the virtual environments that are not there yet; needs a package index."""
    for peer in peers:
        done = folder / peer / f"{peer}-{PEERS[peer]}"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / peer)], check=True)
            wanted = [f"{peer}=={PEERS[peer]}", *PROGRAM]
            subprocess.run(
                [str(python_of(folder, peer)), "-m", "pip", "install", "--quiet", *wanted], check=True
            )
            done.touch()


def python_of(folder: Path, peer: str) -> Path:
    """The interpreter that has the peer; for dalsegno, and for the bare program, the one that runs this."""
    return folder / peer / "bin" / "python" if peer in PEERS else Path(sys.executable)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=CACHE)
    make(parser.parse_args().folder)
