"""Keeping a store sound and small: check it, remove runs, collect what nobody reaches, pin what is to stay.

Each function takes an open store and works beside engines that use it. `dalsegno_storage.copies` makes backups and gives
free space back to the disk, `dalsegno_storage.doctor` looks at the place where a store lies.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

from dalsegno import _records as records
from dalsegno._collection import GRACE, Collected, collect, plan, seconds
from dalsegno._damage import Problem, Progress, Report, examine
from dalsegno._deletion import delete
from dalsegno._listing import run_of
from dalsegno._pins import pack_pin, pin_key, pinned
from dalsegno._policy import Policy
from dalsegno.errors import ConfigError, DamagedRecordError, DecodeError, RunNotFoundError
from dalsegno.models import Phase, RunRecord
from dalsegno_storage.protocol import Reader, Store

__all__ = [
    "Collected",
    "Problem",
    "Report",
    "check",
    "delete_run",
    "delete_runs",
    "gc",
    "pin",
    "pinned_runs",
    "unpin",
]


def check(store: Store, *, progress: Progress | None = None) -> Report:
    """Re-hash every object, follow every reference, compare the indexes with the runs; changes nothing.

    Memory does not grow with the store, and other processes may write meanwhile. `progress` is called about every
    thousand things with what they are and how many there were.
    """
    return examine(store, progress or _ignore)


def delete_run(
    store: Store, name: str, *, project: str = "default", domain: str = "development", force: bool = False
) -> None:
    """Remove a run with its actions and logs; its objects go with the next `gc`, if nobody else needs them.

    RunInUseError for a run that is live, pinned, or that others took results over from. `force` removes it nevertheless;
    those others keep their values and lose what is below them in the tree. A run whose record is damaged goes by force too.
    """
    delete_runs(store, [name], project=project, domain=domain, force=force)


def delete_runs(
    store: Store,
    names: Sequence[str],
    *,
    project: str = "default",
    domain: str = "development",
    force: bool = False,
) -> None:
    """Remove several runs, all of them or, with an error, none; they may need each other."""
    with store.read() as reader:
        look = _even_if_damaged if force else _run
        runs = [look(reader, project, domain, name) for name in dict.fromkeys(names)]
    delete(store, runs, force=force)


def gc(
    store: Store,
    *,
    keep_last: int | None = None,
    older_than: timedelta | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
    grace: float = GRACE,
) -> Collected:
    """Remove what no run reaches, after the runs that the limits give up; with `dry_run` only say what would go.

    Without a limit no run goes. A run is given up when it is not among the `keep_last` newest of its task and
    ended longer than `older_than` ago; where one of the two is None the other decides. Then, while more than `max_size`
    bytes are in use, the oldest goes that `keep_last` does not protect. Live and pinned runs stay, and those that runs which
    stay took results over from.

    Safe beside engines and other processes: an object goes when it is found unreachable twice, the second time in the
    transaction that removes it, and who refers to it afterwards stores it again. `grace` is how many seconds lie between the
    two, which spares most of that. CannotCollectError, with nothing removed but runs, when something that
    can be reached is damaged.
    """
    for name, limit in (("keep_last", keep_last), ("max_size", max_size)):
        if limit is not None and limit < 0:
            raise ConfigError(f"{name} is zero or more, not {limit}")
    age = None if older_than is None else round(older_than.total_seconds() * 1e9)
    policy = Policy(keep_last, age, max_size)
    if dry_run:
        return plan(store, policy, time.time_ns())
    return collect(store, policy, time.time_ns(), seconds(grace))


def pin(
    store: Store, name: str, *, project: str = "default", domain: str = "development", note: str = ""
) -> None:
    """Keep a run, and everything that it reaches, from being removed until it is unpinned; `note` says why."""
    with store.write() as writer:
        run = _run(writer, project, domain, name)
        writer.put(pin_key(run.id), pack_pin(time.time_ns(), note))


def unpin(store: Store, name: str, *, project: str = "default", domain: str = "development") -> bool:
    """Take the pin of a run away; says whether there was one."""
    with store.write() as writer:
        return writer.delete(pin_key(_run(writer, project, domain, name).id))


def pinned_runs(store: Store) -> list[RunRecord]:
    """The runs that are pinned, oldest first."""
    with store.read() as reader:
        return [run_of(reader, run_id) for run_id in pinned(reader)]


def _run(reader: Reader, project: str, domain: str, name: str) -> RunRecord:
    found = reader.get(records.name_key(project, domain, name))
    if found is None:
        known = [
            key.rpartition(b"\0")[2].decode() for key, _ in reader.scan(*records.names_range(project, domain))
        ]
        raise RunNotFoundError(name, known, f"{project}/{domain}")
    return run_of(reader, records.unpack_number(found, "name"))


def _even_if_damaged(reader: Reader, project: str, domain: str, name: str) -> RunRecord:
    """The run, or what is known of one whose record cannot be read."""
    try:
        return _run(reader, project, domain, name)
    except (DamagedRecordError, DecodeError):
        found = reader.get(records.name_key(project, domain, name)) or b""
        run_id, none = records.unpack_number(found, "name"), bytes(32)
        return RunRecord(run_id, project, domain, name, "", none, none, none, none, Phase.FAILED, 0)


def _ignore(what: str, count: int) -> None:
    pass
