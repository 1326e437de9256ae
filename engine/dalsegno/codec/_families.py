"""Which module knows a type or a tag.

A family is a module with writers for some types and `READERS` for some tags. Families of libraries are only
imported when one of their types or tags is met, and none of them imports its library before a value of it is
there.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from . import _builtin
from ._format import Buffer, ModuleName, Payload, Tag
from ._reference import FUNCTIONS, reference

if TYPE_CHECKING:
    from ._decode import Reader
    from ._encode import Writer

__all__ = ["Read", "Write", "custom", "reader_of", "writer_of"]

Write = Callable[["Writer", Any], tuple[Tag, Payload] | None]
"""Gives tag and payload of a value; None when this very value cannot be written without loss."""

Read = Callable[["Reader", Buffer], Any]
"""Gives the value of a payload; any exception means that the payload is damaged."""

_LIBRARIES = {
    "collections": "_stdlib",
    "datetime": "_stdlib",
    "decimal": "_stdlib",
    "fractions": "_stdlib",
    "pathlib": "_stdlib",
    "re": "_stdlib",
    "uuid": "_stdlib",
    "zoneinfo": "_stdlib",
    "numpy": "_arrays",
    "pandas": "_pandas",
    "polars": "_tables",
    "pyarrow": "_tables",
    "dalsegno": "_files",
}

_FAMILY_OF_TAG = (
    (Tag.SINGLETON, "_builtin"),
    (Tag.DEQUE, "_stdlib"),
    (Tag.REFERENCE, "_builtin"),
    (Tag.SECRET, "_classes"),
    (Tag.DTYPE, "_arrays"),
    (Tag.PANDAS, "_pandas"),
    (Tag.POLARS, "_tables"),
    (Tag.DIR, "_files"),
    (Tag.CUSTOM, "_registry"),
    (Tag.OPAQUE, "_opaque"),
)

_writers: WeakKeyDictionary[type, Write | None] = WeakKeyDictionary()
_readers: dict[int, Read] = {}


def writer_of(kind: type) -> Write | None:
    """What writes values of exactly this type; None when no family of ours does."""
    write = _builtin.WRITERS.get(kind)
    if write is not None:
        return write
    try:
        return _writers[kind]
    except KeyError:
        write = _writers[kind] = _find_writer(kind)
        return write


def reader_of(tag: int) -> Read | None:
    """What reads the payload of this tag; None when there is no such tag."""
    read = _readers.get(tag)
    if read is None:
        family = next((name for last, name in _FAMILY_OF_TAG if 0 < tag <= last), None)
        if family is not None:
            _readers.update(cast(Mapping[int, Read], _family(family).READERS))
            read = _readers.get(tag)
    return read


def custom(value: Any, kind: type, module_name: ModuleName) -> tuple[Tag, Payload] | None:
    """What a registered codec makes of the value; None when there is none for its type."""
    from ._registry import write

    return write(value, kind, module_name)


def _find_writer(kind: type) -> Write | None:
    if issubclass(kind, (type, *FUNCTIONS)):
        return _builtin.write_reference
    library = _LIBRARIES.get(str(kind.__module__).partition(".")[0])
    if library is not None and reference(kind) is not None:
        write = cast("Write | None", _family(library).find_writer(kind))
        if write is not None:
            return write
    return cast("Write | None", _family("_classes").find_writer(kind))


def _family(name: str) -> Any:
    return import_module(f"{__package__}.{name}")
