"""Recorded values as nodes, and as JSON that can be edited."""

import base64
import datetime as dt
import enum
import json
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno.codec import encode, view
from dalsegno.ui.pages._files import RENDERED, markdown_page, with_contents
from dalsegno.ui.pages._text_form import NoTextFormError, text_form
from dalsegno.ui.pages._values import node, plain

SCRIPT = "<script>alert(1)</script>"


class Mode(enum.Enum):
    """Some modes."""

    FAST = "f"


@dataclass
class Config:
    """Some settings."""

    rate: float = 0.5
    mode: Mode = Mode.FAST
    names: list[str] = field(default_factory=lambda: ["a"])


def shown(value: object) -> Any:
    return view(encode(value).data)


def texts(found: Any) -> list[str]:
    """Every text in a node."""
    if isinstance(found, str):
        return [found]
    if isinstance(found, dict):
        return [text for each in found.values() for text in texts(each)]
    return [text for each in found for text in texts(each)] if isinstance(found, (list, tuple)) else []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (0.5, "0.5"),
        ('a"b', '"a\\"b"'),
        ([1, 2], "[1, 2]"),
        ((1,), "(1)"),
        ({"a": 1}, "{a: 1}"),
        (dt.date(2026, 9, 1), "2026-09-01"),
        (Decimal("9.50"), "9.50"),
        (Mode.FAST, "Mode.FAST"),
        (Config(), 'Config(rate=0.5, mode=Mode.FAST, names=["a"])'),
        (b"abc", "bytes, 3 B: 61 62 63"),
        (np.float64(2.5), "2.5"),
        (np.arange(4, dtype=np.int32).reshape(2, 2), "array int32 2 × 2 [0, 1, 2, 3]"),
    ],
)
def test_short_values_are_one_line(value: object, words: str) -> None:
    assert plain(shown(value)) == words


def test_a_long_list_is_a_group_that_says_how_much_is_left_out() -> None:
    found = node(shown(list(range(1000))))
    assert (found["k"], found["count"], found["more"]) == ("group", "1,000", "and 800 more")
    assert len(found["items"]) == 200


def test_a_frame_is_a_table() -> None:
    frame = pd.DataFrame({"city": ["Oslo", "Rome"], "degrees": [3, 17], "wet": [0.5, 1.25]})
    found = node(shown(frame))
    assert found["k"] == "table"
    assert found["columns"] == ["city", "degrees", "wet"]
    assert found["rows"] == [["Oslo", "3", "0.5"], ["Rome", "17", "1.25"]]
    assert found["words"] == [True, False, False]
    assert found["note"] == "2 rows × 3 columns"


def test_a_long_frame_says_that_it_goes_on() -> None:
    found = node(shown(pd.DataFrame({"a": range(5000)})))
    assert found["note"].startswith("5,000 rows × 1 columns, the first ")
    assert found["rows"][:2] == [["0"], ["1"]]


def test_a_picture_is_an_image_and_nothing_else() -> None:
    png = b"\x89PNG\r\n\x1a\n" + SCRIPT.encode()
    found = node(shown(png))
    assert found["k"] == "image"
    assert found["src"] == "data:image/png;base64," + base64.b64encode(png).decode()


def test_a_page_is_for_a_frame_and_loads_nothing() -> None:
    page = f"<!DOCTYPE html><html>{SCRIPT}</html>"
    found = node(shown(page))
    assert (found["k"], found["head"]) == ("page", f"HTML, {len(page)} characters")
    policy = found["doc"].removeprefix("<!DOCTYPE html>").removesuffix(f"<html>{SCRIPT}</html>")
    assert policy.startswith('<meta http-equiv="Content-Security-Policy" content="default-src \'none\';')
    assert node(shown("<html>x</html>"))["doc"] == f"{policy}<html>x</html>"


def test_markdown_is_a_page_without_html_of_its_own() -> None:
    found = node(shown(f"# Report\n\nAll *well*. {SCRIPT}"))
    assert (found["k"], found["head"]) == ("page", "Markdown, 47 characters")
    assert "<h1>Report</h1>" in found["doc"]
    assert "<em>well</em>" in found["doc"]
    assert "&lt;script&gt;" in found["doc"]


@pytest.mark.parametrize("piece", ["[", "[a](", "![", "**", "<!--", "*a ", "> "])
def test_markdown_that_is_made_to_be_hard_is_read_in_a_moment(piece: str) -> None:
    began = time.process_time()
    node(shown(f"# Report\n\n{piece * (20_000 // len(piece))}"))
    assert time.process_time() - began < 5


def test_very_long_markdown_is_shown_as_it_is_written() -> None:
    page = markdown_page(f"# Report\n\n*a* {SCRIPT}{'[' * RENDERED}")
    assert "<pre># Report\n\n*a* &lt;script&gt;" in page
    assert "<script" not in page


def test_markdown_leads_to_no_script_and_holds_no_drawing() -> None:
    found = node(
        shown("# Report\n\n[a](javascript:alert(1)) [b](DATA:text/html,x) ![c](data:image/svg+xml,x)\n")
    )
    assert "href" not in found["doc"]
    assert "<img" not in found["doc"]


def test_other_texts_are_texts() -> None:
    assert node(shown(SCRIPT)) == {"k": "leaf", "c": "text", "s": f'"{SCRIPT}"'}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.decimals(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers())
    ),
    max_leaves=12,
)


@given(VALUES)
def test_everything_has_a_node_of_a_known_kind(value: object) -> None:
    found = node(shown(value))
    assert found["k"] in {"leaf", "inline", "row", "group", "table", "image", "page"}
    assert len(plain(shown(value))) <= 200
    assert all(isinstance(text, str) for text in texts(found))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        ([1, "a"], [1, "a"]),
        ((1, (2.5,)), [1, [2.5]]),
        (frozenset({3}), [3]),
        ({"a": {"b": None}}, {"a": {"b": None}}),
        ({1: "x"}, {"1": "x"}),
        (dt.date(2026, 9, 1), "2026-09-01"),
        (dt.datetime(2026, 9, 1, 8, 30), "2026-09-01T08:30:00"),
        (dt.datetime(2026, 9, 1, 8, 30, tzinfo=dt.UTC), "2026-09-01T08:30:00+00:00"),
        (dt.time(8, 30), "08:30:00"),
        (Decimal("9.50"), "9.50"),
        (UUID(int=7), str(UUID(int=7))),
        (PurePosixPath("a/b"), "a/b"),
        (Mode.FAST, "FAST"),
        (Config(), {"rate": 0.5, "mode": "FAST", "names": ["a"]}),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_text_forms(value: object, form: object) -> None:
    assert text_form(shown(value)) == form


@pytest.mark.parametrize(
    "value",
    [
        b"abc",
        np.arange(3),
        pd.DataFrame({"a": [1]}),
        {"a": b""},
        {1: 1, "1": 2},
        {(1, 2): 3},
        lambda: None,
        "x" * 20_001,
        dt.timedelta(seconds=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_text_form_is_kept(value: object) -> None:
    with pytest.raises(NoTextFormError):
        text_form(shown(value))


def test_files_are_shown_by_what_they_are() -> None:
    contents = {
        "aa": b"\x89PNG\r\n\x1a\n",
        "bb": SCRIPT.encode(),
        "cc": b"# Title\n\nwords",
        "dd": b"a,b\n1,2\n",
    }
    names = {"aa": "plot.png", "bb": "report.html", "cc": "notes.md", "dd": "table.csv", "ee": "model.bin"}
    files = [{"$type": "File", "name": name, "size": 9, "digest": digest} for digest, name in names.items()]
    asked: list[str] = []

    def read(digest: str) -> bytes:
        asked.append(digest)
        return contents[digest]

    kinds = [node(each)["k"] for each in with_contents({"files": files}, read)["files"]]
    assert kinds == ["image", "page", "page", "text", "leaf"]
    assert asked == ["aa", "bb", "cc", "dd"]


def test_large_files_are_not_read() -> None:
    large = {"$type": "File", "name": "plot.png", "size": 4_000_001, "digest": "aa"}
    assert with_contents([large], lambda digest: b"")[0] == large


def test_polars_frames_are_tables() -> None:
    frame = pl.DataFrame({"city": ["Oslo", None], "degrees": [3.5, 17.0]})
    found = node(view(encode(frame).data, preview=100))
    assert (found["columns"], found["rows"]) == (["city", "degrees"], [["Oslo", "3.5"], ["None", "17.0"]])
    assert found["note"] == "2 rows × 2 columns"


def test_a_figure_is_a_picture() -> None:
    shown = {"$opaque": "matplotlib.figure.Figure", "size": 9, "picture": "iVBORw0KGgo="}
    drawn = node(shown)
    assert (drawn["k"], drawn["head"]) == ("image", "matplotlib.figure.Figure")
    assert drawn["src"] == "data:image/png;base64,iVBORw0KGgo="


def test_a_figure_of_plotly_is_drawn_from_its_data() -> None:
    text = json.dumps(
        {"data": [{"type": "bar"}], "layout": {"title": SCRIPT}, "config": {"plotlyServerURL": "x"}}
    )
    shown = {"$opaque": "plotly.Figure", "size": 9, "picture": base64.b64encode(text.encode()).decode()}
    drawn = node(shown)
    assert (drawn["k"], drawn["head"]) == ("figure", "plotly.Figure")
    assert json.loads(drawn["figure"]) == {"data": [{"type": "bar"}], "layout": {"title": SCRIPT}}
    assert plain(shown) == "plotly.Figure"


@pytest.mark.parametrize(
    "picture", [b"", b"<svg>", b"{", b"[]", b"{}", b'{"data": 1}', 10_000 * b"[", b"GIF89a"]
)
def test_what_is_no_picture_is_a_pickle(picture: bytes) -> None:
    drawn = node({"$opaque": "a.B", "size": 9, "picture": base64.b64encode(picture).decode()})
    assert drawn == {"k": "leaf", "c": "kind", "s": "a.B · pickled, 9 B · shown by no one but its code"}


def test_a_figure_of_odd_values_can_be_sent() -> None:
    odd = b'{"data": [{"x": [' + b"9" * 40 + b', "\\ud800"], "y": ' + 300 * b"[" + 300 * b"]" + b"}]}"
    drawn = node({"$opaque": "plotly.Figure", "size": 9, "picture": base64.b64encode(odd).decode()})
    assert isinstance(drawn["figure"], str)
    assert drawn["figure"].isascii()
    assert json.loads(drawn["figure"])["data"] == json.loads(odd)["data"]


def test_a_long_range_is_not_made() -> None:
    index = {"$type": "pandas.RangeIndex", "parts": [0, 10**15, 1, None]}
    data = [{"$type": "ndarray", "dtype": "<i8", "shape": [1, 2], "preview": [1, 2]}]
    found = node({"$type": "pandas.DataFrame", "index": index, "columns": index, "data": data})
    assert found["rows"] == [["1"], ["2"]]
