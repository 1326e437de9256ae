"""Named values on their way into and out of records: the inputs of a call, the outputs of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dalsegno.bundle import recorded_module_name
from dalsegno.codec import BlobSource, decode, encode_map, is_immutable, split_map
from dalsegno_storage.digest import digest

ReadBlob = Callable[[bytes], bytes]
Resolve = Callable[[str, str], Any]


class Encoded(NamedTuple):
    """Encoded values, their digest, whether their equality is unknown, and the files they bring along."""

    data: bytes
    digest: bytes
    opaque: bool
    blobs: tuple[tuple[bytes, BlobSource], ...]


def encode_named(values: Iterable[tuple[str, Any]]) -> Encoded:
    """Names and values as one canonical map, in the given order."""
    encoded = encode_map(values, module_name=recorded_module_name)
    return Encoded(encoded.data, digest("value", encoded.data), encoded.opaque, encoded.blobs)


def own_copies(
    values: Mapping[str, Any] | None, data: bytes, resolve: Resolve, read_blob: ReadBlob
) -> dict[str, Any]:
    """The values that a body gets: what cannot be changed as it is, the rest made anew from `data`."""
    if values is not None and all(map(is_immutable, values.values())):
        return dict(values)
    known = values or {}
    return {
        name: known[name]
        if name in known and is_immutable(known[name])
        else decode(part, resolve=resolve, read_blob=read_blob)
        for name, part in split_map(data).items()
    }
