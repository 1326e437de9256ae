"""What a code bundle is: a sorted list of paths, the digests of their content, and their sizes.

The digest of a bundle covers names and content only. Its encoding gives the length of every part, so `ab/c.py`
and `a/bc.py` never meet. Time, mode, owner, packer and the folder that the files came from have no part in it.

A record may come from somebody else's export, so its paths are checked as if they were hostile, and the same
rules hold at capture: what cannot be loaded again is not recorded. A path is relative, in posix form, in parts
of at most 255 bytes; no two paths are the same on a file system that ignores case or composes accents; none
is the folder of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from unicodedata import normalize

import msgpack

from dalsegno.errors import BundleCaptureError, BundleLoadError
from dalsegno_storage.digest import DIGEST_SIZE, digest

__all__ = ["Bundle", "BundleFile", "ReadBlob"]

ReadBlob = Callable[[bytes], bytes]
"""Gives the bytes that have a digest, checked; raises when there are none."""

LAYOUT = 1
"""The number of the layout of encoded bundles."""

_MAX_PART = 255
_MAX_PATH = 1024


class BundleFile(NamedTuple):
    """One file: its path below its source root, the digest of its content (kind "blob"), its size in bytes."""

    path: str
    blob: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """The user's code at one moment, without the content itself, which is found by digest.

    `files` are sorted by path. Two bundles are equal when their digests are.
    """

    files: tuple[BundleFile, ...]
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(sorted(self.files)))
        object.__setattr__(self, "digest", digest("bundle", self.encode()))

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits of the digest, for people and module names."""
        return self.digest[:6].hex()

    def blobs(self) -> tuple[bytes, ...]:
        """The digests of all content, each once, in the order of the files."""
        return tuple(dict.fromkeys(file.blob for file in self.files))

    def has_module(self, name: str) -> bool:
        """Whether one of the files is the module with this recorded name."""
        return self.file_of(name) is not None

    def file_of(self, module: str) -> BundleFile | None:
        """The file of the module with this recorded name."""
        path = module.replace(".", "/")
        wanted = (f"{path}.py", f"{path}/__init__.py")
        return next((file for file in self.files if file.path in wanted), None)

    def encode(self) -> bytes:
        """The bytes that the digest covers and that are stored under it: msgpack of the layout number and the record."""
        return cast("bytes", msgpack.packb([LAYOUT, self.to_record()], unicode_errors="surrogatepass"))

    @classmethod
    def decode(cls, data: bytes) -> "Bundle":
        """The inverse of `encode`, as strict as `from_record`."""
        try:
            match msgpack.unpackb(data):
                case [1, record]:
                    return cls.from_record(record)
        except (ValueError, msgpack.UnpackException) as error:
            raise BundleLoadError("", f"its record cannot be read: {error}") from error
        raise BundleLoadError("", f"its record has another layout than {LAYOUT}, the one this release reads")

    def to_record(self) -> list[list[str | bytes | int]]:
        """Plain lists: `[[path, digest, size], …]`."""
        return [list(file) for file in self.files]

    @classmethod
    def from_record(cls, record: object) -> "Bundle":
        """The bundle of a record; BundleLoadError when the record is not one or a path in it is not allowed."""
        if not isinstance(record, (list, tuple)):
            raise BundleLoadError("", "its record is not a list")
        bundle = cls(tuple(map(_file, record)))
        problem = path_problem([file.path for file in bundle.files])
        if problem:
            raise BundleLoadError(*problem)
        return bundle


def checked(bundle: Bundle) -> Bundle:
    """The bundle, whose paths could all be recorded; BundleCaptureError names the first that could not."""
    problem = path_problem([file.path for file in bundle.files])
    if problem:
        raise BundleCaptureError(f"{problem[0]!r} cannot be recorded: {problem[1]}; rename or exclude it")
    return bundle


def path_problem(paths: Sequence[str]) -> tuple[str, str] | None:
    """The first path that may not be in a bundle and the reason, or None when all may."""
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        reason = _reason(path)
        if reason:
            return path, reason
        key = normalize("NFC", path).casefold()
        if key in seen:
            return path, f"it is the same file as {seen[key]!r} where case or accents do not count"
        seen[key] = path
        while "/" in key:
            key = key.rpartition("/")[0]
            if key in folders:
                break
            folders[key] = path
    for key, path in seen.items():
        if key in folders:
            return path, f"it is a file and the folder of {folders[key]!r}"
    return None


def _reason(path: str) -> str | None:
    """Why this path alone may not be in a bundle."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "the path is not valid Unicode"
    if size > _MAX_PATH:
        return f"the path is longer than {_MAX_PATH} bytes"
    if not path.isprintable() or "\\" in path:
        return "the path has a backslash or a character that does not print"
    if path.startswith("/") or path[1:2] == ":":
        return "the path is not relative"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "the path has an empty part, '.' or '..'"
        if part[-1] in ". ":
            return "a part of the path ends in a dot or a space"
        if part.casefold() == ".git":
            return "the path leads into '.git'"
        if len(part.encode()) > _MAX_PART:
            return f"a part of the path is longer than {_MAX_PART} bytes"
    return None


def _file(item: object) -> BundleFile:
    match item:
        case [str(path), bytes(blob), int(size)] if len(blob) == DIGEST_SIZE and 0 <= size < 2**63:
            return BundleFile(path, blob, size)
    raise BundleLoadError("", "an entry of its record is not a path, a digest and a size")
