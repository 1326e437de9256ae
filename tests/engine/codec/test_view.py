"""Looking at bytes: readable, JSON-able, and without running or importing anything."""

import collections
import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pydantic import SecretStr

from dalsegno import File
from dalsegno.codec import encode, view
from dalsegno.codec._format import Tag, ext_head
from dalsegno.errors import DecodeError


def shown(value: Any, **options: Any) -> Any:
    found = view(encode(value).data, **options)
    json.dumps(found, allow_nan=False)
    return found


@pytest.mark.parametrize(
    "value", [None, True, 1, -(2**80), 1.5, "käse", [1, ["x", None]], {"a": {"b": [1.5]}}]
)
def test_what_json_has_is_itself(value: Any) -> None:
    assert shown(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), {"$type": "float", "value": "nan"}),
        ([float("-inf")], [{"$type": "float", "value": "-inf"}]),
        ("\ud800", "\\ud800"),
        (b"ab", {"$type": "bytes", "base64": "YWI="}),
        (bytearray(b"ab"), {"$type": "bytearray", "base64": "YWI="}),
        ((1, (2,)), {"$type": "tuple", "items": [1, {"$type": "tuple", "items": [2]}]}),
        ({"b", "a"}, {"$type": "set", "items": ["a", "b"]}),
        ({1: "x"}, {"$type": "dict", "items": [[1, "x"]]}),
        ({(1,): 2}, {"$type": "dict", "items": [[{"$type": "tuple", "items": [1]}, 2]]}),
        ({"$type": "fake"}, {"$type": "dict", "items": [["$type", "fake"]]}),
        (1 + 2j, {"$type": "complex", "value": "(1+2j)"}),
        (range(3), {"$type": "range", "value": [0, 3, 1]}),
        (..., {"$type": "singleton", "value": "Ellipsis"}),
        (datetime(2026, 1, 2, 3, 4, 5, 6), {"$type": "datetime", "value": "2026-01-02T03:04:05.000006"}),
        (
            datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            {"$type": "datetime", "value": "2026-01-02T00:00:00", "zone": "Europe/Berlin", "fold": 1},
        ),
        (
            datetime(2026, 1, 2, tzinfo=UTC),
            {"$type": "datetime", "value": "2026-01-02T00:00:00", "zone": "+00:00"},
        ),
        (
            time(1, tzinfo=timezone(-timedelta(hours=5.5))),
            {"$type": "time", "value": "01:00:00", "zone": "-05:30"},
        ),
        (time(1, tzinfo=timezone(timedelta(0), "Z")), {"$type": "time", "value": "01:00:00", "zone": "Z"}),
        (date(26, 1, 2), {"$type": "date", "value": "0026-01-02"}),
        (timedelta(1, 2, 3), {"$type": "timedelta", "value": "1 days 2.000003 s"}),
        (Decimal("1.10"), {"$type": "decimal", "value": "1.10"}),
        (Fraction(1, 3), {"$type": "fraction", "value": "1/3"}),
        (UUID(int=3), {"$type": "uuid", "value": "00000000-0000-0000-0000-000000000003"}),
        (PurePosixPath("a/b"), {"$type": "path", "value": "a/b"}),
        (re.compile("a"), {"$type": "pattern", "value": "a"}),
        (collections.Counter("a"), {"$type": "Counter", "value": {"a": 1}}),
        (collections.deque([1]), {"$type": "deque", "value": [1]}),
        (collections.defaultdict(list, a=[1]), {"$type": "defaultdict", "value": {"a": [1]}}),
        (len, {"$type": "reference", "value": "builtins.len"}),
        (re.IGNORECASE, {"$type": "enum", "class": "re.RegexFlag", "value": "IGNORECASE"}),
        (SecretStr("x"), {"$type": "secret", "value": "**********"}),
        (
            np.array([[1.5, np.nan]]),
            {"$type": "ndarray", "dtype": "<f8", "shape": [1, 2], "preview": [1.5, "nan"]},
        ),
        (np.arange(99), {"$type": "ndarray", "dtype": "<i8", "shape": [99], "preview": list(range(10))}),
        (np.array([b"x"]), {"$type": "ndarray", "dtype": "|S1", "shape": [1]}),
        (
            np.array([{1}], object),
            {"$type": "ndarray", "dtype": "|O", "shape": [1], "preview": [{"$type": "set", "items": [1]}]},
        ),
        (np.float32(0.5), {"$type": "numpy", "dtype": "<f4", "value": 0.5}),
        (np.str_("x"), {"$type": "numpy", "dtype": "U", "value": "x"}),
        (np.dtype("f8"), {"$type": "dtype", "value": "<f8"}),
    ],
)
def test_other_types(value: Any, expected: Any) -> None:
    assert shown(value) == expected


def test_tables() -> None:
    frame = shown(pd.DataFrame({"a": [1, 2]}))
    assert frame["$type"] == "pandas.DataFrame"
    assert frame["data"] == [{"$type": "ndarray", "dtype": "<i8", "shape": [2], "preview": [1, 2]}]
    table = shown(pa.table({"a": [1, 2]}))
    assert (table["$type"], table["rows"], table["columns"]) == ("pyarrow.Table", 2, ["a"])
    other = shown(pl.DataFrame({"a": [1, 2]}))
    assert (other["$type"], other["rows"], other["columns"]) == ("polars.DataFrame", 2, ["a"])


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes(b"content")
    found = shown([File(path)])[0]
    assert found == {"$type": "File", "name": "f.txt", "size": 7, "digest": File(path).digest.hex()}


def test_opaque_values_show_their_class_and_size() -> None:
    found = shown({"f": lambda: 1})["f"]
    assert found["$opaque"] == "function"
    assert found["size"] > 0


def test_long_things_are_cut_and_say_so() -> None:
    assert shown("x" * 20, limit=5) == {"$type": "str", "value": "xxxxx", "$size": 20}
    assert shown(b"x" * 20, limit=3) == {"$type": "bytes", "base64": "eHh4", "$size": 20}
    assert shown([1] * 20, limit=2) == {"$type": "list", "items": [1, 1], "$size": 20}
    cut = shown({str(key): key for key in range(20)}, limit=1)
    assert cut == {"$type": "dict", "items": [["0", 0]], "$size": 20}


def test_nothing_is_imported(tmp_path: Path) -> None:
    (tmp_path / "canary.py").write_text(
        "import dataclasses, enum, os\n"
        "@dataclasses.dataclass\n"
        "class Bird:\n    name: str\n"
        "class Song(enum.Enum):\n    HIGH = 1\n"
        "class Egg(str):\n    pass\n"
        "class Nest:\n    pass\n"
        "open(os.environ['ALARM'], 'a').close()\n"
    )
    alarm = tmp_path / "alarm"
    paths = [str(tmp_path), *sys.path]

    def run(code: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}", *arguments],
            env={"ALARM": str(alarm)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    written = run(
        "import canary as c; from dalsegno.codec import encode\n"
        "import numpy as np\n"
        "print(encode([c.Bird('b'), c.Song.HIGH, c.Egg('e'), c.Nest(), c.Bird, np.arange(3)]).data.hex())"
    )
    assert alarm.exists()
    alarm.unlink()
    looked = run(
        "from dalsegno.codec import view; import json\n"
        "before = set(sys.modules)\n"
        "found = view(bytes.fromhex(sys.argv[1]))\n"
        "assert not set(sys.modules) - before, set(sys.modules) - before\n"
        "print(json.dumps(found))",
        written.strip(),
    )
    assert not alarm.exists()
    bird, song, egg, nest, kind, _ = json.loads(looked)
    assert bird == {"$type": "dataclass", "class": "canary.Bird", "fields": {"name": "b"}}
    assert song == {"$type": "enum", "class": "canary.Song", "value": "HIGH"}
    assert egg == {"$type": "subclass", "class": "canary.Egg", "value": "e"}
    assert nest["$opaque"] == "canary.Nest"
    assert kind == {"$type": "reference", "value": "canary.Bird"}


def test_bytes_that_are_no_value() -> None:
    with pytest.raises(DecodeError, match="not a value"):
        view(b"\xc1")


def test_an_int_that_python_does_not_write_in_decimal_digits() -> None:
    for value in (10**5000, -(10**5000)):
        assert shown([value]) == [{"$type": "int", "value": hex(value)}]
    assert shown(10**4200) == 10**4200


@pytest.mark.parametrize("shape", [[-1], [None], 65 * [1], [[1]], "x", [True], None])
def test_a_shape_that_is_none(shape: Any) -> None:
    head = msgpack.packb(["<f8", shape])
    payload = len(head).to_bytes(4, "big") + head + bytes(8)
    with pytest.raises(DecodeError, match="a shape is none"):
        view(ext_head(Tag.NDARRAY, len(payload)) + payload)
    payload = msgpack.packb([shape, [1]])
    with pytest.raises(DecodeError, match="a shape is none"):
        view(ext_head(Tag.OBJECT_ARRAY, len(payload)) + payload)


def test_a_table_without_rows() -> None:
    payload = msgpack.packb(["DataFrame", [], ["a"], b""])
    with pytest.raises(DecodeError, match="no rows and columns"):
        view(ext_head(Tag.POLARS, len(payload)) + payload)
