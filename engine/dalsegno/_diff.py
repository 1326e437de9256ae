"""How two runs differ, or two actions with all that is below them.

The two trees are laid over each other from the top. Calls with the same key below calls that lie on each other are the same
call; those that are left over are paired in order where task and group are the same, and are the same call with other
inputs. Whatever is left then came or went. Where the fingerprints of two calls are equal nothing below them is looked at.

A call is named as changed for what is different in itself: its code, its inputs, its outcome. One that differs only in what
is below it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Literal, NamedTuple

from dalsegno._fingerprint import Fingerprints, outcome
from dalsegno._ledger import Ledger
from dalsegno._places import Place, places
from dalsegno._values import parts_of, values_digest
from dalsegno._why import Changes, Difference
from dalsegno.errors import DalsegnoError
from dalsegno.models import ActionRecord, Failure, RunRecord, TaskTemplate, Values

__all__ = ["ActionDifference", "Comparison", "Pair", "Side", "compare"]

MOST = 50
"""At most so many places are named in which the inputs, or the outputs, of two calls differ."""


class Side(NamedTuple):
    """One of two runs, or an action of it with all that is below; `ledger` is the store that it is in."""

    ledger: Ledger
    run: RunRecord
    action: ActionRecord


class Pair(NamedTuple):
    """Two calls that lie on each other."""

    old: ActionRecord
    new: ActionRecord


class ActionDifference(NamedTuple):
    """A call that is different in itself, came, or went.

    `old` and `new` are the action's names, None where there is none. `below` is how many nested calls came or went with it.
    `code` has what differs in what the task reaches, with diffs of source by symbol; `inputs` and `outputs` the places in
    which the values differ. `error` has the old and the new failure and `phase` the two phases if the outcome differs.
    `seconds` is how long each took, None for one that has not ended.
    """

    change: Literal["changed", "added", "removed"]
    task: str
    old: str | None
    new: str | None
    below: int = 0
    code: tuple[Difference, ...] = ()
    inputs: tuple[Place, ...] = ()
    outputs: tuple[Place, ...] = ()
    error: tuple[Failure | None, Failure | None] | None = None
    phase: tuple[str, str] | None = None
    seconds: tuple[float | None, float | None] = (None, None)


class Comparison(NamedTuple):
    """How two runs differ; `is_same` says that they do not: both did the same down to every nested call.

    `old` and `new` are (run, action, fingerprint). `actions` are in the order of the old tree, new calls behind the old ones
    of their caller. `around` is what differs around them, which does not count: Python, platform, versions of packages,
    variables of the runs. `compared` is how many calls had to be looked at.
    """

    old: tuple[str, str, str]
    new: tuple[str, str, str]
    actions: tuple[ActionDifference, ...]
    around: tuple[Difference, ...]
    seconds: tuple[float | None, float | None]
    compared: int

    @property
    def is_same(self) -> bool:
        """Both did the same."""
        return self.old[2] == self.new[2]


def compare(old: Side, new: Side) -> Comparison:
    """How `new` differs from `old`; told from the records, nothing is loaded for it."""
    trees = Trees(old, new)
    found = [each for pair in trees.walk() for each in trees.differences(pair)]
    return Comparison(
        (old.run.name, old.action.name, trees.before.of(old.action).hex()),
        (new.run.name, new.action.name, trees.after.of(new.action).hex()),
        tuple(found),
        tuple(_around(old, new)),
        (_seconds(old.action), _seconds(new.action)),
        trees.compared,
    )


class Trees:
    """Two trees that are laid over each other."""

    def __init__(self, old: Side, new: Side) -> None:
        self.old, self.new = old, new
        self.before, self.after = Fingerprints(old.ledger), Fingerprints(new.ledger)
        self.compared = 0
        self._changes = Changes(old.ledger), Changes(new.ledger)
        self._templates: dict[tuple[int, bytes], TaskTemplate] = {}

    def walk(self) -> Iterator[Pair]:
        """The pairs that differ, in themselves or below, from the top down."""
        waiting = [Pair(self.old.action, self.new.action)]
        while waiting:
            pair = waiting.pop()
            if self.before.of(pair.old) == self.after.of(pair.new):
                continue
            self.compared += 1
            yield pair
            waiting += reversed(self.below(pair)[0])

    def below(self, pair: Pair) -> tuple[list[Pair], list[ActionRecord], list[ActionRecord]]:
        """The calls of a pair that lie on each other, and those that went and came."""
        olds, news = self.before.children(pair.old), self.after.children(pair.new)
        left = [child for key, child in olds.items() if key not in news]
        right: dict[tuple[str, str], list[ActionRecord]] = {}
        for key, child in news.items():
            if key not in olds:
                right.setdefault((self.after.code(child)[0], child.group), []).append(child)
        with_new_inputs: dict[bytes, ActionRecord] = {}
        gone = []
        for child in left:
            alike = right.get((self.before.code(child)[0], child.group))
            if alike:
                with_new_inputs[child.key] = alike.pop(0)
            else:
                gone.append(child)
        pairs = [
            Pair(child, news.get(key) or with_new_inputs[key])
            for key, child in olds.items()
            if key in news or key in with_new_inputs
        ]
        return pairs, gone, [child for alike in right.values() for child in alike]

    def differences(self, pair: Pair) -> Iterator[ActionDifference]:
        """What is different in a pair itself, then the calls of it that went and came."""
        own = self.own(pair)
        if own is not None:
            yield own
        _, gone, come = self.below(pair)
        for child in gone:
            below = _count(self.before, child)
            name = self.before.code(child)[0]
            yield ActionDifference("removed", name, child.name, None, below, seconds=(_seconds(child), None))
        for child in come:
            below = _count(self.after, child)
            name = self.after.code(child)[0]
            yield ActionDifference("added", name, None, child.name, below, seconds=(None, _seconds(child)))

    def own(self, pair: Pair) -> ActionDifference | None:
        """What is different in the pair itself; None when it is only what is below it."""
        old, new = (self._ran(0, pair.old), self._ran(1, pair.new))
        code = tuple(self._code(old, new))
        inputs = self._places(old.inputs, new.inputs)
        ends = outcome(old), outcome(new)
        outputs = self._places(old.outputs, new.outputs) if ends[0] != ends[1] else ()
        if not code and not inputs and ends[0] == ends[1]:
            return None
        failed = (old.failure or new.failure) and ends[0] != ends[1]
        return ActionDifference(
            "changed",
            self.after.code(new)[0],
            pair.old.name,
            pair.new.name,
            0,
            code,
            inputs,
            outputs,
            (old.failure, new.failure) if failed else None,
            (pair.old.phase.value, pair.new.phase.value) if ends[0] != ends[1] else None,
            (_seconds(pair.old), _seconds(pair.new)),
        )

    def template(self, side: int, action: ActionRecord) -> TaskTemplate:
        """The template of an action of the old tree (0) or of the new one (1)."""
        known = self._templates.get((side, action.template))
        if known is None:
            ledger = (self.old, self.new)[side].ledger
            known = self._templates[side, action.template] = ledger.template(action.template)
        return known

    def _ran(self, side: int, action: ActionRecord) -> ActionRecord:
        return (self.before, self.after)[side].origin(action) or action

    def _code(self, old: ActionRecord, new: ActionRecord) -> Iterator[Difference]:
        templates = self.template(0, old), self.template(1, new)
        sides = [changes.recorded(each) for changes, each in zip(self._changes, templates, strict=True)]
        yield from self._changes[0].between(sides[0], sides[1])
        if old.classes != new.classes:
            codes = [each for each in (old.classes, new.classes) if each is not None]
            names = sorted({f"{module}:{name}" for code in codes for module, name in code.names})
            yield Difference("class", ", ".join(names), "the old code", "other code")

    def _places(self, old: Values | None, new: Values | None) -> tuple[Place, ...]:
        if old == new or (old is not None and new is not None and values_digest(old) == values_digest(new)):
            return ()
        before = {} if old is None else parts_of(old)
        after = {} if new is None else parts_of(new)

        def found() -> Iterator[Place]:
            for name in dict.fromkeys([*before, *after]):
                sides = before.get(name), after.get(name)
                if sides[0] != sides[1]:
                    yield from places(
                        name,
                        None if sides[0] is None else self.old.ledger.part(sides[0]),
                        None if sides[1] is None else self.new.ledger.part(sides[1]),
                    )

        return tuple(islice(found(), MOST))


def _around(old: Side, new: Side) -> Iterator[Difference]:
    """What differs around two runs: Python, platform, packages, and the variables that were set for them."""
    if old.run.manifest != new.run.manifest or old.ledger is not new.ledger:
        try:
            manifests = [side.ledger.manifest(side.run.manifest) for side in (old, new)]
        except DalsegnoError:  # damaged or gone; it is no part of what they did
            manifests = []
        if manifests:
            before, after = manifests
            for name in ("python", "implementation", "platform"):
                yield from _changed(name, {name: getattr(before, name)}, {name: getattr(after, name)})
            yield from _changed("package", before.packages, after.packages)
    yield from _changed("env", old.run.env_vars, new.run.env_vars)


def _changed(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*old, *new}):
        sides = old.get(name, "not there"), new.get(name, "not there")
        if sides[0] != sides[1]:
            yield Difference(kind, name, *sides)


def _count(tree: Fingerprints, action: ActionRecord) -> int:
    """How many calls are below one."""
    count, waiting = 0, [action]
    while waiting:
        below: Iterable[ActionRecord] = tree.children(waiting.pop()).values()
        for child in below:
            count += 1
            waiting.append(child)
    return count


def _seconds(action: ActionRecord) -> float | None:
    return None if action.ended_at is None else (action.ended_at - action.started_at) / 1e9
