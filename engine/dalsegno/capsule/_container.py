"""The file: a zstd stream with a head that says what it is, and a seal at its end.

    head    skippable frame 0x184D2A50: "dalsegno capsule", the number of the format (4 bytes, big-endian)
    body    zstd frames, each of up to a megabyte of the tar archive
    seal    skippable frame 0x184D2A51: sha256 of all bytes before it

Decoders of zstd pass over skippable frames, so any of them gets the archive out. The seal is over the bytes as they lie in the
file, since a frame has bits that decoders overlook. Every byte is either one that the seal covers or one of the seal, which is
compared as a whole; nothing can stand behind it, since what stands at the end is taken for the seal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from dalsegno.errors import CapsuleError
from dalsegno_storage import _zstd

FORMAT = 1
"""The number of the format that is written, and the highest that is read."""

NEWER = "its format has the number {found}, and this release knows those up to {known}"

_MAGIC = b"dalsegno capsule"
_HEAD = (0x184D2A50).to_bytes(4, "little") + (len(_MAGIC) + 4).to_bytes(4, "little") + _MAGIC
_HEAD_SIZE = len(_HEAD) + 4
_SEAL = (0x184D2A51).to_bytes(4, "little") + (32).to_bytes(4, "little")
_SEAL_SIZE = len(_SEAL) + 32
_BLOCK = 1 << 20


class Packer:
    """Writes a capsule: the bytes of the archive in any pieces, then `close`, which gives the digest of its seal."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = sha256()
        self._block = bytearray()
        self._put(_HEAD + FORMAT.to_bytes(4, "big"))

    def write(self, data: bytes) -> None:
        """Add to the archive."""
        self._block += data
        while len(self._block) >= _BLOCK:
            self._frame(_BLOCK)

    def close(self) -> bytes:
        """Write what is left, and the seal."""
        if self._block:
            self._frame(len(self._block))
        digest = self._sum.digest()
        self._file.write(_SEAL + digest)
        return digest

    def _frame(self, size: int) -> None:
        # Each block is a frame of its own, whatever pieces it came in, so that the same archive gives the same bytes.
        with memoryview(self._block) as view:
            frame = _zstd.compress(view[:size])
        del self._block[:size]
        self._put(frame)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sum.update(data)


class Container:
    """A capsule that has been found to be whole; `digest` is that of its seal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = str(path)
        try:
            # A pipe would be waited for, and cannot be read twice.
            if not path.is_file() and not path.is_dir() and path.exists():
                raise CapsuleError(self._name, "", "it is not a plain file", "name a copy of it on disk")
            self._file = path.open("rb")
        except OSError as error:
            raise CapsuleError(
                self._name, "", f"it cannot be read: {error.strerror}", "check the path"
            ) from None
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self.digest = self._checked()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def archive(self) -> Iterator[bytes]:
        """The bytes of the archive in pieces of at most a megabyte, from the beginning.

        Raises CapsuleError after the last one when the file is no longer what it was.
        """
        left = self.size - _SEAL_SIZE - _HEAD_SIZE
        running = sha256(self._at(0, _HEAD_SIZE))

        def read(size: int) -> bytes:
            nonlocal left
            data = self._file.read(min(size, left))
            left -= len(data)
            running.update(data)
            return data

        try:
            yield from _zstd.expand(read)
        except ValueError as error:
            raise CapsuleError(self._name, "", str(error)) from None
        if running.digest() != self.digest:
            raise CapsuleError(self._name, "", "it was changed while it was read", "try again")

    def _checked(self) -> bytes:
        head = self._at(0, _HEAD_SIZE)
        if not head.startswith(_HEAD) or len(head) < _HEAD_SIZE:
            raise CapsuleError(
                self._name, "", "it is not a capsule", "name a file that `dalsegno export` has made"
            )
        number = int.from_bytes(head[-4:], "big")
        if number > FORMAT:
            reason = NEWER.format(found=number, known=FORMAT)
            raise CapsuleError(self._name, "", reason, "upgrade dalsegno")
        body = self.size - _SEAL_SIZE
        running = sha256()
        self._file.seek(0)
        left = body
        while left > 0 and (data := self._file.read(min(left, _BLOCK))):
            running.update(data)
            left -= len(data)
        if body < _HEAD_SIZE or self._at(body, _SEAL_SIZE) != _SEAL + running.digest():
            raise CapsuleError(self._name, "", "it is damaged: its bytes do not match the seal at its end")
        if number < 1:
            raise CapsuleError(self._name, "", f"its format has the number {number}, which there never was")
        return running.digest()

    def _at(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)
