"""Objects: bytes kept once under their digest, and verified whenever they are read.

An object lives at the key `("o", digest)`. Its record is

    form     1 byte: 0 the bytes themselves, 1 one zstd frame of them, 2 the digests of the chunks they consist of
    kind     1 byte length, then ASCII letters
    length   8 bytes big-endian: of the object, uncompressed
    body

An object of more than `CHUNK_SIZE` bytes is cut into chunks of that size, each an object of kind "chunk", so that
no transaction has to hold it whole. Its digest is made of theirs. A record of form 0 or
1 is never longer than one chunk, whatever it claims, which bounds what a forged one can make a reader allocate.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from dalsegno_storage.digest import CHUNK, DIGEST_SIZE, chunk_names, digest, of_chunks
from dalsegno_storage.errors import DamagedObjectError, ObjectNotFoundError
from dalsegno_storage.keys import pack
from dalsegno_storage.pieces import CHUNK_SIZE, Buffer, Pieces, size_of
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

_PLAIN, _ZSTD, _CHUNKED = range(3)
_CUT = bytes((_CHUNKED,))
_COMPRESS_ABOVE = 256
_LITTLE = 1 << 15
_SAMPLES = 4
_SAMPLE = 1 << 12
"""What is longer than `_LITTLE` is compressed only if some samples of it become smaller."""

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
    data: Buffer | Pieces = field(repr=False)

    @property
    def size(self) -> int:
        """The length of the object in bytes."""
        return size_of(self.data)

    @property
    def parts(self) -> Iterator[tuple[bytes, bytes]]:
        """The keys and records to put, in this order: the chunks of a large object before the object itself.

        Each access begins anew, and each step compresses at most one chunk: list what is small before the
        write transaction begins, put what is large over several transactions.
        """
        pieces = self.data if isinstance(self.data, Pieces) else Pieces((self.data,))
        if pieces.size <= CHUNK_SIZE:
            yield object_key(self.digest), _record(self.kind, pieces.chunk(0))
            return
        names = chunk_names(pieces)
        for number, name in enumerate(names):
            yield object_key(name), _record(CHUNK, pieces.chunk(number))
        yield object_key(self.digest), _header(_CHUNKED, self.kind, pieces.size) + b"".join(names)


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
        names = []
        for piece in self.pieces():
            name = _digest(CHUNK, piece)
            names.append(name)
            yield object_key(name), _record(CHUNK, [memoryview(piece)])
        yield object_key(self.digest), _header(_CHUNKED, self.kind, self.size) + b"".join(names)


def prepare(kind: str, data: Buffer | Pieces) -> Prepared:
    """The object of that kind made of `data`, which must not change until it has been put."""
    if size_of(data) > CHUNK_SIZE and not isinstance(data, Pieces):
        data = Pieces((data,))  # which remembers the digests of its chunks
    return Prepared(digest(kind, data), kind, data)


def put_object(writer: Writer, kind: str, data: Buffer | Pieces) -> bytes:
    """Put an object, unless it is there already, and give its digest."""
    prepared = prepare(kind, data)
    if not has_object(writer, prepared.digest):
        for key, record in prepared.parts:
            if not writer.has(key):
                writer.put(key, record)
    return prepared.digest


def has_object(reader: Reader, digest: bytes) -> bool:
    """Whether there is an object with that digest; it is not verified."""
    return reader.has(object_key(digest))


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

    Raises what `get_object` does; that a piece is wrong is said before it is given.
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
    for number, name in enumerate(_names(kind, digest, length, body)):
        with store.read() as reader:
            piece = bytes(_chunk(reader, kind, digest, length, number, name))
        yield piece


# `digest` is the natural name of a parameter above, where it hides the function.
def _matches(kind: str, data: bytes | memoryview, expected: bytes) -> bool:
    return digest(kind, data) == expected


def _header(form: int, kind: str, length: int) -> bytes:
    return bytes((form, len(kind))) + kind.encode("ascii") + length.to_bytes(8, "big")


def _record(kind: str, slices: Sequence[memoryview]) -> bytes:
    """The record of an object that is one chunk at most, which is those slices together."""
    length = sum(each.nbytes for each in slices)
    if length > _COMPRESS_ABOVE:
        from dalsegno_storage import _zstd

        if length <= _LITTLE or _shrinks(slices, length):
            data = slices[0] if len(slices) == 1 else memoryview(b"".join(slices))
            frame = _zstd.compress(data)
            if len(frame) < length * _WORTHWHILE:
                return _header(_ZSTD, kind, length) + frame
    return b"".join((_header(_PLAIN, kind, length), *slices))


def _shrinks(slices: Sequence[memoryview], length: int) -> bool:
    """Whether samples from the longest slice become smaller when they are compressed."""
    from dalsegno_storage import _zstd

    longest = max(slices, key=len)
    step = max((len(longest) - _SAMPLE) // (_SAMPLES - 1), 1)
    samples = b"".join(longest[at * step : at * step + _SAMPLE] for at in range(_SAMPLES))
    return len(_zstd.compress(memoryview(samples))) < len(samples) * _WORTHWHILE


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
    # One piece in memory at a time: the allocator gives the same megabyte again, and its result needs no copy.
    data = BytesIO()
    for number, name in enumerate(_names(kind, digest, length, body)):
        data.write(_chunk(reader, kind, digest, length, number, name))
    return data.getvalue()


def _names(kind: str, digest: bytes, length: int, body: memoryview) -> list[bytes]:
    """The digests of the chunks of an object."""
    count = -(-length // CHUNK_SIZE)
    if count < 2 or body.nbytes != count * DIGEST_SIZE:
        raise DamagedObjectError(digest, kind, f"its record claims {length} bytes and lists other chunks")
    names = [bytes(body[at : at + DIGEST_SIZE]) for at in range(0, body.nbytes, DIGEST_SIZE)]
    if of_chunks(kind, length, names) != digest:
        raise DamagedObjectError(digest, kind, "its chunks are not the right ones")
    return names


def _chunk(
    reader: Reader, kind: str, digest: bytes, length: int, number: int, name: bytes
) -> bytes | memoryview:
    """The bytes of the chunk `name` of an object of that length, checked."""
    record = reader.get(object_key(name))
    if record is None:
        raise DamagedObjectError(digest, kind, f"its chunk {name.hex()} is missing")
    piece = _expand(*_parse(record, CHUNK, name), CHUNK, name)
    if not _matches(CHUNK, piece, name):
        raise DamagedObjectError(digest, kind, f"its chunk {name.hex()} is damaged")
    if len(piece) != min(CHUNK_SIZE, length - number * CHUNK_SIZE):
        raise DamagedObjectError(digest, kind, f"its chunk {name.hex()} has the wrong length")
    return piece
