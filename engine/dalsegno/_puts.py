"""What is to be stored, and the pieces of transactions that store it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from dalsegno import _records as records
from dalsegno.models import ActionRecord, Phase, RunRecord
from dalsegno_storage.check import chunks_of
from dalsegno_storage.objects import Prepared, is_cut, object_key
from dalsegno_storage.pieces import Pieces
from dalsegno_storage.protocol import Reader
from dalsegno_storage.protocol import Writer as Transaction

PART_BYTES = 4 << 20
"""Objects larger than this are written ahead of their record, in transactions of about this size."""

Read = Callable[[], bytes | Pieces]

Pair = tuple[bytes, bytes]
"""A key and what is stored under it."""


class Put(NamedTuple):
    """An object that a record refers to, and what stores it unless it is there.

    `pairs` store it, in this order, that of the object last. They are empty when it was found to be there, and then
    `again` makes them, should it have been removed by the time when the record is written. `below` are the objects that
    it refers to itself. `whole` says that it is known not to be cut into chunks.
    """

    key: bytes
    pairs: Sequence[Pair] | Large
    again: Callable[[], Iterable[Pair]]
    below: Sequence[Put] = ()
    whole: bool = False

    def with_pairs(self, prepared: Prepared) -> Put:
        """The same for an object that is not there."""
        return self._replace(pairs=Large.unless_small(prepared))


def as_it_is(data: bytes | Pieces) -> bytes | Pieces:
    """What is at hand, read."""
    return data


def found(kind: str, digest: bytes, read: Read, below: Sequence[Put] = (), *, whole: bool = False) -> Put:
    """An object that is there now; `read` gives its bytes, and `below` are the objects that it refers to."""
    return Put(object_key(digest), (), lambda: Prepared(digest, kind, read()).parts, below, whole)


class Kept:
    """An object that many records refer to; `seen` counts the removals up to when it was last known to be there."""

    __slots__ = ("put", "seen")

    def __init__(self, put: Put) -> None:
        self.put = put
        self.seen = -1

    def is_there(self, seen: int) -> None:
        """It has been stored; from now on what stores it is made again when it is needed."""
        self.seen = seen
        self.put = _without_pairs(self.put)


class Begun(Protocol):
    """An action that runs: what is recorded of it now, and what keeps the objects that this refers to."""

    @property
    def record(self) -> ActionRecord: ...

    @property
    def puts(self) -> Sequence[Put]: ...

    @property
    def kept(self) -> Kept | None:
        """What keeps its template."""


class End(NamedTuple):
    """How an action ended, and what is to be stored with that.

    `puts` are the objects that the record refers to, but for its template, which `template` keeps. `durable` says whether
    the disk is waited for. `call` is the digest of the call that the action can stand for from now on, b"" for none.
    """

    record: ActionRecord
    puts: Sequence[Put] = ()
    durable: bool = True
    call: bytes = b""
    template: Kept | None = None


class Outcome(NamedTuple):
    """How an action ended, for the record and for its caller."""

    end: End
    value: Any = None
    error: BaseException | None = None


class Opening(NamedTuple):
    """A run and its root with what records them; `landed` tells whether it has."""

    run: RunRecord
    root: ActionRecord
    operation: Callable[[Transaction], None]
    landed: Callable[[Reader], bool]


def is_over(transaction: Transaction, key: bytes, attempts: int) -> bool:
    """Whether the record of an action stays as it is: it has ended, and was not aborted and begun once more since, as it
    may be when its run is resumed."""
    data = transaction.get(key)
    if data is None:
        return False
    phase, recorded = records.standing_of(data)
    return phase.is_terminal and not (phase is Phase.ABORTED and attempts > recorded)


def is_there(action: ActionRecord, reader: Reader) -> bool:
    """Whether the record of an action is there, to the byte."""
    key = records.action_key(action.run_id, action.seq, action.path)
    return reader.get(key) == records.pack_action(action)


def put_missing(transaction: Transaction, puts: Iterable[Put]) -> None:
    """Store those of the objects that are not there, each after those that it refers to.

    That an object is there says nothing of what it refers to: both may have been unreached, and only one removed so far.
    """
    for put in puts:
        put_missing(transaction, put.below)
        if not _is_stored(transaction, put):
            put_pairs(transaction, put.pairs or put.again())


def _is_stored(transaction: Transaction, put: Put) -> bool:
    if put.whole:
        return transaction.has(put.key)
    record = transaction.get(put.key)
    return record is not None and all(transaction.has(object_key(each)) for each in chunks_of(record))


class Large:
    """What stores an object that is too large to be held: made anew whenever it is gone through, one by one."""

    def __init__(self, make: Callable[[], Iterable[Pair]]) -> None:
        self._make = make
        self._chunks: list[bytes] = []
        self._last: Pair | None = None

    @classmethod
    def unless_small(cls, prepared: Prepared) -> list[Pair] | Large:
        """What stores an object, held where that is of at most PART_BYTES."""
        return cls(lambda: prepared.parts) if prepared.size > PART_BYTES else list(prepared.parts)

    def __iter__(self) -> Iterator[Pair]:
        chunks: list[bytes] = []
        for pair in self._make():
            if is_cut(pair[1]):
                self._chunks, self._last = chunks, pair
            else:
                chunks.append(pair[0])
            yield pair

    def missing(self, transaction: Transaction) -> Iterable[Pair]:
        """What is still to be stored: the object alone where its chunks are there since it was gone through."""
        if self._last is None or not all(map(transaction.has, self._chunks)):
            return self
        return (self._last,)


def put_pairs(transaction: Transaction, pairs: Iterable[Pair]) -> None:
    """Store what is not there."""
    if isinstance(pairs, Large):
        pairs = pairs.missing(transaction)
    for key, data in pairs:
        if not transaction.has(key):
            transaction.put(key, data)


def small(puts: Iterable[Put]) -> bool:
    """Whether the puts may go into one transaction with a record."""
    size = 0
    for put in _all(puts):
        if isinstance(put.pairs, Large):
            return False
        size += sum(len(data) for _, data in put.pairs)
    return size <= PART_BYTES


def parts(puts: Iterable[Put]) -> Iterator[list[Pair]]:
    """What can be stored ahead of a record, in slices of about PART_BYTES.

    That is what refers to nothing: an object that does is stored in one transaction with a look at what it refers to, so
    that whoever finds it there knows that everything below it is there too.
    """
    part: list[Pair] = []
    size = 0
    for put in _all(puts):
        for pair in put.pairs:
            if is_cut(pair[1]) or put.below:
                continue
            part.append(pair)
            size += len(pair[1])
            if size >= PART_BYTES:
                yield part
                part, size = [], 0
    if part:
        yield part


def _all(puts: Iterable[Put], seen: set[bytes] | None = None) -> Iterator[Put]:
    seen = set() if seen is None else seen
    for put in puts:
        if put.pairs and put.key not in seen:
            seen.add(put.key)
            yield from _all(put.below, seen)
            yield put


def _without_pairs(put: Put) -> Put:
    return put._replace(pairs=(), below=tuple(map(_without_pairs, put.below)))
