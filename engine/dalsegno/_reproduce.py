"""Executing recorded actions again, and finding those that then do something else.

It is done on top of the store, in memory, so that the record stays as it is; only what is to be kept is recorded. The
recorded code gets the recorded inputs and variables. Time, waiting and chance from `dalsegno.durable` are those that were
recorded. Nothing is taken over otherwise, and nothing from the cache.

Two executions of an action differ *of their own accord* when the outcome is another one, or other calls are made, and no
call that both made differs below. Those are the first ones to differ; all that is above them may only follow. With `each`
every action is executed alone, its calls answered from the record, and then every one that differs does so by itself.

Actions that were aborted, then or now, are left out: how far they came was never theirs to say. So are the calls of actions
that failed in the same way, since a failure stops what goes on beside it sooner or later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from dalsegno._codebase import Codebase
from dalsegno._diff import MOST, Pair, Side, Trees
from dalsegno._earlier import Earlier
from dalsegno._fingerprint import Fingerprints
from dalsegno._identity import ROOT_KEY, action_path
from dalsegno._ledger import Ledger
from dalsegno._places import Place, places
from dalsegno._redaction import Redact, Redactor
from dalsegno._request import Request
from dalsegno._rerun import again
from dalsegno._reuse import Basis, Source
from dalsegno._start import Start
from dalsegno._stubs import other_stubs
from dalsegno._suspects import Suspect, suspects
from dalsegno._values import parts_of, values_digest
from dalsegno.engine import Engine
from dalsegno.errors import UsageError
from dalsegno.models import ActionRecord, Phase, RunRecord, Values
from dalsegno.runs import Run
from dalsegno.settings import RunSettings
from dalsegno_storage.overlay import OverlayStore
from dalsegno_storage.protocol import Store

LABEL = "dalsegno.verify"
"""The label of runs that verify others; its value is the name of the verified run."""

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")


class Wish(NamedTuple):
    """What is to be executed again: an action with all that is below it, or, with `each`, every one of these alone.

    `env_vars` are those of the run whose values are secret and were not recorded. With `keep` the new runs are recorded.
    """

    run: str
    action: str
    project: str
    domain: str
    each: bool = False
    keep: bool = False
    env_vars: Mapping[str, str] = {}


class Evidence(NamedTuple):
    """Two executions of an action, of one code and with the same inputs, that differ of their own accord.

    `outputs` are the places in which the results differ, `error` the two failures as text, "" for none. `came` and `gone` are
    the names of calls that only one of the two made. `began` and `ended` say when each was executed, in nanoseconds.
    `variables` and `packages` name what it reads or uses that has another value or version. `suspects` is what in its code
    may give another result each time. `opaque` says that it gave or took something pickled.
    """

    action: str
    task: str
    started_at: int
    outputs: tuple[Place, ...] = ()
    error: tuple[str, str] | None = None
    came: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    began: tuple[int, int] = (0, 0)
    ended: tuple[int, int] = (0, 0)
    variables: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    opaque: bool = False


class Repetition(NamedTuple):
    """What one repetition found: how many actions were executed, where they differed, and the runs that were kept."""

    executed: int
    found: tuple[Evidence, ...]
    kept: tuple[str, ...] = ()


async def reproduce(store: Store, wish: Wish, redact: Redact = True) -> Repetition:
    """Execute it once more, here; raises what keeps it from being executed."""
    top = store if wish.keep else OverlayStore(store)
    try:
        async with Engine(
            top, project=wish.project, domain=wish.domain, durability="relaxed", redact=redact
        ) as engine:
            repeater = _Repeater(engine, wish)
            return await (repeater.each() if wish.each else repeater.whole())
    finally:
        if top is not store:
            top.close()


class _Repeater:
    def __init__(self, engine: Engine, wish: Wish) -> None:
        self._engine = engine
        self._wish = wish
        self._ledger: Ledger = engine.ledger
        self._run: RunRecord = engine.get_run(wish.run).record
        self._top: ActionRecord = self._ledger.action(self._run, wish.action)
        refuse(self._run, self._top)
        _refuse_stubs(self._ledger, self._run, self._top)
        self._settings = RunSettings(
            project=self._run.project,
            domain=self._run.domain,
            env_vars=dict(wish.env_vars),
            labels={LABEL: self._run.name},
            durability="relaxed",
            disable_run_cache=True,
            max_action_concurrency=self._ledger.tenure(self._run.id).manner.most,
        )

    async def whole(self) -> Repetition:
        start = self._again(self._run, self._top)
        run = await self._ended(start._replace(source=DurableOnly(self._ledger, self._run, self._top)))
        trees = Trees(
            Side(self._ledger, self._run, self._top),
            Side(self._ledger, run.record, self._ledger.root(run.record.id)),
        )
        found = [self._evidence(trees, *each) for each in _first_to_differ(trees)]
        executed = sum(action.record.origin is None for action in run.actions())
        return self._repetition(executed, found, [run])

    async def each(self) -> Repetition:
        known = Fingerprints(self._ledger)
        found: list[Evidence] = []
        runs: list[Run[Any]] = []
        for run, action in self._below(known):
            children = known.children(action)
            served = _Served(children)
            new = await self._ended(self._again(run, action)._replace(earlier=partial(_itself, served)))
            runs.append(new)
            pair = Pair(action, self._ledger.root(new.record.id))
            came = [child.record for child in new.actions() if child.record.parent == 0]
            came = [] if _lost_calls(known, action) else came
            gone = [child for key, child in children.items() if key not in served.called]
            if _differ(pair, came, gone):
                trees = Trees(Side(self._ledger, run, action), Side(self._ledger, new.record, pair.new))
                found.append(self._evidence(trees, pair, came, gone))
        return self._repetition(len(runs), found, runs)

    def _below(self, known: Fingerprints) -> Iterator[tuple[RunRecord, ActionRecord]]:
        """Every action that has a body of its own to execute, with the run that it is in, the earliest first."""
        runs = {self._run.id: self._run}
        found: dict[tuple[int, int], ActionRecord] = {}
        waiting = [self._top]
        while waiting:
            action = waiting.pop()
            action = known.origin(action) or action
            if (action.run_id, action.seq) in found:
                continue
            found[action.run_id, action.seq] = action
            waiting += known.children(action).values()
        for action in sorted(found.values(), key=lambda each: each.started_at):
            if action.run_id not in runs:
                runs[action.run_id] = self._ledger.run(action.run_id)
            is_durable = self._ledger.template(action.template).kind == "durable"
            if not is_durable and action.phase.is_terminal and action.phase is not Phase.ABORTED:
                yield runs[action.run_id], action

    def _again(self, run: RunRecord, action: ActionRecord) -> Start:
        engine = self._engine
        place = _Place(_Known(self._ledger, action), engine.codebase, engine.settings, engine.redactor)
        settings = replace(self._settings, project=run.project, domain=run.domain)
        return again(place, settings, Request(run.name, action.name))

    async def _ended(self, start: Start) -> Run[Any]:
        run = await self._engine.start(start)
        await run.wait.aio()
        return run

    def _repetition(self, executed: int, found: list[Evidence], runs: list[Run[Any]]) -> Repetition:
        kept = tuple(run.name for run in runs) if self._wish.keep else ()
        return Repetition(executed, tuple(sorted(found, key=lambda each: each.started_at)), kept)

    def _evidence(
        self, trees: Trees, pair: Pair, came: list[ActionRecord], gone: list[ActionRecord]
    ) -> Evidence:
        old, new = pair
        templates = trees.template(0, old), trees.template(1, new)
        ends = end_of(old), end_of(new)
        return Evidence(
            old.name,
            templates[0].name,
            old.started_at,
            tuple(islice(output_places(self._ledger, old.outputs, new.outputs), MOST)),
            None if old.failure is None and new.failure is None else (end_text(ends[0]), end_text(ends[1])),
            tuple(child.name for child in came),
            tuple(child.name for child in gone),
            (old.started_at, new.started_at),
            (old.ended_at or 0, new.ended_at or 0),
            _names(templates[0].environ, templates[1].environ),
            _names(templates[0].packages, templates[1].packages),
            tuple(suspects(self._ledger, templates[0])),
            old.opaque_inputs or old.opaque_outputs,
        )


def refuse(run: RunRecord, action: ActionRecord) -> None:
    """Raise UsageError for an action without an outcome that another one could be compared with."""
    if not action.phase.is_terminal:
        raise UsageError(
            f"action {action.name} of run {run.name!r} has no outcome yet; wait for its end, or resume the run"
        )
    if action.phase is Phase.ABORTED:
        raise UsageError(
            f"action {action.name} of run {run.name!r} was aborted, so there is nothing to reproduce; name one below it"
        )


def _refuse_stubs(ledger: Ledger, run: RunRecord, action: ActionRecord) -> None:
    stubs = other_stubs(ledger, ledger.template(action.template))
    if stubs:
        raise UsageError(
            f"action {action.name} of run {run.name!r} was executed with other stubs than are in place now, for "
            f"{', '.join(stubs)}; verify it where the same ones are, in this process"
        )


def _first_to_differ(trees: Trees) -> Iterator[tuple[Pair, list[ActionRecord], list[ActionRecord]]]:
    """The pairs that differ of their own accord, with the calls that only one of them made."""
    seen: list[tuple[Pair, int]] = []
    waiting = [(Pair(trees.old.action, trees.new.action), -1)]
    while waiting:
        pair, parent = waiting.pop()
        if trees.before.of(pair.old) == trees.after.of(pair.new):
            continue
        seen.append((pair, parent))
        olds, news = trees.before.children(pair.old), trees.after.children(pair.new)
        waiting += [(Pair(olds[key], news[key]), len(seen) - 1) for key in olds if key in news]
    explained: set[int] = set()
    for number in reversed(range(len(seen))):
        pair, parent = seen[number]
        if number in explained:
            explained.add(parent)
            continue
        olds, news = trees.before.children(pair.old), trees.after.children(pair.new)
        came = [child for key, child in news.items() if key not in olds]
        came = [] if _lost_calls(trees.before, pair.old) else came
        gone = [child for key, child in olds.items() if key not in news]
        if _differ(pair, came, gone):
            explained.add(parent)
            yield pair, came, gone


def _lost_calls(known: Fingerprints, action: ActionRecord) -> bool:
    """Whether its result was taken over from a run that was deleted, and with it the calls below."""
    return action.origin is not None and known.origin(action) is None


def _differ(pair: Pair, came: list[ActionRecord], gone: list[ActionRecord]) -> bool:
    if Phase.ABORTED in (pair.old.phase, pair.new.phase):
        return False
    ends = end_of(pair.old), end_of(pair.new)
    return ends[0] != ends[1] or (bool(came or gone) and ends[0][0] != "failed")


def end_of(action: ActionRecord) -> tuple[object, ...]:
    """How an action ended; where things lie in memory is no part of it."""
    if action.failure is not None:
        return "failed", action.failure.kind, _ADDRESS.sub("0x…", action.failure.message)
    return ("open",) if action.outputs is None else ("done", values_digest(action.outputs))


def end_text(end: tuple[object, ...]) -> str:
    """The failure that an action ended with, "" for none."""
    return f"{str(end[1]).rpartition(':')[2]}: {end[2]}" if end[0] == "failed" else ""


def output_places(ledger: Ledger, old: Values | None, new: Values | None) -> Iterator[Place]:
    """The places in which the outputs of two actions of one store differ."""
    if old is None or new is None:
        return
    before, after = parts_of(old), parts_of(new)
    for name in dict.fromkeys([*before, *after]):
        sides = [None if name not in each else ledger.part(each[name]) for each in (before, after)]
        yield from places(name, sides[0], sides[1])


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(name for name in {*old, *new} if old.get(name) != new.get(name)))


class _Known(Ledger):
    """The same ledger with an action at hand, which by its name would be looked for among all of its run."""

    def __init__(self, ledger: Ledger, action: ActionRecord) -> None:
        self.__dict__.update(vars(ledger))
        self._action = action

    def action(self, run: RunRecord, name: str) -> ActionRecord:
        """The one at hand."""
        return self._action


class _Place(NamedTuple):
    ledger: Ledger
    codebase: Codebase
    settings: RunSettings
    redactor: Redactor


class DurableOnly(Source):
    """Gives time, waiting and chance as they were recorded, and nothing else."""

    def result_for(
        self, call: ActionRecord, basis: Basis, counterpart: ActionRecord | None
    ) -> ActionRecord | None:
        """What is recorded in the same place."""
        if counterpart is None or not counterpart.phase.is_success:
            return None
        kind = self._ledger.template(counterpart.template).kind
        return counterpart if kind == "durable" and self._is_trusted(counterpart) else None


class _Served(Earlier):
    """Answers the calls of an action that is executed alone from the record."""

    def __init__(self, children: Mapping[bytes, ActionRecord]) -> None:
        self._paths = {action_path(ROOT_KEY, key): child for key, child in children.items()}
        self.called: set[bytes] = set()
        self.next_seq = 1

    def find(self, path: bytes) -> ActionRecord | None:
        """The recorded call, if it ended by itself."""
        found = self._paths.get(path)
        if found is None:
            return None
        self.called.add(found.key)
        return found if found.phase.is_terminal and found.phase is not Phase.ABORTED else None

    def again(self, call: ActionRecord, recorded: ActionRecord) -> ActionRecord:
        """As it is recorded."""
        return recorded

    def calls(self, action: ActionRecord) -> dict[bytes, Any]:
        """None were made before."""
        return {}

    def left(self) -> list[ActionRecord]:
        """None was left."""
        return []


def _itself(served: _Served) -> _Served:
    return served
