"""Options that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])

STORE, PROJECT, DOMAIN = "dalsegno.store", "dalsegno.project", "dalsegno.domain"
"""Where the place that a command line names is kept in `ctx.meta`, which all contexts of one line share."""


def _keep(key: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta[key] = value

    return keep


def store_option(function: F) -> F:
    """`--store`, which may be given before the subcommand or after it; the last one counts."""
    return click.option(
        "--store",
        metavar="PLACE",
        help="The store, a folder or URL; the nearest .dalsegno folder by default.",
        is_eager=True,
        expose_value=False,
        callback=_keep(STORE),
        shell_complete=completing("folders"),
    )(function)


def place_options(function: F) -> F:
    """`--store`, `--project` and `--domain`."""
    project = click.option(
        "-p",
        "--project",
        metavar="NAME",
        help="The project.",
        is_eager=True,
        expose_value=False,
        callback=_keep(PROJECT),
    )
    domain = click.option(
        "-d",
        "--domain",
        metavar="NAME",
        help="The domain of the project.",
        is_eager=True,
        expose_value=False,
        callback=_keep(DOMAIN),
    )
    return project(domain(store_option(function)))


def json_option(function: F) -> F:
    """`--json`, handed to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")(function)


def pairs_option(*names: str, help: str) -> Callable[[F], F]:
    """An option that may be repeated and takes KEY=VALUE, handed to the command as a dict."""
    return click.option(*names, metavar="KEY=VALUE", multiple=True, callback=_pairs, help=help)


def run_options(function: F) -> F:
    """What `run` and `rerun` have in common, but for the place."""
    decorators: list[Callable[[F], F]] = [
        click.option("--name", metavar="NAME", help="The new run's name; one is made up by default."),
        pairs_option("--label", help="A label; may be repeated."),
        pairs_option("-e", "--env", help="An environment variable that the tasks see; may be repeated."),
        click.option("-f", "--follow", is_flag=True, help="Print the actions' logs as they come."),
        click.option(
            "--durability",
            type=click.Choice(["full", "relaxed"]),
            help="Whether actions wait for the disk; 'full' by default.",
        ),
        click.option(
            "--overwrite-cache",
            is_flag=True,
            help="Take nothing from the cache, and leave there what comes out.",
        ),
        click.option(
            "--disable-run-cache", is_flag=True, help="Neither use the cache nor leave anything there."
        ),
        click.option(
            "--max-action-concurrency",
            metavar="N",
            type=click.IntRange(0),
            default=0,
            help="How many bodies of the run execute at once; any number by default.",
        ),
        click.option(
            "--input",
            "inputs",
            metavar="NAME=JSON",
            multiple=True,
            help="An input as JSON, for names and values that have no option; may be repeated.",
        ),
        click.option(
            "--inputs-file",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            help="A JSON file with an object of inputs; options go before what it says.",
        ),
    ]
    return functools.reduce(lambda decorated, decorate: decorate(decorated), reversed(decorators), function)


def recover_options(function: F) -> F:
    """`--recover`, `--force-rerun-action` and `--dry-run`."""
    recover = click.option(
        "--recover",
        is_flag=True,
        help="Take over every recorded result that still holds, and execute only the rest.",
    )
    force = click.option(
        "--force-rerun-action",
        metavar="ACTION",
        multiple=True,
        shell_complete=completing("actions"),
        help="Execute this action and those below it nevertheless; may be repeated.",
    )
    plan = click.option(
        "--dry-run",
        is_flag=True,
        help="Print what would be executed and what reused, and launch nothing.",
    )
    return recover(force(plan(function)))


def run_argument(function: F) -> F:
    """The argument RUN, handed to the command as `run_name`."""
    return click.argument("run_name", metavar="RUN", shell_complete=completing("runs"))(function)


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", ctx=ctx, param=param)
        pairs[key] = value
    return pairs


def completing(what: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """A completion that is imported when a shell asks for one."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from dalsegno.cli import _complete

        found: list[Any] = getattr(_complete, what)(ctx, incomplete)
        return found

    return complete
