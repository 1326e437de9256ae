"""`dalsegno delete run`, and `dalsegno pin` and `unpin`, which keep runs from being removed."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._open import opened
from dalsegno.cli._options import completing, place_options, run_argument
from dalsegno.cli._text import count


@click.group("delete")
def delete() -> None:
    """Remove things from the store."""


@delete.command("run")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=completing("runs"))
@click.option(
    "--force",
    is_flag=True,
    help="Also runs that are live or pinned, and runs that others took results over from: those keep their values and "
    "lose what is below them.",
)
@place_options
@click.pass_context
def delete_run(ctx: click.Context, names: tuple[str, ...], force: bool) -> None:
    """Remove runs with their actions and logs, all that are named or none.

    The space is given back by `dalsegno gc`.
    """
    from dalsegno import maintenance

    with opened(ctx) as (store, place):
        maintenance.delete_runs(store, list(names), project=place.project, domain=place.domain, force=force)
    note(f"{count(len(set(names)), 'run')} removed; `dalsegno gc` frees what only they needed")


@click.command("pin")
@run_argument
@click.option("--note", "reason", metavar="TEXT", default="", help="Why it is to stay.")
@place_options
@click.pass_context
def pin(ctx: click.Context, run_name: str, reason: str) -> None:
    """Keep RUN, and all that it needs, from being removed."""
    from dalsegno import maintenance

    with opened(ctx) as (store, place):
        maintenance.pin(store, run_name, project=place.project, domain=place.domain, note=reason)


@click.command("unpin")
@run_argument
@place_options
@click.pass_context
def unpin(ctx: click.Context, run_name: str) -> None:
    """Let RUN be removed again."""
    from dalsegno import maintenance

    with opened(ctx) as (store, place):
        if not maintenance.unpin(store, run_name, project=place.project, domain=place.domain):
            note(f"run {run_name!r} was not pinned")
