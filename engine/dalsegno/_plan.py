"""What a rerun would execute and what it would take over, told before it is launched, as far as that can be known.

The recorded tree is gone through from the top. What holds is taken over with everything below it. Of what does not
hold nobody knows which calls it will make, so its recorded calls stand for them, and are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dalsegno._identity import ROOT_NAME
from dalsegno._module_names import recorded_module_name
from dalsegno._request import Request
from dalsegno._rerun import again, find_source
from dalsegno._reuse import Source
from dalsegno._start import Place, Start
from dalsegno._why import Changes, Side, Why, input_differences
from dalsegno.errors import BundleLoadError
from dalsegno.models import ActionRecord, TaskTemplate
from dalsegno.settings import RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._code import RunCode

__all__ = ["Plan"]


class Plan(NamedTuple):
    """What a rerun would do, action by action of the recorded run, in the order of its tree.

    The verdict of each is "execute", "reuse" or "forced". What follows from an execution is not known before it: a
    call that is to be reused is so if it is made again with the same inputs.
    """

    run: str
    actions: tuple[Why, ...]

    @property
    def executed(self) -> int:
        """How many of the recorded actions would be executed."""
        return sum(action.verdict != "reuse" for action in self.actions)

    @property
    def reused(self) -> int:
        """How many of them would be taken over."""
        return len(self.actions) - self.executed


def plan(place: Place, settings: RunSettings, request: Request) -> Plan:
    """The plan of a rerun; refuses what the rerun would refuse, and records nothing."""
    start = again(place, settings, request)
    source = start.source
    if source is None:
        old = find_source(place, settings, request.run)
        source = Source(place.ledger, old, place.ledger.action(old, request.action))
    return Plan(request.run, tuple(_Planner(place, start, source, recover=request.recover).all()))


class _Planner:
    def __init__(self, place: Place, start: Start, source: Source, *, recover: bool) -> None:
        self._ledger = place.ledger
        self._start = start
        self._source = source
        self._recover = recover
        self._changes = Changes(place.ledger)
        self._sides: dict[str, Side | None] = {}

    def all(self) -> Iterator[Why]:
        source, top = self._source, self._source.top
        forced = {(top.run_id, top.seq): source.is_forced(top)}
        reused: set[tuple[int, int]] = set()
        for action, parent in source.tree.walk(top):
            own = (action.run_id, action.seq)
            template = self._ledger.template(action.template)
            name = ROOT_NAME if action is top else action.name
            if parent is not None:
                above = (parent.run_id, parent.seq)
                forced[own] = forced[above] or source.is_forced(action)
                if above in reused:
                    reused.add(own)
                    yield Why(name, template.name, "reuse", "what called it is taken over")
                    continue
            if forced[own]:
                yield Why(name, template.name, "forced", "it, or an action above it, is named to be executed")
                continue
            reason = self._reason(action, template, is_top=action is top)
            if reason is None:
                reused.add(own)
                call = "" if action is top else " if it is called with the same inputs again"
                yield Why(name, template.name, "reuse", f"same code and inputs{call}")
            else:
                yield Why(name, template.name, "execute", reason)

    def _reason(self, action: ActionRecord, template: TaskTemplate, *, is_top: bool) -> str | None:
        """Why the action has to be executed; None when it has not."""
        if not self._recover:
            return "the rerun does not recover"
        if not action.phase.is_success:
            return f"it is {action.phase}"
        if action.opaque_inputs:
            return "its inputs hold something pickled"
        if self._source.is_above_forced(action):
            return "an action below it is named to be executed"
        now = self._side(template, is_top=is_top)
        if now is None:
            return f"there is no task {template.name} in the new code"
        found = self._changes.between(self._changes.recorded(template), now)
        if is_top:
            inputs = input_differences(self._ledger, action.inputs, self._start.encoded)
            found = (*inputs, *found)
        if found:
            return str(found[0]) + (f", and {len(found) - 1} more" if len(found) > 1 else "")
        return None

    def _side(self, template: TaskTemplate, *, is_top: bool) -> Side | None:
        """The task as the rerun would have it; None where its code has none of that name."""
        start = self._start
        if is_top:
            return _side(start.code, start.task, start.template.template)
        if template.name not in self._sides:
            task = self._task(template)
            side = None
            if task is not None:
                variables = {**task.variables, **start.variables}
                side = _side(start.code, task, start.code.template(task, variables).template)
            self._sides[template.name] = side
        return self._sides[template.name]

    def _task(self, template: TaskTemplate) -> Task[Any, Any] | None:
        """The task of that name in the rerun's code: where it was, else beside the root."""
        code = self._start.code
        try:
            return code.task(template)
        except BundleLoadError:
            pass
        try:
            found = code.resolve(recorded_module_name(self._start.task.module), template.qualname)
        except BundleLoadError:
            return None
        return found if isinstance(found, Task) else None


def _side(code: RunCode, task: Task[Any, Any], template: TaskTemplate) -> Side:
    return Side(template, lambda: code.reached(task).closure, code.text)
