"""`dalsegno ui`."""

from __future__ import annotations

import os
import sys
from threading import Thread
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno.cli._errors import CommandError, note
from dalsegno.cli._open import store_is_there
from dalsegno.cli._options import place_options
from dalsegno.cli._store import place_of

if TYPE_CHECKING:
    from dalsegno.ui._entrance import Entrance

MISSING = "the web page needs packages that are not installed ({name}); install them with `pip install 'dalsegno[ui]'`"


@click.command("ui")
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    help="The port; 8237 by default, or any other if that is taken.",
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option("--read-only", is_flag=True, help="Show everything, and let nothing be started or stopped.")
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Where to listen; anything but this machine needs --insecure.",
)
@click.option("--insecure", is_flag=True, help="Let others on the network reach the page, unencrypted.")
@place_options
@click.pass_context
def ui(
    ctx: click.Context, port: int | None, no_open: bool, read_only: bool, host: str, insecure: bool
) -> None:
    """Open the web page: see runs, change an input, rerun.

    The page is served on this machine only, until Ctrl-C; runs that were launched from it go on.
    """
    try:
        from dalsegno.ui._app import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "dalsegno":
            raise
        raise CommandError(MISSING.format(name=error.name)) from error

    def ready(address: str, entrance: Entrance) -> None:
        note(f"{address} shows the runs in {place.store}")
        note(f"open {entrance.file.as_uri()} in a browser of your own; Ctrl-C ends the page, not the runs")
        if not no_open and _has_screen():
            import webbrowser

            # It may wait for the browser's end.
            Thread(target=webbrowser.open, args=[entrance.file.as_uri()], daemon=True).start()

    place = place_of(ctx)
    with store_is_there(place):
        serve(place, port=port, host=host, read_only=read_only, insecure=insecure, ready=ready)


def _has_screen() -> bool:
    """Whether a browser has somewhere to appear; one in the terminal would take that away."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
