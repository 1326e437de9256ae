"""The JSON documents: what `--json` prints and what a web page shows.

The keys and their meaning are a promise: later releases may add keys, never take one away or give it another meaning.
Times are ISO-8601 in UTC with microseconds and a "Z", durations seconds, digests hexadecimal.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

__all__ = [
    "ActionView",
    "AttemptView",
    "ChildView",
    "ChildrenView",
    "ClosureView",
    "CodeView",
    "DifferenceView",
    "ErrorView",
    "FamilyView",
    "FileView",
    "ImportView",
    "IoView",
    "LogView",
    "LogsView",
    "OriginView",
    "PlanView",
    "RelationView",
    "RunView",
    "RunsView",
    "SourceView",
    "SymbolView",
    "TaskView",
    "VariableView",
    "WhereView",
    "WhyView",
    "WidenedView",
]


class RelationView(TypedDict):
    """Where a run came from.

    `kind` is "rerun" (recorded code) or "fork" (other code); `run`, `project`, `domain` and `action` name the
    source; `changed_inputs` are names in alphabetical order. The code digests are those of the source action and
    of the new root. `recover` says that results of the source were taken over where they hold, `forced` names the
    actions of it that were executed nevertheless.
    """

    kind: str
    run: str
    project: str
    domain: str
    action: str
    changed_inputs: list[str]
    source_code_digest: str
    code_digest: str
    recover: bool
    forced: list[str]


class OriginView(TypedDict):
    """The action that really ran, for one whose result was taken over.

    `kind` is "recover" (from the run that was rerun) or "cache" (from any earlier run).
    """

    kind: str
    run: str
    project: str
    domain: str
    action: str


class ImportView(TypedDict):
    """How a run came here: when, out of the capsule with which digest, and whether its code may be executed here."""

    at: str
    capsule: str
    trusted: bool


class RunView(TypedDict):
    """A run.

    `name` is unique in `project` and `domain`. `task` is the full name of the root task and `action` the name of
    the root action, "a0". `phase` is queued, running, succeeded, failed, aborted, timed_out or recovered, or
    interrupted for a run that was running when its process ended, and was not resumed yet. `ended_at` and `duration_s`
    are null until it has ended; `relation` is null for a run that is nobody's rerun. `code_digest` covers the code
    that the root task can reach, `bundle_digest` all files that were recorded.
    `imported` is null for a run that was recorded in this store.
    `fingerprint`, where one run is shown or it was asked for, is equal for runs that did the same, down to every nested call.
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
    imported: ImportView | None
    fingerprint: NotRequired[str]


class ErrorView(TypedDict):
    """An exception: `kind` is the class as "module.Name", `traceback` the text with source lines and causes."""

    kind: str
    message: str
    traceback: str


class ActionView(TypedDict):
    """One task call inside a run.

    `kind` is "task", "trace" for a traced function, or "durable" for a recorded time, wait or random value. `name` is
    unique in the run named `run`; `parent` is the name of the action that called it, null for the root.
    `key` identifies the call below its parent. `attempts` counts from 1. `group` is "" outside of any group, and
    nested groups are joined by "/". Equal values have equal digests; `outputs_digest` is null without a result.
    An action in phase "recovered" was not executed, `origin` says where its result is from; it is null for all others,
    and when that run was deleted.
    `fingerprint` is equal for actions that did the same, down to every nested call.
    """

    run: str
    name: str
    task: str
    kind: str
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
    origin: OriginView | None
    fingerprint: NotRequired[str]


class WhyView(TypedDict):
    """What became of an action, and why.

    `verdict` is "executed", "reused", "cached" or "forced"; in a plan "execute", "reuse" or "forced". `differences` are
    what kept a recorded result from being taken over, the first one first.
    """

    action: str
    task: str
    verdict: str
    reason: str
    differences: list[DifferenceView]
    origin: WhereView | None


class DifferenceView(TypedDict):
    """One difference: `kind` and `name` say of what, `old` and `new` are short texts, `detail` a diff of source."""

    kind: str
    name: str
    old: str
    new: str
    detail: str


class WhereView(TypedDict):
    """An action of a run."""

    run: str
    action: str


class SymbolView(TypedDict):
    """A piece of code that a task reaches: a top-level name of a module, "*" for the whole module."""

    module: str
    name: str
    digest: str


class WidenedView(TypedDict):
    """Code that counts as a whole because it cannot be told what of it is reached."""

    module: str
    name: str
    to: str
    reason: str


class ClosureView(TypedDict):
    """The code that a task reaches: symbols, files, versions by name, variables, and what was widened and why."""

    task: str
    code_digest: str
    symbols: list[SymbolView]
    files: list[dict[str, str]]
    packages: dict[str, str]
    environ: list[str]
    widened: list[WidenedView]


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


class RunsView(TypedDict):
    """Some runs, the newest first.

    `next` is what to give as `before` for those that follow, "" at the end. One look goes through a bounded number of runs, so
    that there may be few of them, or none, although more follow.
    """

    runs: list[RunView]
    next: str


class ChildView(ActionView):
    """An action below another one; `children` is how many it has called itself."""

    children: int


class ChildrenView(TypedDict):
    """Some of the actions that one called, in the order in which it did.

    `run` is where they are recorded, which is another run for an action whose result was taken over. `next` is what to give as
    `after` for those that follow, null at the end.
    """

    run: str
    project: str
    domain: str
    actions: list[ChildView]
    next: int | None


class AttemptView(TypedDict):
    """An attempt that failed and was followed by another; `attempt` counts from 1."""

    attempt: int
    started_at: str
    ended_at: str
    error: ErrorView


class LogsView(TypedDict):
    """A part of a log; `next` is what to give as `after` for what comes behind it, now or later."""

    lines: list[LogView]
    next: int


class VariableView(TypedDict):
    """An input or output: its type as text and as JSON Schema; `default_text` is null without a default, or for an output."""

    name: str
    type: str
    schema: dict[str, Any]
    required: bool
    default_text: str | None


class TaskView(TypedDict):
    """A recorded task; `settings` are those that it was given, as texts."""

    name: str
    kind: str
    doc: str
    module: str
    qualname: str
    settings: dict[str, str]
    inputs: list[VariableView]
    outputs: list[VariableView]


class SourceView(TypedDict):
    """A recorded source file; `marked` are the numbers of the lines, from 1, that a task reaches."""

    path: str
    text: str
    marked: list[int]


class CodeView(TypedDict):
    """The code that a task reaches, and the files that it is in."""

    closure: ClosureView
    files: list[SourceView]


class FamilyView(TypedDict):
    """A run and the place in the same list of the run that it came from, null for the first."""

    run: RunView
    parent: int | None


class PlanView(TypedDict):
    """What a rerun would do: how many recorded actions it would execute and take over, and which."""

    run: str
    execute: int
    reuse: int
    actions: list[WhyView]
