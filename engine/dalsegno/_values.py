"""Named values on their way into and out of records: the inputs of a call, the outputs of a task.

A value of more than `INLINE` bytes is an object of its own, wherever it goes to: the same megabyte given to a hundred
actions, beside whatever else, is stored once. The digest of named values covers the digests of the large ones,
so that nothing large is hashed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgpack

from dalsegno._module_names import recorded_module_name
from dalsegno.codec import BlobSource, decode, encode_map, is_immutable, join_map, split_map
from dalsegno.models import Part, Ref, Values
from dalsegno_storage.digest import digest

INLINE = 512
"""Encoded values of up to so many bytes live in the record; larger ones are objects of kind "value"."""

ReadBlob = Callable[[bytes], bytes]
ReadPart = Callable[[Part], bytes]
Resolve = Callable[[str, str], Any]


class Encoded(NamedTuple):
    """Named values as a record keeps them, their digest, and what must be stored beside the record.

    `opaque` says that equality is unknown. `objects` are the large values by digest, `blobs` the files, `classes`
    the recorded names of the classes and functions in the values.
    """

    values: Values
    digest: bytes
    opaque: bool = False
    objects: Mapping[bytes, bytes] = {}
    blobs: tuple[tuple[bytes, BlobSource], ...] = ()
    classes: tuple[tuple[str, str], ...] = ()


def encode_named(values: Iterable[tuple[str, Any]]) -> Encoded:
    """Names and values in the given order."""
    encoded = encode_map(values, module_name=recorded_module_name)
    data = encoded.data
    if len(data) <= INLINE:
        return Encoded(data, digest("value", data), encoded.opaque, {}, encoded.blobs, encoded.classes)
    objects: dict[bytes, bytes] = {}
    parts: dict[str, Part] = {}
    for name, part in split_map(data).items():
        parts[name] = part
        if len(part) > INLINE:
            reference = Ref(digest("value", part), len(part))
            parts[name] = reference
            objects[reference.digest] = part
    return arranged(parts)._replace(
        opaque=encoded.opaque, objects=objects, blobs=encoded.blobs, classes=encoded.classes
    )


def arranged(parts: Mapping[str, Part]) -> Encoded:
    """Encoded values by name as a record keeps them; large ones are references already."""
    small = {name: part for name, part in parts.items() if isinstance(part, bytes)}
    values = join_map(small) if len(small) == len(parts) else parts
    return Encoded(values, values_digest(values))


def parts_of(values: Values) -> Mapping[str, Part]:
    """The values one by one."""
    return split_map(values) if isinstance(values, bytes) else values


def values_digest(values: Values) -> bytes:
    """The digest of named values, which is a part of the identity of a call."""
    if isinstance(values, bytes):
        return digest("value", values)
    return digest("values", msgpack.packb([[name, part] for name, part in values.items()]))


def own_copies(
    values: Mapping[str, Any] | None,
    encoded: Encoded,
    resolve: Resolve,
    read_part: ReadPart,
    read_blob: ReadBlob,
) -> dict[str, Any]:
    """The values that a body gets: what cannot be changed as it is, the rest made anew from its encoding."""
    known = values or {}
    if values is not None and all(map(is_immutable, known.values())):
        return dict(known)

    def made(name: str, part: Part) -> Any:
        if name in known and is_immutable(known[name]):
            return known[name]
        data = encoded.objects.get(part.digest) if isinstance(part, Ref) else part
        return decode(read_part(part) if data is None else data, resolve=resolve, read_blob=read_blob)

    return {name: made(name, part) for name, part in parts_of(encoded.values).items()}
