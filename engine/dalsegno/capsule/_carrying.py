"""Runs into a file, and out of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dalsegno._listing import run_of
from dalsegno._records import name_key, names_range, unpack_number
from dalsegno.capsule._export import Exported, export
from dalsegno.capsule._import import Imported, import_file
from dalsegno.errors import RunNotFoundError, UsageError
from dalsegno.models import RunRecord
from dalsegno_storage.protocol import Reader, Store


def export_runs(
    store: Store,
    names: Sequence[str],
    file: str | Path,
    *,
    project: str = "default",
    domain: str = "development",
) -> Exported:
    """Write runs into a new file, with all that they need: records, values, code, logs.

    Runs that these took results over from come along. Those that these were merely started from do not, unless they are named.
    The same runs give the same bytes, from whichever store. UsageError for a run that has not ended, RunNotFoundError,
    and CapsuleError when there is something at the place of the file; then nothing is written.
    """
    with store.read() as reader:
        runs = [_run(reader, project, domain, name) for name in dict.fromkeys(names)]
    return export(store, runs, Path(file))


def export_records(store: Store, runs: Sequence[RunRecord], file: str | Path) -> Exported:
    """The same for runs that have been looked up, of whichever projects."""
    return export(store, runs, Path(file))


def import_capsule(store: Store, file: str | Path, *, max_size: int | None = None) -> Imported:
    """Record the runs in a capsule, under their own names, all of them or none.

    Everything is checked first; CapsuleError names the entry that is wrong. Runs that are here already, the same to the last
    byte, stay as they are; another run of the same name is refused. What is inside may have `max_size` bytes, by default a hundred times the
    size of the file or a gigabyte. The new runs can be looked at, and executed after their code is trusted.
    """
    if max_size is not None and (isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 0):
        raise UsageError(f"max_size is a number of bytes, not {max_size!r}")
    return import_file(store, Path(file), max_size)


def _run(reader: Reader, project: str, domain: str, name: str) -> RunRecord:
    found = reader.get(name_key(project, domain, name))
    if found is None:
        known = [key.rpartition(b"\0")[2].decode() for key, _ in reader.scan(*names_range(project, domain))]
        raise RunNotFoundError(name, known, f"{project}/{domain}")
    return run_of(reader, unpack_number(found, "name"))
