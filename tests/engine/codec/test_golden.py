"""Bytes that every release, Python version and hash seed must reproduce."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).with_name("vectors.py")
OTHER_PYTHON = "DALSEGNO_OTHER_PYTHON"

GOLDEN = {
    "none": "c0",
    "true": "c3",
    "one": "01",
    "minus": "ff",
    "64 bits": "cfffffffffffffffff",
    "65 bits": "c70901010000000000000000",
    "big negative": "c70901c00000000000000000",
    "float one": "cb3ff0000000000000",
    "minus zero": "cb8000000000000000",
    "nan": "cb7ff8000000000000",
    "negative nan": "cb7ff8000000000000",
    "nan in list": "92cb7ff8000000000000cb3ff0000000000000",
    "infinity": "cb7ff0000000000000",
    "complex": "d80280000000000000004000000000000000",
    "str": "a56bc3a47365",
    "surrogate": "a3eda080",
    "bytes": "c40200ff",
    "bytearray": "d40331",
    "list": "9401cb4004000000000000a178c0",
    "floats": "92cb3fe0000000000000cb7e37e43c8800759c",
    "tuple": "c706049201d5049102",
    "dict": "83a16201a16191c3c70304920102c0",
    "set": "c723059701a462657461a5616c706861a564656c7461a567616d6d61c0cb4004000000000000",
    "frozenset": "c7060692a178c40178",
    "range": "d60793010a03",
    "slice": "d60893c003c0",
    "ellipsis": "d709456c6c6970736973",
    "datetime": "c71b0a99cd07ea0a19021e000701c70d0f4575726f70652f4265726c696e",
    "naive": "c70c0a99cd07ea01020000000000c0",
    "utc": "c7150a99cd07ea01020000000000c7070e91d60d93000000",
    "named zone": "c70f0e92d70d93ffce00010b3000a3455354",
    "date": "c7060b93cd07ea0102",
    "time": "c7070c960304050600c0",
    "timedelta": "d60d93ff0001",
    "decimal": "d610312e3130",
    "big decimal": "c707102d31452b353030",
    "fraction": "c70311920103",
    "uuid": "d81200000000000000000000000000000003",
    "path": "c70f1392a9506f73697850617468a3612f62",
    "pure path": "c7121392ad50757265506f73697850617468a22f61",
    "windows path": "c7161392af5075726557696e646f777350617468a4633a5c61",
    "pattern": "c7051492a2612b22",
    "ordered dict": "d7159182a16201a16102",
    "defaultdict": "c7181692c70f2092a86275696c74696e73a46c69737481a1619101",
    "counter": "d7179182a16102a16201",
    "deque": "c705189292010205",
    "class": "c7172092a7706174686c6962ad50757265506f73697850617468",
    "function": "c70e2092a86275696c74696e73a36c656e",
    "none type": "d82092a57479706573a84e6f6e6554797065",
    "enum": "c7132193a7766563746f7273a5436f6c6f72a3524544",
    "flags": "c7112193a7766563746f7273a641636365737303",
    "named tuple": "c71e2293a7766563746f7273a5506f696e7482a17801a179cb4000000000000000",
    "dataclass": "c7292493a7766563746f7273a5547269616c82a26c72cb3fb999999999999aa474616773c7050592a161a162",
    "subclass": "c7112394a7766563746f7273a44e616d65a16e80",
}


def printed(python: str, seed: str, packages: str = "") -> dict[str, str]:
    roots = [str(VECTORS.parents[3] / root) for root in ("engine", "storage")]
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([*roots, packages])}
    done = subprocess.run(
        [python, "-W", "error", str(VECTORS)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_bytes_are_those_of_the_first_release() -> None:
    assert runpy.run_path(str(VECTORS), run_name="vectors")["VALUES"].keys() == GOLDEN.keys()
    assert printed(sys.executable, "random") == GOLDEN


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_hash_seed_does_not_matter(seed: str) -> None:
    assert printed(sys.executable, seed) == GOLDEN


@pytest.mark.skipif(
    OTHER_PYTHON not in os.environ,
    reason=f"EQUAL BYTES ACROSS PYTHON VERSIONS NOT TESTED: {OTHER_PYTHON} names no interpreter with msgpack",
)
def test_another_python_gives_the_same_bytes() -> None:
    assert printed(os.environ[OTHER_PYTHON], "random") == GOLDEN
