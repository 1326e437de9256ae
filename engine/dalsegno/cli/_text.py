"""Recorded things as text for people: nothing here trusts what it shows."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

MARKS = {
    "queued": ("○", "white"),
    "running": ("●", "cyan"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "aborted": ("■", "yellow"),
    "timed_out": ("✗", "red"),
    "recovered": ("↻", "green"),
    "interrupted": ("◌", "yellow"),
}
"""The sign and colour of each phase."""


WIDTH = 96
"""Values that are longer take several lines."""


def clean(text: str, *, keep: str = "") -> str:
    """`text` with everything that does not print written as an escape, but for the characters in `keep`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def clean_lines(text: str) -> str:
    """The same for text of several lines."""
    return clean(text, keep="\n\t")


def duration(seconds: float | None) -> str:
    """A length of time in three digits or so; "" for None."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def local(iso: str | None) -> str:
    """A time of `dalsegno.query` in the local zone, to the second; "" for None."""
    if iso is None:
        return ""
    return datetime.fromisoformat(iso).replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, noun: str) -> str:
    """`1 action`, `2 actions`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def value_text(shown: Any, *, limit: int | None = None) -> str:
    """A value of `dalsegno.query` as JSON with as few lines as it can be read in; with `limit`, one line, cut."""
    if limit is None:
        return clean_lines(_spread(_readable(shown), ""))
    line = json.dumps(_readable(shown), ensure_ascii=False)
    return clean(line if len(line) <= limit else line[: limit - 1] + "…")


def mark(phase: str) -> str:
    """The sign of a phase, or "" where the terminal's encoding has none."""
    sign = MARKS[phase][0]
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return sign


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def _spread(value: Any, indent: str) -> str:
    """JSON in which only what is too long for a line takes several."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not value or not isinstance(value, (list, dict)):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        pairs = ((json.dumps(key, ensure_ascii=False), each) for key, each in value.items())
        parts, (start, end) = [f"{key}: {_spread(each, inner)}" for key, each in pairs], "{}"
    else:
        parts, (start, end) = [_spread(each, inner) for each in value], "[]"
    body = ",\n".join(inner + part for part in parts)
    return f"{start}\n{body}\n{indent}{end}"


def _readable(shown: Any) -> Any:
    """A view of a value without the wrapping that says its exact type, where people can do without."""
    if isinstance(shown, list):
        return [_readable(each) for each in shown]
    if not isinstance(shown, dict):
        return shown
    match shown:
        case {"$type": "enum", "class": str(name), "value": value}:
            return f"{name.rpartition('.')[2]}.{value}"
        case {"$type": _, "value": value, **rest} if not rest:
            return _readable(value)
        case {"$type": "tuple" | "set" | "frozenset", "items": items, **rest} if not rest:
            return _readable(items)
        case {"$type": "dataclass" | "model" | "namedtuple", "class": _, "fields": fields, **rest} if (
            not rest
        ):
            return _readable(fields)
    return {key: _readable(each) for key, each in shown.items()}
