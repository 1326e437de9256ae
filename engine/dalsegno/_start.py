"""Everything that a new run needs, prepared before anything is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dalsegno._cache import cached, call_digest
from dalsegno._earlier import Earlier, next_attempt
from dalsegno._identity import ROOT_KEY
from dalsegno._ledger import Ledger
from dalsegno._ownership import CacheUse, Manner, Tenure
from dalsegno._puts import Kept, Opening, Put, small
from dalsegno._redaction import Redactor
from dalsegno._reuse import Source, taken_over
from dalsegno._secrets import recorded
from dalsegno._values import Encoded, encode_named, parts_of
from dalsegno.errors import UsageError
from dalsegno.models import ActionRecord, Phase, Relation, RunRecord
from dalsegno.names import made_up
from dalsegno.settings import RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._code import Recorded, RunCode
    from dalsegno._codebase import Codebase


class Place(Protocol):
    """What an engine gives to a run that is being prepared."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def codebase(self) -> Codebase: ...

    @property
    def settings(self) -> RunSettings: ...

    @property
    def redactor(self) -> Redactor: ...


class Start(NamedTuple):
    """A run to be: its record without an id, its root, its code, and the objects to store with it.

    `puts` and `kept` are the objects that it refers to, but for those that runs have whose ids are in `sources`.
    `variables` are those that are set for the run; the record has them without secrets. `values` are None where the body
    is to get what was recorded. `source` is the run that results are taken from, and `taken` the recorded action whose
    result the whole run takes over, with the kind of origin. `resumed` is who had a run that is recorded already and goes
    on. `earlier` gives what answers calls from the run's own record; it is asked for once nobody else adds to that.
    `most` is how many bodies execute at once, 0 for any number. `named` says that the run's name was not made up.
    """

    run: RunRecord
    task: Task[Any, Any]
    code: RunCode
    values: dict[str, Any] | None
    encoded: Encoded
    variables: Mapping[str, str]
    puts: list[Put]
    kept: tuple[Kept, ...]
    sources: tuple[int, ...]
    durable: bool
    template: Recorded
    caching: CacheUse
    source: Source | None = None
    taken: tuple[ActionRecord, str] | None = None
    resumed: Tenure | None = None
    earlier: Callable[[], Earlier] | None = None
    most: int = 0
    named: bool = False

    async def record(self, ledger: Ledger) -> tuple[RunRecord, ActionRecord]:
        """Record that the run begins, or goes on here; gives the run and its root."""
        if self.resumed is not None:
            at = time.time_ns()
            root = await ledger.take_over(
                self.run, self.resumed, lambda recorded: next_attempt(recorded, recorded, at)
            )
            return self.run, root
        return await ledger.create(*self._new(), manner=self._manner)

    @property
    def may_begin(self) -> bool:
        """Whether the body may begin while the run is being recorded: not where it could turn out that somebody else has
        begun it, not where it may read its inputs from the store, and not where it could keep the record from being
        written, as one in C may that is not async."""
        return (
            self.resumed is None
            and not self.named
            and self.task.is_async
            and not self.task.at_most_once
            and not self.puts
            and small([each.put for each in self.kept])
        )

    def opening(self, ledger: Ledger) -> Opening:
        """What records that a new run begins; see `may_begin`."""
        return ledger.opening(*self._new(), manner=self._manner)

    def _new(
        self,
    ) -> tuple[RunRecord, Callable[[RunRecord], ActionRecord], list[Put], tuple[Kept, ...], tuple[int, ...]]:
        return self.run, self.root_record, self.puts, self.kept, self.sources

    @property
    def _manner(self) -> Manner:
        return Manner(self.durable, self.caching, self.most)

    def root_record(self, run: RunRecord) -> ActionRecord:
        """The record of the root action, once the run has an id."""
        root = ActionRecord(
            run_id=run.id,
            seq=0,
            parent=None,
            short_name=self.task.short_name,
            key=ROOT_KEY,
            path=ROOT_KEY,
            group="",
            template=run.template,
            inputs=self.encoded.values,
            phase=Phase.RUNNING,
            attempts=1,
            started_at=run.started_at,
            opaque_inputs=self.encoded.opaque,
            classes=self.code.class_code(self.encoded.classes),
        )
        return root if self.taken is None else taken_over(root, *self.taken, run.started_at)


def first(
    place: Place,
    settings: RunSettings,
    task: Task[Any, Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Start:
    """A run of a task that is here; one that is cached is taken over whole."""
    if not isinstance(task, Task):
        raise UsageError(f"run() takes a task, made with @env.task, not {task!r}")
    values = task.interface.accept(args, dict(kwargs))
    code = place.codebase.live(task, settings)
    encoded = encode_named(values.items())
    reached = code.reached(task).digest
    start = prepare(place, settings, task, code, values, encoded, code_digest=reached, manifest=code.manifest)
    if task.cache is None or encoded.opaque or start.caching != "use":
        return start
    root = start.root_record(start.run)
    inputs = parts_of(encoded.values)
    call = call_digest(task, task.cache, start.template.basis, inputs, root.classes, code.stubs)
    found = cached(place.ledger, task.cache, call)
    return start if found is None else start._replace(taken=(found, "cache"), sources=(found.run_id,))


def prepare(
    place: Place,
    settings: RunSettings,
    task: Task[Any, Any],
    code: RunCode,
    values: dict[str, Any] | None,
    encoded: Encoded,
    *,
    code_digest: bytes,
    manifest: bytes,
    relation: Relation | None = None,
    kept: tuple[Kept, ...] = (),
    sources: tuple[int, ...] = (),
) -> Start:
    """Put together what a run needs; the settings are complete but for those that the engine decides."""
    ledger = place.ledger
    own = place.settings
    variables = {**task.variables, **settings.env_vars}
    template = code.template(task, variables)
    run = RunRecord(
        id=0,
        project=settings.project or own.project or "",
        domain=settings.domain or own.domain or "",
        name=settings.name or made_up(),
        task=task.name,
        template=template.digest,
        bundle=code.bundle,
        manifest=manifest,
        code_digest=code_digest,
        phase=Phase.RUNNING,
        started_at=time.time_ns(),
        labels=dict(settings.labels),
        env_vars=recorded(place.redactor, settings.env_vars),
        custom_context=dict(settings.custom_context),
        relation=relation,
    )
    return Start(
        run,
        task,
        code,
        values,
        encoded,
        settings.env_vars,
        ledger.objects(encoded),
        (*code.kept, template.kept, *kept),
        sources,
        (settings.durability or own.durability) != "relaxed",
        template,
        "off" if settings.disable_run_cache else "overwrite" if settings.overwrite_cache else "use",
        most=settings.max_action_concurrency,
        named=settings.name is not None,
    )
