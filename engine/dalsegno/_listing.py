"""Which runs are wanted, and the shortest way to them through the indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge

from dalsegno import _records as records
from dalsegno.errors import RunNotFoundError
from dalsegno.models import Phase, RunRecord
from dalsegno_storage.protocol import Reader


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs are wanted; None means any. All given conditions must hold.

    `text` is to be found in the name, the task or a label, written "key=value", `task_text` and `label_text` in the one of
    these, in small or capital letters. `since` and `until` say when it began, in nanoseconds; no index knows of any of these.
    """

    project: str | None = None
    domain: str | None = None
    task: str | None = None
    phases: frozenset[Phase] | None = None
    labels: Mapping[str, str] | None = None
    source: tuple[str, str, str] | None = None
    text: str = ""
    task_text: str = ""
    label_text: str = ""
    since: int | None = None
    until: int | None = None

    def ranges(self) -> list[tuple[bytes, bytes]]:
        """The key ranges of the narrowest index that holds every match; those of one run id never overlap."""
        if self.source is not None:
            return [records.index_range("source", "{}/{}/{}".format(*self.source))]
        for key, value in (self.labels or {}).items():
            return [records.index_range("label", f"{key}={value}")]
        # What is interrupted is recorded as running.
        recorded = {Phase.RUNNING if phase is Phase.INTERRUPTED else phase for phase in self.phases or ()}
        phases = [records.index_range("phase", phase.value) for phase in sorted(recorded)]
        if self.phases is not None and Phase.SUCCEEDED not in self.phases:
            return phases
        if self.task is not None:
            return [records.index_range("task", self.task)]
        if self.phases is not None:
            return phases
        if self.project is not None and self.domain is not None:
            return [records.index_range("project", f"{self.project}/{self.domain}")]
        return [records.RUNS]

    def accepts(self, run: RunRecord) -> bool:
        """Whether the run meets every condition."""
        relation = run.relation
        return (
            (self.project is None or run.project == self.project)
            and (self.domain is None or run.domain == self.domain)
            and (self.task is None or run.task == self.task)
            and (self.phases is None or run.phase in self.phases)
            and (not self.labels or self.labels.items() <= run.labels.items())
            and (
                self.source is None
                or (relation is not None and (relation.project, relation.domain, relation.run) == self.source)
            )
            and (self.since is None or run.started_at >= self.since)
            and (self.until is None or run.started_at < self.until)
            and (not (self.text or self.task_text or self.label_text) or self._reads(run))
        )

    def _reads(self, run: RunRecord) -> bool:
        labels = [f"{key}={value}" for key, value in run.labels.items()]
        return (
            _is_in(self.text, run.name, run.task, *labels)
            and _is_in(self.task_text, run.task)
            and _is_in(self.label_text, *labels)
        )


def _is_in(wanted: str, *texts: str) -> bool:
    found = wanted.casefold()
    return not found or any(found in text.casefold() for text in texts)


def candidates(reader: Reader, query: Query, before: int | None) -> Iterator[RunRecord]:
    """The runs in the query's index, newest first, below the id `before`."""
    ranges = query.ranges()
    scans = [
        reader.scan(start, stop if before is None else start + before.to_bytes(8, "big"), reverse=True)
        for start, stop in ranges
    ]
    pairs: Iterable[tuple[bytes, bytes]] = (
        scans[0]
        if len(scans) == 1
        else merge(*scans, key=lambda pair: records.run_id_of(pair[0]), reverse=True)
    )
    are_runs = ranges == [records.RUNS]
    for key, data in pairs:
        run_id = records.run_id_of(key)
        yield records.unpack_run(run_id, data) if are_runs else run_of(reader, run_id)


def run_of(reader: Reader, run_id: int) -> RunRecord:
    """The run with that id; RunNotFoundError when there is none."""
    data = reader.get(records.run_key(run_id))
    if data is None:
        raise RunNotFoundError(str(run_id))
    return records.unpack_run(run_id, data)
