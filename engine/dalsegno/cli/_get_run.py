"""`dalsegno get run`."""

from __future__ import annotations

from collections.abc import Mapping

import rich_click as click

from dalsegno import query
from dalsegno._fingerprint import SHORT
from dalsegno._listing import Query
from dalsegno.cli._errors import note
from dalsegno.cli._options import completing, json_option, pairs_option, place_options
from dalsegno.cli._store import Records, reading
from dalsegno.cli._table import phase_text, print_facts, print_json, print_table
from dalsegno.cli._text import duration, local
from dalsegno.models import Phase
from dalsegno.views import RunView

PHASES = [phase.value for phase in Phase]


@click.command("run")
@click.argument("name", required=False, shell_complete=completing("runs"))
@pairs_option("--label", help="Only runs with this label; may be repeated.")
@click.option(
    "--task", metavar="TASK", shell_complete=completing("recorded_tasks"), help="Only runs of this task."
)
@click.option(
    "--phase", multiple=True, type=click.Choice(PHASES), help="Only runs in this phase; may be repeated."
)
@click.option(
    "--source-run", metavar="RUN", shell_complete=completing("runs"), help="Only reruns of this run."
)
@click.option("--all-projects", is_flag=True, help="Runs of every project and domain.")
@click.option(
    "--fingerprint",
    is_flag=True,
    help="With fingerprints, equal for runs that did the same; reads every action.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, help="At most so many; 100 by default.")
@place_options
@json_option
@click.pass_context
def get_run(
    ctx: click.Context,
    name: str | None,
    label: Mapping[str, str],
    task: str | None,
    phase: tuple[str, ...],
    source_run: str | None,
    all_projects: bool,
    fingerprint: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, newest first, or show the one called NAME."""
    with reading(ctx) as records:
        place = records.place
        if name is not None:
            if label or task or phase or source_run or all_projects:
                raise click.UsageError("NAME says which run; leave out what selects from a list", ctx)
            [view] = query.run_views(records.ledger, [records.run(name)], fingerprints=True)
            _show(view, as_json=as_json)
            return
        wanted = Query(
            project=None if all_projects else place.project,
            domain=None if all_projects else place.domain,
            task=task,
            phases=frozenset(map(Phase, phase)) or None,
            labels=label,
            source=None if source_run is None else _source(records, source_run),
        )
        runs = records.ledger.runs(wanted, limit=limit)
        views = query.run_views(records.ledger, runs, fingerprints=fingerprint)
    if as_json:
        print_json(views)
    elif views:
        _list(views, everywhere=all_projects)
        if len(views) == limit:
            note(f"the newest {limit:,}; --limit gives more")
    else:
        where = "" if all_projects else f" in {place.project}/{place.domain}"
        chosen = " that match" if label or task or phase or source_run else ""
        note(f"there are no runs{chosen}{where} ({place.store})")


def _source(records: Records, name: str) -> tuple[str, str, str]:
    run = records.run(name)
    return run.project, run.domain, run.name


def _list(views: list[RunView], *, everywhere: bool) -> None:
    marks = any("fingerprint" in view for view in views)
    header = (
        "NAME",
        "PROJECT" if everywhere else "",
        "TASK",
        "PHASE",
        "STARTED",
        "TOOK",
        "FINGERPRINT" if marks else "",
        "FROM",
        "LABELS",
    )
    rows = [
        (
            view["name"],
            f"{view['project']}/{view['domain']}" if everywhere else "",
            view["task"],
            phase_text(view["phase"]),
            local(view["started_at"]),
            duration(view["duration_s"]),
            view.get("fingerprint", "")[:SHORT],
            _origin(view, short=True),
            _pairs(view["labels"]),
        )
        for view in views
    ]
    print_table(header, rows, phase_column=3)


def _show(view: RunView, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    print_facts(
        [
            ("name", view["name"]),
            ("project", f"{view['project']}/{view['domain']}"),
            ("task", view["task"]),
            ("phase", phase_text(view["phase"])),
            ("started", local(view["started_at"])),
            ("ended", local(view["ended_at"])),
            ("took", duration(view["duration_s"])),
            ("from", _origin(view, short=False)),
            ("imported", _imported(view)),
            ("labels", _pairs(view["labels"])),
            ("env", _pairs(view["env_vars"])),
            ("code", view["code_digest"]),
            ("bundle", view["bundle_digest"]),
            ("fingerprint", view.get("fingerprint", "")[:SHORT]),
        ]
    )


def _origin(view: RunView, *, short: bool) -> str:
    relation = view["relation"]
    if short and view["imported"] is not None:
        return "capsule"
    if relation is None:
        return ""
    source = relation["run"] if relation["action"] == "a0" else f"{relation['run']}/{relation['action']}"
    if short:
        return f"{relation['kind']} of {source}"
    code = "recorded code" if relation["kind"] == "rerun" else "other code"
    changed = relation["changed_inputs"]
    if relation["recover"]:
        code += ", recovering"
    inputs = f"changed inputs: {', '.join(changed)}" if changed else "recorded inputs"
    return f"{relation['kind']} of {source} ({code}, {inputs})"


def _imported(view: RunView) -> str:
    imported = view["imported"]
    if imported is None:
        return ""
    code = "its code is trusted" if imported["trusted"] else "its code is not trusted"
    return f"{local(imported['at'])} from capsule {imported['capsule'][:SHORT]}, {code}"


def _pairs(pairs: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in pairs.items())
