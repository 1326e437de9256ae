"""`dalsegno rerun`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import rich_click as click

from dalsegno._identity import ROOT_NAME
from dalsegno.cli._inputs import InputsCommand, given_inputs
from dalsegno.cli._options import (
    completing,
    json_option,
    place_options,
    recover_options,
    run_argument,
    run_options,
)
from dalsegno.cli._store import reading
from dalsegno.cli._text import value_text

if TYPE_CHECKING:
    from dalsegno.engine import Engine
    from dalsegno.runs import Run
    from dalsegno.settings import Durability, Isolation

SHOWN = 60
"""So many characters of a recorded value are shown by help."""


class RerunCommand(InputsCommand):
    """Has the recorded inputs of the run or action."""

    def input_options(self, ctx: click.Context, known: Mapping[str, Any]) -> list[click.Option]:
        """An option for each recorded input, if the line names a run; nothing is imported."""
        if known["run_name"] is None:
            return []
        from dalsegno.codec import view
        from dalsegno.interface import Interface

        with reading(ctx) as records:
            ledger = records.ledger
            action = ledger.action(records.run(known["run_name"]), known["action_name"] or ROOT_NAME)
            template = ledger.template(action.template)
            recorded = ledger.named(action.inputs)
        interface = Interface.from_record(template.interface, name=template.name, decode=_never)
        return self.options_for(
            ctx,
            interface.options(),
            lambda each: f"[recorded: {value_text(view(recorded[each.name]), limit=SHOWN)}]",
        )


@click.command(
    cls=RerunCommand, context_settings={"token_normalize_func": lambda token: token.replace("-", "_")}
)
@run_argument
@click.option(
    "--action-name",
    metavar="ACTION",
    default=ROOT_NAME,
    shell_complete=completing("actions"),
    help="The action to run again, in place of the whole run.",
)
@recover_options
@run_options
@place_options
@click.option(
    "--isolation",
    type=click.Choice(["private", "process", "environment"]),
    help="Load the recorded code beside what is here, or in a process of its own, even if it is the same; 'environment' is "
    "such a process with the recorded packages.",
)
@click.option(
    "--isolated",
    "isolation",
    flag_value="environment",
    help="Execute it with the recorded versions of all packages, in an environment that is built once and kept; the same as "
    "--isolation environment.",
)
@json_option
@click.pass_context
def rerun(
    ctx: click.Context,
    run_name: str,
    action_name: str,
    recover: bool,
    force_rerun_action: tuple[str, ...],
    dry_run: bool,
    name: str | None,
    label: Mapping[str, str],
    env: Mapping[str, str],
    follow: bool,
    durability: Durability | None,
    overwrite_cache: bool,
    disable_run_cache: bool,
    max_action_concurrency: int,
    inputs: tuple[str, ...],
    inputs_file: str | None,
    isolation: Isolation | None,
    as_json: bool,
) -> int:
    """Run a recorded RUN again, or one of its actions, with the recorded code.

    `dalsegno rerun RUN --help` lists the recorded inputs; those that are not given keep their recorded value.
    """
    given = given_inputs(ctx, inputs, inputs_file)

    from dalsegno._request import Request
    from dalsegno.cli._execute import execute, show_plan
    from dalsegno.run_context import RunContext
    from dalsegno.settings import RunSettings

    settings = RunSettings(
        name=name,
        labels=label,
        env_vars=env,
        durability=durability,
        isolation=isolation,
        overwrite_cache=overwrite_cache,
        disable_run_cache=disable_run_cache,
        max_action_concurrency=max_action_concurrency,
    )

    request = Request(
        run_name,
        action_name,
        given.values,
        source=given.sources,
        recover=recover,
        forced=force_rerun_action,
    )
    if dry_run:
        return show_plan(ctx, settings, request, as_json=as_json)

    async def begin(engine: Engine) -> Run[Any]:
        return await RunContext(engine, settings).rerun_with(request)

    return execute(ctx, begin, follow=follow, as_json=as_json)


def _never(data: bytes) -> NoReturn:
    raise AssertionError("describing inputs decodes nothing")
