"""Values whose bytes must never change; as a script it prints them, so that any Python can be asked."""

import enum
import json
import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from dalsegno.codec import encode


class Color(enum.Enum):
    RED = "r"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float


@dataclass
class Trial:
    lr: float
    tags: set[str]


class Name(str):
    __slots__ = ()


VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "one": 1,
    "minus": -1,
    "64 bits": 2**64 - 1,
    "65 bits": 2**64,
    "big negative": -(2**70),
    "float one": 1.0,
    "minus zero": -0.0,
    "nan": float("nan"),
    "negative nan": -float("nan"),
    "nan in list": [-float("nan"), 1.0],
    "infinity": float("inf"),
    "complex": complex(-0.0, 2),
    "str": "käse",
    "surrogate": "\ud800",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"1"),
    "list": [1, 2.5, "x", None],
    "floats": [0.5, 1e300],
    "tuple": (1, (2,)),
    "dict": {"b": 1, "a": [True], (1, 2): None},
    "set": {"alpha", "beta", "gamma", "delta", 1, 2.5, None},
    "frozenset": frozenset({b"x", "x"}),
    "range": range(1, 10, 3),
    "slice": slice(None, 3),
    "ellipsis": ...,
    "datetime": datetime(2026, 10, 25, 2, 30, 0, 7, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
    "naive": datetime(2026, 1, 2),
    "utc": datetime(2026, 1, 2, tzinfo=UTC),
    "named zone": timezone(timedelta(hours=-5), "EST"),
    "date": date(2026, 1, 2),
    "time": time(3, 4, 5, 6),
    "timedelta": timedelta(days=-1, microseconds=1),
    "decimal": Decimal("1.10"),
    "big decimal": Decimal("-1E+500"),
    "fraction": Fraction(1, 3),
    "uuid": UUID(int=3),
    "path": Path("a/b"),
    "pure path": PurePosixPath("/a"),
    "windows path": PureWindowsPath("c:\\a"),
    "pattern": re.compile("a+", re.IGNORECASE),
    "ordered dict": OrderedDict(b=1, a=2),
    "defaultdict": defaultdict(list, a=[1]),
    "counter": Counter("aab"),
    "deque": deque([1, 2], maxlen=5),
    "class": PurePosixPath,
    "function": len,
    "none type": type(None),
    "enum": Color.RED,
    "flags": Access.READ | Access.WRITE,
    "named tuple": Point(1, 2.0),
    "dataclass": Trial(0.1, {"b", "a"}),
    "subclass": Name("n"),
}


def recorded_name(module: str) -> str:
    """This file is `__main__` as a script."""
    return "vectors" if module == __name__ else module


def encoded() -> dict[str, str]:
    """The bytes of all values in hexadecimal."""
    return {name: encode(value, module_name=recorded_name).data.hex() for name, value in VALUES.items()}


if __name__ == "__main__":
    json.dump(encoded(), sys.stdout)
