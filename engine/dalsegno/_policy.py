"""Which runs are given up: a policy, and the runs that it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dalsegno._marks import Marks
from dalsegno._origins import Origins
from dalsegno._pins import pinned
from dalsegno._records import ACTIONS
from dalsegno._walks import all_runs
from dalsegno.models import RunRecord
from dalsegno_storage._pages import whole_pages
from dalsegno_storage.check import OBJECTS, chunks_of, digest_of
from dalsegno_storage.protocol import Store


@dataclass(frozen=True, slots=True)
class Policy:
    """Which runs are given up; without any limit none are.

    A run goes when it is not among the `keep_last` newest of its task in its project and domain and ended more than
    `older_than` nanoseconds ago; a limit that is None does not protect it, if the other one is given. While what is left
    takes more than `max_size` bytes, the oldest run goes that `keep_last` does not protect.

    Live and pinned runs stay, and with every run that stays those that it took results from.
    """

    keep_last: int | None = None
    older_than: int | None = None
    max_size: int | None = None

    @property
    def gives_up(self) -> bool:
        """Whether there is a limit at all."""
        return self != Policy()


def chosen(store: Store, policy: Policy, now: int) -> list[RunRecord]:
    """The runs that the policy gives up, oldest first."""
    if not policy.gives_up:
        return []
    runs = list(all_runs(store))
    with store.read() as reader:
        pins = set(pinned(reader))
    newest = _newest(runs, policy.keep_last or 0)
    origins = Origins(store)
    free = [run for run in runs if run.phase.is_terminal and run.id not in pins and run.id not in newest]
    given_up: list[RunRecord] = []
    if policy.keep_last is not None or policy.older_than is not None:
        given_up = origins.unneeded(run for run in free if _is_old(run, policy.older_than, now))
    if policy.max_size is not None:
        given_up += _oldest(store, policy.max_size, runs, free, given_up, origins)
    return sorted(given_up)


def _newest(runs: Sequence[RunRecord], count: int) -> set[int]:
    seen: Counter[tuple[str, str, str]] = Counter()
    found = set()
    for run in reversed(runs):
        task = (run.project, run.domain, run.task)
        if seen[task] < count:
            found.add(run.id)
        seen[task] += 1
    return found


def _is_old(run: RunRecord, age: int | None, now: int) -> bool:
    return age is None or (run.ended_at is not None and run.ended_at < now - age)


def _oldest(
    store: Store,
    limit: int,
    runs: Sequence[RunRecord],
    free: Sequence[RunRecord],
    given_up: Sequence[RunRecord],
    origins: Origins,
) -> list[RunRecord]:
    """As many of the oldest free runs, besides those that are given up already, as have to go for the limit."""
    gone = {run.id for run in given_up}
    left = [run for run in free if run.id not in gone]
    ids = {run.id for run in left}
    fixed = [run for run in runs if run.id not in ids and run.id not in gone]
    sizes = _sizes(store, [*fixed, *reversed(left)])
    size = sum(sizes.values())
    more: list[RunRecord] = []
    while left:
        blocked = []
        for run in left:
            if size <= limit:
                return more
            if origins.users(run) <= gone:
                gone.add(run.id)
                more.append(run)
                size -= sizes[run.id]
            else:  # it can go once those have gone that need it
                blocked.append(run)
        if len(blocked) == len(left):
            break
        left = blocked
    return more


def _sizes(store: Store, runs: Sequence[RunRecord]) -> dict[int, int]:
    """By run, the bytes that are freed when it goes, if those behind it in the sequence are gone already."""
    sizes = {run.id: 0 for run in runs}
    users = Marks(store, runs=runs).first
    ranks = {run.id: rank for rank, run in enumerate(runs)}
    chunks: dict[bytes, int] = {}
    for key, record in whole_pages(store, *OBJECTS):
        user = users.get(digest_of(key) or b"")
        if user is not None:
            for chunk in chunks_of(record):
                chunks[chunk] = min(user, chunks.get(chunk, user), key=ranks.__getitem__)
    users = {**chunks, **users}
    for key, record in whole_pages(store, *OBJECTS):
        user = users.get(digest_of(key) or b"")
        if user is not None:
            sizes[user] += len(key) + len(record)
    for table in (b"r", ACTIONS[0], b"l"):
        for key, data in whole_pages(store, table, bytes((table[0] + 1,))):
            run_id = int.from_bytes(key[1:9], "big")
            if run_id in sizes:
                sizes[run_id] += len(key) + len(data)
    return sizes
