"""What a caller may set for a run, and what is said of what may not be."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import dalsegno
from dalsegno.errors import ConfigError, InvalidNameError
from dalsegno.settings import RunOptions, RunSettings


def test_everything_may_be_left_out() -> None:
    settings = RunSettings()
    assert (settings.name, settings.project, settings.domain) == (None, None, None)
    assert (settings.env_vars, settings.labels, settings.custom_context) == ({}, {}, {})
    assert (settings.copy_style, settings.durability, settings.isolation) == ("loaded_modules", None, None)
    assert settings.strict_environment is False


@pytest.mark.parametrize(
    ("settings", "kind", "text"),
    [
        ({"name": ""}, InvalidNameError, "run name '' cannot be used: it is empty"),
        ({"project": "a/b"}, InvalidNameError, "project 'a/b' cannot be used: it has a '/'"),
        ({"domain": "a\0"}, InvalidNameError, "domain"),
        ({"labels": {"a=b": "c"}}, InvalidNameError, "has a '='"),
        ({"labels": {"": "c"}}, InvalidNameError, "it is empty"),
        ({"labels": {"a": "\n"}}, InvalidNameError, "value of label 'a'"),
        ({"labels": {"a": "x" * 129}}, InvalidNameError, "129 bytes"),
        ({"labels": {"a": 1}}, ConfigError, "labels maps text to text, not 'a' to 1"),
        ({"labels": ["a"]}, ConfigError, "labels is a mapping from text to text, not list"),
        ({"env_vars": {"A": 1}}, ConfigError, "write the value as text"),
        ({"env_vars": {"A=B": "1"}}, InvalidNameError, "environment variable 'A=B'"),
        ({"env_vars": {"": "1"}}, InvalidNameError, "environment variable ''"),
        ({"env_vars": {"A": "1\0"}}, InvalidNameError, "a zero byte"),
        ({"custom_context": {1: "a"}}, ConfigError, "custom_context maps text to text"),
        ({"custom_context": {"a": "\ud800"}}, ConfigError, r"custom_context maps 'a' to '\ud800'"),
        ({"custom_context": {"\ud800": "a"}}, ConfigError, "cannot say lone surrogates"),
        ({"env_vars": {"A": "\udcff"}}, ConfigError, r"env_vars maps 'A' to '\udcff'"),
        ({"env_vars": {"\udcff": "A"}}, ConfigError, "cannot say lone surrogates"),
        ({"env_vars": None}, ConfigError, "env_vars is a mapping from text to text, not NoneType"),
        ({"labels": {"a": "\ud800"}}, InvalidNameError, "it is not valid Unicode text"),
        ({"labels": {"\ud800": "a"}}, InvalidNameError, "it is not valid Unicode text"),
        ({"name": "\ud800"}, InvalidNameError, r"run name '\ud800' cannot be used"),
        ({"root_dir": 5}, ConfigError, "root_dir is a folder as text or a Path, not int"),
        ({"copy_style": "some"}, ConfigError, "copy_style is one of 'loaded_modules', 'all', 'none'"),
        ({"durability": "half"}, ConfigError, "durability is one of None, 'full', 'relaxed', not 'half'"),
        ({"isolation": "thread"}, ConfigError, "isolation is one of None, 'private', 'process'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_cause(
    settings: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as raised:
        RunSettings(**settings)
    assert text in str(raised.value)


def test_what_is_right_is_kept() -> None:
    settings = RunSettings(
        name="n",
        env_vars={"A": "", "lower": "x=y"},
        labels={"team": "a b", "empty": ""},
        custom_context={"any key": "any\nvalue"},
        root_dir=Path("here"),
        copy_style="all",
        durability="relaxed",
        isolation="private",
    )
    assert settings.env_vars == {"A": "", "lower": "x=y"}
    assert settings.labels == {"team": "a b", "empty": ""}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (3, "group '3' cannot be used: it is int, not text"),
        (None, "group 'None' cannot be used: it is NoneType, not text"),
        ("\ud800", r"group '\\ud800' cannot be used: it is not valid Unicode text"),
    ],
)
def test_a_group_has_a_name_that_can_be_recorded(name: Any, message: str) -> None:
    with pytest.raises(InvalidNameError, match=message):
        dalsegno.group(name)


def test_with_runcontext_has_every_setting() -> None:
    fields = {field.name for field in dataclasses.fields(RunSettings)}
    assert RunOptions.__annotations__.keys() == fields
