"""What a shell offers to complete. Reads the store and never imports the user's code; offers nothing on any error."""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path

import rich_click as click
from click.shell_completion import CompletionItem

from dalsegno.cli._store import reading

MOST = 200
"""How many of the newest runs are looked at."""


def folders(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Folders, which the shell itself knows."""
    return [CompletionItem(incomplete, type="dir")]


def runs(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of runs, newest first."""
    with suppress(Exception), reading(ctx) as records:
        from dalsegno._listing import Query

        query = Query(project=records.place.project, domain=records.place.domain)
        found = records.ledger.runs(query, limit=MOST)
        return [
            CompletionItem(run.name, help=f"{run.task} {run.phase.value}")
            for run in found
            if run.name.startswith(incomplete)
        ]
    return []


def actions(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of actions of the run that the line names already."""
    # On a line that ends in an option without its value, click leaves the arguments where they are.
    words = [ctx.params.get("run_name"), *(word for word in ctx.args if not word.startswith("-"))]
    with suppress(Exception), reading(ctx) as records:
        name = next(word for word in words if word)
        found = records.ledger.actions(records.run(name).id)
        return [
            CompletionItem(action.name, help=action.phase.value)
            for action in found
            if action.name.startswith(incomplete)
        ]
    return []


def recorded_tasks(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Full names of tasks that have run."""
    with suppress(Exception), reading(ctx) as records:
        from dalsegno._listing import Query

        query = Query(project=records.place.project, domain=records.place.domain)
        names = dict.fromkeys(run.task for run in records.ledger.runs(query, limit=MOST))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return []


def files(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Files, which the shell itself knows."""
    return [CompletionItem(incomplete, type="file")]


def tasks(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Functions in the file that are decorated with something called `task`, read from its text."""
    with suppress(Exception):
        tree = ast.parse(Path(str(ctx.params.get("file"))).read_bytes())
        return [
            CompletionItem(node.name, help=(ast.get_docstring(node) or "").partition("\n")[0])
            for node in tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.name.startswith(incomplete)
            and any(map(_is_task, node.decorator_list))
        ]
    return []


def _is_task(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    return isinstance(decorator, ast.Attribute) and decorator.attr == "task"
