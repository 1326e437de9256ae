"""Where the store is when nobody says: argument, variable, file, folder, in this order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dalsegno.config import Config, find_config, read_config
from dalsegno.errors import ConfigError

Write = Callable[..., Path]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "a" / "b"
    folder.mkdir(parents=True)
    return folder


def test_the_argument_wins_then_the_variable_then_the_file_then_the_folder(
    here: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    environ = {"DALSEGNO_STORE": "sqlite:///var"}
    assert find_config(start=here, environ={}).store == str(here / ".dalsegno")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert find_config(start=here, environ={}).store == str(project / ".dalsegno")
    (project / "a" / ".dalsegno").mkdir()
    assert find_config(start=here, environ={}).store == str(project / "a" / ".dalsegno")
    (project / "pyproject.toml").write_text("[tool.dalsegno]\nstore = 'runs'\nproject = 'p'\ndomain = 'd'\n")
    assert find_config(start=here, environ={}) == Config(str(project / "runs"), "p", "d")
    assert find_config(start=here, environ=environ) == Config("sqlite:///var", "p", "d")
    assert find_config(store="/arg", start=here, environ=environ) == Config("/arg", "p", "d")
    assert find_config(start=here, environ={"DALSEGNO_STORE": ""}).store == str(project / "runs")


def test_a_checkout_gets_the_folder_at_its_top(here: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / ".git").mkdir()
    assert find_config(start=here, environ={}) == Config(
        str(tmp_path / "project" / ".dalsegno"), "default", "development"
    )


def test_nothing_is_made_by_looking(here: Path) -> None:
    find_config(start=here, environ={})
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("runs", "{folder}/runs"),
        ("/abs", "/abs"),
        ("memory:", "memory:"),
        ("lmdb:///abs", "lmdb:///abs"),
        ("sqlite:///abs.db", "sqlite:///abs.db"),
    ],
)
def test_a_relative_path_in_a_file_is_relative_to_the_file(tmp_path: Path, place: str, expected: str) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text(f"store = '{place}'\nproject = 'q'\n")
    assert read_config(file) == Config(expected.format(folder=tmp_path), "q", "development")
    assert read_config(str(file)) == read_config(file)


def test_a_file_may_leave_the_store_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DALSEGNO_STORE", raising=False)
    file = tmp_path / "dalsegno.toml"
    file.write_text("project = 'q'\n")
    assert read_config(file) == Config(str(tmp_path / ".dalsegno"), "q", "development")
    file.write_text("[tool.dalsegno]\ndomain = 'd'\n")
    assert read_config(file) == Config(str(tmp_path / ".dalsegno"), "default", "d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stor = 'x'", "unknown setting 'stor'; there are store, project, domain"),
        ("store = 5", "store is text, not 5"),
        ("store = ", "cannot be read as TOML"),
        ("[tool.dalsegno]\nretries = 1", "unknown setting 'retries'"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "dalsegno.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_config(file)
    assert message in str(raised.value)
    assert str(file) in str(raised.value)


def test_what_is_no_table_is_refused_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("[tool]\ndalsegno = 5\n")
    with pytest.raises(ConfigError, match=r"tool\.dalsegno is a table of store, project, domain, not 5"):
        read_config(file)
    file.write_text("tool = 5\n")
    assert find_config(start=tmp_path, environ={}) == Config(str(tmp_path / ".dalsegno"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration file '.*gone\.toml'"):
        read_config(tmp_path / "gone.toml")
