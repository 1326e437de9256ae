"""Which names are allowed, and what is said of those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.errors import InvalidNameError
from dalsegno.names import LONGEST, check_name, check_text, made_up


@pytest.mark.parametrize("name", ["a", "retry-1", "run 7", "läuft", "日本", "a.b:c", "x" * 128, "é" * 64])
def test_printable_names_are_allowed(name: str) -> None:
    assert check_name("run name", name) is name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it is empty"),
        ("x" * 129, "it has 129 bytes, at most 128 are allowed"),
        ("é" * 65, "it has 130 bytes"),
        ("a/b", "it has a '/'"),
        ("a\0b", "control or invisible characters"),
        ("a\nb", "control or invisible characters"),
        ("\x1b[31m", "control or invisible characters"),
        ("a\u200bb", "control or invisible characters"),
        ("a\u2028b", "control or invisible characters"),
        ("a\udc80", "it is not valid Unicode text"),
        (" a", "it begins or ends with a space"),
        ("a ", "it begins or ends with a space"),
        ("-a", "it begins with '-'"),
        (5, "it is int, not text"),
        (None, "it is NoneType, not text"),
    ],
)
def test_others_are_refused_with_the_rule(name: object, reason: str) -> None:
    with pytest.raises(InvalidNameError) as raised:
        check_name("run name", name)
    assert reason in str(raised.value)
    assert str(raised.value).startswith("run name ")
    assert str(raised.value).isprintable()
    assert raised.value.what == "run name"


@given(st.text())
def test_a_name_is_allowed_or_refused_and_never_changed(name: str) -> None:
    try:
        assert check_name("project", name) == name
    except InvalidNameError:
        return
    assert 1 <= len(name.encode()) <= LONGEST
    assert name.isprintable()
    assert name == name.strip()


def test_texts_may_be_empty_and_have_slashes() -> None:
    assert check_text("label", "") == ""
    assert check_text("label", "a/b ") == "a/b "


def test_made_up_names_are_names() -> None:
    names = {made_up() for _ in range(1000)}
    assert len(names) == 1000
    for name in names:
        assert check_name("run name", name) == name
        assert (name[0], len(name)) == ("r", 13)
