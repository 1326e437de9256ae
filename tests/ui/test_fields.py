"""Which field an input gets, and what source text looks like."""

import datetime as dt
import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field as Limits

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno._schema import schema_of
from dalsegno.codec import encode, view
from dalsegno.ui.pages._code import COLOURED, code_lines, diff_lines, only_marked
from dalsegno.ui.pages._fields import Bad, Field
from dalsegno.ui.pages._kinds import Shape, shape_of, words_of


class Mode(enum.Enum):
    """Some modes."""

    FAST = "f"
    SLOW = "slow"


@dataclass
class Config:
    """Some settings."""

    rate: float = 0.5


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        (int, Shape("number")),
        (float | None, Shape("number", nullable=True)),
        (Annotated[int, Limits(ge=7)], Shape("number")),
        (str, Shape("text")),
        (str | None, Shape("text", nullable=True)),
        (bool, Shape("switch")),
        (bool | None, Shape("choice", nullable=True, choices=(True, False))),
        (dt.date, Shape("date")),
        (dt.time | None, Shape("time", nullable=True)),
        (dt.datetime, Shape("text")),
        (Decimal, Shape("text")),
        (Literal["a", 1], Shape("choice", choices=("a", 1))),
        (Mode, Shape("choice", choices=("f", "slow"))),
        (Mode | None, Shape("choice", nullable=True, choices=("f", "slow"))),
        (list[str], Shape("list", item="text")),
        (tuple[float, ...], Shape("list", item="number")),
        (set[int] | None, Shape("list", nullable=True, item="number")),
        (list[list[int]], Shape("json")),
        (tuple[int, str], Shape("json")),
        (dict[str, int], Shape("json")),
        (Config, Shape("json")),
        (int | str, Shape("json")),
        (Any, Shape("json")),
        (bytes, Shape("json")),
    ],
    ids=str,
)
def test_shapes(annotation: object, shape: Shape) -> None:
    assert shape_of(schema_of(annotation)) == shape


def test_limits_are_said_in_words() -> None:
    assert words_of(schema_of(Annotated[int, Limits(ge=7, lt=400, description="days")])) == (
        "days · At least 7, less than 400"
    )
    assert words_of({}) == ""


def field(annotation: object, recorded: object) -> Field:
    return Field("x", "", schema_of(annotation), view(encode(recorded).data), lambda: None)


@pytest.mark.parametrize(
    ("annotation", "recorded"),
    [
        (int, 3),
        (int, 2**80),
        (str, ""),
        (dt.date, dt.date(2026, 1, 2)),
        (Mode, Mode.FAST),
        (Mode, Mode.SLOW),
        (list[str], ["a"]),
        (list[int], []),
        (Config, Config()),
        (bytes, b"ab"),
        (int, "not a number"),
        (Any, (1, 2)),
    ],
    ids=str,
)
def test_what_nobody_touched_is_not_changed(annotation: object, recorded: object) -> None:
    assert not field(annotation, recorded).changed


def test_a_value_of_another_kind_than_the_schema_says_is_edited_as_json() -> None:
    assert field(int, "three")._shape == Shape("json")
    assert field(list[str], [1])._shape == Shape("json")
    assert field(str, None)._shape == Shape("json")


def test_what_has_no_text_form_is_kept() -> None:
    assert field(bytes, b"ab")._shape.kind == "kept"
    assert field(dict, {"a": b"x"})._shape.kind == "kept"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (dt.time(10, 30), "time"),
        (dt.time(10, 30, 15), "time"),
        (dt.time(10, 30, 15, 123456), "text"),
        (dt.time(10, 30, tzinfo=dt.UTC), "text"),
        (dt.date(2026, 1, 2), "date"),
    ],
    ids=str,
)
def test_a_time_that_its_field_would_show_empty_is_a_text(value: object, kind: str) -> None:
    made = field(type(value), value)
    assert (made._shape.kind, made.changed) == (kind, False)
    assert str(made.value).startswith(str(value)[:5])


def test_numbers_and_booleans_are_not_the_same() -> None:
    made = field(Any, 1)
    made._value = True
    assert made.changed
    made._value = 1
    assert not made.changed


def test_json_that_is_none_says_so() -> None:
    made = field(dict, {})
    made._value = Bad("Expecting value")
    assert made.changed
    assert made.broken == "this is not JSON: Expecting value"


def test_an_enum_member_without_a_value_alike_is_offered_by_its_name() -> None:
    assert field(Mode, Mode.FAST)._shape.choices == ("FAST", "f", "slow")
    assert field(Mode, Mode.SLOW)._first == "slow"


SOURCE = '''import os


def double(x):
    """Twice."""
    return 2 * x  # done


LAST = "a\\nb"
'''


def test_code_keeps_every_character() -> None:
    lines = code_lines(SOURCE)
    assert "\n".join("".join(text for _, text in pieces) for _, _, pieces in lines) == SOURCE.rstrip("\n")
    assert [number for number, _, _ in lines] == [str(number) for number in range(1, 10)]
    kinds = {kind for _, _, pieces in lines for kind, _ in pieces}
    assert {"k", "c", "s", "m", "n"} <= kinds


def test_only_what_is_marked_is_shown_with_a_sign_between() -> None:
    lines = only_marked(code_lines(SOURCE, inside={1, 4, 5, 9}))
    shown = [(number, "".join(text for _, text in pieces)) for number, _, pieces in lines]
    assert shown == [
        ("1", "import os"),
        ("2", ""),
        ("3", ""),
        ("4", "def double(x):"),
        ("5", '    """Twice."""'),
        ("", "⋯"),
        ("9", 'LAST = "a\\nb"'),
    ]


def test_other_files_stay_plain() -> None:
    assert code_lines("if x: 1", "notes.txt") == [("1", "", [("", "if x: 1")])]


def test_what_is_too_long_to_be_coloured_stays_plain() -> None:
    text = f"x = [{'1, ' * COLOURED}]\ny = 2"
    assert code_lines(text)[1] == ("2", "", [("", "y = 2")])
    assert code_lines(text[-20:])[1] != ("2", "", [("", "y = 2")])


def test_diffs() -> None:
    lines = diff_lines("--- a\n+++ b\n@@ -1 +1 @@\n-x = 1\n+x = 2\n y = 3\n")
    assert [(mark, kind, pieces[0][1]) for mark, kind, pieces in lines] == [
        ("", "hunk", "--- a"),
        ("", "hunk", "+++ b"),
        ("", "hunk", "@@ -1 +1 @@"),
        ("-", "del", "x = 1"),
        ("+", "add", "x = 2"),
        ("", "", "y = 3"),
    ]
