"""What is to be stored, and the pieces of transactions that store it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from dalsegno import _records as records
from dalsegno.models import ActionRecord
from dalsegno_storage.protocol import Writer as Transaction

PART_BYTES = 4 << 20
"""Objects larger than this are written ahead of their record, in transactions of about this size."""

Put = tuple[bytes, bytes]


class End(NamedTuple):
    """How an action ended, and what is to be stored with that.

    `puts` are the objects that the record refers to. `durable` says whether the disk is waited for. `call` is the digest
    of the call that the action can stand for from now on, b"" for none.
    """

    record: ActionRecord
    puts: list[Put] = []
    durable: bool = True
    call: bytes = b""


def is_over(transaction: Transaction, key: bytes) -> bool:
    data = transaction.get(key)
    return data is not None and records.phase_of(data).is_terminal


def put_missing(transaction: Transaction, puts: Sequence[Put]) -> None:
    for key, data in puts:
        if transaction.get(key) is None:
            transaction.put(key, data)


def putting(puts: Sequence[Put]) -> Callable[[Transaction], None]:
    return lambda transaction: put_missing(transaction, puts)


def unless_there(key: bytes, data: bytes) -> Callable[[Transaction], bytes | None]:
    return lambda transaction: data if transaction.get(key) is None else None


def small(puts: list[Put]) -> bool:
    """Whether the puts may go into one transaction with a record."""
    return sum(len(data) for _, data in puts) <= PART_BYTES


def parts(puts: list[Put]) -> Iterator[list[Put]]:
    """The puts in slices of about PART_BYTES."""
    part: list[Put] = []
    size = 0
    for put in puts:
        part.append(put)
        size += len(put[1])
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
