"""A run that goes on after its process is gone: the same run, with its recorded code.

What it needs is put together from the record: code, inputs, settings, and the run that results are taken from if it is a
rerun that recovers. `_earlier.py` says what becomes of the actions that are recorded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dalsegno._earlier import Earlier
from dalsegno._ledger import Ledger
from dalsegno._ownership import Tenure
from dalsegno._reuse import Source
from dalsegno._secrets import given_again
from dalsegno._start import Place, Start
from dalsegno._stubs import other_stubs
from dalsegno._values import Encoded, arranged, parts_of
from dalsegno.errors import CannotResumeError, NotFoundError, UsageError
from dalsegno.models import ActionRecord, Phase, RunRecord, TaskTemplate
from dalsegno.settings import RunSettings
from dalsegno.task import Task

_logger = logging.getLogger("dalsegno")

RECOVERIES = 5
"""How often a run is resumed before it counts as one that keeps ending its process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a run is to be resumed.

    `task_template` is refused unless its code is the recorded one; `take_over` takes the run from a process that still
    has it, `force` resumes one that is parked; `env_vars` are those whose values were not recorded.
    """

    task_template: Task[..., Any] | None = None
    take_over: bool = False
    force: bool = False
    env_vars: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task_template is not None and not isinstance(self.task_template, Task):
            raise UsageError(f"task_template is a task, made with @env.task, not {self.task_template!r}")


def prepare(place: Place, run: RunRecord, wish: Wish, most: int) -> Start:
    """Everything that the run needs to go on; CannotResumeError for one that is to be left as it is.

    `most` is how often it may have been resumed.
    """
    ledger = place.ledger
    tenure = ledger.tenure(run.id)
    _refuse_what_goes_on(ledger, run, tenure, wish)
    if tenure.resumed >= most and not wish.force:
        times = "once" if tenure.resumed == 1 else f"{tenure.resumed} times"
        raise CannotResumeError(
            run.name,
            f"it was resumed {times} and interrupted each time, so it is parked",
            f"find out what ends its process, then force it: `dalsegno resume {run.name} --force`",
        )
    template = ledger.template(run.template)
    stubs = other_stubs(ledger, template)
    if stubs:
        raise CannotResumeError(
            run.name, f"it has other stubs than are in place now, for {', '.join(stubs)}", "rerun it"
        )
    if wish.task_template is not None:
        _refuse_other_code(place, run, template, wish.task_template)
    settings = RunSettings(project=run.project, domain=run.domain)
    variables = given_again(run.name, run.env_vars, wish.env_vars)
    code = place.codebase.recorded(template.bundle_digest, settings)
    place.codebase.compare_environment(run.manifest, strict=False)
    task = code.task(template)
    return Start(
        run=run._replace(phase=Phase.RUNNING),
        task=task,
        code=code,
        values=None,
        encoded=_encoded(ledger.root(run.id)),
        variables=variables,
        puts=[],
        kept=(),
        sources=(),
        durable=tenure.manner.durable,
        template=code.template(task, {**task.variables, **variables}),
        caching=tenure.manner.caching,
        most=tenure.manner.most,
        source=_source(ledger, run),
        resumed=tenure,
        earlier=lambda: Earlier(ledger, run.id, time.time_ns()),
    )


def owner_text(ledger: Ledger, tenure: Tenure) -> str:
    """Who has a run, for a message."""
    process = ledger.owners.process(tenure.owner)
    return "another process" if process is None else f"process {process}"


def _refuse_what_goes_on(ledger: Ledger, run: RunRecord, tenure: Tenure, wish: Wish) -> None:
    if run.phase.is_terminal:
        raise CannotResumeError(
            run.name, f"it has ended and is {run.phase.value}", "rerun it to execute it again"
        )
    if tenure.owner == ledger.owner.id:
        raise CannotResumeError(run.name, "this engine is executing it", "wait for its end")
    if run.phase is Phase.RUNNING and not wish.take_over:
        raise CannotResumeError(
            run.name,
            f"{owner_text(ledger, tenure)} is executing it",
            "wait for its end or abort it, or take it over if that process is stuck: "
            f"`dalsegno resume {run.name} --take-over`",
        )


def _refuse_other_code(place: Place, run: RunRecord, template: TaskTemplate, task: Task[..., Any]) -> None:
    digest = place.codebase.live(task, RunSettings()).reached(task).digest
    if digest != template.code_digest:
        raise CannotResumeError(
            run.name,
            f"its code has the digest {template.code_digest.hex()}, and that of {task.name} has {digest.hex()}",
            "resume it without task_template to go on with the recorded code, or fork it with "
            f"rerun({run.name!r}, task_template=…, recover=True)",
        )


def _encoded(root: ActionRecord) -> Encoded:
    return arranged(parts_of(root.inputs))._replace(
        opaque=root.opaque_inputs, classes=() if root.classes is None else root.classes.names
    )


def _source(ledger: Ledger, run: RunRecord) -> Source | None:
    """The run that results are taken from, for a rerun that recovers."""
    relation = run.relation
    if relation is None or not relation.recover:
        return None
    try:
        source = ledger.find_run(relation.project, relation.domain, relation.run)
        if source.id > run.id:  # another one that was given the name since
            raise CannotResumeError(run.name, "its source was removed", "")
        return Source(ledger, source, ledger.action(source, relation.action), relation.forced)
    except (NotFoundError, CannotResumeError):
        _logger.warning(
            "run %r was to take results from run %r, which was removed; what it has not recorded yet is executed",
            run.name,
            relation.run,
        )
        return None
