"""What people type on a command line, and what JSON gives."""

import dataclasses
import datetime as dt
import enum
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno._convert import FAILED, Report, Source, kind_of, take


class Color(enum.Enum):
    RED = "red"
    BLUE = 3


@dataclasses.dataclass
class Cfg:
    rate: float
    day: dt.date | None = None
    tags: frozenset[str] = frozenset()


TYPED: list[tuple[object, str, object]] = [
    (int, " 5 ", 5),
    (int, "-1_000", -1000),
    (float, "5", 5.0),
    (float, "1e-3", 0.001),
    (bool, "Yes", True),
    (bool, "off", False),
    (bool, "0", False),
    (str, "5", "5"),
    (str, " a ", " a "),
    (str, "null", "null"),
    (str, "@@me", "@me"),
    (bytes, "é", "é".encode()),
    (complex, "1+2j", 1 + 2j),
    (type(None), "null", None),
    (dt.datetime, "2024-02-29T12:00:00+02:00", dt.datetime.fromisoformat("2024-02-29T12:00+02:00")),
    (dt.datetime, "2024-02-29", dt.datetime(2024, 2, 29)),
    (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
    (dt.time, "12:30", dt.time(12, 30)),
    (dt.timedelta, "PT1H30M", dt.timedelta(minutes=90)),
    (dt.timedelta, "-P1D", dt.timedelta(-1)),
    (dt.timedelta, "P2WT0.5S", dt.timedelta(weeks=2, seconds=0.5)),
    (dt.timedelta, "1:24", dt.timedelta(minutes=1, seconds=24)),
    (dt.timedelta, "1:02:03", dt.timedelta(hours=1, minutes=2, seconds=3)),
    (dt.timedelta, "10 minutes", dt.timedelta(minutes=10)),
    (dt.timedelta, "1h 30m", dt.timedelta(minutes=90)),
    (dt.timedelta, "2 days, 3 hours", dt.timedelta(days=2, hours=3)),
    (dt.timedelta, "90", dt.timedelta(seconds=90)),
    (Decimal, "1.10", Decimal("1.10")),
    (UUID, "00000000-0000-0000-0000-000000000007", UUID(int=7)),
    (Path, "@a/b", Path("@a/b")),
    (Path | None, "a", Path("a")),
    (Color, "RED", Color.RED),
    (Color, "red", Color.RED),
    (Color, "3", Color.BLUE),
    (Literal["a", 1, True], "1", 1),
    (Literal["a", 1, True], "true", True),
    (int | None, "none", None),
    (int | None, "5", 5),
    (str | None, "null", None),
    (str | None, "none", "none"),
    (int | str, "5", 5),
    (str | int, "5", 5),
    (int | str, "five", "five"),
    (list[int] | str, "[1]", [1]),
    (Any, "[1]", [1]),
    (Any, "plain words", "plain words"),
    (list[float], "[1, 2.5]", [1.0, 2.5]),
    (list, "[]", []),
    (set[str], '["a"]', {"a"}),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (dict[str, int], '{"1": 2}', {"1": 2}),
    (dict[int, bool], '{"1": true}', {1: True}),
    (
        Cfg,
        '{"rate": 1, "day": "2024-02-29", "tags": ["a"]}',
        Cfg(1.0, dt.date(2024, 2, 29), frozenset(["a"])),
    ),
]

MISTYPED: list[tuple[object, str, str]] = [
    (int, "five", "x: expected an integer, got 'five'"),
    (int, "5.5", "x: expected an integer, got '5.5'"),
    (float, "", "x: expected a number, got ''"),
    (bool, "maybe", "x: expected true or false, got 'maybe'"),
    (dt.date, "2024-02-30", "x: expected a date, got '2024-02-30'"),
    (dt.timedelta, "5 parsecs", "x: expected a duration, got '5 parsecs'"),
    (dt.timedelta, "P", "x: expected a duration, got 'P'"),
    (Decimal, "1,5", "x: expected a decimal number, got '1,5'"),
    (Color, "green", "x: expected one of RED, BLUE (Color), got 'green' (str)"),
    (Literal["a"], "b", "x: expected 'a', got 'b' (str)"),
    (int | None, "five", "x: expected an integer or null, got 'five'"),
    (list[int], "[1,", "x: expected a list as JSON, got '[1,' (Expecting value: line 1 column 4 (char 3))"),
    (list[int], "5", "x: expected a list, got 5 (int)"),
    (Cfg, '{"rate": "a"}', "x.rate: expected a number, got 'a' (str)"),
    (dict[int, int], '{"a": 1}', "x.a: expected an integer, got 'a'"),
    (list[int], "@/no/such", "x: expected a readable text file, got '@/no/such' (No such file or directory)"),
]

PARSED: list[tuple[object, object, object]] = [
    (int, 3.0, 3),
    (float, 3, 3.0),
    (bytes, "a", b"a"),
    (dt.datetime, "2024-02-29T12:00:00Z", dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)),
    (dt.timedelta, 1.5, dt.timedelta(seconds=1.5)),
    (dt.timedelta, "PT2S", dt.timedelta(seconds=2)),
    (Decimal, 1.1, Decimal("1.1")),
    (Decimal, "1.10", Decimal("1.10")),
    (UUID, str(UUID(int=7)), UUID(int=7)),
    (Path, "a", Path("a")),
    (dt.date | str, "2024-02-29", "2024-02-29"),
    (dt.date | None, "2024-02-29", dt.date(2024, 2, 29)),
    (frozenset[int], [1, 1], frozenset([1])),
    (tuple[int, ...], [1], (1,)),
    (Color, 3, Color.BLUE),
    (dict[dt.date, Color], {"2024-02-29": "RED"}, {dt.date(2024, 2, 29): Color.RED}),
]

MISPARSED: list[tuple[object, object, str]] = [
    (int, 3.5, "x: expected an integer, got 3.5 (float)"),
    (int, "3", "x: expected an integer, got '3' (str)"),
    (int, True, "x: expected an integer, got True (bool)"),
    (bool, "true", "x: expected true or false, got 'true' (str)"),
    (dt.date, 3, "x: expected a date, got 3 (int)"),
    (set[int], {"a": 1}, "x: expected a set, got {'a': 1} (dict)"),
    (set[Any], [[]], "x: expected a set, got [[]] (list): unhashable type: 'list'"),
]


def converted(annotation: object, value: object, source: Source) -> tuple[object, str]:
    report = Report("x")
    result = take(kind_of(annotation), value, source, report)
    return result, "; ".join(map(str, report.problems))


@pytest.mark.parametrize(("annotation", "text", "wanted"), TYPED, ids=repr)
def test_typed_text(annotation: object, text: str, wanted: object) -> None:
    result, problems = converted(annotation, text, "text")
    assert problems == ""
    assert result == wanted
    assert type(result) is type(wanted)


@pytest.mark.parametrize(("annotation", "text", "message"), MISTYPED, ids=repr)
def test_mistyped_text(annotation: object, text: str, message: str) -> None:
    assert converted(annotation, text, "text") == (FAILED, message)


@pytest.mark.parametrize(("annotation", "value", "wanted"), PARSED, ids=repr)
def test_parsed_json(annotation: object, value: object, wanted: object) -> None:
    result, problems = converted(annotation, value, "json")
    assert problems == ""
    assert result == wanted
    assert type(result) is type(wanted)


@pytest.mark.parametrize(("annotation", "value", "message"), MISPARSED, ids=repr)
def test_wrong_json(annotation: object, value: object, message: str) -> None:
    assert converted(annotation, value, "json") == (FAILED, message)


@pytest.mark.parametrize(
    ("annotation", "content", "wanted"),
    [
        (str, b"line\n", "line\n"),
        (bytes, b"\xff\x00", b"\xff\x00"),
        (bytes | None, b"\xff", b"\xff"),
        (list[int], b"[1, 2]\n", [1, 2]),
        (int, b"5\n", 5),
    ],
    ids=repr,
)
def test_a_file_holds_the_value(annotation: object, content: bytes, wanted: object, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(content)
    assert converted(annotation, f"@{tmp_path / 'value'}", "text") == (wanted, "")


def test_a_binary_file_is_no_string(tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"\xff")
    result, problems = converted(str, f"@{tmp_path / 'value'}", "text")
    assert result is FAILED
    assert "expected a readable text file" in problems


def test_now_and_today_have_a_zone_and_may_be_shifted() -> None:
    before = dt.datetime.now(dt.UTC)
    now, _ = converted(dt.datetime, "now", "text")
    later, _ = converted(dt.datetime, "now + 1 day", "text")
    today, _ = converted(dt.datetime, "Today - P1D", "text")
    assert isinstance(now, dt.datetime)
    assert isinstance(later, dt.datetime)
    assert isinstance(today, dt.datetime)
    assert now >= before
    assert later - now >= dt.timedelta(days=1)
    assert (today.hour, today.minute, today.second, today.microsecond) == (0, 0, 0, 0)
    assert today < before
    assert converted(dt.date, "today", "text")[0] in (now.date(), now.date() + dt.timedelta(1))


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.none())))
def test_json_text_gives_what_was_written(value: object) -> None:
    assert converted(list[dict[str, int | None]], json.dumps(value), "text") == (value, "")


@given(st.timedeltas(min_value=dt.timedelta(-1000), max_value=dt.timedelta(1000)))
def test_durations_are_read_as_python_writes_them(value: dt.timedelta) -> None:
    assert converted(dt.timedelta, str(value), "text") == (value, "")


@given(st.datetimes(timezones=st.just(dt.UTC) | st.none()))
def test_moments_are_read_as_python_writes_them(value: dt.datetime) -> None:
    assert converted(dt.datetime, value.isoformat(), "text") == (value, "")
