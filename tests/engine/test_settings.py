"""What a caller may set for a run, and what is said of what may not be."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

import dalsegno
from dalsegno.errors import ConfigError, InvalidNameError
from dalsegno.settings import RunSettings


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


def test_with_runcontext_has_every_setting() -> None:
    fields = {field.name for field in dataclasses.fields(RunSettings)}
    assert inspect.signature(dalsegno.with_runcontext).parameters.keys() == fields
