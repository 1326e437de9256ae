"""Whether records from elsewhere have the form of records: of the right types, and written as they are written here.

Each function gives the record, or raises ShapeError with what is wrong. That two ways to write one record are never both
accepted follows from comparing: what was read is written again and has to give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import msgpack

from dalsegno import _records as records
from dalsegno._identity import ROOT_KEY, action_path
from dalsegno._values import parts_of
from dalsegno.bundle import Bundle
from dalsegno.closure import Closure
from dalsegno.codec import view
from dalsegno.codec._pieces import LARGEST, count
from dalsegno.errors import DalsegnoError
from dalsegno.models import ActionRecord, Failure, Phase, Ref, RunRecord, TaskTemplate, Values
from dalsegno.names import check_name
from dalsegno.settings import check_labels
from dalsegno_storage.digest import DIGEST_SIZE
from dalsegno_storage.protocol import MAX_KEY

T = TypeVar("T")

_LATEST = 1 << 63
_MOST = 1 << 32
_KEY_SIZE = 16
_MOST_FIELDS = 1_000_000
_UNREADABLE = (
    DalsegnoError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,  # of a parser, when something is nested too deeply
    msgpack.UnpackException,
)


class ShapeError(Exception):
    """Bytes are no record of that kind; the message says why."""


def run_of(data: bytes) -> RunRecord:
    """A run that has ended, with the id 0."""
    _check_size(data)
    run = _read(lambda: records.unpack_run(0, records.sealed(data)))
    _same(data, lambda: records.pack_run(run)[: -records.CHECKSUM])
    _read(lambda: _check_run(run))
    return run


def action_of(data: bytes, seq: int, paths: Mapping[int, bytes], runs: int) -> ActionRecord:
    """The action with that number in a capsule of so many runs; `paths` are those of the actions before it by number."""
    _check_size(data)
    action = _read(lambda: records.unpack_action(0, seq, records.sealed(data)))
    _same(data, lambda: records.pack_action(action)[: -records.CHECKSUM])
    _read(lambda: _check_action(action, paths, runs))
    return action


def check_log(data: bytes) -> None:
    """A piece of log."""
    _check_size(data)

    def check() -> None:
        stream, at, text, attempt = records.unpack_log(records.sealed(data))
        _must(type(stream) is str and _is_time(at) and _is_count(attempt), "a field has another type")
        _same(data, lambda: records.pack_log(stream, at, text, attempt)[: -records.CHECKSUM])

    _read(check)


def check_object(kind: str, data: bytes) -> None:
    """An object that the engine reads itself; a blob may be anything."""
    if kind != "value":  # which is looked at piece by piece
        _check_size(data)
    if kind == "template":
        template = template_of(data)
        _same(data, lambda: records.pack_template(template))
    elif kind == "bundle":
        _same(data, lambda: Bundle.decode(data).encode())
    elif kind == "manifest":
        _same(data, lambda: records.pack_manifest(records.unpack_manifest(data)))
    elif kind == "closure":
        closure = _read(lambda: Closure.decode(data))
        _read(lambda: _check_closure(closure))
        _same(data, closure.encode)
    elif kind == "value":
        _read(lambda: view(data))


def template_of(data: bytes) -> TaskTemplate:
    """A task template."""
    template = _read(lambda: records.unpack_template(data))
    _read(lambda: _check_template(template))
    return template


def _check_size(data: bytes) -> None:
    """A record is made whole when it is read; what has a million fields would take a hundred times its bytes."""
    if len(data) > LARGEST and _read(lambda: count(data, _MOST_FIELDS)) > _MOST_FIELDS:
        raise ShapeError(f"it has more than {_MOST_FIELDS:,} fields")


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except _UNREADABLE as error:
        raise ShapeError(f"it cannot be read: {error or type(error).__name__}") from error


def _same(data: bytes, again: Callable[[], bytes]) -> None:
    if _read(again) != data:
        raise ShapeError("it is not written in the form of this release")


def _must(condition: bool, reason: str) -> None:
    if not condition:
        raise ShapeError(reason)


def _is_time(value: object) -> bool:
    return type(value) is int and 0 <= value < _LATEST


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_digest(value: object, size: int = DIGEST_SIZE) -> bool:
    return type(value) is bytes and len(value) == size


def _are_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(type(each) is str for pair in value.items() for each in pair)


def _check_run(run: RunRecord) -> None:
    check_name("a project", run.project)
    check_name("a domain", run.domain)
    check_name("a run", run.name)
    _must(type(run.task) is str and run.task.isprintable(), "its task has no name")
    digests = (run.template, run.bundle, run.manifest, run.code_digest)
    _must(all(map(_is_digest, digests)), "a digest in it is none")
    _must(run.phase.is_terminal, f"it is {run.phase.value}, and has not ended")
    _must(_is_time(run.started_at) and _is_time(run.ended_at), "a time in it is none")
    texts = (run.labels, run.env_vars, run.custom_context)
    _must(all(map(_are_texts, texts)), "its labels or variables are not texts")
    check_labels(run.labels)
    relation = run.relation
    if relation is not None:
        _must(relation.kind in ("rerun", "fork"), "its relation is of no kind that there is")
        for what, name in (("run", relation.run), ("project", relation.project), ("domain", relation.domain)):
            check_name(f"a {what}", name)
        _must(
            type(relation.action) is str and relation.action.isprintable(),
            "the action that it is from has no name",
        )
        names = (*relation.changed_inputs, *relation.forced)
        _must(all(type(each) is str for each in names), "a name in its relation is not a text")
        codes = (relation.source_code_digest, relation.code_digest)
        _must(all(map(_is_digest, codes)) and type(relation.recover) is bool, "its relation has another form")
    _must(all(len(key) <= MAX_KEY for key in records.index_keys(run)), "a name in it is too long")


def _check_action(action: ActionRecord, paths: Mapping[int, bytes], runs: int) -> None:
    _must(_is_digest(action.key, _KEY_SIZE), "its key is none")
    if action.seq == 0:
        _must(action.parent is None and action.key == action.path == ROOT_KEY, "it is first and not the root")
    else:
        above = paths.get(action.parent) if type(action.parent) is int else None
        _must(above is not None, "the action that called it is missing")
        _must(
            above is not None and action_path(above, action.key) == action.path,
            "its path is not that of its key below the action that called it",
        )
    _must(type(action.short_name) is str and action.short_name.isprintable(), "it has no name")
    _must(type(action.group) is str, "its group is not a text")
    _must(_is_digest(action.template), "a digest in it is none")
    _must(action.phase is not Phase.INTERRUPTED, "it is in a phase that is never recorded")
    _must(_is_count(action.attempts), "its attempts are no number")
    ended = action.ended_at is None or _is_time(action.ended_at)
    _must(_is_time(action.started_at) and ended, "a time in it is none")
    _check_values(action.inputs)
    if action.outputs is not None:
        _check_values(action.outputs)
    if action.failure is not None:
        _check_failure(action.failure)
    for attempt in action.failed_attempts:
        _must(_is_time(attempt.started_at) and _is_time(attempt.ended_at), "a time in it is none")
        _check_failure(attempt.failure)
    origin = action.origin
    if origin is not None:
        _must(origin.kind in ("recover", "cache"), "its result was taken over in no way that there is")
        place = type(origin.run_id) is int and 0 <= origin.run_id <= runs and _is_count(origin.seq)
        _must(place, "its result is from a run that the capsule does not have")
    if action.classes is not None:
        names = all(type(each) is str for pair in action.classes.names for each in pair)
        _must(names and _is_digest(action.classes.digest), "its classes have another form")


def _check_values(values: Values) -> None:
    if isinstance(values, bytes):
        _check_inline(values)
    else:
        _must(isinstance(values, Mapping), "its inputs or outputs are no values")
        for name, part in values.items():
            _must(type(name) is str, "an input or output has no name")
            if isinstance(part, Ref):
                _must(_is_digest(part.digest) and _is_time(part.size), "a reference in it is none")
    for part in parts_of(values).values():
        if not isinstance(part, Ref):
            _check_inline(part)
            view(part)


def _check_inline(data: bytes) -> None:
    _must(len(data) <= LARGEST, f"a value in it has {len(data):,} bytes, which is too many for a record")


def _check_failure(failure: Failure) -> None:
    texts = (failure.kind, failure.message, failure.text)
    _must(
        all(type(each) is str for each in texts) and type(failure.state) is bytes,
        "a failure has another form",
    )


def _check_template(template: TaskTemplate) -> None:
    texts = (template.name, template.short_name, template.module, template.qualname, template.doc)
    _must(all(type(each) is str for each in texts), "a name in it is not a text")
    _must(type(template.is_async) is bool and _has_names(template.interface), "a field has another type")
    settings: Any = template.settings
    _must(
        _has_names(settings) and all(type(each) is bytes for each in settings.values()),
        "its settings are none",
    )
    pickle = template.pickle is None or _is_digest(template.pickle)
    closure = template.closure == b"" or _is_digest(template.closure)
    _must(_is_digest(template.code_digest) and _is_digest(template.bundle_digest), "a digest in it is none")
    _must(pickle and closure and _are_texts(template.packages), "a field has another type")
    environ: Any = template.environ
    _must(
        _has_names(environ) and all(type(each) is bytes for each in environ.values()),
        "its variables are none",
    )
    _check_interface(template)


def _check_closure(closure: Closure) -> None:
    texts = [closure.module, closure.qualname, *closure.packages, *closure.environ, *closure.order]
    texts += [text for each in closure.symbols for text in (each.module, each.name)]
    texts += [text for widening in closure.widened for text in widening]
    texts += [path for path, _ in closure.files]
    digests = [*(each.digest for each in closure.symbols), *(blob for _, blob in closure.files)]
    _must(all(type(each) is str for each in texts), "a name in it is not a text")
    _must(all(type(each) is bytes for each in digests), "a digest in it is none")


def _check_interface(template: TaskTemplate) -> None:
    from dalsegno.interface import Interface  # which brings much with it

    interface = Interface.from_record(template.interface, name=template.name, decode=_never)
    interface.options()


def _never(data: bytes) -> NoReturn:
    raise AssertionError("describing inputs decodes nothing")


def _has_names(value: object) -> bool:
    return isinstance(value, Mapping) and all(type(name) is str for name in value)
