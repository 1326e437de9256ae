"""`dalsegno get io`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich_click as click

from dalsegno import query
from dalsegno.cli._options import completing, json_option, place_options, run_argument
from dalsegno.cli._store import reading
from dalsegno.cli._table import print_json, styled
from dalsegno.cli._text import clean, value_text


@click.command("io")
@run_argument
@click.argument("name", metavar="[ACTION]", default="a0", shell_complete=completing("actions"))
@place_options
@json_option
@click.pass_context
def get_io(ctx: click.Context, run_name: str, name: str, as_json: bool) -> None:
    """Show the inputs and outputs of RUN, or of one ACTION in it."""
    with reading(ctx) as records:
        action = records.ledger.action(records.run(run_name), name)
        shown = query.io_view(records.ledger, action)
        outputs = query.named_views(records.ledger, action.outputs)
    if as_json:
        print_json(shown)
        return
    _print("inputs", shown["inputs"], "none")
    none = "none" if action.phase.is_success else f"none, it is {action.phase.value}"
    _print("outputs", outputs, none)


def _print(heading: str, values: Mapping[str, Any], none: str) -> None:
    click.echo(styled(heading, bold=True) + ("" if values else f"  {none}"))
    for name, shown in values.items():
        text = value_text(shown).replace("\n", "\n  ")
        click.echo(f"  {clean(name)} = {text}")
