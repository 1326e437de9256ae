"""`dalsegno why`, and the plan that `--dry-run` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno import query
from dalsegno.cli._options import completing, json_option, place_options, run_argument
from dalsegno.cli._store import reading
from dalsegno.cli._table import print_facts, print_json, print_table
from dalsegno.cli._text import clean_lines, count
from dalsegno.views import WhyView

if TYPE_CHECKING:
    from dalsegno._plan import Plan


@click.command("why")
@run_argument
@click.argument("name", metavar="[ACTION]", required=False, shell_complete=completing("actions"))
@place_options
@json_option
@click.pass_context
def why(ctx: click.Context, run_name: str, name: str | None, as_json: bool) -> None:
    """Say of each action of RUN why it was executed or not, or of one ACTION with all that differed."""
    from dalsegno._why import explain

    with reading(ctx) as records:
        run = records.run(run_name)
        wanted = None if name is None else records.ledger.action(run, name)
        found = explain(records.ledger, run, wanted)
    views = [query.why_view(each) for each in found]
    if as_json:
        print_json(views if wanted is None else views[0])
    elif wanted is None:
        print_verdicts(views)
    else:
        _show(views[0])


def print_verdicts(views: Sequence[WhyView]) -> None:
    """One line for each action."""
    rows = [(view["action"], view["task"], view["verdict"], view["reason"]) for view in views]
    print_table(("ACTION", "TASK", "VERDICT", "WHY"), rows)


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """What a rerun would do, and how much of each."""
    views = [query.why_view(each) for each in plan.actions]
    if as_json:
        print_json({"run": plan.run, "execute": plan.executed, "reuse": plan.reused, "actions": views})
        return
    print_verdicts(views)
    click.echo(
        f"{count(plan.executed, 'recorded action')} to execute, {plan.reused:,} to reuse; nothing was launched"
    )


def _show(view: WhyView) -> None:
    print_facts(
        [
            ("action", view["action"]),
            ("task", view["task"]),
            ("verdict", view["verdict"]),
            ("why", view["reason"]),
        ]
    )
    for each in view["differences"]:
        change = f": {each['old']} → {each['new']}" if each["old"] or each["new"] else ""
        click.echo(f"\n{each['kind']} {each['name']}{change}")
        if each["detail"]:
            click.echo(clean_lines(each["detail"].rstrip()))
