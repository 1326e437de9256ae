"""Figures of Plotly, drawn from their recorded JSON by Plotly's own script, in a frame that has no origin.

The script comes with NiceGUI. It runs on data from elsewhere, so it does so where it reaches nothing: the frame has no cookie and
no storage, is no part of the page, and may load from nowhere.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import nicegui

SCRIPT = Path(nicegui.__file__).parent / "elements" / "plotly" / "dist" / "index.js"
"""A module that leaves `Plotly` in the window."""

ADDRESS = "/dalsegno-static/figures"
"""Where the script is served, below its size, so that no browser keeps an old one."""


@cache
def script_address() -> str | None:
    """Where the script is served; None when NiceGUI has none."""
    return f"{ADDRESS}/{SCRIPT.stat().st_size:x}.js" if SCRIPT.is_file() else None


def figure_node(data: bytes, head: str) -> dict[str, Any] | None:
    """The node of a figure that is written in JSON; None when it is none, or cannot be drawn.

    It stays text on its way, since not everything that can be written in JSON can be sent as a part of a page.
    """
    where = script_address()
    try:
        figure = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if where is None or not isinstance(figure, dict) or not isinstance(figure.get("data"), list):
        return None
    wanted = {"data": figure["data"], "layout": figure.get("layout", {})}
    return {"k": "figure", "head": head, "figure": json.dumps(wanted), "script": where}
