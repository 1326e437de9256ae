"""Runs and actions in plain JSON terms: what `--json` prints and what a web page shows.

Everything here is made from records alone: nothing that was recorded is imported, unpickled or run. The keys and
their meaning are a promise: later releases may add keys, never take one away or give it another meaning. Times are
ISO-8601 in UTC with microseconds and a "Z", durations seconds, digests hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from dalsegno._identity import ROOT_NAME
from dalsegno._ledger import Ledger, LogLine
from dalsegno._values import values_digest
from dalsegno.codec import view
from dalsegno.models import ActionRecord, Failure, RunRecord, TaskTemplate, Values

if TYPE_CHECKING:
    from dalsegno.bundle import Bundle

__all__ = [
    "ActionView",
    "ErrorView",
    "FileView",
    "IoView",
    "LogView",
    "RelationView",
    "RunView",
    "action_view",
    "action_views",
    "error_view",
    "file_views",
    "io_view",
    "iso",
    "log_views",
    "named_views",
    "recorded_bundle",
    "run_view",
]

UNNAMED = "?"


class RelationView(TypedDict):
    """Where a run came from.

    `kind` is "rerun" (recorded code) or "fork" (other code); `run`, `project`, `domain` and `action` name the
    source; `changed_inputs` are names in alphabetical order. The code digests are those of the source action and
    of the new root.
    """

    kind: str
    run: str
    project: str
    domain: str
    action: str
    changed_inputs: list[str]
    source_code_digest: str
    code_digest: str


class RunView(TypedDict):
    """A run.

    `name` is unique in `project` and `domain`. `task` is the full name of the root task and `action` the name of
    the root action, "a0". `phase` is queued, running, succeeded, failed, aborted, timed_out or recovered. `ended_at`
    and `duration_s` are null until it has ended; `relation` is null for a run that is nobody's rerun. `code_digest`
    covers the code that the root task can reach, `bundle_digest` all files that were recorded.
    """

    name: str
    project: str
    domain: str
    phase: str
    task: str
    action: str
    labels: dict[str, str]
    env_vars: dict[str, str]
    relation: RelationView | None
    started_at: str
    ended_at: str | None
    duration_s: float | None
    code_digest: str
    bundle_digest: str


class ErrorView(TypedDict):
    """An exception: `kind` is the class as "module.Name", `traceback` the text with source lines and causes."""

    kind: str
    message: str
    traceback: str


class ActionView(TypedDict):
    """One task call inside a run.

    `name` is unique in the run named `run`; `parent` is the name of the action that called it, null for the root.
    `key` identifies the call below its parent. `attempts` counts from 1. `group` is "" outside of any group, and
    nested groups are joined by "/". Equal values have equal digests; `outputs_digest` is null without a result.
    """

    run: str
    name: str
    task: str
    phase: str
    parent: str | None
    key: str
    attempts: int
    group: str
    started_at: str
    ended_at: str | None
    duration_s: float | None
    inputs_digest: str
    outputs_digest: str | None
    error: ErrorView | None
    code_digest: str


class IoView(TypedDict):
    """What an action got, by name, and what it gave, in order; `outputs` is empty when there is no result.

    JSON values stand for themselves. Every other value is an object with "$type", or with "$opaque" where only
    the code that made it could read it; what is cut because of its size has "$size".
    """

    inputs: dict[str, Any]
    outputs: list[Any]


class LogView(TypedDict):
    """A piece of what an action printed or logged; `stream` is "stdout", "stderr" or "log".

    `action` is "?" as long as the action itself is not in the store.
    """

    run: str
    action: str
    stream: str
    at: str
    text: str


class FileView(TypedDict):
    """A recorded file; `size` is in bytes, `digest` that of its content."""

    path: str
    size: int
    digest: str


def run_view(run: RunRecord) -> RunView:
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
        },
        "started_at": iso(run.started_at),
        "ended_at": None if run.ended_at is None else iso(run.ended_at),
        "duration_s": _seconds(run.started_at, run.ended_at),
        "code_digest": run.code_digest.hex(),
        "bundle_digest": run.bundle.hex(),
    }


def action_views(ledger: Ledger, run: RunRecord) -> list[ActionView]:
    """Every action of a run, in the order in which they began; the first is the root."""
    actions = ledger.actions(run.id)
    names = {action.seq: action.name for action in actions}
    templates: dict[bytes, TaskTemplate] = {}
    return [_action(ledger, run, action, names, templates) for action in actions]


def action_view(ledger: Ledger, run: RunRecord, action: ActionRecord) -> ActionView:
    """One action of a run."""
    names: dict[int, str] = {}
    if action.parent is not None:
        names[action.parent] = ledger.action_by_seq(run.id, action.parent).name
    return _action(ledger, run, action, names, {})


def io_view(ledger: Ledger, action: ActionRecord) -> IoView:
    """The inputs and outputs of an action."""
    return {
        "inputs": named_views(ledger, action.inputs),
        "outputs": list(named_views(ledger, action.outputs).values()),
    }


def named_views(ledger: Ledger, values: Values | None) -> dict[str, Any]:
    """Recorded values by name, in their order."""
    return {name: view(data) for name, data in ledger.named(values).items()}


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


def recorded_bundle(ledger: Ledger, run: RunRecord) -> Bundle:
    """The list of a run's recorded files."""
    from dalsegno.bundle import Bundle

    return Bundle.decode(ledger.get("bundle", run.bundle))


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
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
        "phase": action.phase.value,
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
    }


def _seconds(started: int, ended: int | None) -> float | None:
    return None if ended is None else (ended - started) / 1e9
