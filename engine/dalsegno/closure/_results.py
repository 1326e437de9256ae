"""How what was reached is told: in which order, in which words, and by which digest."""

from hashlib import sha256
from typing import Final

from dalsegno.closure._program import AS_A_WHOLE, WHOLE
from dalsegno.closure.closure import Symbol

__all__ = ["NOT_IMPORTABLE", "joined", "place", "told"]

NOT_IMPORTABLE: Final = (
    "SyntaxError",
    "IndentationError",
    "TabError",
    "ValueError: source code string cannot contain",
)


def place(symbol: Symbol) -> tuple[bool, Symbol]:
    """Names first, since they say more."""
    return symbol.name in (WHOLE, "<order>"), symbol


def told(whole: str, module: str, reason: str) -> str:
    if reason == AS_A_WHOLE:
        return f"the module {whole} is used as a whole"
    return reason if whole == module else f"{reason} in {whole}"


def joined(parts: list[bytes]) -> bytes:
    if len(parts) == 1 and len(parts[0]) == 16:
        return parts[0]
    return sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()[:16]
