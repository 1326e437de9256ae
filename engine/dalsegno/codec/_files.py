"""Files and directories: names and digests in the value, contents beside it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dalsegno.errors import DecodeError, EncodeError
from dalsegno.files import Dir, File
from dalsegno_storage.digest import DIGEST_SIZE, digest

from ._format import Buffer, Payload, Tag

if TYPE_CHECKING:
    from ._decode import ReadBlob, Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer"]


class _OnDisk:
    """The content of a file that still lies where it was when its digest was taken."""

    __slots__ = ("_digest", "_path")

    def __init__(self, path: Path, digest: bytes) -> None:
        self._path, self._digest = path, digest

    def read(self) -> bytes:
        """The content; EncodeError when it has changed since."""
        content = self._path.read_bytes()
        if digest("blob", content) != self._digest:
            raise EncodeError(
                f"{self._path} was changed while it was being recorded; call again when it is complete"
            )
        return content


class _Recorded:
    """The content of a file that was in a record before."""

    __slots__ = ("_fetch",)

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch

    def read(self) -> bytes:
        """The content."""
        return self._fetch()


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
    fetch = file._fetch
    if fetch is not None:
        found = file.digest
        writer.blobs.setdefault(found, _Recorded(fetch))
        return file.size, found
    try:
        content = file.read_bytes()
    except OSError as error:
        raise EncodeError(f"the file {file.name!r} cannot be recorded: {error}") from error
    found = digest("blob", content)
    writer.blobs.setdefault(found, _OnDisk(file.path.absolute(), found))
    return len(content), found


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
    return File._recorded(name, size, found, partial(_fetch, reader.read_blob, name, found))


def _fetch(read_blob: "ReadBlob | None", name: str, found: bytes) -> bytes:
    if read_blob is None:
        raise DecodeError(
            f"the content of {name!r} cannot be read, because the value was decoded without a store"
        )
    return read_blob(found)


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {Tag.FILE: _read_file, Tag.DIR: _read_dir}
