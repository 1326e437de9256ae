"""A run from a record: what it takes over, what is changed, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dalsegno._ledger import Ledger
from dalsegno._module_names import recorded_module_name
from dalsegno._start import Place, Start, prepare
from dalsegno._values import Encoded, Resolve, arranged, encode_named, parts_of
from dalsegno.codec import decode
from dalsegno.errors import (
    BundleLoadError,
    DecodeError,
    InputError,
    InputProblem,
    RunNotFoundError,
    UsageError,
)
from dalsegno.models import Part, Relation, RunRecord
from dalsegno.settings import RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._code import RunCode
    from dalsegno.interface import Source


def again(
    place: Place,
    settings: RunSettings,
    run_name: str,
    action_name: str,
    changed: Mapping[str, Any],
    *,
    task_template: Task[..., Any] | None = None,
    source: Source | Mapping[str, Source] = "python",
) -> Start:
    """A run whose root is a recorded action's task, or `task_template`, on that action's inputs.

    `source` says where the changed inputs come from: Python values, text of a command line, or JSON.
    """
    ledger = place.ledger
    old = find_source(place, settings, run_name)
    action = ledger.action(old, action_name)
    template = ledger.template(action.template)
    recorded = parts_of(action.inputs)
    new: dict[str, Any] = {}
    if task_template is None:
        code = place.codebase.recorded(template.bundle_digest, settings)
        place.codebase.compare_environment(old.manifest, strict=settings.strict_environment)
        task = code.task(template)
        kept = {name: part for name, part in recorded.items() if name not in changed}
    elif isinstance(task_template, Task):
        code = place.codebase.live(task_template, settings)
        task = task_template
        kept = {}
        new = _fitting(task, ledger, ledger.named(action.inputs), changed, _classes_for(task, code))
    else:
        raise UsageError(f"task_template is a task, made with @env.task, not {task_template!r}")
    new |= task.interface.convert(changed, source=source, partial=True)
    encoded = _overlaid(task, kept, new, opaque=action.opaque)
    relation = Relation(
        kind="rerun" if task_template is None else "fork",
        run=old.name,
        project=old.project,
        domain=old.domain,
        action=action.name,
        changed_inputs=tuple(sorted(_differing(recorded, parts_of(encoded.values)))),
        source_code_digest=template.code_digest,
        code_digest=code.code_digest(task),
    )
    return prepare(
        place,
        _inherited(settings, old),
        task,
        code,
        None,
        encoded,
        manifest=code.manifest or old.manifest,
        relation=relation,
    )


def find_source(place: Place, settings: RunSettings, run_name: str) -> RunRecord:
    """The run to take from: in the project and domain that the settings name, else in the engine's own."""
    own = place.settings
    project, domain = own.project or "", own.domain or ""
    try:
        return place.ledger.find_run(settings.project or project, settings.domain or domain, run_name)
    except RunNotFoundError:
        with suppress(RunNotFoundError):
            return place.ledger.find_run(project, domain, run_name)
        raise


def _inherited(settings: RunSettings, source: RunRecord) -> RunSettings:
    """The settings over those of the source run: environment, labels and context are merged, the name is not taken."""
    return replace(
        settings,
        project=settings.project or source.project,
        domain=settings.domain or source.domain,
        env_vars={**source.env_vars, **settings.env_vars},
        labels={**source.labels, **settings.labels},
        custom_context={**source.custom_context, **settings.custom_context},
    )


def _classes_for(task: Task[Any, Any], code: RunCode) -> Resolve:
    """Finds the recorded classes in other code: under their own name, else under the same name beside the task.

    So a value of `flow.Config` becomes one of `fixed.Config` when the task was copied from `flow.py` to `fixed.py`.
    """

    def resolve(module: str, qualname: str) -> Any:
        if not code.loaded.bundle.has_module(module):
            with suppress(BundleLoadError):
                return code.resolve(recorded_module_name(task.module), qualname)
        return code.resolve(module, qualname)

    return resolve


def _fitting(
    task: Task[Any, Any],
    ledger: Ledger,
    recorded: Mapping[str, bytes],
    changed: Mapping[str, Any],
    resolve: Resolve,
) -> dict[str, Any]:
    """The recorded inputs as another task takes them: values of its own classes, defaults for inputs that are new.

    Inputs that it does not have any more are left out; the relation names them as changed.
    """
    old: dict[str, Any] = {}
    problems: list[InputProblem] = []
    for variable in task.interface.inputs:
        name = variable.name
        if name in changed:
            continue
        if name in recorded:
            try:
                old[name] = decode(recorded[name], resolve=resolve, read_blob=ledger.blob)
            except DecodeError as error:
                problems.append(
                    InputProblem(name, "", variable.type_text, f"a recorded value that does not fit: {error}")
                )
        elif variable.required:
            problems.append(
                InputProblem(name, "", variable.type_text, "nothing; the recorded run has no such input")
            )
        else:
            old[name] = variable.default
    if problems:
        raise InputError(task.name, problems)
    return task.interface.convert(old, partial=True)


def _overlaid(
    task: Task[Any, Any], kept: Mapping[str, Part], new: Mapping[str, Any], *, opaque: bool
) -> Encoded:
    """The inputs in the interface's order: the kept ones byte for byte, the new ones encoded."""
    fresh = encode_named(new.items())
    parts = {**kept, **parts_of(fresh.values)}
    encoded = arranged({variable.name: parts[variable.name] for variable in task.interface.inputs})
    return encoded._replace(opaque=opaque or fresh.opaque, objects=fresh.objects, blobs=fresh.blobs)


def _differing(old: Mapping[str, Part], new: Mapping[str, Part]) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}
