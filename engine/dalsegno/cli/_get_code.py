"""`dalsegno get code`."""

from __future__ import annotations

import rich_click as click

from dalsegno import query
from dalsegno.cli._errors import CommandError, note
from dalsegno.cli._options import completing, json_option, place_options, run_argument
from dalsegno.cli._store import reading
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import clean, count
from dalsegno.errors import TaskNotFoundError


@click.command("code")
@run_argument
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    shell_complete=completing("folders"),
    help="Write the files below this folder; existing files are never touched.",
)
@click.option(
    "--task",
    metavar="TASK",
    shell_complete=completing("recorded_tasks"),
    help="Show what of the code this task reaches, and what that rests on.",
)
@place_options
@json_option
@click.pass_context
def get_code(ctx: click.Context, run_name: str, output: str | None, task: str | None, as_json: bool) -> None:
    """List the recorded source files of RUN, or write them to a folder."""
    if task is not None:
        if output is not None:
            raise click.UsageError("--task shows and --output writes; choose one", ctx)
        _show_closure(ctx, run_name, task, as_json=as_json)
        return
    with reading(ctx) as records:
        bundle = records.ledger.bundle(records.run(run_name).bundle)
        if output is not None:
            from dalsegno.bundle import write_files

            ledger = records.ledger
            try:
                write_files(bundle, ledger.blob, output)
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}") from error
    files = query.file_views(bundle)
    if as_json:
        print_json(files)
    elif output is None:
        rows = [(file["path"], f"{file['size']:,}".rjust(9), file["digest"][:16]) for file in files]
        print_table(("PATH", "    BYTES", "DIGEST"), rows)
    if output is not None:
        note(f"{count(len(bundle.files), 'file')} written to {output}")


def _show_closure(ctx: click.Context, run_name: str, task: str, *, as_json: bool) -> None:
    """The code that a task of a run reaches; lines in a stable order, so that two of them can be compared with diff."""
    with reading(ctx) as records:
        ledger = records.ledger
        run = records.run(run_name)
        templates = {}
        for action in ledger.actions(run.id):
            if action.template not in templates:
                templates[action.template] = ledger.template(action.template)
        known = {template.name: template for template in templates.values()}
        found = known.get(task) or next((each for each in known.values() if each.qualname == task), None)
        if found is None:
            raise TaskNotFoundError(task, known, f"run {run.name!r}", f"it has {', '.join(sorted(known))}")
        view = query.closure_view(ledger, found)
    if as_json:
        print_json(view)
        return
    lines = [f"task     {view['task']}", f"digest   {view['code_digest']}"]
    lines += [f"symbol   {each['module']}:{each['name']}  {each['digest']}" for each in view["symbols"]]
    lines += [f"file     {each['path']}  {each['digest'][:32]}" for each in view["files"]]
    lines += [f"package  {name} {version}" for name, version in view["packages"].items()]
    lines += [f"env      {name}" for name in view["environ"]]
    lines += [
        f"widened  {each['module']}:{each['name']} to the whole {each['to']}: {each['reason']}"
        for each in view["widened"]
    ]
    for line in lines:
        click.echo(clean(line))
