"""`dalsegno check`."""

from __future__ import annotations

import sys

import rich_click as click

from dalsegno.cli._errors import DAMAGED, DONE
from dalsegno.cli._open import opened, size_text
from dalsegno.cli._options import json_option, store_option
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import count


@click.command("check")
@store_option
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> int:
    """Re-hash every object, follow every reference, and compare the indexes with the runs.

    Changes nothing, and others may use the store meanwhile. Ends with 3 when something is damaged; what is damaged is
    listed with the runs that it touches, and everything else stays readable.
    """
    from dalsegno import maintenance

    with opened(ctx, read_only=True) as (store, _):
        report = maintenance.check(store, progress=_tell if sys.stderr.isatty() and not as_json else None)
    if sys.stderr.isatty() and not as_json:
        click.echo("\r\x1b[K", err=True, nl=False)
    if as_json:
        print_json(
            {
                "clean": report.is_clean,
                "objects": report.objects,
                "bytes": report.size,
                "runs": report.runs,
                "actions": report.actions,
                "problems": [
                    {"kind": each.kind, "name": each.name, "cause": each.cause, "runs": list(each.runs)}
                    for each in report.problems
                ],
            }
        )
    elif report.problems:
        rows = [(each.kind, each.name, each.cause, ", ".join(each.runs)) for each in report.problems]
        print_table(("KIND", "NAME", "CAUSE", "RUNS"), rows)
    if not as_json:
        seen = ", ".join(
            (
                count(report.runs, "run"),
                count(report.actions, "action"),
                count(report.objects, "object"),
                size_text(report.size),
            )
        )
        found = "no damage" if report.is_clean else count(len(report.problems), "problem")
        click.echo(f"{found} in {seen}", err=not report.is_clean)
    return DONE if report.is_clean else DAMAGED


def _tell(what: str, number: int) -> None:
    click.echo(f"\r\x1b[K{what}: {number:,}", err=True, nl=False)
