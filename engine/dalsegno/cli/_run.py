"""`dalsegno run`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import rich_click as click

from dalsegno.cli._inputs import InputsCommand, given_inputs
from dalsegno.cli._options import completing, json_option, place_options, recover_options, run_options
from dalsegno.cli._streams import stdout_on_stderr
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import clean_lines

if TYPE_CHECKING:
    from dalsegno.engine import Engine
    from dalsegno.interface import Option
    from dalsegno.models import CopyStyle
    from dalsegno.runs import Run
    from dalsegno.settings import Durability
    from dalsegno.task import Task

_MODULE, _TASK = "dalsegno.run.module", "dalsegno.run.task"


class RunCommand(InputsCommand):
    """Has the inputs of the task in the file."""

    def input_options(self, ctx: click.Context, known: Mapping[str, Any]) -> list[click.Option]:
        """An option for each input of the task, if the line names one; this imports the file."""
        from contextlib import nullcontext

        from dalsegno.cli._load import find_task, load_module

        if known["file"] is None or ctx.resilient_parsing:
            return []
        with stdout_on_stderr() if known["as_json"] else nullcontext():
            module = ctx.meta[_MODULE] = load_module(known["file"], known["root_dir"])
        if known["task"] is None:
            return []
        task = ctx.meta[_TASK] = find_task(module, known["task"], known["file"])
        forks = known["rerun_from"] is not None
        return self.options_for(ctx, task.interface.options(), lambda each: _described(each, forks=forks))


@click.command(
    cls=RunCommand, context_settings={"token_normalize_func": lambda token: token.replace("-", "_")}
)
@click.argument("file", shell_complete=completing("files"))
@click.argument("task", required=False, shell_complete=completing("tasks"))
@run_options
@place_options
@click.option(
    "--rerun-from",
    metavar="RUN",
    shell_complete=completing("runs"),
    help="Take the inputs that are not given from this run.",
)
@recover_options
@click.option("--root-dir", metavar="DIR", help="The folder that FILE is imported from.")
@click.option(
    "--copy-style",
    type=click.Choice(["loaded_modules", "all", "none"]),
    default="loaded_modules",
    help="Which code is recorded: what the task can reach, every file, or nothing.",
)
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    file: str,
    task: str | None,
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
    rerun_from: str | None,
    recover: bool,
    force_rerun_action: tuple[str, ...],
    dry_run: bool,
    root_dir: str | None,
    copy_style: CopyStyle,
    as_json: bool,
) -> int:
    """Run TASK of the Python file or module FILE; without TASK, list the tasks it has.

    `dalsegno run FILE TASK --help` lists the task's inputs. An input is written as text, or as JSON for lists, dicts
    and dataclasses; @file takes what is in a file.
    """
    if task is None:
        _list_tasks(ctx.meta[_MODULE], file, as_json=as_json)
        return 0
    found: Task[Any, Any] = ctx.meta[_TASK]
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
        root_dir=root_dir,
        copy_style=copy_style,
        overwrite_cache=overwrite_cache,
        disable_run_cache=disable_run_cache,
        max_action_concurrency=max_action_concurrency,
    )
    values = found.interface.convert(given.values, source=given.sources, partial=True)
    request = None
    if rerun_from is not None:
        request = Request(
            rerun_from, changed=values, task_template=found, recover=recover, forced=force_rerun_action
        )
    elif recover or force_rerun_action or dry_run:
        raise click.UsageError("--recover, --force-rerun-action and --dry-run go with --rerun-from RUN", ctx)
    if dry_run and request is not None:
        return show_plan(ctx, settings, request, as_json=as_json)

    async def begin(engine: Engine) -> Run[Any]:
        context = RunContext(engine, settings)
        if request is not None:
            return await context.rerun_with(request)
        return await context.run(found, **values)

    return execute(ctx, begin, follow=follow, as_json=as_json)


def _described(each: Option, *, forks: bool) -> str:
    if forks:
        return "[recorded value by default]"
    if each.required:
        return "[required]"
    return f"[default: {each.default_text}]"


def _list_tasks(module: ModuleType, file: str, *, as_json: bool) -> None:
    from dalsegno.cli._load import own_tasks
    from dalsegno.errors import TaskNotFoundError

    tasks = own_tasks(module)
    if not tasks:
        raise TaskNotFoundError("", (), file, "it has no tasks; make one with @env.task")
    if as_json:
        print_json([_task_document(name, task) for name, task in tasks.items()])
        return
    rows = []
    for name, task in tasks.items():
        options = task.interface.options()
        inputs = ", ".join(f"{each.name}: {each.type_text}" for each in options)
        rows.append((name, f"({inputs})", _summary(task)))
    print_table(("TASK", "INPUTS", "DOES"), rows)


def _task_document(name: str, task: Task[Any, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "task": task.name,
        "doc": _summary(task),
        "inputs": [
            {
                "name": each.name,
                "type": each.type_text,
                "required": each.required,
                "default": each.default_text,
            }
            for each in task.interface.options()
        ],
    }


def _summary(task: Task[Any, Any]) -> str:
    return clean_lines(inspect.cleandoc(task.__doc__ or "").partition("\n")[0])
