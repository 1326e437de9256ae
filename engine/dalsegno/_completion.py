"""What records how an action stands, in a transaction that is waited for or along with the next."""

from __future__ import annotations

from dalsegno import _records as records
from dalsegno._fence import Fence
from dalsegno._ownership import Holds
from dalsegno._puts import End, is_over
from dalsegno_storage.protocol import Reader
from dalsegno_storage.protocol import Writer as Transaction


class Completion:
    """Records how an action stands; a record that is terminal already stays as it is.

    Packed when it is made, since a hundred thousand may wait at once.
    """

    __slots__ = (
        "_attempts", "_cached", "_call", "_fence", "_holds", "_puts", "_run_id", "_template", "data", "key",
    )  # fmt: skip

    def __init__(self, holds: Holds, fence: Fence, end: End) -> None:
        action = end.record
        self._holds, self._fence = holds, fence
        self._run_id, self._attempts = action.run_id, action.attempts
        self._cached = records.pack_cached(action) if end.call else b""
        self._template, self._puts, self._call = end.template, end.puts, end.call
        self.key = records.action_key(action.run_id, action.seq, action.path)
        self.data = records.pack_action(action)

    def __call__(self, transaction: Transaction) -> None:
        """Record it; RunTakenOverError when the run is somebody else's by now."""
        self._holds.check(transaction, self._run_id)
        data = self._wanted(transaction)
        if data is not None:
            transaction.put(self.key, data)

    def lazily(self, transaction: Transaction) -> bytes | None:
        """What is to be recorded under `key`; None when that is not wanted any more."""
        return self._wanted(transaction) if self._holds.holds(transaction, self._run_id) else None

    def landed(self, reader: Reader) -> bool:
        """Whether it is recorded, to the byte."""
        return reader.get(self.key) == self.data

    def _wanted(self, transaction: Transaction) -> bytes | None:
        if is_over(transaction, self.key, self._attempts):
            return None
        self._fence.refer(transaction, self._template, self._puts)
        if self._call:
            transaction.put(records.cache_key(self._call), self._cached)
        return self.data
