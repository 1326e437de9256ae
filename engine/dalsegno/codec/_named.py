"""Named values to bytes, one by one: the inputs of a call, the outputs of a task."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgpack import Packer

from dalsegno_storage.pieces import Pieces

from ._encode import BIG, PLAIN, BlobSource, Encoded, packed_container, written
from ._format import MAX_DEPTH, Buffer, ModuleName
from ._maps import join_map
from ._reference import identity

__all__ = ["Each", "encode_each", "encode_map", "packed_map"]

_SHORT = frozenset((type(None), bool, int, str))
_CONTAINERS = frozenset((list, dict))
_FEW = 50
"""Containers of more members are packed by themselves, since they are not kept with the others."""


class Each(NamedTuple):
    """Named values as bytes, one by one; of large ones the bytes lie in several pieces. The rest is as in `Encoded`."""

    parts: Mapping[str, bytes | Pieces]
    opaque: bool
    blobs: tuple[tuple[bytes, BlobSource], ...]
    classes: tuple[tuple[str, str], ...]


def packed_map(values: dict[str, Any]) -> bytes | None:
    """A map that most calls have, of exact scalars and short containers of them, packed in one go; None for any other."""
    kinds = set(map(type, values.values()))
    if kinds <= _SHORT:
        if str in kinds and any(type(value) is str and len(value) >= BIG for value in values.values()):
            return None
        try:
            packed: bytes = Packer(strict_types=True, buf_size=512).pack(values)
        except (OverflowError, ValueError):
            return None
        return packed
    if not kinds <= PLAIN or any(
        type(value) in _CONTAINERS and len(value) > _FEW for value in values.values()
    ):
        return None
    return packed_container(Packer(strict_types=True, buf_size=512), values, MAX_DEPTH - 1)


def encode_each(values: Mapping[str, Any], *, module_name: ModuleName = identity) -> Each:
    """Named values in the given order; each is opaque by itself only. Large bytes in them are not copied."""
    parts: dict[str, bytes | Pieces] = {}
    opaque = False
    blobs: dict[bytes, BlobSource] = {}
    classes: set[tuple[str, str]] = set()
    for name, value in values.items():
        packed, writer = written(value, module_name, name)
        if writer is None:
            parts[name] = packed
            continue
        parts[name] = _together(writer.parts)
        opaque |= writer.opaque
        blobs.update(writer.blobs)
        classes |= writer.classes
    return Each(parts, opaque, tuple(blobs.items()), tuple(sorted(classes)))


def encode_map(items: Iterable[tuple[str, Any]], *, module_name: ModuleName = identity) -> Encoded:
    """Named values in the given order, as `join_map` would join them; each value is opaque by itself only."""
    values = dict(items)
    plain = packed_map(values)
    if plain is not None:
        return Encoded(plain)
    each = encode_each(values, module_name=module_name)
    parts = {name: part if isinstance(part, bytes) else bytes(part) for name, part in each.parts.items()}
    return Encoded(join_map(parts), each.opaque, each.blobs, each.classes)


def _together(parts: list[Buffer]) -> bytes | Pieces:
    """The parts of an encoding; what could be changed before it is stored is copied, as are small ones to be together."""
    if sum(map(len, parts)) < BIG:
        return b"".join(parts)
    found: list[bytes] = []
    small: list[Buffer] = []
    for part in parts:
        if len(part) < BIG:
            small.append(part)
            continue
        found += (b"".join(small), bytes(part))
        small = []
    return Pieces([*found, b"".join(small)])
