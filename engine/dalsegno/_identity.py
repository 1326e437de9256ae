"""Who an action is: a function of what was called with what, never of when.

An action's key is relative to its parent and covers the task's full name, the digest of its inputs, its ordinal
among identical calls of that parent, and the group. The code is left out, so that the same call under new code
lines up with the old one; the parent's own name is left out, so that a subtree has the same keys wherever it is
rooted. The path folds the keys from the root down, and the name that people type is made from the path.
"""

from base64 import b32decode
from hashlib import sha256

KEY_BYTES = 16
ROOT_NAME = "a0"
ROOT_KEY = bytes(KEY_BYTES)

# 8 characters are 40 bits: among 100,000 actions with one short name two have the same with a chance of 1 in 220. Such a
# name is refused as ambiguous where it is looked up, and the long form of 16 characters tells the two apart.
_NAME_BYTES = 5
_LONG_NAME_BYTES = 10

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
"""Base 32 by ten bits, in the alphabet of RFC 4648."""


def action_key(task: bytes, inputs_digest: bytes, ordinal: int, group: bytes) -> bytes:
    """The key of a call below its parent; `task` is the task's full name in UTF-8."""
    framed = b"%d:%b%d:%b" % (len(task), task, ordinal, inputs_digest)
    return sha256(framed + group).digest()[:KEY_BYTES]


def action_path(parent_path: bytes, key: bytes) -> bytes:
    """The path of a child whose key is `key`."""
    return sha256(parent_path + key).digest()[:KEY_BYTES]


def action_name(short_name: str, path: bytes) -> str:
    """What people type: the short name and a short hash of the path, as in `prep-k3v9q2ab`."""
    return _named(short_name, path[:_NAME_BYTES])


def long_action_name(short_name: str, path: bytes) -> str:
    """The same with twice the hash, for names that are ambiguous."""
    return _named(short_name, path[:_LONG_NAME_BYTES])


def split_action_name(name: str) -> tuple[str, bytes] | None:
    """The short name and the first bytes of the path, 5 or 10; None for what is no such name."""
    short_name, _, tail = name.rpartition("-")
    try:
        start = b32decode(tail.upper())
    except ValueError:
        return None
    return (short_name, start) if len(start) in (_NAME_BYTES, _LONG_NAME_BYTES) else None


def _named(short_name: str, path: bytes) -> str:
    number = int.from_bytes(path, "big")
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(8 * len(path) - 10, -1, -10)]
    return f"{short_name}-{''.join(pairs)}"
