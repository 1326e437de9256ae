"""Whether the objects of a store are what their digests say.

Nothing is believed but the digest in the key: the record has to be well-formed, of the length that it claims, and its
bytes have to have that digest as an object of the kind that it claims. An object that is cut into chunks is read chunk
by chunk, so memory is bounded whatever its size.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dalsegno_storage._pages import pages
from dalsegno_storage.digest import DIGEST_SIZE, of_chunks
from dalsegno_storage.errors import DamagedObjectError, ObjectNotFoundError
from dalsegno_storage.keys import prefix, unpack
from dalsegno_storage.objects import CHUNK_SIZE, get_object, is_cut, object_key
from dalsegno_storage.protocol import Reader, Store

__all__ = [
    "CheckedObject",
    "OBJECTS",
    "check_object",
    "check_objects",
    "chunks_of",
    "digest_of",
    "kind_of",
    "size_of",
]

OBJECTS = prefix("o")
"""Where the records of objects begin and end."""

_KIND = re.compile(b"[a-z]+")


@dataclass(frozen=True, slots=True)
class CheckedObject:
    """An object and what is wrong with it, "" for nothing.

    `key` is that of its record and `stored` what the record takes, both in bytes; `digest` is empty when the key
    is none of an object, `kind` when the record does not say. `data` are its bytes, None for one that is damaged or cut
    into chunks.
    """

    key: bytes
    digest: bytes
    kind: str
    stored: int
    problem: str = ""
    data: bytes | None = None


def check_objects(store: Store) -> Iterator[tuple[Reader, CheckedObject]]:
    """Every object, checked, in the order of the digests, each with a snapshot that it is in."""
    for reader, page in pages(store, *OBJECTS):
        for key, record in page:
            yield reader, check_object(reader, key, record)


def check_object(reader: Reader, key: bytes, record: bytes) -> CheckedObject:
    """The object with that record, checked."""
    stored = len(key) + len(record)
    digest, kind = digest_of(key), kind_of(record)
    if digest is None:
        return CheckedObject(key, b"", kind, stored, "its key is not that of an object")
    if not kind:
        return CheckedObject(key, digest, "", stored, "its record does not begin as one of an object")
    try:
        if is_cut(record):
            problem = _check_chunked(reader, digest, kind, record)
            return CheckedObject(key, digest, kind, stored, problem)
        return CheckedObject(key, digest, kind, stored, data=get_object(reader, kind, digest))
    except DamagedObjectError as error:
        return CheckedObject(key, digest, kind, stored, error.reason)


def digest_of(key: bytes) -> bytes | None:
    """The digest in the key of an object; None when it is no such key."""
    try:
        parts = unpack(key)
    except ValueError:
        return None
    match parts:
        case ("o", bytes(digest)) if len(digest) == DIGEST_SIZE and object_key(digest) == key:
            return digest
    return None


def kind_of(record: bytes) -> str:
    """The kind that the record of an object claims; "" when it is none."""
    kind = record[2 : 2 + record[1]] if len(record) > 1 else b""
    return kind.decode("ascii") if _KIND.fullmatch(kind) else ""


def size_of(record: bytes) -> int:
    """The length in bytes that the record of an object claims for it."""
    start = 2 + record[1]
    return int.from_bytes(record[start : start + 8], "big")


def chunks_of(record: bytes) -> tuple[bytes, ...]:
    """The digests of the chunks that the object with that record is cut into; none when it is whole."""
    if not is_cut(record):
        return ()
    body = record[10 + record[1] :] if len(record) > 1 else b""
    return tuple(body[at : at + DIGEST_SIZE] for at in range(0, len(body), DIGEST_SIZE))


def _check_chunked(reader: Reader, digest: bytes, kind: str, record: bytes) -> str:
    """What is wrong with an object that is cut into chunks."""
    start = 2 + record[1]
    length = int.from_bytes(record[start : start + 8], "big")
    names = chunks_of(record)
    if len(names) < 2 or len(record) != start + 8 + DIGEST_SIZE * -(-length // CHUNK_SIZE):
        return f"its record claims {length} bytes and lists other chunks"
    if of_chunks(kind, length, names) != digest:
        return "its chunks are not the right ones"
    for number, name in enumerate(names):
        try:
            piece = get_object(reader, "chunk", name)
        except ObjectNotFoundError:
            return f"its chunk {name.hex()} is missing"
        except DamagedObjectError:
            return f"its chunk {name.hex()} is damaged"
        if len(piece) != min(CHUNK_SIZE, length - number * CHUNK_SIZE):
            return f"its chunk {name.hex()} has the wrong length"
    return ""
