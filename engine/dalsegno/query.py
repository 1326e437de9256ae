"""Runs and actions in plain JSON terms; `views.py` says what the keys mean.

Everything here is made from records alone: nothing that was recorded is imported, unpickled or run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dalsegno._identity import ROOT_NAME
from dalsegno._ledger import Ledger
from dalsegno._reading import LogLine, Reading
from dalsegno._reuse import RecordedTree
from dalsegno._values import values_digest
from dalsegno.codec import view
from dalsegno.errors import RunNotFoundError
from dalsegno.models import ActionRecord, Failure, Origin, Phase, RunRecord, TaskTemplate, Values
from dalsegno.views import (
    ActionView,
    ClosureView,
    ErrorView,
    FileView,
    ImportView,
    IoView,
    LogView,
    OriginView,
    RunView,
    WhyView,
)

if TYPE_CHECKING:
    from dalsegno._why import Why
    from dalsegno.bundle import Bundle

__all__ = [
    "action_view",
    "action_views",
    "closure_view",
    "error_view",
    "file_views",
    "io_view",
    "iso",
    "log_views",
    "named_views",
    "run_view",
    "run_views",
    "tree_views",
    "why_view",
]

_EPOCH = datetime(1970, 1, 1)

UNNAMED = "?"


def run_views(ledger: Reading, runs: Sequence[RunRecord], *, fingerprints: bool = False) -> list[RunView]:
    """Runs, with how they came into the store if they were imported; their fingerprints take a look at every action."""
    from dalsegno._fingerprint import Fingerprints

    known = Fingerprints(ledger)
    views = []
    for run in runs:
        view = run_view(run, _imported(ledger, run))
        if fingerprints:
            view["fingerprint"] = known.of_run(run).hex()
        views.append(view)
    return views


def _imported(ledger: Reading, run: RunRecord) -> ImportView | None:
    found = ledger.imported(run.id)
    if found is None:
        return None
    trusted = ledger.is_trusted(run.id, run.bundle)
    return {"at": iso(found.at), "capsule": found.capsule.hex(), "trusted": trusted}


def run_view(run: RunRecord, imported: ImportView | None = None) -> RunView:
    """A run."""
    relation = run.relation
    return {
        "name": run.name,
        "project": run.project,
        "domain": run.domain,
        "phase": run.phase.value,
        "task": run.task,
        "action": ROOT_NAME,
        "labels": dict(run.labels),
        "env_vars": dict(run.env_vars),
        "relation": None
        if relation is None
        else {
            "kind": relation.kind,
            "run": relation.run,
            "project": relation.project,
            "domain": relation.domain,
            "action": relation.action,
            "changed_inputs": list(relation.changed_inputs),
            "source_code_digest": relation.source_code_digest.hex(),
            "code_digest": relation.code_digest.hex(),
            "recover": relation.recover,
            "forced": list(relation.forced),
        },
        "started_at": iso(run.started_at),
        "ended_at": None if run.ended_at is None else iso(run.ended_at),
        "duration_s": _seconds(run.started_at, run.ended_at),
        "code_digest": run.code_digest.hex(),
        "bundle_digest": run.bundle.hex(),
        "imported": imported,
    }


def action_views(ledger: Ledger, run: RunRecord) -> list[ActionView]:
    """Every action of a run, in the order in which they began; the first is the root."""
    actions = ledger.actions(run.id)
    names = {action.seq: action.name for action in actions}
    templates: dict[bytes, TaskTemplate] = {}
    return [_action(ledger, run, action, names, templates) for action in actions]


def tree_views(ledger: Ledger, run: RunRecord) -> list[tuple[int | None, ActionView]]:
    """The actions of a run in the order of their tree, each with the place of its parent in this list.

    What was taken over has the actions below it of the run that they ran in.
    """
    tree = RecordedTree(ledger, run)
    places: dict[tuple[int, int], int] = {}
    runs = {run.id: run}
    templates: dict[bytes, TaskTemplate] = {}
    found: list[tuple[int | None, ActionView]] = []
    for action, parent in tree.walk():
        if action.run_id not in runs:
            runs[action.run_id] = ledger.run(action.run_id)
        names = {} if action.parent is None or parent is None else {action.parent: parent.name}
        view = _action(ledger, runs[action.run_id], action, names, templates)
        above = None if parent is None else places[parent.run_id, parent.seq]
        places[action.run_id, action.seq] = len(found)
        found.append((above, view))
    return found


def action_view(ledger: Ledger, run: RunRecord, action: ActionRecord) -> ActionView:
    """One action of a run."""
    names: dict[int, str] = {}
    if action.parent is not None:
        names[action.parent] = ledger.action_by_seq(run.id, action.parent).name
    return _action(ledger, run, action, names, {})


def why_view(why: Why) -> WhyView:
    """What became of an action."""
    return {
        "action": why.action,
        "task": why.task,
        "verdict": why.verdict,
        "reason": why.reason,
        "differences": [
            {
                "kind": each.kind,
                "name": each.name,
                "old": each.old,
                "new": each.new,
                "detail": each.detail,
            }
            for each in why.differences
        ],
        "origin": None if why.origin is None else {"run": why.origin[0], "action": why.origin[1]},
    }


def closure_view(ledger: Ledger, template: TaskTemplate) -> ClosureView:
    """The code that a recorded task reaches."""
    closure = ledger.closure(template.closure)
    return {
        "task": template.name,
        "code_digest": template.code_digest.hex(),
        "symbols": [
            {"module": each.module, "name": each.name, "digest": each.digest.hex()}
            for each in closure.symbols
        ],
        "files": [{"path": path, "digest": digest.hex()} for path, digest in closure.files],
        "packages": dict(template.packages),
        "environ": list(closure.environ),
        "widened": [
            {"module": each.module, "name": each.name, "to": each.to, "reason": each.reason}
            for each in closure.widened
        ],
    }


def io_view(ledger: Ledger, action: ActionRecord) -> IoView:
    """The inputs and outputs of an action."""
    return {
        "inputs": named_views(ledger, action.inputs),
        "outputs": list(named_views(ledger, action.outputs).values()),
    }


def named_views(
    ledger: Ledger, values: Values | None, *, show: Callable[[bytes], Any] = view
) -> dict[str, Any]:
    """Recorded values by name, in their order."""
    return {name: show(data) for name, data in ledger.named(values).items()}


def log_views(run: RunRecord, lines: Iterable[LogLine], names: Mapping[int, str]) -> list[LogView]:
    """Pieces of log, in the order in which they were written; `names` are the actions' names by number.

    A piece may be stored a moment before the record of its action, which has no name then and is called "?".
    """
    return [
        {
            "run": run.name,
            "action": names.get(line.seq, UNNAMED),
            "stream": line.stream,
            "at": iso(line.at),
            "text": line.text.encode("utf-8", "replace").decode(),
        }
        for line in sorted(lines, key=lambda line: line.at)
    ]


def file_views(bundle: Bundle) -> list[FileView]:
    """The recorded files in alphabetical order."""
    return [{"path": file.path, "size": file.size, "digest": file.blob.hex()} for file in bundle.files]


def error_view(failure: Failure) -> ErrorView:
    """A recorded exception."""
    return {
        "kind": failure.kind.replace(":", "."),
        "message": failure.message,
        "traceback": failure.text,
    }


def iso(nanoseconds: int) -> str:
    """A recorded time as ISO-8601 in UTC, cut to microseconds."""
    moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def _action(
    ledger: Ledger,
    run: RunRecord,
    action: ActionRecord,
    names: Mapping[int, str],
    templates: dict[bytes, TaskTemplate],
) -> ActionView:
    template = templates.get(action.template)
    if template is None:
        template = templates[action.template] = ledger.template(action.template)
    return {
        "run": run.name,
        "name": action.name,
        "task": template.name,
        "kind": template.kind,
        "phase": _phase(run, action).value,
        "parent": None if action.parent is None else names.get(action.parent),
        "key": action.key.hex(),
        "attempts": action.attempts,
        "group": action.group,
        "started_at": iso(action.started_at),
        "ended_at": None if action.ended_at is None else iso(action.ended_at),
        "duration_s": _seconds(action.started_at, action.ended_at),
        "inputs_digest": values_digest(action.inputs).hex(),
        "outputs_digest": None if action.outputs is None else values_digest(action.outputs).hex(),
        "error": None if action.failure is None else error_view(action.failure),
        "code_digest": template.code_digest.hex(),
        "origin": None if action.origin is None else _origin(ledger, action.origin),
    }


def _phase(run: RunRecord, action: ActionRecord) -> Phase:
    interrupted = run.phase is Phase.INTERRUPTED and not action.phase.is_terminal
    return Phase.INTERRUPTED if interrupted else action.phase


def _origin(ledger: Ledger, origin: Origin) -> OriginView | None:
    try:
        run = ledger.run(origin.run_id)
    except RunNotFoundError:  # it was deleted; its results are kept by those who took them over
        return None
    return {
        "kind": origin.kind,
        "run": run.name,
        "project": run.project,
        "domain": run.domain,
        "action": ledger.action_by_seq(origin.run_id, origin.seq).name,
    }


def _seconds(started: int, ended: int | None) -> float | None:
    return None if ended is None else (ended - started) / 1e9
