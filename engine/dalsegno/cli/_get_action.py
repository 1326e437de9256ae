"""`dalsegno get action`."""

from __future__ import annotations

import rich_click as click

from dalsegno import query
from dalsegno._fingerprint import SHORT, Fingerprints
from dalsegno.cli._options import completing, json_option, place_options, run_argument
from dalsegno.cli._store import reading
from dalsegno.cli._table import phase_text, print_facts, print_json
from dalsegno.cli._text import clean_lines, duration, local
from dalsegno.views import ActionView


@click.command("action")
@run_argument
@click.argument("name", metavar="[ACTION]", required=False, shell_complete=completing("actions"))
@click.option("--all", "show_all", is_flag=True, help="Draw every action, however many there are.")
@place_options
@json_option
@click.pass_context
def get_action(ctx: click.Context, run_name: str, name: str | None, show_all: bool, as_json: bool) -> None:
    """Show the actions of RUN as a tree, or one ACTION alone."""
    with reading(ctx) as records:
        run = records.run(run_name)
        known = Fingerprints(records.ledger)
        if name is not None:
            action = records.ledger.action(run, name)
            view = query.action_view(records.ledger, run, action)
            view["fingerprint"] = known.of(action).hex()
            if as_json:
                print_json(view)
            else:
                _show(view)
            return
        if as_json:
            views = query.action_views(records.ledger, run)
            for each, action in zip(views, records.ledger.actions(run.id), strict=False):
                each["fingerprint"] = known.of(action).hex()
            print_json(views)
            return
        tree = query.tree_views(records.ledger, run)
    from dalsegno.cli._tree import print_tree

    print_tree(tree, most=None if show_all else 200)


def _show(view: ActionView) -> None:
    error, origin = view["error"], view["origin"]
    print_facts(
        [
            ("name", view["name"]),
            ("run", view["run"]),
            ("task", view["task"]),
            ("kind", "" if view["kind"] == "task" else view["kind"]),
            ("phase", phase_text(view["phase"])),
            ("from", f"{origin['action']} of run {origin['run']} ({origin['kind']})" if origin else ""),
            ("parent", view["parent"] or ""),
            ("group", view["group"]),
            ("attempts", str(view["attempts"])),
            ("started", local(view["started_at"])),
            ("ended", local(view["ended_at"])),
            ("took", duration(view["duration_s"])),
            ("key", view["key"]),
            ("inputs", view["inputs_digest"]),
            ("outputs", view["outputs_digest"] or ""),
            ("code", view["code_digest"]),
            ("fingerprint", view.get("fingerprint", "")[:SHORT]),
            ("error", f"{error['kind']}: {error['message']}" if error else ""),
        ]
    )
    if error:
        click.echo("\n" + clean_lines(error["traceback"].rstrip()))
