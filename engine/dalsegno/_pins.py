"""Pins: runs that no policy removes, and the number of the last removal of objects."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno import _records as records
from dalsegno_storage.protocol import Reader, Writer

PINS = (b"p", b"q")
"""Where pins begin and end."""

SWEEPS = b"g"
"""The key of the number of transactions in which objects were removed."""


def pin_key(run_id: int) -> bytes:
    """Where it is noted that a run is pinned."""
    return b"p" + run_id.to_bytes(8, "big")


def pack_pin(at: int, note: str) -> bytes:
    """A pin: when it was made, in nanoseconds, and why."""
    return records.pack_record(at, note)


def unpack_pin(data: bytes) -> tuple[int, str]:
    """The inverse of `pack_pin`."""
    at, note = records.unpack_record(data, "pin")
    return at, note


def pinned(reader: Reader) -> Iterator[int]:
    """The ids of the pinned runs."""
    for key, _ in reader.scan(*PINS):
        yield records.run_id_of(key)


def sweeps(reader: Reader) -> int:
    """The number of transactions so far in which objects were removed.

    Who has found that an object is there, and refers to it in a later transaction, can tell by it whether that has
    to be found out again.
    """
    data = reader.get(SWEEPS)
    return 0 if data is None else records.unpack_number(data, "collection")


def count_sweep(writer: Writer) -> None:
    """Note that objects are removed in this transaction."""
    writer.put(SWEEPS, records.pack_number(sweeps(writer) + 1))
