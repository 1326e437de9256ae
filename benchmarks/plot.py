"""A report as a picture: one bar for each row that has a floor, on a logarithmic scale of the ratio to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

LEFT, WIDTH, HEIGHT, TOP = 400, 560, 18, 50
COLOURS = {True: "#2f8f5b", False: "#c2452d", None: "#7d8ca3"}
"""Met, missed, and without a target."""


def svg(found: Mapping[str, Any]) -> str:
    """The picture of what `benchmarks.report.run` found."""
    rows = [row for rows in found["claims"].values() for row in rows if row["ratio"]]
    most = max([10.0, *(row["ratio"] for row in rows)])
    decades = math.ceil(math.log10(most))

    def x(ratio: float) -> float:
        return LEFT + WIDTH * min(1, max(0, math.log10(ratio) / decades))

    bottom = TOP + HEIGHT * len(rows)
    machine = found["machine"]
    title = f"Times the floor, {machine['processor']}, Python {machine['python']}, {machine['commit']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 80}" height="{bottom + 20}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="13">{escape(title)}</text>',
    ]
    for decade in range(decades + 1):
        at = x(10**decade)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP - 6}" x2="{at:.1f}" y2="{bottom}" stroke="#d5dae2"/>')
        parts.append(f'<text x="{at:.1f}" y="{TOP - 10}" text-anchor="middle">{10**decade} ×</text>')
    for number, row in enumerate(rows):
        y = TOP + HEIGHT * number
        end = x(row["ratio"])
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(row["name"])}</text>')
        parts.append(
            f'<rect x="{LEFT}" y="{y + 3}" width="{max(1, end - LEFT):.1f}" height="{HEIGHT - 6}" '
            f'fill="{COLOURS[row["met"]]}"/>'
        )
        parts.append(f'<text x="{end + 4:.1f}" y="{y + 12}">{row["ratio"]:.1f}</text>')
        limit = allowed(row)
        if limit is not None:
            at = x(limit)
            parts.append(
                f'<line x1="{at:.1f}" y1="{y + 1}" x2="{at:.1f}" y2="{y + HEIGHT - 1}" stroke="black" stroke-width="2"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def allowed(row: Mapping[str, Any]) -> float | None:
    """The target as a ratio; None where there is none that a ratio can say."""
    target = row["target"]
    if target is None or not target["limit"]:
        return None
    return float(target["limit"] if target["of"] == "ratio" else target["limit"] / row["floor_median"])
