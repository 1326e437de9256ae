"""Which runs are wanted, and the shortest way to them through the indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import merge

from dalsegno import _records as records
from dalsegno.errors import RunNotFoundError
from dalsegno.models import Phase, RunRecord
from dalsegno_storage.protocol import Reader


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs are wanted; None means any. All given conditions must hold."""

    project: str | None = None
    domain: str | None = None
    task: str | None = None
    phases: frozenset[Phase] | None = None
    labels: Mapping[str, str] | None = None
    source: tuple[str, str, str] | None = None

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
            and all(run.labels.get(key) == value for key, value in (self.labels or {}).items())
            and (
                self.source is None
                or (relation is not None and (relation.project, relation.domain, relation.run) == self.source)
            )
        )


def candidates(reader: Reader, query: Query, before: int | None) -> Iterator[RunRecord]:
    """The runs in the query's index, newest first, below the id `before`."""
    ranges = query.ranges()
    scans = [
        reader.scan(start, stop if before is None else start + before.to_bytes(8, "big"), reverse=True)
        for start, stop in ranges
    ]
    for key, data in merge(*scans, key=lambda pair: records.run_id_of(pair[0]), reverse=True):
        run_id = records.run_id_of(key)
        yield records.unpack_run(run_id, data) if ranges == [records.RUNS] else run_of(reader, run_id)


def run_of(reader: Reader, run_id: int) -> RunRecord:
    """The run with that id; RunNotFoundError when there is none."""
    data = reader.get(records.run_key(run_id))
    if data is None:
        raise RunNotFoundError(str(run_id))
    return records.unpack_run(run_id, data)
