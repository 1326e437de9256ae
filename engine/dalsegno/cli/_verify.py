"""`dalsegno verify`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno._identity import ROOT_NAME
from dalsegno.cli._diff import place_lines
from dalsegno.cli._errors import DONE, FAILED, USAGE, say
from dalsegno.cli._options import completing, json_option, pairs_option, place_options, run_argument
from dalsegno.cli._store import place_of, reading
from dalsegno.cli._streams import stdout_on_stderr
from dalsegno.cli._table import print_json, styled
from dalsegno.cli._text import clean, count
from dalsegno.errors import DalsegnoError

if TYPE_CHECKING:
    from dalsegno._verify import Divergence, Verification


@click.command("verify")
@run_argument
@click.option(
    "--action",
    metavar="ACTION",
    default=ROOT_NAME,
    shell_complete=completing("actions"),
    help="Only this action, with what is below it.",
)
@click.option(
    "--times", metavar="N", type=click.IntRange(1), default=1, help="How often to execute it; 1 by default."
)
@click.option("--each", is_flag=True, help="Execute every action alone, its calls answered from the record.")
@click.option("--hash-seed", is_flag=True, help="In processes of their own, with two or more hash seeds.")
@click.option("--process", is_flag=True, help="In a process of its own, with nothing of this one around it.")
@click.option(
    "--keep", is_flag=True, help="Record the new executions, as runs with the label dalsegno.verify."
)
@pairs_option(
    "-e", "--env", help="A variable of the run whose value is secret and was not recorded; may be repeated."
)
@place_options
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    run_name: str,
    action: str,
    times: int,
    each: bool,
    hash_seed: bool,
    process: bool,
    keep: bool,
    env: Mapping[str, str],
    as_json: bool,
) -> int:
    """Execute RUN again with its code and inputs, and compare what it does with what is recorded.

    Names the first actions that do something else, and what that most likely comes from. Bodies really run; the record stays
    as it is. Exits with 0 when it reproduced, 1 when it did not, and 2 when it could not be executed.
    """
    import anyio

    from dalsegno._verify import verify_run
    from dalsegno.engine import Engine

    with reading(ctx) as records:
        records.run(run_name)  # nothing is created where there is none

    async def verified() -> Verification:
        place = place_of(ctx)
        async with Engine(place.store, project=place.project, domain=place.domain) as engine:
            return await verify_run(
                engine,
                run_name,
                action,
                times=times,
                each=each,
                hash_seed=hash_seed,
                process=process,
                keep=keep,
                env_vars=env,
            )

    with ExitStack() as stack:
        stack.enter_context(stdout_on_stderr())
        try:
            found = anyio.run(verified)
        except DalsegnoError:  # it has an exit code of its own
            raise
        except Exception as error:  # the recorded code could not even be loaded
            say(f"it could not be executed: {error}")
            return USAGE
    if as_json:
        print_json(_view(found))
    else:
        _show(found)
    return DONE if found.reproduced else FAILED


def _show(found: Verification) -> None:
    name = found.run if found.action == ROOT_NAME else f"{found.run}/{found.action}"
    times = "" if found.times == 1 else f" in {found.times} executions"
    executed = count(found.executed, "action")
    if found.reproduced:
        click.echo(f"{name} reproduced{times}; {executed} executed")
    else:
        own = len(found.divergences)
        differ = f"{count(own, 'action')} {'differs of its' if own == 1 else 'differ of their'}"
        click.echo(f"{name} did not reproduce{times}: {differ} own accord; {executed} executed")
    for each in found.divergences:
        click.echo()
        _show_one(each)
    if found.kept:
        click.echo(f"\nkept: {', '.join(found.kept)}")


def _show_one(each: Divergence) -> None:
    how = f" ({each.how})" if each.how else ""
    head = styled(f"diverged {clean(each.action)}", bold=True, fg="yellow")
    click.echo(f"{head}  {clean(each.task)}{how}")
    for line in place_lines("output", each.outputs):
        click.echo(line)
    if each.error is not None:
        old, new = (text or "none" for text in each.error)
        click.echo(f"  error: {clean(old)} → {clean(new)}")
    for what, names in (("made now and not then", each.came), ("made then and not now", each.gone)):
        if names:
            more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
            click.echo(f"  calls {what}: {', '.join(names[:5])}{more}")
    click.echo(f"  likely cause: {styled(each.cause, bold=True)}")
    for clue in each.clues:
        click.echo(f"    {clean(clue)}")


def _view(found: Verification) -> dict[str, object]:
    from dalsegno._comparison_views import verification_view

    return {**verification_view(found)}
