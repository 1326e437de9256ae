"""`dalsegno env`, and `rerun --isolated` where nothing can be built."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the environments of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dalsegno" / "environments"


def test_environments_are_listed_and_removed(command: Command, cache: Path) -> None:
    assert command("env", "list", "--json").json == []
    assert str(cache) in command("env", "list").err
    folder = cache / ("0" * 24)
    folder.mkdir(parents=True)
    folder.with_suffix(".lock").touch()
    facts = {"python": "3.11", "requirements": ["toy==1.0", "anyio>=4"]}
    (folder / "dalsegno-environment.json").write_text(json.dumps(facts))
    (listed,) = command("env", "list", "--json").json
    assert listed == {"folder": str(folder), **facts, "size": len(json.dumps(facts))}
    assert command("env", "list").lines()[1].split() == [
        "0" * 24,
        "3.11",
        str(len(json.dumps(facts))),
        "bytes",
        "toy==1.0",
    ]
    assert command("env", "clear").err == "1 environment removed\n"
    assert not folder.exists()
    assert command("env", "clear").err == "0 environments removed\n"


def test_isolated_without_network_and_cache_says_what_to_do(
    look: Command, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.setenv(name, "1")
    done = look("rerun", "good", "--isolated")
    assert done.code == 2
    assert "could not be had; reach a package index, or name a folder of wheels with" in done.err
    assert "_FIND_LINKS" in done.err
    assert look("env", "list", "--json").json == []
