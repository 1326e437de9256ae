"""Files and directories as values: their content is recorded, not where they lie.

A `File` or `Dir` made from a path reads that path whenever it is asked. One that comes out of a record knows
only digests; its content is fetched when it is read, and laid down in a private temporary directory, which
goes when the process ends, when `path` is asked for. Both are equal to another of the same name and content.
Content goes a megabyte at a time wherever it goes, unless it is asked for as a whole.
"""

import atexit
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from dalsegno.errors import DecodeError, EncodeError, UsageError
from dalsegno_storage.digest import Running, digest

__all__ = ["Dir", "File"]

PIECE = 1 << 20
"""How much of a file is in memory at once, in bytes."""


class _Content(Protocol):
    """What is in a recorded file."""

    def read(self) -> bytes:
        """All of it."""

    def pieces(self) -> Iterator[bytes]:
        """The same, at most PIECE bytes at a time; that it is damaged may only be said after the last ones."""


class File:
    """A file that can be an input or an output.

    Only its name and content are recorded: neither its mode nor its times nor where it lies.
    """

    __slots__ = ("__weakref__", "_content", "_digest", "_path", "_size", "name")

    name: str
    """The last part of its path."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path: Path | None = Path(path)
        self._content: _Content | None = None
        self._digest: bytes | None = None
        self._size: int | None = None
        self.name = self._path.absolute().name

    @classmethod
    def __from_path__(cls, path: str) -> "File":
        return cls(path)

    @classmethod
    def _recorded(cls, name: str, size: int, digest: bytes, content: _Content) -> "File":
        if not is_plain_name(name):
            raise DecodeError(f"a recorded file is named {name!r}, which is not the name of a file")
        file = cls.__new__(cls)
        file.name, file._size, file._digest, file._content, file._path = name, size, digest, content, None
        return file

    @property
    def path(self) -> Path:
        """Where the file lies; for a recorded one, where it is laid down on the first use."""
        if self._path is None:
            self._path = self.download()
        return self._path

    @property
    def size(self) -> int:
        """The length of the content in bytes."""
        return self.path.stat().st_size if self._size is None else self._size

    @property
    def digest(self) -> bytes:
        """The digest of the content; read anew each time when the file was made from a path."""
        return measured(self.path)[1] if self._digest is None else self._digest

    def open(self, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """The content as a file that is open for reading; `mode` is "rb", "r" or "rt"."""
        if mode not in ("rb", "r", "rt"):
            raise UsageError(f"a File is opened for reading only, so mode is 'rb', 'r' or 'rt', not {mode!r}")
        if self._content is None or self.size > PIECE:
            return self.path.open(mode, encoding=encoding)
        content = io.BytesIO(self._content.read())
        return content if mode == "rb" else io.TextIOWrapper(content, encoding=encoding)

    def read_bytes(self) -> bytes:
        """The whole content."""
        return self.path.read_bytes() if self._content is None else self._content.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole content as text."""
        return self.read_bytes().decode(encoding)

    def download(self, to: str | os.PathLike[str] | None = None) -> Path:
        """Copy the content to the file `to`, or into the directory `to`; says where it is.

        Without `to`, into a new temporary directory that goes when the process ends. An existing file is
        replaced at once, never half.
        """
        target = _temporary() / self.name if to is None else Path(to)
        if target.is_dir():
            target = target / self.name
        _write(target, self._pieces())
        return target

    def _pieces(self) -> Iterator[bytes]:
        return pieces_of(self.path) if self._content is None else self._content.pieces()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.name == other.name and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((File, self.name))

    def __repr__(self) -> str:
        return f"File({str(self._path or self.name)!r})"

    def __copy__(self) -> "File":
        return self

    def __deepcopy__(self, memo: object) -> "File":
        return self

    def __reduce__(self) -> Any:
        """Pickled with its content, since a path means nothing elsewhere."""
        return _from_content, (self.name, self.read_bytes())


class Dir:
    """A directory that can be an input or an output, with all files below it.

    Recorded are its name and, for each regular file, the path below it and the content. Symbolic links are
    followed, but not out of the directory; empty directories are not kept.
    """

    __slots__ = ("__weakref__", "_files", "_path", "name")

    name: str
    """The last part of its path."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path: Path | None = Path(path)
        self._files: dict[str, File] | None = None
        self.name = self._path.absolute().name

    @classmethod
    def __from_path__(cls, path: str) -> "Dir":
        return cls(path)

    @classmethod
    def _recorded(cls, name: str, files: dict[str, File]) -> "Dir":
        if not is_plain_name(name):
            raise DecodeError(f"a recorded directory is named {name!r}, which is not the name of a directory")
        for path in files:
            if not is_path_below(path):
                raise DecodeError(
                    f"the recorded directory {name!r} holds {path!r}, which is not a path below it"
                )
        folder = cls.__new__(cls)
        folder.name, folder._files, folder._path = name, files, None
        return folder

    @property
    def path(self) -> Path:
        """Where the directory lies; for a recorded one, where it is laid down on the first use."""
        if self._path is None:
            self._path = self.download()
        return self._path

    def files(self) -> Iterator[tuple[str, File]]:
        """All files below the directory as (relative path with slashes, file), ordered by path."""
        if self._files is not None:
            return iter(self._files.items())
        if not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is not a directory")
        found = {
            path.relative_to(self.path).as_posix(): path for path in _walk(self.path, (self.path.resolve(),))
        }
        return ((path, File(found[path])) for path in sorted(found))

    def download(self, to: str | os.PathLike[str] | None = None) -> Path:
        """Copy all files below the directory `to`, which is made if need be; says where they are.

        Without `to`, into a new temporary directory that goes when the process ends.
        """
        target = _temporary() / self.name if to is None else Path(to)
        target.mkdir(parents=True, exist_ok=True)
        root = target.resolve()
        for path, file in self.files():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.parent.resolve().is_relative_to(root):
                raise UsageError(
                    f"{path!r} would be written outside of {target}, through a symbolic link there"
                )
            _write(place, file._pieces())
        return target

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Dir) and self.name == other.name and dict(self.files()) == dict(other.files())
        )

    def __hash__(self) -> int:
        return hash((Dir, self.name))

    def __repr__(self) -> str:
        return f"Dir({str(self._path or self.name)!r})"

    def __copy__(self) -> "Dir":
        return self

    def __deepcopy__(self, memo: object) -> "Dir":
        return self

    def __reduce__(self) -> Any:
        """Pickled with its content, since a path means nothing elsewhere."""
        return Dir._recorded, (self.name, dict(self.files()))


def is_plain_name(name: object) -> bool:
    """Whether this can be the name of a file, and nothing but the name."""
    return isinstance(name, str) and name not in (".", "..") and not {"/", "\\", "\0"} & set(name)


def is_path_below(path: object) -> bool:
    """Whether this is a path with slashes that stays below where it starts."""
    return (
        isinstance(path, str) and path != "" and all(part and is_plain_name(part) for part in path.split("/"))
    )


def pieces_of(path: Path) -> Iterator[bytes]:
    """The content of a file, PIECE bytes at a time."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def measured(path: Path) -> tuple[int, bytes]:
    """Size and digest of the content of a file; EncodeError when it changes meanwhile."""
    size = path.stat().st_size
    if size <= PIECE or not path.is_file():  # also what has no size before it is read, such as a pipe
        content = path.read_bytes()
        return len(content), digest("blob", content)
    running, found = Running("blob", size), 0
    for piece in pieces_of(path):
        running.update(piece)
        found += len(piece)
    if found != size:
        raise changed(path)
    return size, running.digest()


def changed(path: Path) -> EncodeError:
    """A file is not what it was."""
    return EncodeError(f"{path} was changed while it was being recorded; call again when it is complete")


class _Held:
    """Content that is in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self) -> bytes:
        return self._content

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            yield self._content[start : start + PIECE]


def _from_content(name: str, content: bytes) -> File:
    return File._recorded(name, len(content), digest("blob", content), _Held(content))


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    for entry in folder.iterdir():
        real = entry.resolve()
        if entry.is_symlink() and not real.is_relative_to(above[0]):
            raise EncodeError(
                f"{entry} is a symbolic link out of the directory, to {real}; copy the file instead"
            )
        if real.is_dir():
            if real in above:
                raise EncodeError(f"{entry} is a symbolic link to a directory that holds it; remove the link")
            yield from _walk(entry, (*above, real))
        elif real.is_file():
            yield entry
        else:
            raise EncodeError(f"{entry} is neither a file nor a directory, so it cannot be recorded")


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    import tempfile  # with what it imports, a tenth of the time that importing dalsegno takes

    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".dalsegno-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _temporary() -> Path:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="dalsegno-"))
    owner = os.getpid()
    # A forked child must not remove what its parent still uses.
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder
