"""What is recorded of one run lazily, such as its logs."""

from __future__ import annotations

from dalsegno._ownership import Holds
from dalsegno._tickets import Make
from dalsegno._writer import Writer


class Notes:
    """Lazy puts for one run, made as long as it is this ledger's."""

    __slots__ = ("_holds", "_run_id", "_writer")

    def __init__(self, writer: Writer, holds: Holds, run_id: int) -> None:
        self._writer, self._holds, self._run_id = writer, holds, run_id

    def put_lazily(self, key: bytes, make: Make) -> None:
        """Have `make()` stored under `key` with one of the next commits."""
        self._writer.put_lazily(
            key,
            lambda transaction: make(transaction) if self._holds.holds(transaction, self._run_id) else None,
        )
