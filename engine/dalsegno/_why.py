"""Why an action was executed or not, told afterwards from the records.

What a run decided while it ran depends on nothing but records: the actions of its source, the templates of both. So the
same comparison is made again here, and where it fails the first thing that differs is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from dalsegno._differences import ABSENT, differences, short
from dalsegno._ledger import Ledger
from dalsegno._reuse import Source, basis_of, ran
from dalsegno._values import Encoded, parts_of
from dalsegno.closure import Closure, changes, symbol_source
from dalsegno.codec import view
from dalsegno.errors import DalsegnoError, NotFoundError, RunNotFoundError
from dalsegno.models import ActionRecord, Part, Phase, Ref, RunRecord, TaskTemplate, Values

__all__ = ["Difference", "Why"]

K = TypeVar("K")

PLACES = 5
"""At most so many places are named in which one input differs."""


class Difference(NamedTuple):
    """One thing that kept a recorded result from being taken over.

    `kind` is "input", "symbol", "file", "order" (of the modules that do something at import), "package", "env", "dynamic", "class", "opaque", "failed", "forced" or "call";
    `name` says which one, `old` and `new` what it was and is, as short text. `detail` is a diff of source, if any.
    """

    kind: str
    name: str
    old: str = ""
    new: str = ""
    detail: str = ""

    def __str__(self) -> str:
        change = f": {self.old} → {self.new}" if self.old or self.new else ""
        return f"{self.kind} {self.name}{change}" if self.kind in _NAMED else self.name + change


_NAMED = ("input", "symbol", "file", "order", "package", "env", "class")


class Why(NamedTuple):
    """What became of an action, and why.

    `verdict` is "executed", "reused" (from the run that was recovered), "cached" (from any earlier run) or "forced".
    `reason` is a sentence that begins with the first of the `differences`. `origin` is the run and the action that
    really ran.
    """

    action: str
    task: str
    verdict: str
    reason: str
    differences: tuple[Difference, ...] = ()
    origin: tuple[str, str] | None = None


def explain(ledger: Ledger, run: RunRecord, only: ActionRecord | None = None) -> list[Why]:
    """What became of each action of a run, in the order in which they began, or of one of them."""
    return list(_Explainer(ledger, run).all(only))


class _Explainer:
    def __init__(self, ledger: Ledger, run: RunRecord) -> None:
        self._ledger = ledger
        self._run = run
        self._changes = Changes(ledger)
        self._names: dict[int, str] = {}
        self._source: Source | None = None
        relation = run.relation
        if relation is not None:
            try:
                source = ledger.find_run(relation.project, relation.domain, relation.run)
                top = ledger.action(source, relation.action)
                self._source = Source(ledger, source, top, relation.forced)
            except RunNotFoundError:
                self._source = None

    def all(self, only: ActionRecord | None) -> Iterator[Why]:
        counterparts: dict[int, ActionRecord | None] = {}
        forced: dict[int, bool] = {}
        met: set[tuple[int, int]] = set()
        actions = self._ledger.actions(self._run.id)
        for action in actions:
            counterpart = None
            if self._source is not None:
                counterpart = (
                    self._source.top
                    if action.parent is None
                    else self._source.counterpart(counterparts.get(action.parent), action.key)
                )
            counterparts[action.seq] = counterpart
            above = action.parent is not None and forced[action.parent]
            forced[action.seq] = above or (self._source is not None and self._source.is_forced(counterpart))
            if counterpart is not None:
                met.add((counterpart.run_id, counterpart.seq))
        for action in actions:
            if only is not None and action.seq != only.seq:
                continue
            parent = None if action.parent is None else counterparts[action.parent]
            yield self._one(action, counterparts[action.seq], parent, forced=forced[action.seq], met=met)

    def _one(
        self,
        action: ActionRecord,
        counterpart: ActionRecord | None,
        parent: ActionRecord | None,
        *,
        forced: bool,
        met: set[tuple[int, int]],
    ) -> Why:
        template = self._ledger.template(action.template)
        if action.origin is not None:
            run_id, seq = ran(action)
            verdict = "cached" if action.origin.kind == "cache" else "reused"
            try:
                place = self._run_name(run_id), self._ledger.action_by_seq(run_id, seq).name
            except NotFoundError:
                return Why(
                    action.name, template.name, verdict, "same code and inputs as in a run that was deleted"
                )
            same = "the value of the same place," if template.kind == "durable" else "same code and inputs as"
            reason = f"{same} {place[1]} of run {place[0]}"
            return Why(action.name, template.name, verdict, reason, (), place)
        found = tuple(self._found(action, template, counterpart, parent, forced=forced, met=met))
        verdict = "forced" if found and found[0].kind == "forced" else "executed"
        gone = self._run.relation is not None and self._source is None
        reason = "the run that it was to take results from is gone" if gone else _sentence(found, self._run)
        return Why(action.name, template.name, verdict, reason, found)

    def _found(
        self,
        action: ActionRecord,
        template: TaskTemplate,
        counterpart: ActionRecord | None,
        parent: ActionRecord | None,
        *,
        forced: bool,
        met: set[tuple[int, int]],
    ) -> Iterator[Difference]:
        source, relation = self._source, self._run.relation
        if source is None or relation is None:
            return
        if forced:
            what = "it" if source.is_forced(counterpart) else "an action above it"
            yield Difference("forced", f"{what} was named to be executed again")
            return
        if action.opaque_inputs:
            yield Difference(
                "opaque", "its inputs hold something pickled, of which nobody knows what it is equal to"
            )
        if counterpart is None and template.kind != "durable":
            candidates = source.anywhere(action.key)
            counterpart = candidates[0] if candidates else None
        if counterpart is None:
            like = self._alike(parent, template, action, met)
            if like is None:
                where = "in this place of" if template.kind == "durable" else "in"
                yield Difference(
                    "call", f"there is no such call of {template.name} {where} run {relation.run}"
                )
                return
            counterpart = like
        if not counterpart.phase.is_success:
            yield Difference(
                "failed", f"it had {_ENDED.get(counterpart.phase, 'not ended')} in run {relation.run}"
            )
        yield from input_differences(self._ledger, counterpart.inputs, action.inputs)
        recorded = self._changes.recorded
        yield from self._changes.between(
            recorded(self._ledger.template(counterpart.template)), recorded(template)
        )
        if counterpart.classes != action.classes:
            yield _class_difference(counterpart, action)
        if source.is_above_forced(counterpart):
            yield Difference("forced below", "an action below it was named to be executed again")

    def _alike(
        self,
        parent: ActionRecord | None,
        template: TaskTemplate,
        action: ActionRecord,
        met: set[tuple[int, int]],
    ) -> ActionRecord | None:
        """The recorded call that this one most likely was: of the same task in the same place, with other inputs."""
        if parent is None or self._source is None:
            return None
        for child in self._source.tree.children(parent).values():
            same = child.group == action.group and (child.run_id, child.seq) not in met
            if same and self._ledger.template(child.template).name == template.name:
                met.add((child.run_id, child.seq))
                return child
        return None

    def _run_name(self, run_id: int) -> str:
        if run_id not in self._names:
            self._names[run_id] = self._ledger.run(run_id).name
        return self._names[run_id]


_ENDED = {Phase.FAILED: "failed", Phase.ABORTED: "been aborted", Phase.TIMED_OUT: "run out of time"}


class Side(NamedTuple):
    """The code of a task, recorded or here, to be compared: its template, what it reaches, and the text of modules."""

    template: TaskTemplate
    closure: Callable[[], Closure]
    text: Callable[[str], bytes]


class Changes:
    """What differs between two sides; each pair is compared once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[tuple[object, ...], tuple[Difference, ...]] = {}

    def recorded(self, template: TaskTemplate) -> Side:
        """The side of a template in the store."""
        ledger = self._ledger

        def text(module: str) -> bytes:
            file = ledger.bundle(template.bundle_digest).file_of(module)
            return b"" if file is None else ledger.blob(file.blob)

        return Side(template, lambda: ledger.closure(template.closure), text)

    def between(self, old: Side, new: Side) -> tuple[Difference, ...]:
        """Symbols first, then files, versions, variables; nothing when results on equal inputs are equal."""
        bases = basis_of(old.template), basis_of(new.template)
        if bases[0] == bases[1]:
            return ()
        key = tuple((digest, *environ.items()) for digest, environ in bases)
        if key not in self._known:
            self._known[key] = tuple(_between(old, new))
        return self._known[key]


def _between(old: Side, new: Side) -> Iterator[Difference]:
    if old.template.name != new.template.name:
        yield Difference("call", f"the task is {new.template.name}, no longer {old.template.name}")
    before, after = old.closure(), new.closure()
    found = changes(before, after)
    for change in found:
        if change.kind == "symbol":
            module, _, name = change.name.partition(":")
            yield Difference("symbol", change.name, detail=_diff(old, new, module, name))
        elif change.kind in ("file", "order"):
            yield Difference(change.kind, change.name)
    packages = old.template.packages, new.template.packages
    for name in _pairs(*packages):
        yield Difference("package", name, *(side.get(name) or "not there" for side in packages))
    for name in _pairs(old.template.environ, new.template.environ):
        yield Difference("env", name)
    if before.digest != after.digest and not any(change.kind == "symbol" for change in found):
        for change in found:
            if change.kind == "widening" and change.what != "removed":
                yield Difference("dynamic", change.name)


def _diff(old: Side, new: Side, module: str, name: str) -> str:
    """A symbol's change as a unified diff of its source; "" where there is no source to show."""
    try:
        sides = [symbol_source(side.text(module), name).splitlines(keepends=True) for side in (old, new)]
    except DalsegnoError:  # damaged or gone; what differs is known without it
        return ""
    lines = unified_diff(sides[0], sides[1], "recorded", "now", n=2)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def input_differences(ledger: Ledger, old: Values, new: Encoded | Values) -> Iterator[Difference]:
    """The places where named values differ; `new` may have values that are not stored yet."""
    objects = new.objects if isinstance(new, Encoded) else {}
    before, after = parts_of(old), parts_of(new.values if isinstance(new, Encoded) else new)

    def shown(part: Part | None) -> Any:
        if part is None:
            return ABSENT
        known = objects.get(part.digest) if isinstance(part, Ref) else None
        return view(bytes(known) if known is not None else ledger.part(part))

    for name in dict.fromkeys([*before, *after]):
        if before.get(name) == after.get(name):
            continue
        places = list(islice(differences(name, shown(before.get(name)), shown(after.get(name))), PLACES))
        for place in places:
            yield Difference("input", place.path, short(place.old), short(place.new))
        if not places:
            yield Difference("input", name, "a value", "another one that looks the same")


def _class_difference(old: ActionRecord, new: ActionRecord) -> Difference:
    codes = [code for code in (old.classes, new.classes) if code is not None]
    names = sorted({f"{module}:{qualname}" for code in codes for module, qualname in code.names})
    return Difference("class", ", ".join(names), "the recorded code", "other code")


def _pairs(old: Mapping[K, object], new: Mapping[K, object]) -> list[K]:
    """The keys whose values differ: those of both first, then new ones, then those that are gone."""
    changed = [key for key in new if key in old and new[key] != old[key]]
    return [*changed, *(key for key in new if key not in old), *(key for key in old if key not in new)]


def _sentence(found: tuple[Difference, ...], run: RunRecord) -> str:
    relation = run.relation
    if relation is None:
        return "the run is no rerun, there was nothing to take over"
    if found:
        more = len(found) - 1
        return str(found[0]) + (f", and {more} more" if more else "")
    if not relation.recover:
        return "nothing was to be taken over: the rerun was made without recover"
    return "the recorded run had no result that could be used"
