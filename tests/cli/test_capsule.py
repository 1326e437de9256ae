"""`dalsegno export`, `import` and `trust`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def carried(look: Command, tmp_path: Path) -> Path:
    """A capsule with the run `good`."""
    done = look("export", "good", tmp_path / "good.capsule")
    assert done.code == 0, done.err
    return tmp_path / "good.capsule"


def test_export(look: Command, carried: Path, tmp_path: Path) -> None:
    done = look("export", "good", "again", tmp_path / "two.capsule", "--json")
    assert done.json["runs"] == ["good", "again"]
    assert done.json["left_out"] == []
    assert done.json["size"] == (tmp_path / "two.capsule").stat().st_size
    alone = look("export", "again", tmp_path / "again.capsule")
    assert "run 'again' was started from 'good', which is not in it" in alone.err
    twice = look("export", "good", carried)
    assert (twice.code, twice.out) == (2, "")
    assert "there is something at this place" in twice.err
    assert look("export", "god", tmp_path / "x").code == 2


def test_import_makes_the_store(command: Command, carried: Path, tmp_path: Path) -> None:
    store = tmp_path / "new"
    done = command("import", carried, "--store", store)
    assert (done.code, done.out) == (0, "")
    assert "1 run imported: good" in done.err
    [listed] = command("trust", "--json", "--store", store).json
    assert (listed["runs"], listed["trusted"], listed["pickles"]) == (["good"], False, False)
    assert f"dalsegno trust {listed['digest']}" in done.err
    again = command("import", carried, "--store", store, "--json").json
    assert (again["runs"], again["known"], again["bundles"]) == ([], ["good"], [listed["digest"]])
    assert command("get", "run", "good", "--store", store).code == 0


def test_what_was_imported_is_shown_as_such(
    command: Command, look: Command, carried: Path, tmp_path: Path
) -> None:
    store = tmp_path / "new"
    command("import", carried, "--store", store)
    assert look("get", "run", "good", "--json").json["imported"] is None
    [listed] = command("get", "run", "--json", "--store", store).json
    capsule = listed["imported"]["capsule"]
    assert (len(capsule), listed["imported"]["trusted"]) == (64, False)
    assert "capsule" in command("get", "run", "--store", store).out
    shown = " ".join(command("get", "run", "good", "--store", store).out.split())
    assert f"from capsule {capsule[:12]}, its code is not trusted" in shown
    [code] = command("trust", "--json", "--store", store).json
    command("trust", code["digest"], "--store", store)
    assert command("get", "run", "good", "--json", "--store", store).json["imported"]["trusted"] is True


def test_trust(command: Command, carried: Path, tmp_path: Path) -> None:
    store = tmp_path / "new"
    command("import", carried, "--store", store)
    assert command("rerun", "good", "--store", store).code == 2
    [listed] = command("trust", "--json", "--store", store).json
    trusted = command("trust", listed["digest"][:12], "--store", store)
    assert (trusted.code, "is now trusted, for good" in trusted.err) == (0, True)
    assert "yes" in command("trust", "--store", store).out
    assert command("rerun", "good", "--store", store, "--follow").code == 0
    revoked = command("trust", listed["digest"], "--revoke", "--store", store)
    assert "is no longer trusted" in revoked.err
    [rerun] = [
        each for each in command("get", "run", "--json", "--store", store).json if not each["imported"]
    ]
    assert (
        f"1 run made here with it meanwhile can still be executed until deleted: {rerun['name']}"
        in revoked.err
    )
    assert command("rerun", "good", "--store", store).code == 2


def test_what_is_refused(command: Command, carried: Path, tmp_path: Path) -> None:
    store = tmp_path / "new"
    data = carried.read_bytes()
    carried.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    damaged = command("import", carried, "--store", store)
    assert (damaged.code, "do not match the seal" in damaged.err) == (2, True)
    carried.write_bytes(data)
    small = command("import", carried, "--store", store, "--max-size", "100")
    assert "more than 100 bytes" in small.err
    assert "manifest.json" in small.err
    assert command("import", tmp_path / "none", "--store", store).code == 2
    assert command("trust", "--revoke", "--store", store).code == 2
    assert "12 to 64 hexadecimal digits" in command("trust", "abc", "--store", store).err
    assert "nothing was imported" in command("trust", "--store", store).err
