"""The small functions behind what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.cli._follow import Labelled, log_lines
from dalsegno.cli._text import clean, clean_lines, count, duration, local, value_text


@given(st.text())
def test_clean_text_always_prints(text: str) -> None:
    assert clean(text).isprintable()
    assert set(clean_lines(text)) - {"\n", "\t"} <= set(clean(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_text_that_prints_is_left_alone(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2J", "a\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udc80b", "a\\udc80b"),
        ("line\nline", "line\\nline"),
        ("größe ✓", "größe ✓"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.000123, "0.1 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7265, "2 h 01 min"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_count_and_time() -> None:
    assert (count(1, "action"), count(2000, "action")) == ("1 action", "2,000 actions")
    assert local(None) == ""
    assert len(local("2026-01-02T03:04:05.678901Z")) == len("2026-01-02 03:04:05")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (None, "null"),
        ("a\x1bb", '"a\\u001bb"'),
        ({"$type": "tuple", "items": [1, "x"]}, '[1, "x"]'),
        ({"$type": "decimal", "value": "1.50"}, '"1.50"'),
        ({"$type": "enum", "class": "shop.Colour", "value": "RED"}, '"Colour.RED"'),
        ({"$type": "dataclass", "class": "m.C", "fields": {"a": {"$type": "set", "items": []}}}, '{"a": []}'),
        ({"$type": "bytes", "base64": "aGk="}, '{"$type": "bytes", "base64": "aGk="}'),
        ({"$type": "list", "items": [1], "$size": 20_000}, '{"$type": "list", "items": [1], "$size": 20000}'),
    ],
)
def test_values_for_people(shown: object, text: str) -> None:
    assert value_text(shown) == text


def test_values_are_cut_or_spread() -> None:
    assert value_text(list(range(100)), limit=12) == "[0, 1, 2, 3…"
    row = {"name": "n" * 30, "size": 1}
    assert value_text({"top": [row, row], "none": []}) == (
        '{\n  "top": [\n'
        f'    {{"name": "{"n" * 30}", "size": 1}},\n'
        f'    {{"name": "{"n" * 30}", "size": 1}}\n'
        '  ],\n  "none": []\n}'
    )
    assert value_text(["x" * 120]) == '[\n  "' + "x" * 120 + '"\n]'


def test_a_progress_bar_becomes_lines() -> None:
    assert log_lines("10%\r20%\r\ndone\x07\tok\n") == ["10%", "20%", "done\\x07\tok", ""]


def test_labelled_lines_are_whole() -> None:
    written: list[str] = []
    lines = Labelled(written.append)
    lines.add("a", "stdout", "one ")
    lines.add("b", "stdout", "other\n")
    lines.add("a", "stderr", "error\n")
    lines.add("a", "stdout", "line\nrest")
    assert written == ["[b] other\n", "[a] error\n", "[a] one line\n"]
    lines.end("a")
    lines.end()
    assert written[3:] == ["[a] rest\n"]
