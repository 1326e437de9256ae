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
from dalsegno.codec import (
    BlobSource,
    decode,
    encode_each,
    is_immutable,
    join_map,
    packed_map,
    split_map,
)
from dalsegno.models import Part, Ref, Values
from dalsegno_storage.digest import digest
from dalsegno_storage.pieces import Pieces

INLINE = 512
"""Encoded values of up to so many bytes live in the record; larger ones are objects of kind "value"."""

KNOWN_BYTES = 64 << 20
"""A run keeps so many bytes of large values at hand, to know them again."""

_ATOMS = frozenset((bytes, str))

ReadBlob = Callable[[bytes], bytes]
ReadPart = Callable[[Part], bytes]
Resolve = Callable[[str, str], Any]


class Encoded(NamedTuple):
    """Named values as a record keeps them, and what must be stored beside the record.

    `opaque` says that equality is unknown. `objects` are the large values by digest, `blobs` the files, `classes`
    the recorded names of the classes and functions in the values.
    """

    values: Values
    opaque: bool = False
    objects: Mapping[bytes, bytes | Pieces] = {}
    blobs: tuple[tuple[bytes, BlobSource], ...] = ()
    classes: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> bytes:
        """The digest of the values, made each time that it is asked for."""
        return values_digest(self.values)


class Known:
    """The encodings of large values that were met lately and cannot change, so that the same one is not hashed again.

    It keeps values of up to `KNOWN_BYTES` in all, the oldest go first. Threads share it through single dictionary
    operations only, which the interpreter makes atomic.
    """

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, Ref, bytes | Pieces]] = {}

    def get(self, value: Any) -> tuple[Ref, bytes | Pieces] | None:
        """The reference to a value and its encoding, if this very object is known."""
        found = self._found.get(id(value))
        return None if found is None or found[0] is not value else found[1:]

    def add(self, value: Any, reference: Ref, data: bytes | Pieces) -> None:
        """Remember a value, unless it can change or is too large."""
        if type(value) not in _ATOMS or reference.size > KNOWN_BYTES:
            return
        self._found[id(value)] = value, reference, data
        size = sum(each[1].size for each in list(self._found.values()))
        for key, each in list(self._found.items()):
            if size <= KNOWN_BYTES:
                break
            if self._found.pop(key, None) is not None:
                size -= each[1].size

    def learn(self, values: Mapping[str, Any] | None, encoded: Encoded) -> None:
        """Remember the large ones among values that were encoded elsewhere."""
        if values is None or isinstance(encoded.values, bytes):
            return
        for name, part in encoded.values.items():
            if isinstance(part, Ref) and name in values and part.digest in encoded.objects:
                self.add(values[name], part, encoded.objects[part.digest])


def encode_named(items: Iterable[tuple[str, Any]], known: Known | None = None) -> Encoded:
    """Names and values in the given order; those in `known` are as they are known, and large ones are known from now on."""
    values = dict(items)
    plain = packed_map(values)
    if plain is not None and len(plain) <= INLINE:
        return Encoded(plain)
    again: dict[str, tuple[Ref, bytes | Pieces]] = {}
    if known is not None:
        for name, value in values.items():
            found = known.get(value) if type(value) in _ATOMS else None
            if found is not None:
                again[name] = found
    new = {name: value for name, value in values.items() if name not in again} if again else values
    each = encode_each(new, module_name=recorded_module_name)
    objects: dict[bytes, bytes | Pieces] = {}
    parts: dict[str, Part] = {}
    for name, value in values.items():
        if name in again:
            reference, part = again[name]
        else:
            part = each.parts[name]
            if isinstance(part, bytes) and len(part) <= INLINE:
                parts[name] = part
                continue
            reference = Ref(digest("value", part), len(part))
            if known is not None:
                known.add(value, reference, part)
        parts[name] = reference
        objects[reference.digest] = part
    return arranged(parts)._replace(
        opaque=each.opaque, objects=objects, blobs=each.blobs, classes=each.classes
    )


def arranged(parts: Mapping[str, Part]) -> Encoded:
    """Encoded values by name as a record keeps them; large ones are references already."""
    small = {name: part for name, part in parts.items() if isinstance(part, bytes)}
    values = join_map(small) if len(small) == len(parts) else parts
    return Encoded(values)


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
        if data is None:
            data = read_part(part)
        # Of what can be changed, the value shares nothing with its encoding; a large one is put together for a moment.
        whole = bytes(data) if isinstance(data, Pieces) else data
        return decode(whole, resolve=resolve, read_blob=read_blob)

    return {name: made(name, part) for name, part in parts_of(encoded.values).items()}
