"""A run from a record: what it takes over, what is changed, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dalsegno._ledger import Ledger
from dalsegno._module_names import recorded_module_name
from dalsegno._puts import Kept
from dalsegno._request import Request
from dalsegno._reuse import Source
from dalsegno._secrets import given_again
from dalsegno._start import Place, Start, prepare
from dalsegno._values import Encoded, Resolve, arranged, encode_named, parts_of, values_digest
from dalsegno.codec import decode
from dalsegno.environment import manifest_of
from dalsegno.errors import (
    BundleLoadError,
    DecodeError,
    InputError,
    InputProblem,
    RunNotFoundError,
)
from dalsegno.models import ActionRecord, Part, Relation, RunRecord, TaskTemplate
from dalsegno.settings import RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._code import RunCode


def again(place: Place, settings: RunSettings, request: Request) -> Start:
    """A run whose root is a recorded action's task, or another task, on that action's inputs."""
    ledger = place.ledger
    old = find_source(place, settings, request.run)
    action = ledger.action(old, request.action)
    source = Source(ledger, old, action, request.forced) if request.recover else None
    template = ledger.template(action.template)
    ledger.refuse_untrusted(old.id, template.bundle_digest)
    recorded = parts_of(action.inputs)
    changed = request.changed
    new: dict[str, Any] = {}
    task = request.task_template
    if task is None:
        code = place.codebase.recorded(template.bundle_digest, settings)
        place.codebase.compare_environment(old.manifest, strict=settings.strict_environment)
        task = code.task(template)
        kept = {name: part for name, part in recorded.items() if name not in changed}
    else:
        code = place.codebase.live(task, settings)
        kept = {}
        new = _fitting(task, ledger, ledger.named(action.inputs), changed, _classes_for(task, code))
    new |= task.interface.convert(changed, source=request.source, partial=True)
    encoded = _overlaid(task, kept, new, action)
    reached = code.reached(task).digest
    relation = Relation(
        kind="rerun" if request.task_template is None else "fork",
        run=old.name,
        project=old.project,
        domain=old.domain,
        action=action.name,
        changed_inputs=tuple(sorted(_differing(recorded, parts_of(encoded.values)))),
        source_code_digest=template.code_digest,
        code_digest=reached,
        recover=request.recover,
        forced=request.forced,
    )
    if task is request.task_template:
        here: tuple[bytes, tuple[Kept, ...]] = (code.manifest, ())
    else:
        here = place.codebase.manifest_here(old.manifest)
    manifest, kept_manifest = here
    start = prepare(
        place,
        _inherited(settings, old),
        task,
        code,
        None,
        encoded,
        code_digest=reached,
        manifest=manifest,
        relation=relation,
        kept=kept_manifest,
        sources=(old.id,),
    )
    return start if source is None else _recovering(start, source, template)


def _recovering(start: Start, source: Source, template: TaskTemplate) -> Start:
    """The run with a source to take results from; the whole run takes over that of the source where it still holds."""
    top = source.top
    taken: tuple[ActionRecord, str] | None = None
    if start.task.name == template.name and values_digest(top.inputs) == start.encoded.digest:
        found = source.result_for(start.root_record(start.run), start.template.basis, top)
        taken = None if found is None else (found, "recover")
    return start._replace(source=source, taken=taken)


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


async def environment_for(place: Place, settings: RunSettings, request: Request) -> Path:
    """The folder of an environment with the packages of the run to take from, built now if it is not there."""
    from dalsegno._environments import provide  # starts processes, which is rare and takes long to import

    ledger = place.ledger
    old = find_source(place, settings, request.run)
    template = ledger.template(ledger.action(old, request.action).template)
    ledger.refuse_untrusted(old.id, template.bundle_digest)  # installing a package can execute it
    return await provide(manifest_of(ledger, old))


def _inherited(settings: RunSettings, source: RunRecord) -> RunSettings:
    """The settings over those of the source run: environment, labels and context are merged, the name is not taken."""
    return replace(
        settings,
        project=settings.project or source.project,
        domain=settings.domain or source.domain,
        env_vars=given_again(source.name, source.env_vars, settings.env_vars),
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
    task: Task[Any, Any], kept: Mapping[str, Part], new: Mapping[str, Any], source: ActionRecord
) -> Encoded:
    """The inputs in the interface's order: those kept of the source byte for byte, the new ones encoded."""
    fresh = encode_named(new.items())
    parts = {**kept, **parts_of(fresh.values)}
    encoded = arranged({variable.name: parts[variable.name] for variable in task.interface.inputs})
    classes = set(fresh.classes)
    if kept and source.classes is not None:
        classes.update(source.classes.names)
    return encoded._replace(
        opaque=fresh.opaque or (bool(kept) and source.opaque_inputs),
        objects=fresh.objects,
        blobs=fresh.blobs,
        classes=tuple(sorted(classes)),
    )


def _differing(old: Mapping[str, Part], new: Mapping[str, Part]) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}
