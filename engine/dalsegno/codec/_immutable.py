"""Which values can be shared without being copied."""

import enum
from typing import Any

__all__ = ["is_immutable"]

_ATOMS = frozenset(
    (type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), type(NotImplemented), type)
)

_NAMED_ATOMS = frozenset(
    (
        ("datetime", "date"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("fractions", "Fraction"),
        ("re", "Pattern"),
        ("uuid", "UUID"),
        ("zoneinfo", "ZoneInfo"),
        *((m, p) for m in ("pathlib", "pathlib._local") for p in ("PosixPath", "PurePosixPath")),
        *((m, p) for m in ("pathlib", "pathlib._local") for p in ("WindowsPath", "PureWindowsPath")),
    )
)


def is_immutable(value: Any) -> bool:
    """Whether handing out the live object, not a copy of it, cannot let anybody change it.

    Only exact builtin types and enum members count; a False may be wrong, a True never is.
    """
    if type(value) in _ATOMS:
        return True
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is tuple or kind is frozenset:
            waiting.extend(item)
        elif kind.__module__ == "datetime" and kind.__qualname__ in ("datetime", "time"):
            waiting.append(item.tzinfo)
        elif (
            kind not in _ATOMS
            and (kind.__module__, kind.__qualname__) not in _NAMED_ATOMS
            and not isinstance(item, enum.Enum)
        ):
            return False
    return True
