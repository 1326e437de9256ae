"""`dalsegno backup`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._open import opened
from dalsegno.cli._options import completing, store_option


@click.command("backup")
@click.argument("target", metavar="DIR", shell_complete=completing("folders"))
@store_option
@click.pass_context
def backup(ctx: click.Context, target: str) -> None:
    """Copy the store to DIR, as it is at this moment; tasks may run meanwhile.

    DIR is a new or an empty folder, or a new file for a store in a SQLite file. The copy is a store like any other.
    """
    from dalsegno_storage.copies import backup as copy

    with opened(ctx, read_only=True) as (store, _):
        copy(store, Path(target).expanduser())
    note(f"copied to {target}; `dalsegno check --store {target}` looks whether the copy is whole")
