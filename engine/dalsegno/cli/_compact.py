"""`dalsegno compact`."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._open import size_text, store_is_there
from dalsegno.cli._options import store_option
from dalsegno.cli._store import place_of


@click.command("compact")
@store_option
@click.pass_context
def compact(ctx: click.Context) -> None:
    """Make the store's file as small as what is in it.

    Needs room on the disk for a copy. Refused, with 4, while another process has the store open. `dalsegno gc` first removes
    what nobody needs.
    """
    from dalsegno_storage.copies import compact as shrink

    place = place_of(ctx)
    with store_is_there(place):
        before, after = shrink(place.store)
    note(f"{size_text(before)} before, {size_text(after)} now")
