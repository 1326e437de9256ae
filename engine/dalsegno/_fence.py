"""That no record ever refers to an object that a collection has removed.

An object is found to be there, and a record that refers to it is written later. In between a collection, in this process
or another, may remove the object, since nothing that is recorded reaches it yet. So whoever writes a record looks in the
same transaction whether every object that it refers to is there, and stores it again if it is not:

- Objects that belong to one record are looked up each time, with all that is below them: `put_missing`.
- A template or a bundle is referred to by very many. It is looked up once, and again when something was removed since:
  each removing transaction counts up a number, which is read once in each recording transaction.
- What another run has recorded is not looked up, but that run is: as long as it is there, nothing that it reaches goes.

One thread writes to a store, so the state here needs no lock. What a transaction has found or stored counts only once it is
committed: what is undone was not stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno._pins import sweeps
from dalsegno._puts import Kept, Put, put_missing
from dalsegno_storage.protocol import Writer as Transaction


class Fence:
    """What is known about removals in the transaction that is open."""

    def __init__(self) -> None:
        self._count = -1
        self._looked_up: list[Kept] = []

    def begin(self, transaction: Transaction) -> None:
        """A transaction has begun; what one before it looked up and did not commit is forgotten."""
        self._count = sweeps(transaction)
        self._looked_up.clear()

    def ensure(self, transaction: Transaction, kept: Kept) -> None:
        """Have the object there when the transaction is committed."""
        if kept.seen != self._count:
            put_missing(transaction, [kept.put])
            self._looked_up.append(kept)

    def refer(self, transaction: Transaction, template: Kept | None, puts: Sequence[Put]) -> None:
        """Have everything there that a record refers to which this transaction writes."""
        if template is not None:
            self.ensure(transaction, template)
        if puts:
            put_missing(transaction, puts)

    def committed(self) -> None:
        """The transaction has been committed, and the next has not begun."""
        for kept in self._looked_up:
            kept.is_there(self._count)
        self._looked_up.clear()
