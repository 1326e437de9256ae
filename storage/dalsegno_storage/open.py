"""One name for a store of any backend.

    lmdb:///home/me/store   /home/me/store   store     an LMDB store in a folder
    sqlite:///home/me/store.db                         a SQLite file
    memory:                                            a store that nobody else sees and that is not kept

Other schemes are looked up in the entry-point group `dalsegno.stores`: each entry is called as
`factory(location, create=create)`, where `location` is what follows the scheme, and with `read_only=True` if that
is asked for and the factory takes it.
"""

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

from dalsegno_storage.errors import StoreNotFoundError
from dalsegno_storage.protocol import Store

__all__ = ["open_store"]

_URL = re.compile("([a-z][a-z0-9+.-]*):(.*)", re.DOTALL)
_GROUP = "dalsegno.stores"

# Reading the metadata of every installed package takes longer than everything else here.
_BUILT_IN = {
    "lmdb": ("dalsegno_storage.lmdb", "LmdbStore"),
    "memory": ("dalsegno_storage.memory", "MemoryStore"),
    "sqlite": ("dalsegno_storage.sqlite", "SqliteStore"),
}


def open_store(place: str | Path, *, create: bool = True, read_only: bool = False) -> Store:
    """The store at `place`, a path or a URL; StoreNotFoundError for an unknown scheme, or for no store without `create`.

    `~` is the home directory in a plain path, and %XX a character in a URL. With `read_only`, a backend that can opens
    a store that this user may not change; others open it as ever.
    """
    url = _URL.fullmatch(place) if isinstance(place, str) else None
    scheme, location = ("lmdb", str(Path(place).expanduser())) if url is None else url.groups()
    factory = _factory(scheme, place)
    if url is not None:
        location = unquote(location.removeprefix("//"))
    if read_only and "read_only" in inspect.signature(factory).parameters:
        return factory(location, create=create, read_only=True)
    return factory(location, create=create)


def _factory(scheme: str, place: str | Path) -> Callable[..., Store]:
    factory: Callable[..., Store]
    if scheme in _BUILT_IN:
        module, name = _BUILT_IN[scheme]
        factory = getattr(import_module(module), name)
        return factory
    from importlib.metadata import entry_points

    entries = {entry.name: entry for entry in entry_points(group=_GROUP)}
    if scheme not in entries:
        raise StoreNotFoundError(str(place), schemes={*_BUILT_IN, *entries})
    factory = entries[scheme].load()
    return factory
