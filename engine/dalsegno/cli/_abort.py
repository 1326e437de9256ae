"""`dalsegno abort`."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._options import place_options, run_argument
from dalsegno.cli._store import place_of, reading


@click.command("abort")
@run_argument
@click.option(
    "--reason", metavar="TEXT", default="aborted by request", help="Why; recorded with what is aborted."
)
@click.option("--take-over", is_flag=True, help="Do not wait for the run's process, which is stuck.")
@place_options
@click.pass_context
def abort(ctx: click.Context, run_name: str, reason: str, take_over: bool) -> None:
    """Stop RUN, whichever process executes it, and wait for its end.

    A run whose process is gone ends as aborted at once.
    """
    with reading(ctx) as records:
        run = records.run(run_name)
    if run.phase.is_terminal:
        note(f"run {run.name} has ended already and is {run.phase.value}")
        return

    import anyio

    from dalsegno.engine import Engine

    place = place_of(ctx)

    async def drive() -> str:
        async with Engine(place.store, project=place.project, domain=place.domain) as engine:
            found = engine.get_run(run_name)
            await found.abort.aio(reason, take_over=take_over)
            return found.phase.value

    note(f"run {run.name} {anyio.run(drive)}")
