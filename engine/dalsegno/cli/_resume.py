"""`dalsegno resume`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import rich_click as click

from dalsegno import query
from dalsegno.cli._errors import DONE, FAILED, INTERRUPTED, note
from dalsegno.cli._options import completing, json_option, pairs_option, place_options
from dalsegno.cli._store import place_of, reading
from dalsegno.cli._table import print_json

if TYPE_CHECKING:
    from dalsegno.engine import Engine
    from dalsegno.models import RunRecord
    from dalsegno.runs import Run


@click.command("resume")
@click.argument("run_name", metavar="RUN", required=False, shell_complete=completing("runs"))
@click.option("--all", "everything", is_flag=True, help="Every interrupted run of the project and domain.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Take the run from a process that is stuck; it can record nothing for it any more.",
)
@click.option(
    "--force", is_flag=True, help="Also a run that is parked, because it was interrupted again and again."
)
@pairs_option("-e", "--env", help="A variable of the run whose value was a secret; may be repeated.")
@click.option("-f", "--follow", is_flag=True, help="Print the actions' logs as they come.")
@place_options
@json_option
@click.pass_context
def resume(
    ctx: click.Context,
    run_name: str | None,
    everything: bool,
    take_over: bool,
    force: bool,
    env: Mapping[str, str],
    follow: bool,
    as_json: bool,
) -> int:
    """Go on with RUN, whose process is gone: the same run, with its recorded code.

    Actions that have ended are not executed again; those that had begun are, as another attempt.
    """
    if everything:
        if run_name is not None or take_over or force or env or follow:
            raise click.UsageError("--all takes no RUN and none of its options", ctx)
        return _resume_all(ctx, as_json=as_json)
    if run_name is None:
        raise click.UsageError("RUN says which run, or --all every one that was interrupted", ctx)
    with reading(ctx) as records:  # nothing is created
        records.run(run_name)

    from dalsegno.cli._execute import execute

    async def begin(engine: Engine) -> Run[Any]:
        return await engine.resume(run_name, take_over=take_over, force=force, env_vars=env)

    return execute(ctx, begin, follow=follow, as_json=as_json, begins="resumed")


def _resume_all(ctx: click.Context, *, as_json: bool) -> int:
    import anyio

    from dalsegno.cli._streams import stdout_on_stderr
    from dalsegno.engine import Engine

    place = place_of(ctx)
    with reading(ctx):
        pass

    async def drive() -> list[RunRecord]:
        async with Engine(place.store, project=place.project, domain=place.domain) as engine:
            ended = []
            for run in await engine.resume_all():
                await run.wait.aio()
                ended.append(run.record)
                note(f"run {run.name} {run.phase.value}")
            return ended

    try:
        if as_json:
            with stdout_on_stderr():
                ended = anyio.run(drive)
            print_json([query.run_view(run) for run in ended])
        else:
            ended = anyio.run(drive)
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    if not ended:
        note("no run was interrupted that could be resumed")
    return DONE if all(run.phase.is_success for run in ended) else FAILED
