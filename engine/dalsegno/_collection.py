"""Collecting what nobody can reach any more.

First the runs that the policy gives up are removed, then the objects that no run reaches, found twice: once at leisure, in
short transactions, and again inside each removing one for what has been added since. In between passes a while in which
executors refer to what they have stored ahead of a record, so that it need not be stored again.

Whoever has found an object to be there and refers to it later than that has to look again: each removing transaction
counts up a number, so that one look at it tells whether anything was removed at all. `_fence.py` is how engines do that,
and why a collection is safe beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dalsegno import _records as records
from dalsegno._deletion import delete, left_overs, remove_left_overs
from dalsegno._marks import Marks
from dalsegno._pins import count_sweep
from dalsegno._policy import Policy, chosen
from dalsegno._references import REFERRING, TABLES
from dalsegno.errors import CannotCollectError, DamagedRecordError, DecodeError
from dalsegno.models import RunRecord
from dalsegno_storage._pages import whole_pages
from dalsegno_storage.errors import StoreDamagedError
from dalsegno_storage.protocol import Store, Writer
from dalsegno_storage.sweep import Garbage, garbage, remove

GRACE = 2.0
"""For how many seconds an object has to be unreachable before it is removed."""

SOURCES = frozenset(("bundle", "blob"))
"""What derived entries are made from."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be: runs, the oldest first; objects and the bytes that they take; entries of cache.

    `left_overs` counts runs that were removed before and of which actions or logs were left.
    """

    runs: tuple[RunRecord, ...]
    objects: int
    size: int
    entries: int
    left_overs: int


def plan(store: Store, policy: Policy, now: int) -> Collected:
    """What a collection would remove now; `now` is in nanoseconds."""
    _refuse_unknown(store)
    runs = chosen(store, policy, now)
    ids = frozenset(run.id for run in runs)
    _, doomed = _doomed(store, ids)
    return Collected(
        tuple(runs),
        len(doomed),
        sum(each.stored for each in doomed),
        len(_idle_entries(store, doomed, ids)),
        sum(1 for _ in left_overs(store)),
    )


def collect(store: Store, policy: Policy, now: int, wait: Callable[[], None]) -> Collected:
    """Remove it; `wait` lets executors refer to what they have stored already."""
    _refuse_unknown(store)
    runs = chosen(store, policy, now)
    if runs:
        runs = delete(store, runs, force=False)
    left = remove_left_overs(store)
    marks, doomed = _doomed(store, frozenset())
    removed: list[Garbage] = []
    if doomed:
        wait()

        def kept_now(writer: Writer) -> Callable[[bytes], bool]:
            marks.since(writer)
            return marks.__contains__

        removed = remove(store, doomed, kept_now, count_sweep, referring=REFERRING)
    entries = _idle_entries(store, removed, frozenset())
    for start in range(0, len(entries), 1000):
        with store.write() as writer:
            for key, data in entries[start : start + 1000]:
                if writer.get(key) == data:
                    writer.delete(key)
    return Collected(tuple(runs), len(removed), sum(each.stored for each in removed), len(entries), left)


def seconds(grace: float) -> Callable[[], None]:
    """Waits that long."""
    return lambda: time.sleep(grace)


def _doomed(store: Store, without: frozenset[int]) -> tuple[Marks, list[Garbage]]:
    try:
        marks = Marks(store, without)
        return marks, garbage(store, marks.__contains__)
    except (DecodeError, StoreDamagedError, LookupError) as error:
        raise CannotCollectError(
            f"nothing was removed, because it cannot be told what is still needed: {error}; "
            "`dalsegno check` names the runs that this touches, and `dalsegno delete run` removes them"
        ) from error


def _idle_entries(store: Store, doomed: list[Garbage], without: frozenset[int]) -> list[tuple[bytes, bytes]]:
    """Entries of the cache whose action is not there, and derived entries when something they may be made from goes;
    and those of either kind that are damaged.

    A derived entry does not say what it was made from, and all of them can be made again.
    """
    found = []
    with store.read() as reader:
        for key, data in reader.scan(b"c", b"d"):
            try:
                run_id, seq, _ = records.unpack_cached(data)
            except (DecodeError, DamagedRecordError):
                found.append((key, data))
                continue
            there = run_id not in without and reader.get(records.run_key(run_id)) is not None
            if not there or next(iter(reader.scan(*records.action_range(run_id, seq))), None) is None:
                found.append((key, data))
    all_derived = any(each.kind in SOURCES for each in doomed)
    found += (pair for pair in whole_pages(store, b"d", b"e") if all_derived or _is_damaged(pair[1]))
    return found


def _is_damaged(derived: bytes) -> bool:
    try:
        records.opened(derived, "derived")
    except DamagedRecordError:
        return True
    return False


def _refuse_unknown(store: Store) -> None:
    """CannotCollectError when there are records of which this release does not know what they refer to."""
    for letter in range(ord("a"), ord("z") + 1):
        if letter in TABLES:
            continue
        with store.read() as reader:
            if next(iter(reader.scan(bytes((letter,)), bytes((letter + 1,)))), None) is not None:
                raise CannotCollectError(
                    f"nothing was removed, because the store has records {chr(letter)!r} of a newer release; "
                    "upgrade dalsegno"
                )
