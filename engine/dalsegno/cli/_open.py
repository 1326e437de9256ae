"""Opening the store that a command line means, to look after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rich_click as click

from dalsegno.cli._errors import CommandError
from dalsegno.cli._store import place_of
from dalsegno.config import Config
from dalsegno_storage import open_store
from dalsegno_storage.errors import StoreNotFoundError
from dalsegno_storage.protocol import Store


@contextmanager
def opened(ctx: click.Context, *, read_only: bool = False) -> Iterator[tuple[Store, Config]]:
    """The store, and the project and domain that are meant; nothing is created."""
    place = place_of(ctx)
    with store_is_there(place):
        store = open_store(place.store, create=False, read_only=read_only)
    try:
        yield store, place
    finally:
        store.close()


@contextmanager
def store_is_there(place: Config) -> Iterator[None]:
    """Says what to do where there is no store."""
    try:
        yield
    except StoreNotFoundError as error:
        if error.schemes:
            raise
        raise CommandError(f"there is no store at {place.store}; name another place with --store") from error


def size_text(count: int) -> str:
    """A number of bytes for people."""
    size, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
