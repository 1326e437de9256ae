"""Every colour of a text can be read on every ground that it stands on, in both themes."""

import re
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

import dalsegno.ui.pages._layout as layout

GROUNDS = ("bg", "panel", "raised", "accent-soft")
TONES = ("good", "busy", "bad", "warn", "reuse", "accent")
TEXTS = ("ink", "soft", "faint", *TONES, "c-key", "c-text", "c-number", "c-name", "c-note")
ENOUGH = 4.5
"""What WCAG 2 asks of texts, level AA."""


def colours(theme: str) -> dict[str, str]:
    """The colours of a theme by name."""
    css = Path(layout.STATIC / "page.css").read_text(encoding="utf-8")
    [block] = re.findall(
        r'^:root(?:\[data-theme="dark"\])? \{(.*?color-scheme: ' + theme + r";)", css, re.S | re.M
    )[-1:]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block.rpartition("{")[2]))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_the_most() -> None:
    assert contrast("#000000", "#ffffff") == 21


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out(theme: str) -> None:
    of = colours(theme)
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
    pairs += [(tone, f"{tone}-soft") for tone in TONES] + [("accent-ink", "accent")]
    weak = {pair: round(contrast(of[pair[0]], of[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < ENOUGH} == {}


def test_both_themes_have_the_same_colours() -> None:
    assert colours("light").keys() == colours("dark").keys()
    assert colours("light") != colours("dark")
