"""Digests: 32 bytes that name some bytes and say what kind of thing they are.

    digest(kind, data) = sha256(kind in ASCII, one zero byte, length of data as 8 bytes big-endian, data)

A kind is one or more lower-case ASCII letters, so it never holds the zero byte and no two pairs of kind and
data give the same input to sha256.
"""

import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The type of a running hash has a name in the stubs only.
    from hashlib import _Hash

__all__ = ["DIGEST_SIZE", "digest", "format_digest", "parse_digest", "short"]

DIGEST_SIZE = 32
"""The length of every digest in bytes."""

_KIND = re.compile("[a-z]+")
_SMALL = 2048

_prepared: dict[str, "_Hash"] = {}


def digest(kind: str, data: bytes | bytearray | memoryview) -> bytes:
    """The digest of `data` as an object of `kind`; a kind is lower-case ASCII letters."""
    prepared = _prepared.get(kind)
    if prepared is None:
        prepared = _prepared[kind] = _prepare(kind)
    running = prepared.copy()
    size = len(data) if type(data) is bytes else memoryview(data).nbytes
    if size <= _SMALL:
        running.update(size.to_bytes(8, "big") + data)
    else:
        running.update(size.to_bytes(8, "big"))
        running.update(data)
    return running.digest()


def begun(kind: str, size: int) -> "_Hash":
    """The digest of an object of `kind` and `size`, to be given its bytes piece by piece with `update`."""
    running = _prepare(kind)
    running.update(size.to_bytes(8, "big"))
    return running


def _prepare(kind: str) -> "_Hash":
    if not _KIND.fullmatch(kind):
        raise ValueError(f"a kind is lower-case ASCII letters, not {kind!r}")
    return sha256(kind.encode("ascii") + b"\0")


def format_digest(digest: bytes) -> str:
    """The digest as 64 hexadecimal characters."""
    return digest.hex()


def parse_digest(text: str) -> bytes:
    """The digest that `format_digest` gave; ValueError for anything else."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"a digest is 64 lower-case hexadecimal characters, not {text!r}")
    return bytes.fromhex(text)


def short(digest: bytes) -> str:
    """The first 12 hexadecimal characters, for people to read."""
    return digest[:6].hex()
