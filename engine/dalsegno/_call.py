"""What a call of a task is made into before anything is executed: accepted and encoded inputs, a key, and a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dalsegno._identity import action_key, action_path
from dalsegno._puts import Put
from dalsegno._values import Encoded, encode_named
from dalsegno.models import ActionRecord, Phase
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._code import Recorded
    from dalsegno._runner import LiveAction


class Call(NamedTuple):
    """A call that `parent` makes; `counterpart` is the recorded action that it stands for, where results are taken from
    another run, and `puts` store the objects among its inputs."""

    values: dict[str, Any]
    encoded: Encoded
    record: ActionRecord
    template: Recorded
    parent: LiveAction
    counterpart: ActionRecord | None
    puts: Sequence[Put]


def recorded_call(
    parent: LiveAction, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], group: str
) -> Call:
    """The call, with the record that it begins with; that of a run which is resumed may have ended already."""
    run = parent.run
    values = task.interface.accept(args, kwargs)
    encoded = encode_named(values.items(), run.known)
    digest = encoded.digest
    key = action_key(task.full_name, digest, 0, group.encode())
    ordinal = parent.equal_calls(key)
    if ordinal:
        key = action_key(task.full_name, digest, ordinal, group.encode())
    variables = parent.owner().task.variables if task.is_trace else task.variables
    if run.variables:
        variables = {**variables, **run.variables} if variables else run.variables
    template = run.code.template(task, variables)
    puts = run.ledger.objects(encoded) if encoded.objects or encoded.blobs else ()
    path = action_path(parent.record.path, key)
    recorded = None if run.earlier is None else run.earlier.find(path)
    record = ActionRecord(
        run_id=run.record.id,
        seq=next(run.seqs) if recorded is None else recorded.seq,
        parent=parent.record.seq,
        short_name=task.short_name,
        key=key,
        path=path,
        group=group,
        template=template.digest,
        inputs=encoded.values,
        phase=Phase.RUNNING,
        attempts=1,
        started_at=time.time_ns(),
        opaque_inputs=encoded.opaque,
        classes=run.code.class_code(encoded.classes),
    )
    if run.earlier is not None and recorded is not None:
        record = run.earlier.again(record, recorded)
    counterpart = None
    if run.source is not None and not parent.forced:
        counterpart = run.source.counterpart(parent.counterpart, key)
    return Call(values, encoded, record, template, parent, counterpart, puts)
