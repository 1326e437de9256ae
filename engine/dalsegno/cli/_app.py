"""The command `dalsegno`: its subcommands, and how every one of them ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import rich_click as click

from dalsegno.cli._errors import CLOSED_PIPE, INTERRUPTED, code_of, say
from dalsegno.cli._lazy import LazyGroup
from dalsegno.cli._options import store_option
from dalsegno_storage.errors import DalsegnoError

_HELP = {
    "show_arguments": False,
    "text_markup": "ansi",
    "text_paragraph_linebreaks": "\n\n",
    "max_width": 110,
    "style_option": "bold cyan",
    "style_command": "bold cyan",
}


class App(LazyGroup):
    """The group of all commands; whatever happens in one becomes a sentence and an exit code here."""

    def main(  # type: ignore[override]  # the declared overloads differ only in what they return
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command line and exit."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, prog_name or "dalsegno", **extra)
        except click.ClickException as error:
            code = error.exit_code
            _show(error)
        except DalsegnoError as error:
            code = code_of(error)
            say(str(error))
        except (click.Abort, KeyboardInterrupt):
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; a pipe that nobody reads any more ends it without a word."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            return CLOSED_PIPE
        return code


def _print_version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("dalsegno")
        except PackageNotFoundError:
            found = "(run from a source tree)"
        click.echo(f"dalsegno {found}")
        ctx.exit()


@click.group(
    cls=App,
    name="dalsegno",
    lazily={
        "run": "dalsegno.cli._run:run",
        "rerun": "dalsegno.cli._rerun:rerun",
        "resume": "dalsegno.cli._resume:resume",
        "abort": "dalsegno.cli._abort:abort",
        "get": "dalsegno.cli._get:get",
        "why": "dalsegno.cli._why:why",
        "diff": "dalsegno.cli._diff:diff",
        "verify": "dalsegno.cli._verify:verify",
        "ui": "dalsegno.cli._ui:ui",
        "export": "dalsegno.cli._capsule:export",
        "import": "dalsegno.cli._capsule:import_",
        "trust": "dalsegno.cli._capsule:trust",
        "check": "dalsegno.cli._check:check",
        "gc": "dalsegno.cli._gc:gc",
        "delete": "dalsegno.cli._delete:delete",
        "backup": "dalsegno.cli._backup:backup",
        "compact": "dalsegno.cli._compact:compact",
        "doctor": "dalsegno.cli._doctor:doctor",
        "env": "dalsegno.cli._env:env",
        "pin": "dalsegno.cli._delete:pin",
        "unpin": "dalsegno.cli._delete:unpin",
        "completion": "dalsegno.cli._completion:completion",
    },
    context_settings={"help_option_names": ["-h", "--help"], "rich_help_config": _HELP},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@store_option
def app() -> None:
    """Run typed Python tasks with every call recorded, and run any of them again."""


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED and threading.active_count() > 1:
            # A sync task cannot be stopped, and the interpreter would wait for its thread.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise
    raise AssertionError("the application exits")


def _show(error: click.ClickException) -> None:
    """A usage error, after the usage if it is known."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        usage = " ".join(context.command.collect_usage_pieces(context))
        click.echo(f"Usage: {context.command_path} {usage}", err=True)
        if context.command.get_help_option(context) is not None:
            click.echo(f"Try '{context.command_path} --help' for help.\n", err=True)
    say(error.format_message())


def _drop_output() -> None:
    """Let nothing more be written to a pipe that nobody reads, the interpreter's last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):
            continue
