"""The records of a run as entries of a capsule, in one form wherever they are kept.

    run       the record of the run
    actions   for each action, in the order of numbers: length (4), number (4), the record of the action
    logs      for each piece of log: length (4), number of the action (4), number of the piece (4), the record

Numbers are big-endian; a length counts what stands behind it. The records are those of a store without their checksum. They do
not have the id that the run has in a store: where an action took over a result, the run that it is from is a number, from 1,
in the order of the capsule's runs; 0 stands for a run that is not there any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from dalsegno import _records as records
from dalsegno.capsule._archive import Entry
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage._pages import whole_pages
from dalsegno_storage.protocol import Store

LONGEST = 1 << 26
"""The longest record in bytes."""

PARTS = ("run", "actions", "logs")


class Sum(NamedTuple):
    """The size of an entry in bytes, and the sha256 of its content."""

    size: int
    digest: str


def name_of(number: int, part: str) -> str:
    """The name of an entry; `part` is one of PARTS."""
    return f"runs/{number}/{part}"


def run_entry(run: RunRecord) -> bytes:
    """The content of the first entry of a run."""
    return records.pack_run(run)[: -records.CHECKSUM]


def action_content(action: ActionRecord, numbers: Mapping[int, int]) -> bytes:
    """An action in its entry; `numbers` are those of the capsule's runs by id."""
    origin = action.origin
    if origin is not None:
        action = action._replace(origin=origin._replace(run_id=numbers.get(origin.run_id, 0)))
    record = records.pack_action(action)[: -records.CHECKSUM]
    return _framed(action.seq.to_bytes(4, "big") + record)


def contents(
    store: Store,
    run: RunRecord,
    numbers: Mapping[int, int],
    see: Callable[[ActionRecord], None] = lambda action: None,
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The entries of a recorded run, piece by piece; each action is shown to `see`."""
    yield "run", iter((run_entry(run),))
    yield "actions", _actions(store, run.id, numbers, see)
    yield "logs", _logs(store, run.id)


def summed(pieces: Iterator[bytes]) -> Sum:
    """The size and digest of what an entry has."""
    size, running = 0, sha256()
    for piece in pieces:
        size += len(piece)
        running.update(piece)
    return Sum(size, running.hexdigest())


def _actions(
    store: Store, run_id: int, numbers: Mapping[int, int], see: Callable[[ActionRecord], None]
) -> Iterator[bytes]:
    for key, data in whole_pages(store, *records.actions_range(run_id)):
        action = records.unpack_action(run_id, records.seq_of(key), data)
        see(action)
        yield action_content(action, numbers)


def _logs(store: Store, run_id: int) -> Iterator[bytes]:
    for key, data in whole_pages(store, *records.log_range(run_id, None)):
        yield _framed(key[9:] + records.opened(data, "log"))


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


class Read:
    """The records in an entry, one by one; `sum` is known after the last."""

    def __init__(self, entry: Entry, head: int) -> None:
        self._entry = entry
        self._head = head
        self._running = sha256()

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """What stands before each record, `head` bytes, and the record without its checksum."""
        while self._entry.left:
            size = int.from_bytes(self._take(4), "big")
            if not self._head < size <= LONGEST:
                raise self._entry.wrong(f"a record in it claims {size} bytes")
            data = self._take(size)
            yield data[: self._head], data[self._head :]

    @property
    def sum(self) -> Sum:
        """The size and digest of the entry."""
        return Sum(self._entry.size, self._running.hexdigest())

    def _take(self, size: int) -> bytes:
        data = self._entry.read(size)
        self._running.update(data)
        return data
