"""Stores with runs in them, recorded without an engine, so that every object and record is known."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dalsegno import Phase
from dalsegno import _records as records
from dalsegno._identity import ROOT_KEY, action_key, action_path
from dalsegno._references import Reference, of_action, of_object, of_run
from dalsegno.bundle import Bundle, BundleFile
from dalsegno.codec import encode, join_map
from dalsegno.files import File, _from_content
from dalsegno.models import ActionRecord, Origin, Part, Ref, Relation, RunRecord, TaskTemplate, Values
from dalsegno_storage.digest import digest
from dalsegno_storage.objects import get_object, has_object, put_object
from dalsegno_storage.protocol import Reader, Store, Writer


@dataclass(frozen=True)
class Call:
    """An action to record: what it gave back, the files in that, and what it took over."""

    output: bytes | str | int = 0
    files: tuple[bytes, ...] = ()
    origin: tuple[int, int] | None = None
    task: str = "one"


@dataclass
class Recorded:
    """A recorded run, and the digests of the objects that it reaches by kind."""

    run: RunRecord
    objects: dict[str, set[bytes]] = field(default_factory=dict)

    def all(self) -> set[bytes]:
        """The digests of all of them, without chunks."""
        return set().union(*self.objects.values())


def file_with(content: bytes, name: str = "f.bin") -> File:
    """A file of that content, as one that was recorded."""
    return _from_content(name, content)


class Build:
    """Records runs in a store; the n-th one that is ever made there has the id n, if the newest one stays."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def run(
        self,
        name: str = "",
        calls: Sequence[Call] = (Call(),),
        *,
        task: str = "env.main",
        phase: Phase = Phase.SUCCEEDED,
        ended_at: int | None = None,
        sources: Mapping[str, bytes] | None = None,
        labels: Mapping[str, str] | None = None,
        of: RunRecord | None = None,
    ) -> Recorded:
        """Record a run whose root called `calls`, in one transaction."""
        with self.store.write() as writer:
            return self.put(writer, name, calls, task, phase, ended_at, sources, labels, of)

    def put(
        self,
        writer: Writer,
        name: str = "",
        calls: Sequence[Call] = (Call(),),
        task: str = "env.main",
        phase: Phase = Phase.SUCCEEDED,
        ended_at: int | None = None,
        sources: Mapping[str, bytes] | None = None,
        labels: Mapping[str, str] | None = None,
        of: RunRecord | None = None,
    ) -> Recorded:
        """The same in a transaction of the caller's."""
        newest = next(iter(writer.scan(*records.RUNS, reverse=True)), None)
        count = 1 if newest is None else records.run_id_of(newest[0]) + 1
        name = name or f"run{count}"
        objects: dict[str, set[bytes]] = {}

        def put(kind: str, data: bytes) -> bytes:
            found = put_object(writer, kind, data)
            objects.setdefault(kind, set()).add(found)
            return found

        files = [
            BundleFile(path, put("blob", data), len(data))
            for path, data in (sources or {"flow.py": b"x = 1"}).items()
        ]
        bundle = put("bundle", Bundle(tuple(files)).encode())
        closure = put("closure", b"closure of " + task.encode())
        manifest = put("manifest", records._pack([records.LAYOUT, {"python": "3.11"}]))

        def template(short: str) -> bytes:
            made = TaskTemplate(
                task, short, "flow", short, True, "", {}, {}, digest("code", b""), bundle, closure=closure
            )
            return put("template", records.pack_template(made))

        root = template(task.rpartition(".")[2])
        relation = None
        if of is not None:
            code = bytes(32)
            relation = Relation("rerun", of.name, of.project, of.domain, "a0", (), code, code, True)
        end = ended_at or count * 1000 + 900
        run = RunRecord(
            count, "default", "development", name, task, root, bundle, manifest, bytes(32), phase, count * 1000,
            end if phase.is_terminal else None, labels or {}, relation=relation,
        )  # fmt: skip
        recorded = Recorded(run, objects)
        writer.put(records.run_key(run.id), records.pack_run(run))
        writer.put(records.name_key("default", "development", name), records.pack_number(run.id))
        for key in records.index_keys(run):
            writer.put(key, b"")
        zero = ROOT_KEY
        first = ActionRecord(
            run.id, 0, None, "main", zero, zero, "", root, b"\x80", phase, 1, run.started_at,
            run.ended_at, None,
        )  # fmt: skip
        writer.put(records.action_key(run.id, 0, zero), records.pack_action(first))
        for seq, call in enumerate(calls, 1):
            value = encode([call.output, *map(file_with, call.files)]).data
            for body in call.files:
                put("blob", body)
            part: Part = value if len(value) <= 512 else Ref(put("value", value), len(value))
            outputs: Values = join_map({"o": part}) if isinstance(part, bytes) else {"o": part}
            key = action_key(call.task.encode(), b"\x80", seq, b"")
            path = action_path(zero, key)
            action = ActionRecord(
                run.id, seq, 0, call.task, key, path, "",
                template(call.task), b"\x80", Phase.SUCCEEDED if call.origin is None else Phase.RECOVERED,
                1, run.started_at, run.started_at + 1, outputs,
                origin=None if call.origin is None else Origin("recover", *call.origin),
            )  # fmt: skip
            writer.put(records.action_key(run.id, seq, path), records.pack_action(action))
            line = records.pack_log("stdout", run.started_at, f"{name} {seq}", 1)
            writer.put(records.log_key(run.id, seq, 0), line)
        return recorded


def content(store: Store) -> dict[bytes, bytes]:
    """Everything in a store."""
    with store.read() as reader:
        return dict(reader.scan())


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def dangling(reader: Reader) -> list[Reference]:
    """What records and objects refer to in this snapshot that is not there."""
    found = []
    waiting: list[Reference] = []
    for key, data in reader.scan(*records.RUNS):
        waiting += of_run(records.unpack_run(records.run_id_of(key), data))
    for key, data in reader.scan(*records.ACTIONS):
        # What a run that is being removed has left refers to what may be gone.
        if reader.get(records.run_key(int.from_bytes(key[1:9], "big"))) is not None:
            waiting += of_action(records.unpack_action(1, records.seq_of(key), data))
    seen = set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if not has_object(reader, each.digest):
            found.append(each)
        else:
            waiting += of_object(each.kind, get_object(reader, each.kind, each.digest))
    return found
