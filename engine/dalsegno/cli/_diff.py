"""`dalsegno diff`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno._identity import ROOT_NAME
from dalsegno.cli._errors import DONE, FAILED
from dalsegno.cli._options import completing, json_option, place_options
from dalsegno.cli._store import reading
from dalsegno.cli._table import print_json, styled
from dalsegno.cli._text import clean, clean_lines, count, duration

if TYPE_CHECKING:
    from dalsegno._diff import ActionDifference, Comparison
    from dalsegno._places import Place
    from dalsegno._why import Difference
    from dalsegno.models import Failure

MOST_PLACES = 10
"""So many places of one call are printed; --json has more."""

_COLOURS = {"changed": "yellow", "added": "green", "removed": "red"}


@click.command("diff")
@click.argument("a", shell_complete=completing("runs"))
@click.argument("b", shell_complete=completing("runs"))
@click.option(
    "--action",
    metavar="ACTION",
    default=ROOT_NAME,
    help="Compare this action of A, with all below it, in place of the whole run.",
)
@click.option("--other-action", metavar="ACTION", default=ROOT_NAME, help="The same for B.")
@place_options
@json_option
@click.pass_context
def diff(ctx: click.Context, a: str, b: str, action: str, other_action: str, as_json: bool) -> int:
    """Show how run B differs from run A, call by call: code, inputs, outputs, errors.

    Exits with 0 when both did the same, and with 1 when they did not. What differs around them - packages, variables,
    times - is shown and does not count.
    """
    from dalsegno._diff import Side, compare

    with reading(ctx) as records:
        sides = []
        for name, of in ((a, action), (b, other_action)):
            run = records.run(name)
            sides.append(Side(records.ledger, run, records.ledger.action(run, of)))
        found = compare(*sides)
    if as_json:
        from dalsegno._comparison_views import comparison_view

        print_json(comparison_view(found))
    else:
        print_comparison(found)
    return DONE if found.is_same else FAILED


def print_comparison(found: Comparison) -> None:
    """A line that sums up, what differs around, then the calls; each change of code is shown once."""
    names = [run if action == ROOT_NAME else f"{run}/{action}" for run, action, _ in (found.old, found.new)]
    if found.is_same:
        click.echo(f"{names[0]} and {names[1]} did the same ({found.old[2][:12]})")
    else:
        counts = ", ".join(
            f"{sum(each.change == change for each in found.actions)} {change}" for change in _COLOURS
        )
        click.echo(f"{names[0]} → {names[1]}: {counts}; took {_seconds(found.seconds)}")
    for around in found.around:
        click.echo(f"  {around.kind} {clean(around.name)}: {clean(around.old)} → {clean(around.new)}")
    shown: set[Difference] = set()
    for each in found.actions:
        click.echo()
        for line in _lines(each, shown):
            click.echo(line)


def _lines(each: ActionDifference, shown: set[Difference]) -> Iterator[str]:
    names = each.old or each.new or ""
    if each.old and each.new and each.old != each.new:
        names = f"{each.old} → {each.new}"
    head = styled(f"{each.change} {clean(names)}", bold=True, fg=_COLOURS[each.change])
    below = f", with {count(each.below, 'call')} below" if each.below else ""
    yield f"{head}  {clean(each.task)}{below}"
    for code in each.code:
        change = f": {code.old} → {code.new}" if code.old or code.new else ""
        again = code in shown and bool(code.detail)
        yield f"  code: {code.kind} {clean(code.name)}{clean(change)}{' (as above)' if again else ''}"
        if code.detail and not again:
            yield from (f"    {line}" for line in clean_lines(code.detail.rstrip()).splitlines())
        shown.add(code)
    yield from place_lines("input", each.inputs)
    yield from place_lines("output", each.outputs)
    if each.error is not None:
        yield f"  error: {clean(_error(each.error[0]))} → {clean(_error(each.error[1]))}"
    if each.phase is not None and each.phase[0] != each.phase[1]:
        yield f"  phase: {each.phase[0]} → {each.phase[1]}"
    if each.change == "changed":
        yield f"  took {_seconds(each.seconds)}"


def place_lines(what: str, found: tuple[Place, ...]) -> Iterator[str]:
    """The places in which two values differ."""
    for place in found[:MOST_PLACES]:
        yield f"  {what} {clean(str(place))}"
    if len(found) > MOST_PLACES:
        yield f"  {what}s differ in more places; --json names them"


def _error(failure: Failure | None) -> str:
    return "none" if failure is None else f"{failure.code}: {failure.message}"


def _seconds(seconds: tuple[float | None, float | None]) -> str:
    old, new = (duration(each) or "?" for each in seconds)
    return f"{old} → {new}"
