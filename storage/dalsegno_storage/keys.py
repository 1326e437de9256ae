"""Keys: tuples as bytes that sort as the tuples do.

Each element becomes a tag byte and a body that says by itself where it ends:

    bytes   01, the bytes with every 00 written as 00 FF, 00
    str     02, the UTF-8 bytes written the same way, 00
    int     10 + n, then the n bytes of the number, big-endian, without leading zeros (0 to 2**64 - 1)

So the order is that of the tuples, with bytes before str before int where types differ and a tuple before its
extensions; and `pack(*a) + pack(*b) == pack(*a, *b)`, which lets a caller pack what does not change once. No tag is FF, so
the keys that continue a tuple lie below its key with FF behind it, while a key that merely begins with the same bytes,
as that of (b"\\0",) does with those of (b"",), lies above. No key begins with 00, which backends keep for themselves.
"""

__all__ = ["Part", "pack", "prefix", "successor", "unpack"]

Part = str | bytes | int
"""What a key is made of; `bool` is not an int here."""

_BYTES, _STR, _INT = 0x01, 0x02, 0x10
_INT_TAGS = [bytes([_INT + size]) for size in range(9)]


def pack(*parts: Part) -> bytes:
    """The key of the tuple `parts`; OverflowError for an int outside 0 to 2**64 - 1."""
    key = b""
    for part in parts:
        if isinstance(part, str):
            key += b"\x02" + part.encode("utf-8", "surrogatepass").replace(b"\0", b"\0\xff") + b"\0"
        elif isinstance(part, bytes):
            key += b"\x01" + part.replace(b"\0", b"\0\xff") + b"\0"
        elif isinstance(part, int) and not isinstance(part, bool):
            size = (part.bit_length() + 7) >> 3
            if part < 0 or size > 8:
                raise OverflowError(f"an int in a key is 0 to 2**64 - 1, not {part}")
            key += _INT_TAGS[size] + part.to_bytes(size, "big")
        else:
            raise TypeError(f"a key is made of str, bytes and int, not {part!r}")
    return key


def unpack(key: bytes) -> tuple[Part, ...]:
    """The tuple whose key this is; ValueError if `pack` cannot have made it."""
    parts: list[Part] = []
    at, end = 0, len(key)
    while at < end:
        tag = key[at]
        if tag in (_BYTES, _STR):
            body, at = _body(key, at + 1)
            parts.append(body if tag == _BYTES else body.decode("utf-8", "surrogatepass"))
        elif _INT <= tag <= _INT + 8:
            size = tag - _INT
            body, at = key[at + 1 : at + 1 + size], at + 1 + size
            if at > end or body[:1] == b"\0":
                raise ValueError(f"{key.hex()} is not a packed key: its int at byte {at} is cut or padded")
            parts.append(int.from_bytes(body, "big"))
        else:
            raise ValueError(f"{key.hex()} is not a packed key: byte {at} is no tag")
    return tuple(parts)


def _body(key: bytes, start: int) -> tuple[bytes, int]:
    """The unescaped bytes that begin at `start`, and where the next element begins."""
    at = start
    while True:
        at = key.find(b"\0", at)
        if at < 0:
            raise ValueError(f"{key.hex()} is not a packed key: the element at byte {start} has no end")
        if key[at + 1 : at + 2] != b"\xff":
            return key[start:at].replace(b"\0\xff", b"\0"), at + 1
        at += 2


def prefix(*parts: Part) -> tuple[bytes, bytes]:
    """`(start, stop)` for `scan`: the key of `parts` itself and every key that continues it."""
    start = pack(*parts)
    return start, start + b"\xff"


def successor(prefix: bytes) -> bytes | None:
    """The least key above every key that begins with `prefix`; None if there is no such key."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
