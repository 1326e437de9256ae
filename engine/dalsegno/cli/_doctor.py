"""`dalsegno doctor`."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._errors import DONE, FAILED
from dalsegno.cli._open import store_is_there
from dalsegno.cli._options import json_option, store_option
from dalsegno.cli._store import place_of
from dalsegno.cli._table import print_json, styled
from dalsegno.cli._text import clean


@click.command("doctor")
@store_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> int:
    """Look at the place where the store lies: file system, versions, room, readers, permissions, who is writing.

    Ends with 1 when there is a warning; each comes with its cure. What is in the store is looked at by `dalsegno check`.
    """
    from dalsegno_storage.doctor import doctor as examine

    place = place_of(ctx)
    with store_is_there(place):
        findings = examine(place.store)
    if as_json:
        print_json(
            [
                {"name": each.name, "state": each.state, "ok": each.is_ok, "cure": each.cure}
                for each in findings
            ]
        )
    else:
        width = max(len(each.name) for each in findings)
        for each in findings:
            mark = styled("ok     ", fg="green") if each.is_ok else styled("warning", fg="yellow")
            click.echo(f"{mark}  {each.name.ljust(width)}  {clean(each.state)}")
            if not each.is_ok:
                click.echo(f"{'':7}  {'':{width}}  {clean(each.cure)}")
    return DONE if all(each.is_ok for each in findings) else FAILED
