"""Figures of matplotlib and Plotly: pickled, with a picture beside the pickle for those who only look."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgpack
import pytest

from dalsegno._pickles import value_has_pickles
from dalsegno.codec import _opaque, decode, encode, view
from dalsegno.codec._format import Tag, ext_head
from dalsegno.errors import DecodeError

figures = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")


@pytest.fixture
def figure() -> Any:
    made = figures.Figure(figsize=(3, 2), dpi=300)
    made.subplots().plot([1, 2, 3], [1, 4, 9])
    return made


def test_a_figure_is_shown_as_a_picture_and_comes_back_as_a_figure(figure: Any) -> None:
    encoded = encode({"plot": figure})
    assert encoded.opaque
    assert value_has_pickles(encoded.data)
    shown = view(encoded.data, content=10_000)["plot"]
    assert shown["$opaque"] == "matplotlib.figure.Figure"
    picture = base64.b64decode(shown["picture"])
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")) == (300, 200)
    assert "picture" not in view(encoded.data)["plot"]
    again = decode(encoded.data)["plot"]
    assert [line.get_ydata().tolist() for line in again.axes[0].lines] == [[1, 4, 9]]
    assert again.dpi == 300


def test_a_figure_that_cannot_be_drawn_is_recorded_all_the_same(
    figure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(figures.Figure, "savefig", fails)
    encoded = encode(figure)
    assert "picture" not in view(encoded.data, content=10_000)
    assert len(decode(encoded.data).axes) == 1


def test_a_picture_that_is_none_is_refused() -> None:
    fields = msgpack.packb(["module.Class", {"not": "bytes"}, b"pickle"])
    with pytest.raises(DecodeError):
        view(ext_head(Tag.OPAQUE, len(fields)) + fields, content=10_000)


def test_a_figure_of_plotly_has_its_json_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed")
    figure = graphs.Figure(graphs.Bar(x=["a", "b"], y=[1, 2]), layout={"title": "Bars"})
    encoded = encode(figure)
    assert encoded.opaque
    shown = view(encoded.data, content=10)
    assert shown["$opaque"] == "plotly.graph_objs._figure.Figure"
    drawn = json.loads(base64.b64decode(shown["picture"]))
    assert drawn["data"] == [{"type": "bar", "x": ["a", "b"], "y": [1, 2]}]
    assert drawn["layout"]["title"] == {"text": "Bars"}
    assert decode(encoded.data) == figure
    monkeypatch.setattr(_opaque, "LARGEST_PICTURE", 10)
    assert "picture" not in view(encode(figure).data, content=10)


def test_a_picture_that_is_too_large_is_not_shown() -> None:
    fields = msgpack.packb(["module.Class", bytes(1 << 21), b"pickle"])
    assert view(ext_head(Tag.OPAQUE, len(fields)) + fields, content=10_000) == {
        "$opaque": "module.Class",
        "size": 6,
    }
