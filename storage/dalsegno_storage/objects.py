"""Objects: bytes kept once under their digest, and verified whenever they are read.

An object lives at the key `("o", digest)`. Its record is

    form     1 byte: 0 the bytes themselves, 1 one zstd frame of them, 2 the digests of the chunks they consist of
    kind     1 byte length, then ASCII letters
    length   8 bytes big-endian: of the object, uncompressed
    body

An object of more than `CHUNK_SIZE` bytes is cut into chunks of that size, each an object of kind "chunk", so that
no transaction has to hold it whole. The digest of the object is that of its bytes, cut or not. A record of form 0 or
1 is never longer than one chunk, whatever it claims, which bounds what a forged one can make a reader allocate.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO

from dalsegno_storage.digest import DIGEST_SIZE, begun, digest
from dalsegno_storage.errors import DamagedObjectError, ObjectNotFoundError
from dalsegno_storage.keys import pack
from dalsegno_storage.protocol import Reader, Store, Writer

__all__ = [
    "CHUNK_SIZE",
    "Prepared",
    "Streamed",
    "get_object",
    "get_pieces",
    "has_object",
    "is_cut",
    "object_key",
    "prepare",
    "put_object",
]

CHUNK_SIZE = 1 << 20
"""Objects above this many bytes are kept in pieces of this size."""

_PLAIN, _ZSTD, _CHUNKED = range(3)
_CUT = bytes((_CHUNKED,))
_CHUNK = "chunk"
_COMPRESS_ABOVE = 256
_PROBE = 1 << 16
_WORTHWHILE = 0.9
_TABLE = pack("o")
_digest = digest


def object_key(digest: bytes) -> bytes:
    """The key of the record of the object with that digest."""
    return _TABLE + pack(digest)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An object that is ready to be put; made by `prepare`, outside of any transaction."""

    digest: bytes
    kind: str
    data: bytes | bytearray | memoryview = field(repr=False)

    @property
    def parts(self) -> Iterator[tuple[bytes, bytes]]:
        """The keys and records to put, in this order: the chunks of a large object before the object itself.

        Each access begins anew, and each step compresses at most one chunk: list what is small before the
        write transaction begins, put what is large over several transactions.
        """
        view = memoryview(self.data).cast("B")
        if view.nbytes <= CHUNK_SIZE:
            yield object_key(self.digest), _record(self.kind, view)
            return
        pieces = (view[start : start + CHUNK_SIZE] for start in range(0, view.nbytes, CHUNK_SIZE))
        yield from _cut(self.digest, self.kind, view.nbytes, pieces)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A large object that is never held whole; each call of `pieces` gives its bytes anew, CHUNK_SIZE at a time."""

    digest: bytes
    kind: str
    size: int
    pieces: Callable[[], Iterable[bytes]] = field(repr=False)

    @property
    def parts(self) -> Iterator[tuple[bytes, bytes]]:
        """The same as for `Prepared`; `size` is above CHUNK_SIZE, and `pieces` raises when the bytes are not the right ones."""
        yield from _cut(self.digest, self.kind, self.size, map(memoryview, self.pieces()))


def _cut(digest: bytes, kind: str, size: int, pieces: Iterable[memoryview]) -> Iterator[tuple[bytes, bytes]]:
    digests = []
    for piece in pieces:
        name = _digest(_CHUNK, piece)
        digests.append(name)
        yield object_key(name), _record(_CHUNK, piece)
    yield object_key(digest), _header(_CHUNKED, kind, size) + b"".join(digests)


def prepare(kind: str, data: bytes | bytearray | memoryview) -> Prepared:
    """The object of that kind made of `data`, which must not change until it has been put."""
    return Prepared(digest(kind, data), kind, data)


def put_object(writer: Writer, kind: str, data: bytes | bytearray | memoryview) -> bytes:
    """Put an object, unless it is there already, and give its digest."""
    prepared = prepare(kind, data)
    if not has_object(writer, prepared.digest):
        for key, record in prepared.parts:
            if writer.get(key) is None:
                writer.put(key, record)
    return prepared.digest


def has_object(reader: Reader, digest: bytes) -> bool:
    """Whether there is an object with that digest; it is not verified."""
    return reader.get(object_key(digest)) is not None


def is_cut(record: bytes) -> bool:
    """Whether the object with that record is cut into chunks."""
    return record[:1] == _CUT


def get_object(reader: Reader, kind: str, digest: bytes) -> bytes:
    """The bytes of the object of that kind and digest; ObjectNotFoundError, or DamagedObjectError if they are wrong."""
    record = reader.get(object_key(digest))
    if record is None:
        raise ObjectNotFoundError(digest, kind)
    form, length, body = _parse(record, kind, digest)
    if form == _CHUNKED:
        return _join(reader, kind, digest, length, body)
    data = bytes(_expand(form, length, body, kind, digest))
    if not _matches(kind, data, digest):
        raise DamagedObjectError(digest, kind, "its bytes have another digest")
    return data


def get_pieces(store: Store, kind: str, digest: bytes) -> Iterator[bytes]:
    """The bytes of an object in pieces of at most CHUNK_SIZE, each read in a transaction of its own.

    Raises what `get_object` does; that the bytes are wrong is only known, and said, after the last piece.
    """
    with store.read() as reader:
        record = reader.get(object_key(digest))
        if record is None:
            raise ObjectNotFoundError(digest, kind)
        form, length, body = _parse(record, kind, digest)
        whole = None if form == _CHUNKED else get_object(reader, kind, digest)
    if whole is not None:
        yield whole
        return
    running = begun(kind, length)
    for name in _names(kind, digest, length, body):
        with store.read() as reader:
            piece = bytes(_chunk(reader, kind, digest, name))
        running.update(piece)
        yield piece
    if running.digest() != digest:
        raise DamagedObjectError(digest, kind, "its chunks are not the right ones, or one is damaged")


# `digest` is the natural name of a parameter above, where it hides the function.
def _matches(kind: str, data: bytes | memoryview, expected: bytes) -> bool:
    return digest(kind, data) == expected


def _header(form: int, kind: str, length: int) -> bytes:
    return bytes((form, len(kind))) + kind.encode("ascii") + length.to_bytes(8, "big")


def _record(kind: str, data: memoryview) -> bytes:
    length = data.nbytes
    if length > _COMPRESS_ABOVE:
        from dalsegno_storage import _zstd

        limit = length * _WORTHWHILE
        if length <= _PROBE or len(_zstd.compress(data[:_PROBE])) < _PROBE * _WORTHWHILE:
            frame = _zstd.compress(data)
            if len(frame) < limit:
                return _header(_ZSTD, kind, length) + frame
    return b"".join((_header(_PLAIN, kind, length), data))


def _parse(record: bytes, kind: str, digest: bytes) -> tuple[int, int, memoryview]:
    """Form, length and body of a record that claims to be of that kind."""
    start = 2 + (record[1] if len(record) > 1 else 0)
    if len(record) < start + 8:
        raise DamagedObjectError(digest, kind, "its record is cut short")
    stored = record[2:start]
    if stored != kind.encode("ascii"):
        raise DamagedObjectError(digest, kind, f"it is stored as kind {stored.decode('ascii', 'replace')!r}")
    length = int.from_bytes(record[start : start + 8], "big")
    return record[0], length, memoryview(record)[start + 8 :]


def _expand(form: int, length: int, body: memoryview, kind: str, digest: bytes) -> bytes | memoryview:
    """The bytes of a record that is not cut into chunks; their length is right, their digest not yet checked."""
    if form not in (_PLAIN, _ZSTD):
        raise DamagedObjectError(digest, kind, f"its record has the unknown form {form}")
    if length > CHUNK_SIZE:
        raise DamagedObjectError(digest, kind, f"its record claims {length} bytes in one piece")
    data: bytes | memoryview = body
    if form == _ZSTD:
        from dalsegno_storage import _zstd

        try:
            data = _zstd.decompress(body, length)
        except ValueError as error:
            raise DamagedObjectError(digest, kind, str(error)) from error
    if len(data) != length:
        raise DamagedObjectError(digest, kind, f"its record claims {length} bytes and holds {len(data)}")
    return data


def _join(reader: Reader, kind: str, digest: bytes, length: int, body: memoryview) -> bytes:
    """The bytes of an object that is cut into chunks."""
    names = _names(kind, digest, length, body)
    # One piece in memory at a time: the allocator gives the same megabyte again, and its result needs no copy.
    data = BytesIO()
    for number, name in enumerate(names):
        piece = _chunk(reader, kind, digest, name)
        if len(piece) != min(CHUNK_SIZE, length - number * CHUNK_SIZE):
            raise DamagedObjectError(digest, kind, f"its chunk {name.hex()} has the wrong length")
        data.write(piece)
    whole = data.getvalue()
    if not _matches(kind, whole, digest):
        # Hashing every chunk as well would double the cost of reading, so it is done only to tell which it was.
        for name in names:
            if not _matches(_CHUNK, _chunk(reader, kind, digest, name), name):
                raise DamagedObjectError(digest, kind, f"its chunk {name.hex()} is damaged")
        raise DamagedObjectError(digest, kind, "its chunks are whole and not the right ones")
    return whole


def _names(kind: str, digest: bytes, length: int, body: memoryview) -> list[bytes]:
    """The digests of the chunks of an object."""
    count = -(-length // CHUNK_SIZE)
    if count < 2 or body.nbytes != count * DIGEST_SIZE:
        raise DamagedObjectError(digest, kind, f"its record claims {length} bytes and lists other chunks")
    return [bytes(body[at : at + DIGEST_SIZE]) for at in range(0, body.nbytes, DIGEST_SIZE)]


def _chunk(reader: Reader, kind: str, digest: bytes, name: bytes) -> bytes | memoryview:
    """The bytes of the chunk `name` of an object; their digest is not yet checked."""
    record = reader.get(object_key(name))
    if record is None:
        raise DamagedObjectError(digest, kind, f"its chunk {name.hex()} is missing")
    return _expand(*_parse(record, _CHUNK, name), _CHUNK, name)
