"""`dalsegno get env`."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._errors import DONE, FAILED, note
from dalsegno.cli._options import json_option, place_options, run_argument
from dalsegno.cli._store import reading
from dalsegno.cli._table import print_json, print_table


@click.command("env")
@run_argument
@click.option("--diff", is_flag=True, help="Only what is another one here; ends with 1 if there is any.")
@place_options
@json_option
@click.pass_context
def get_env(ctx: click.Context, run_name: str, diff: bool, as_json: bool) -> int:
    """Show what surrounded RUN, beside what is here: Python, platform, packages, and the variables it was given."""
    from dalsegno.environment import lines

    with reading(ctx) as records:
        found = [line for line in lines(records.ledger, records.run(run_name)) if line.differs or not diff]
    if as_json:
        keys = ("kind", "name", "recorded", "here", "origin", "differs")
        print_json([{key: getattr(line, key) for key in keys} for line in found])
    elif found:
        rows = [
            (
                "≠" if line.differs else "",
                line.kind if line.kind in ("package", "env") else "",
                line.name,
                line.recorded or "",
                "not there" if line.here is None else line.here,
                line.origin,
            )
            for line in found
        ]
        print_table(("", "KIND", "NAME", "RECORDED", "HERE", "ORIGIN"), rows)
    else:
        note("nothing differs")
    return FAILED if diff and found else DONE
