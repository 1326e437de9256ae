"""Which store a command line means, and reading from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno.cli._errors import CommandError
from dalsegno.cli._options import DOMAIN, PROJECT, STORE
from dalsegno.config import Config, find_config
from dalsegno_storage.errors import StoreNotFoundError

if TYPE_CHECKING:
    from dalsegno._ledger import Ledger
    from dalsegno.models import RunRecord


@dataclass(frozen=True, slots=True)
class Records:
    """An open store to read, and the project and domain that are meant."""

    ledger: Ledger
    place: Config

    def run(self, name: str) -> RunRecord:
        """The run of that name; RunNotFoundError with near matches."""
        return self.ledger.find_run(self.place.project, self.place.domain, name)


def place_of(ctx: click.Context) -> Config:
    """What the command line says of store, project and domain, and the configuration where it says nothing."""
    found = find_config(store=ctx.meta.get(STORE))
    return Config(found.store, ctx.meta.get(PROJECT, found.project), ctx.meta.get(DOMAIN, found.domain))


@contextmanager
def reading(ctx: click.Context) -> Iterator[Records]:
    """The store that is meant, opened read-only where the backend can; nothing is created."""
    from dalsegno._ledger import Ledger
    from dalsegno_storage import open_store

    place = place_of(ctx)
    try:
        store = open_store(place.store, create=False, read_only=True)
    except StoreNotFoundError as error:
        if error.schemes:
            raise
        raise CommandError(
            f"there is no store at {place.store}; run a task first, or name another place with --store"
        ) from error
    try:
        ledger = Ledger(store)
        try:
            yield Records(ledger, place)
        finally:
            ledger.close()
    finally:
        store.close()
