"""Carrying runs to another store in one file, and trusting those that came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dalsegno import capsule
from dalsegno._default import default_engine
from dalsegno.capsule import Exported, Foreign, Imported
from dalsegno.runs import Run

__all__ = ["export_runs", "import_capsule", "trust"]


def export_runs(
    *runs: Run[Any] | str, file: str | Path, project: str | None = None, domain: str | None = None
) -> Exported:
    """Write runs of the default engine's store into a new file, with all that they need to be executed elsewhere.

    Runs are given by name or as they are; see `dalsegno.capsule.export_runs`.
    """
    engine = default_engine()
    found = [
        each if isinstance(each, Run) else engine.get_run(each, project=project, domain=domain)
        for each in runs
    ]
    return capsule.export_records(engine.ledger._store, [each.record for each in found], file)


def import_capsule(file: str | Path, *, max_size: int | None = None) -> Imported:
    """Record the runs in such a file in the default engine's store; see `dalsegno.capsule.import_capsule`."""
    return capsule.import_capsule(default_engine().ledger._store, file, max_size=max_size)


def trust(digest: str) -> Foreign:
    """Let imported code be executed, by the digest of its bundle; see `dalsegno.capsule.trust`."""
    return capsule.trust(default_engine().ledger._store, digest)
