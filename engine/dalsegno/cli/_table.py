"""Tables, JSON and other results on stdout."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any
from unicodedata import combining, east_asian_width

import rich_click as click

from dalsegno.cli._text import MARKS, clean, mark

GAP = "  "
NARROWEST = 8
"""A column is not made narrower than this to fit the terminal."""


def print_json(document: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_json_line(document: Any) -> None:
    """One line of JSON, at once."""
    click.echo(json.dumps(document, ensure_ascii=False))


def colourful(stream: Any) -> bool:
    """Whether the stream is a terminal that may be coloured."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, **style: Any) -> str:
    """`text` in that style if stdout may be coloured."""
    return click.style(text, **style) if colourful(sys.stdout) else text


def phase_text(phase: str) -> str:
    """A phase with its sign."""
    return f"{mark(phase)} {phase}".lstrip()


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, phase_column: int | None = None
) -> None:
    """Aligned columns; on a terminal the widest are cut until a row fits a line. Columns without text are left out."""
    cells = [[clean(cell) for cell in row] for row in rows]
    shown = [column for column in range(len(header)) if any(row[column] for row in cells)]
    widths = {column: max(_width(row[column]) for row in (header, *cells)) for column in shown}
    if sys.stdout.isatty():
        _narrow(widths, shutil.get_terminal_size().columns)
    click.echo(styled(_line([_fit(header[c], widths[c]) for c in shown]), bold=True))
    for row, raw in zip(cells, rows, strict=True):
        parts = [_fit(row[c], widths[c]) for c in shown]
        if phase_column is not None:
            place = shown.index(phase_column)
            parts[place] = styled(parts[place], fg=MARKS[raw[phase_column].split()[-1]][1])
        click.echo(_line(parts))


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns; facts without a value are left out."""
    known = [(name, value) for name, value in facts if value]
    width = max(len(name) for name, _ in known)
    for name, value in known:
        click.echo(f"{styled(name.ljust(width), bold=True)}{GAP}{clean(value)}")


def _line(parts: list[str]) -> str:
    return GAP.join(parts).rstrip()


def _narrow(widths: dict[int, int], room: int) -> None:
    room -= len(GAP) * (len(widths) - 1)
    while sum(widths.values()) > room:
        widest = max(widths, key=lambda column: widths[column])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1


def _fit(text: str, width: int) -> str:
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
