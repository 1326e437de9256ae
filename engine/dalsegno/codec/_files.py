"""Files and directories: names and digests in the value, contents beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dalsegno.errors import DecodeError, EncodeError
from dalsegno.files import Dir, File, _Content, changed, measured, pieces_of
from dalsegno_storage.digest import DIGEST_SIZE, Running, digest

from ._format import Buffer, Payload, Tag

if TYPE_CHECKING:
    from ._decode import ReadBlob, Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer"]


class _OnDisk:
    """The content of a file that still lies where it was when its digest was taken."""

    __slots__ = ("_digest", "_path", "size")

    def __init__(self, path: Path, size: int, digest: bytes) -> None:
        self._path, self.size, self._digest = path, size, digest

    def read(self) -> bytes:
        """The content; EncodeError when it has changed since."""
        content = self._path.read_bytes()
        if digest("blob", content) != self._digest:
            raise changed(self._path)
        return content

    def pieces(self) -> Iterator[bytes]:
        """The same piece by piece; that it has changed may only be said after the last one."""
        running, found = Running("blob", self.size), 0
        for piece in pieces_of(self._path):
            running.update(piece)
            found += len(piece)
            if found > self.size:
                break
            yield piece
        if found != self.size or running.digest() != self._digest:
            raise changed(self._path)


class _Recorded:
    """The content of a file that was in a record before."""

    __slots__ = ("_content", "size")

    def __init__(self, content: _Content, size: int) -> None:
        self._content, self.size = content, size

    def read(self) -> bytes:
        """The content."""
        return self._content.read()

    def pieces(self) -> Iterator[bytes]:
        """The same piece by piece."""
        return self._content.pieces()


@runtime_checkable
class _Streams(Protocol):
    """A `read_blob` that can also give content piece by piece."""

    def pieces(self, digest: bytes, /) -> Iterator[bytes]: ...


class _Stored:
    """The content of a recorded file, read when it is asked for."""

    __slots__ = ("_digest", "_name", "_read")

    def __init__(self, read: "ReadBlob | None", name: str, digest: bytes) -> None:
        self._read, self._name, self._digest = read, name, digest

    def read(self) -> bytes:
        """The content."""
        if self._read is None:
            raise DecodeError(
                f"the content of {self._name!r} cannot be read, because the value was decoded without a store"
            )
        return self._read(self._digest)

    def pieces(self) -> Iterator[bytes]:
        """The same piece by piece, where the store gives it so."""
        return self._read.pieces(self._digest) if isinstance(self._read, _Streams) else iter((self.read(),))


def find_writer(kind: type) -> Callable[["Writer", Any], tuple[Tag, Payload] | None] | None:
    """What writes this class; None for every other class of dalsegno."""
    if kind is File:
        return _write_file
    return _write_dir if kind is Dir else None


def _write_file(writer: "Writer", value: File) -> tuple[Tag, Payload]:
    return Tag.FILE, [value.name, *_ingest(writer, value)]


def _write_dir(writer: "Writer", value: Dir) -> tuple[Tag, Payload]:
    try:
        return Tag.DIR, [value.name, [[path, *_ingest(writer, file)] for path, file in value.files()]]
    except OSError as error:
        raise EncodeError(f"the directory {value.name!r} cannot be recorded: {error}") from error


def _ingest(writer: "Writer", file: File) -> tuple[int, bytes]:
    content = file._content
    if content is not None:
        writer.blobs.setdefault(file.digest, _Recorded(content, file.size))
        return file.size, file.digest
    try:
        size, found = measured(file.path)
    except OSError as error:
        raise EncodeError(f"the file {file.name!r} cannot be recorded: {error}") from error
    writer.blobs.setdefault(found, _OnDisk(file.path.absolute(), size, found))
    return size, found


def _read_file(reader: "Reader", data: Buffer) -> File:
    name, size, found = reader.fields(data, 3)
    return _file(reader, name, size, found)


def _read_dir(reader: "Reader", data: Buffer) -> Dir:
    name, entries = reader.fields(data, 2)
    files = {path: _file(reader, str(path).rpartition("/")[2], size, found) for path, size, found in entries}
    return Dir._recorded(name, files)


def _file(reader: "Reader", name: str, size: int, found: bytes) -> File:
    if type(size) is not int or type(found) is not bytes or len(found) != DIGEST_SIZE:
        raise ValueError("size or digest are none")
    return File._recorded(name, size, found, _Stored(reader.read_blob, name, found))


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {Tag.FILE: _read_file, Tag.DIR: _read_dir}
