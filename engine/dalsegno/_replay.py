"""A recorded run executed again with the code that is here: does it still give what is recorded?

The code is the task that is found now under the recorded module and name. It gets the recorded inputs and variables, and from
`dalsegno.durable` what was recorded where it calls it as it did then. Nothing else is taken over, and nothing from the cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from dalsegno._diff import MOST, Pair, Side, Trees
from dalsegno._places import Place
from dalsegno._reproduce import DurableOnly, end_of, end_text, output_places, refuse
from dalsegno._request import Request
from dalsegno._rerun import again
from dalsegno._values import values_digest
from dalsegno.errors import TaskNotFoundError
from dalsegno.models import Failure, TaskTemplate
from dalsegno.settings import RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno.engine import Engine

__all__ = ["Changed", "Replay", "current_task", "replay"]

_FRAME = re.compile(r'File "([^"\n]*)", line (\d+), in ([^\n]*)')


class Changed(NamedTuple):
    """A call that ended otherwise than the recorded one with the same inputs.

    `outputs` are the places in which the results differ, `error` the two failures as text, "" for none; `where` is the
    line that raised the new one.
    """

    action: str
    task: str
    outputs: tuple[Place, ...]
    error: tuple[str, str] | None
    where: str = ""


class Replay(NamedTuple):
    """What came of it: how the whole run ended otherwise, None if it did not, and the nested calls that this begins with."""

    run: str
    task: str
    root: Changed | None
    below: tuple[Changed, ...] = ()

    @property
    def is_same(self) -> bool:
        """The outcome is the recorded one."""
        return self.root is None


def current_task(template: TaskTemplate) -> Task[Any, Any]:
    """The task that has the recorded name in the code that is here; imports its module. TaskNotFoundError if there is none."""
    name = f"{template.module}:{template.qualname}"
    if template.pickle is not None:
        raise TaskNotFoundError(
            name, [], "the current code, since it was recorded by value, as in a notebook"
        )
    try:
        found = reduce(getattr, template.qualname.split("."), import_module(template.module))
    except (ImportError, AttributeError) as error:
        raise TaskNotFoundError(name, [], f"the current code ({error})") from error
    if not isinstance(found, Task):
        raise TaskNotFoundError(name, [], "the current code, where it is no task")
    return found


async def replay(engine: Engine, run: str) -> Replay:
    """Execute a run of the engine's store with the code that is here; raises what keeps it from being executed."""
    ledger = engine.ledger
    record = engine.get_run(run).record
    top = ledger.root(record.id)
    refuse(record, top)
    task = current_task(ledger.template(top.template))
    settings = RunSettings(project=record.project, domain=record.domain, disable_run_cache=True)
    start = again(engine, settings, Request(run, task_template=task))
    new = await engine.start(start._replace(source=DurableOnly(ledger, record, top)))
    await new.wait.aio()
    trees = Trees(Side(ledger, record, top), Side(ledger, new.record, ledger.root(new.record.id)))
    root = Pair(trees.old.action, trees.new.action)
    if end_of(root.old) == end_of(root.new):
        return Replay(run, task.name, None)
    below = tuple(_changed(trees, pair) for pair in _first_to_change(trees) if pair != root)
    return Replay(run, task.name, _changed(trees, root), below)


def _first_to_change(trees: Trees) -> Iterator[Pair]:
    """The pairs that end otherwise on the same inputs and have none below that does, from the top down."""
    pairs = [*trees.walk()]
    changed = [
        pair
        for pair in pairs
        if values_digest(pair.old.inputs) == values_digest(pair.new.inputs)
        and end_of(pair.old) != end_of(pair.new)
    ]
    parents = {pair.new.seq: pair.new.parent for pair in pairs}
    above: set[int] = set()
    for pair in changed:
        parent = pair.new.parent
        while parent is not None:
            above.add(parent)
            parent = parents.get(parent)
    return (pair for pair in changed if pair.new.seq not in above)


def _changed(trees: Trees, pair: Pair) -> Changed:
    ledger = trees.old.ledger
    failed = pair.old.failure is not None or pair.new.failure is not None
    return Changed(
        pair.old.name,
        trees.template(1, pair.new).name,
        tuple(islice(output_places(ledger, pair.old.outputs, pair.new.outputs), MOST)),
        (end_text(end_of(pair.old)), end_text(end_of(pair.new))) if failed else None,
        _where(pair.new.failure),
    )


def _where(failure: Failure | None) -> str:
    frames = [] if failure is None else _FRAME.findall(failure.text)
    return "{}:{} in {}".format(*frames[-1]) if frames else ""
