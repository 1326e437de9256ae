"""The frame of every page: theme, bar, help with the keys, and the one timer that keeps it fresh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from nicegui import app, ui
from nicegui.element import Element

from dalsegno.ui.pages._elements import Text, icon, link, tag
from dalsegno.ui.pages._figures import SCRIPT, script_address

STATIC = Path(__file__).with_name("static")
ADDRESS = "/dalsegno-static"
"""Where our style and script are served."""

REFRESH = 1.0
"""How often a page looks whether something has changed, in seconds."""

KEYS = (
    ("/", "search"),
    ("j  k", "next, previous"),
    ("Enter", "open the run; unfold the action"),
    ("r", "rerun"),
    ("g", "all runs"),
    ("?", "this help"),
    ("Esc", "leave a field or a dialog"),
)


def serve_static() -> None:
    """Make our style and script available; before the first page."""
    where = script_address()
    if where is not None:
        app.add_static_file(local_file=SCRIPT, url_path=where)
    app.add_static_files(ADDRESS, STATIC)


def address(file: str) -> str:
    """Where a file of ours is, by a name that changes with it, so that no browser shows an old one."""
    return f"{ADDRESS}/{file}?{(STATIC / file).stat().st_mtime_ns:x}"


@contextmanager
def frame(title: str, *crumbs: tuple[str, str], read_only: bool = False) -> Iterator[Element]:
    """The page; what is built inside goes below the bar. A crumb is words and where they lead, "" for nowhere."""
    ui.page_title(f"{title} · dalsegno")
    ui.add_head_html(f'<link rel="stylesheet" href="{address("page.css")}">')
    ui.add_head_html(f'<script src="{address("page.js")}"></script>')
    with tag("header", "bar"):
        link("dalsegno", "/", "brand", data_key="g", title="All runs")
        for words, where in crumbs:
            with tag("span", "crumb cut"):
                if where:
                    link(words, where)
                else:
                    Text(words)
        tag("span", "grow")
        if read_only:
            Text("read-only", "span", "badge-only", title="Nothing can be started or stopped from this page")
        with tag(
            "button", "plain", type="button", data_theme_word="", aria_label="Theme: system, light, dark"
        ):
            icon("contrast")
        help_button = tag("button", "plain", type="button", data_key="?", aria_label="Keys", title="Keys (?)")
        with help_button:
            icon("keyboard")
    dialog = _help()
    help_button.on("click", dialog.open, args=[])
    with tag("div", "content") as content:
        yield content


def keep_fresh(changed: Callable[[], Awaitable[None]]) -> None:
    """Call something every second for as long as the page is open; a page has one of these.

    What takes long is called less often, so that looking never takes more than a fifth of the time.
    """
    rest_until = 0.0

    async def look() -> None:
        nonlocal rest_until
        began = monotonic()
        if began >= rest_until:
            await changed()
            ended = monotonic()
            rest_until = ended + 4 * (ended - began)

    ui.timer(REFRESH, look, immediate=False)


def _help() -> ui.dialog:
    with ui.dialog() as dialog, ui.card(), tag("div", "stack"):
        Text("Keys", "h2")
        with tag("dl", "facts"):
            for keys, words in KEYS:
                with tag("dt"):
                    for key in keys.split():
                        Text(key, "kbd", style="margin-right: 4px")
                Text(words, "dd")
    return dialog
