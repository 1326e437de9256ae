"""The manifest of the environment, and what differs."""

import platform
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

from dalsegno.bundle import Manifest, differences, installed, manifest
from dalsegno.errors import DecodeError


def test_distributions_by_what_is_imported() -> None:
    taken = manifest(["msgpack", "_pytest", "json", "not_installed_anywhere"])
    required = ("iniconfig", "packaging", "pluggy", "Pygments", "pytest")
    assert taken.packages == {name: version(name) for name in ("msgpack", *required)}
    assert (taken.python, taken.implementation) == (platform.python_version(), sys.implementation.name)
    assert Manifest.from_record(taken.to_record()) == taken
    assert differences(taken, installed(taken)) == []


def test_what_dalsegno_requires_is_not_what_the_code_was_written_against() -> None:
    assert list(manifest(["dalsegno"]).packages) == ["dalsegno"]
    assert "pydantic-core" not in manifest(["dalsegno"]).packages
    assert {"pydantic", "pydantic_core"} <= manifest(["dalsegno", "pydantic"]).packages.keys()


def test_differences_are_readable() -> None:
    here = Manifest("3.11.7", "cpython", "linux-x86_64", {"numpy": "2.3", "gone": "1.0", "same": "1"})
    now = replace(here, python="3.13.0", packages={"numpy": "2.4", "same": "1", "new": "1"})
    assert differences(here, now) == [
        "Python 3.11.7 → 3.13.0",
        "gone 1.0 is not installed",
        "numpy 2.3 → 2.4",
    ]
    assert installed(replace(here, packages={"never-was-there": "1"})).packages == {}


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"python": "3", "implementation": "c", "platform": "l", "packages": {"a": 1}},
        {"python": "3", "implementation": "c", "platform": "l", "packages": {}, "origins": {"a": 1}},
        {"python": "3", "implementation": "c", "platform": "l", "packages": {}, "origins": []},
    ],
)
def test_what_is_no_record_is_refused(record: object) -> None:
    with pytest.raises(DecodeError):
        Manifest.from_record(record)
