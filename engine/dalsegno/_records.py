"""Records as keys and bytes: the layout of what the ledger stores, but for bundles, which encode themselves.

Every record is one msgpack array whose first element is the number of its layout, with a checksum behind it: the store
does not notice a flipped bit, and what is no object has no digest. Keys are a tag byte followed by
fixed-width big-endian numbers, so that a run's actions and logs lie together in the order in which they came; the
last eight bytes of an action's key are its path, so that a name is found by reading keys alone. Index keys end in
the run's id, which grows with time, so that a reverse scan gives the newest first. `FORMAT.md` has the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgpack

from dalsegno.errors import DamagedRecordError, DecodeError
from dalsegno.models import (
    ActionRecord,
    Attempt,
    ClassCode,
    Failure,
    Origin,
    Phase,
    Ref,
    Relation,
    RunRecord,
    TaskTemplate,
)

if TYPE_CHECKING:
    from dalsegno.bundle import Manifest

LAYOUT = 2

CHECKSUM = 4
"""How many bytes of checksum stand behind a record."""

_PHASES = list(Phase)
_PHASE_NUMBER = {phase: number for number, phase in enumerate(_PHASES)}

_pack = msgpack.packb


def sealed(data: bytes) -> bytes:
    """The bytes of a record with their checksum; objects have a digest instead."""
    return data + crc32(data).to_bytes(CHECKSUM, "big")


def opened(data: bytes, what: str) -> bytes:
    """The inverse of `sealed`; DamagedRecordError when a bit of it is another."""
    content = data[:-CHECKSUM]
    if crc32(content) != int.from_bytes(data[-CHECKSUM:], "big") or len(data) < CHECKSUM:
        raise DamagedRecordError(what)
    return content


def pack_record(*fields: object) -> bytes:
    """A record of these fields."""
    return sealed(_pack((LAYOUT, *fields)))


def unpack_record(data: bytes, what: str) -> list[Any]:
    """The fields of a record; DamagedRecordError, or DecodeError for one of another release."""
    return _unpack(opened(data, what), what)


def pack_number(number: int) -> bytes:
    """A record that is a number and nothing else."""
    return sealed(number.to_bytes(8, "big"))


def unpack_number(data: bytes, what: str) -> int:
    """The inverse of `pack_number`."""
    return int.from_bytes(opened(data, what), "big")


def _unpack(data: bytes, what: str) -> list[Any]:
    """The fields of an object or of a record without its checksum."""
    try:
        fields = msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise DecodeError(f"a {what} record cannot be read: {error}") from error
    if not isinstance(fields, list) or not fields or fields[0] != LAYOUT:
        raise DecodeError(f"a {what} record has another layout than {LAYOUT}, the one this release reads")
    return fields[1:]


# Keys


def run_key(run_id: int) -> bytes:
    return b"r" + run_id.to_bytes(8, "big")


def run_id_of(key: bytes) -> int:
    """The run's id at the end of a run key or an index key."""
    return int.from_bytes(key[-8:], "big")


RUNS = (b"r", b"s")
"""Where run records begin and end."""


def name_key(project: str, domain: str, name: str) -> bytes:
    return b"n" + "\0".join((project, domain, name)).encode()


NAMES = (b"n", b"o")
"""Where the names of runs begin and end."""


def names_range(project: str, domain: str) -> tuple[bytes, bytes]:
    start = b"n" + "\0".join((project, domain, "")).encode()
    return start, start[:-1] + b"\1"


ACTIONS = (b"z", b"{")
"""Where the records of actions begin and end: behind all others, since a store fills its pages when it is appended to,
and leaves them half empty when it is not."""


def action_key(run_id: int, seq: int, path: bytes) -> bytes:
    return b"z" + run_id.to_bytes(8, "big") + seq.to_bytes(4, "big") + path[:8]


def actions_range(run_id: int) -> tuple[bytes, bytes]:
    return b"z" + run_id.to_bytes(8, "big"), b"z" + (run_id + 1).to_bytes(8, "big")


def action_range(run_id: int, seq: int) -> tuple[bytes, bytes]:
    """The one key of the action with that number."""
    start = (run_id << 32) + seq
    return b"z" + start.to_bytes(12, "big"), b"z" + (start + 1).to_bytes(12, "big")


def log_key(run_id: int, seq: int, number: int) -> bytes:
    return b"l" + run_id.to_bytes(8, "big") + seq.to_bytes(4, "big") + number.to_bytes(4, "big")


def log_range(run_id: int, seq: int | None) -> tuple[bytes, bytes]:
    """The log of one action, or of the whole run for None."""
    run = run_id.to_bytes(8, "big")
    if seq is None:
        return b"l" + run, b"l" + (run_id + 1).to_bytes(8, "big")
    start = (run_id << 32) + seq
    return b"l" + start.to_bytes(12, "big"), b"l" + (start + 1).to_bytes(12, "big")


def seq_of(key: bytes) -> int:
    """The action's number in an action key or a log key."""
    return int.from_bytes(key[9:13], "big")


def cache_key(call: bytes) -> bytes:
    """Where the newest action that can stand for a call is noted; `call` is the digest of the call."""
    return b"c" + call


def derived_key(digest: bytes) -> bytes:
    """Where something is kept that was made from objects and can be made again; it may be gone at any time."""
    return b"d" + digest


def index_range(field: str, value: str) -> tuple[bytes, bytes]:
    """The index entries of the runs whose `field` is `value`, oldest first."""
    start = b"i" + f"{field}\0{value}\0".encode()
    return start, start[:-1] + b"\1"


def index_keys(run: RunRecord) -> Iterator[bytes]:
    """Every index entry of a run."""
    tail = run.id.to_bytes(8, "big")
    fields = [("project", f"{run.project}/{run.domain}"), ("task", run.task), ("phase", run.phase.value)]
    fields += [("label", f"{key}={value}") for key, value in run.labels.items()]
    if run.relation is not None:
        source = run.relation
        fields.append(("source", f"{source.project}/{source.domain}/{source.run}"))
    for field, value in fields:
        yield index_range(field, value)[0] + tail


# Values


def _values(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {name: part if isinstance(part, bytes) else Ref(*part) for name, part in raw.items()}
    return raw


# Runs


def pack_run(run: RunRecord) -> bytes:
    relation = run.relation
    fields: list[object] = [
        LAYOUT,
        run.project,
        run.domain,
        run.name,
        run.task,
        run.template,
        run.bundle,
        run.manifest,
        run.code_digest,
        _PHASE_NUMBER[run.phase],
        run.started_at,
        run.ended_at,
        dict(run.labels),
        dict(run.env_vars),
        dict(run.custom_context),
        relation and list(relation),
    ]
    return sealed(_pack(fields))


def unpack_run(run_id: int, data: bytes) -> RunRecord:
    f = unpack_record(data, "run")
    project, domain, name, task, template, bundle, manifest, code, phase, *rest = f
    started_at, ended_at, labels, env_vars, custom_context, relation = rest
    return RunRecord(
        run_id,
        project,
        domain,
        name,
        task,
        template,
        bundle,
        manifest,
        code,
        _PHASES[phase],
        started_at,
        ended_at,
        labels,
        env_vars,
        custom_context,
        None if relation is None else _relation(*relation),
    )


def _relation(
    kind: str,
    run: str,
    project: str,
    domain: str,
    action: str,
    changed_inputs: list[str],
    source_code_digest: bytes,
    code_digest: bytes,
    recover: bool,
    forced: list[str],
) -> Relation:
    return Relation(
        kind,
        run,
        project,
        domain,
        action,
        tuple(changed_inputs),
        source_code_digest,
        code_digest,
        recover,
        tuple(forced),
    )


# Actions


def pack_action(action: ActionRecord) -> bytes:
    failure = action.failure
    fields: list[object] = [
        LAYOUT,
        action.parent,
        action.short_name,
        action.key,
        action.path,
        action.group,
        action.template,
        action.inputs,
        _PHASE_NUMBER[action.phase],
        action.attempts,
        action.started_at,
        action.ended_at,
        action.outputs,
        failure and list(failure),
        action.opaque_inputs + 2 * action.opaque_outputs,
        action.origin,
        action.classes,
        [[start, end, list(failure)] for start, end, failure in action.failed_attempts],
    ]
    return sealed(_pack(fields))


def unpack_action(run_id: int, seq: int, data: bytes) -> ActionRecord:
    f = unpack_record(data, "action")
    parent, short_name, key, path, group, template = f[:6]
    return ActionRecord(
        run_id,
        seq,
        parent,
        short_name,
        key,
        path,
        group,
        template,
        inputs=_values(f[6]),
        phase=_PHASES[f[7]],
        attempts=f[8],
        started_at=f[9],
        ended_at=f[10],
        outputs=_values(f[11]),
        failure=None if f[12] is None else Failure(*f[12]),
        opaque_inputs=bool(f[13] & 1),
        opaque_outputs=bool(f[13] & 2),
        origin=None if f[14] is None else Origin(*f[14]),
        failed_attempts=tuple(Attempt(start, end, Failure(*failure)) for start, end, failure in f[16]),
        classes=None if f[15] is None else ClassCode(tuple((m, q) for m, q in f[15][0]), f[15][1]),
    )


def standing_of(data: bytes) -> tuple[Phase, int]:
    """The phase in an action record, and the number of attempts."""
    fields = unpack_record(data, "action")
    return _PHASES[fields[7]], fields[8]


# Templates and the other objects


def pack_template(template: TaskTemplate) -> bytes:
    fields: list[object] = [
        LAYOUT,
        template.name,
        template.short_name,
        template.module,
        template.qualname,
        template.is_async,
        template.doc,
        template.interface,
        dict(sorted(template.settings.items())),
        template.code_digest,
        template.bundle_digest,
        template.pickle,
        template.closure,
        dict(sorted(template.packages.items())),
        dict(sorted(template.environ.items())),
    ]
    return bytes(_pack(fields))


def unpack_template(data: bytes) -> TaskTemplate:
    return TaskTemplate(*_unpack(data, "template"))


def pack_manifest(manifest: Manifest) -> bytes:
    return bytes(_pack([LAYOUT, manifest.to_record()]))


def unpack_manifest(data: bytes) -> Manifest:
    from dalsegno.bundle import Manifest

    return Manifest.from_record(_unpack(data, "manifest")[0])


def pack_log(stream: str, at: int, text: str, attempt: int) -> bytes:
    return pack_record(stream, at, text.encode("utf-8", "surrogatepass"), attempt)


def unpack_log(data: bytes) -> tuple[str, int, str, int]:
    stream, at, text, attempt = unpack_record(data, "log")
    return stream, at, text.decode("utf-8", "surrogatepass"), attempt


def pack_cached(action: ActionRecord) -> bytes:
    return pack_record(action.run_id, action.seq, action.ended_at)


def unpack_cached(data: bytes) -> tuple[int, int, int]:
    """Run, number and end of the action that can stand for a call."""
    run_id, seq, ended_at = unpack_record(data, "cache")
    return run_id, seq, ended_at


def index_changes(old: RunRecord, new: RunRecord) -> tuple[set[bytes], set[bytes]]:
    """The index entries to delete and to put when `old` becomes `new`."""
    before, after = set(index_keys(old)), set(index_keys(new))
    return before - after, after - before
