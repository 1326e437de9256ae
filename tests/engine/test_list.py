"""Looking for runs: filters, pages, and few steps however many there are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dalsegno import Engine, Phase, Run, TaskEnvironment
from dalsegno import _records as records
from dalsegno._ledger import Ledger
from dalsegno._listing import Query
from dalsegno.errors import ActionNotFoundError, RunNotFoundError
from dalsegno.models import RunRecord
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("listing")


@env.task
async def good(x: int) -> int:
    return x


@env.task
async def bad(x: int) -> int:
    raise ValueError(x)


def names(runs: list[Run[Any]]) -> list[str]:
    return [run.name for run in runs]


def test_runs_are_listed_newest_first_and_by_every_filter(play: Play) -> None:
    async def story(engine: Engine) -> None:
        runs: list[tuple[str, Any, dict[str, Any]]] = [
            ("g1", good, {"labels": {"team": "x", "kind": "a"}}),
            ("g2", good, {"labels": {"team": "y"}}),
            ("b1", bad, {"labels": {"team": "x"}}),
            ("p1", good, {"project": "p", "labels": {"team": "x"}}),
            ("d1", bad, {"project": "p", "domain": "d"}),
        ]
        for name, task, settings in runs:
            await (await engine.with_runcontext(name=name, **settings).run(task, 1)).wait.aio()
        for name, source in [("r1", "g1"), ("r2", "g1"), ("r3", "r1")]:
            await (await engine.with_runcontext(name=name).rerun(source)).wait.aio()

        found = engine.list_runs
        assert names(found()) == ["r3", "r2", "r1", "b1", "g2", "g1"]
        assert names(found(limit=2)) == ["r3", "r2"]
        assert names(found(project="p")) == ["p1"]
        assert names(found(project="p", domain="d")) == ["d1"]
        assert names(found(everywhere=True)) == ["r3", "r2", "r1", "d1", "p1", "b1", "g2", "g1"]
        assert names(found(everywhere=True, project="p")) == ["d1", "p1"]
        assert names(found(task="listing.bad")) == ["b1"]
        assert names(found(task="listing.bad", everywhere=True)) == ["d1", "b1"]
        assert names(found(task="listing.nothing")) == []
        assert names(found(in_phase="failed")) == ["b1"]
        assert names(found(in_phase=Phase.SUCCEEDED)) == ["r3", "r2", "r1", "g2", "g1"]
        assert names(found(in_phase=["failed", Phase.SUCCEEDED])) == names(found())
        assert names(found(in_phase=["running", "queued"])) == []
        assert names(found(with_labels={"team": "x"})) == ["r3", "r2", "r1", "b1", "g1"]
        assert names(found(with_labels={"team": "x", "kind": "a"})) == ["r3", "r2", "r1", "g1"]
        assert names(found(with_labels={"team": "x"}, in_phase="failed")) == ["b1"]
        assert names(found(with_labels={"team": "x"}, everywhere=True)) == [
            "r3", "r2", "r1", "p1", "b1", "g1",
        ]  # fmt: skip
        assert names(found(with_labels={"team": "x", "kind": "b"})) == []
        assert names(found(source_run="g1")) == ["r2", "r1"]
        assert names(found(source_run="g1", with_labels={"team": "y"})) == []
        assert names(found(source_run="r3")) == []
        assert names(found(task="listing.good", in_phase="succeeded", limit=1)) == ["r3"]
        with pytest.raises(ValueError, match="finished"):
            found(in_phase="finished")

    play(story)


def test_pages_follow_one_another_without_gap_or_overlap(play: Play) -> None:
    async def story(engine: Engine) -> None:
        for number in range(25):
            labels = {"odd": str(number % 2)}
            run = await engine.with_runcontext(name=f"n{number:02}", labels=labels).run(good, number)
            await run.wait.aio()
        for filters in (
            {},
            {"with_labels": {"odd": "1"}},
            {"in_phase": "succeeded"},
            {"task": "listing.good"},
        ):
            whole = names(engine.list_runs(**filters))
            pages: list[str] = []
            last: Run[Any] | None = None
            while page := engine.list_runs(**filters, limit=4, before=last):
                pages += names(page)
                last = page[-1]
            assert pages == whole
            assert whole == sorted(whole, reverse=True)
            assert len(whole) == (12 if "with_labels" in filters else 25)

    play(story)


class Counting(MemoryStore):
    """Counts what its readers look at."""

    looked = 0

    @contextmanager
    def read(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        with super().read() as reader:
            yield _Counted(self, reader)


class _Counted:
    def __init__(self, store: Counting, reader: Any) -> None:
        self._store, self._reader = store, reader

    def get(self, key: bytes) -> bytes | None:
        self._store.looked += 1
        found: bytes | None = self._reader.get(key)
        return found

    def has(self, key: bytes) -> bool:
        return self.get(key) is not None

    def scan(self, *bounds: Any, **options: Any) -> Iterator[tuple[bytes, bytes]]:
        for pair in self._reader.scan(*bounds, **options):
            self._store.looked += 1
            yield pair


@pytest.fixture(scope="module")
def many() -> Iterator[Counting]:
    """5,000 runs, one in fifty failed and one in a thousand labelled."""
    store = Counting()
    with store.write() as transaction:
        for number in range(1, 5001):
            run = RunRecord(
                id=number,
                project="p",
                domain="d",
                name=f"n{number}",
                task="e.t" if number % 2 else "e.u",
                template=bytes(32),
                bundle=bytes(32),
                manifest=bytes(32),
                code_digest=bytes(32),
                phase=Phase.FAILED if number % 50 == 0 else Phase.SUCCEEDED,
                started_at=number,
                labels={"rare": "yes"} if number % 1000 == 0 else {},
            )
            transaction.put(records.run_key(number), records.pack_run(run))
            transaction.put(records.name_key("p", "d", run.name), records.pack_number(number))
            for key in records.index_keys(run):
                transaction.put(key, b"")
    yield store
    store.close()


@pytest.mark.parametrize(
    ("query", "found", "steps"),
    [
        (Query(), 100, 102),
        (Query(project="p", domain="d"), 100, 202),
        (Query(project="p", domain="d", task="e.t"), 100, 202),
        (Query(project="p", domain="d", phases=frozenset({Phase.FAILED})), 100, 202),
        (Query(phases=frozenset({Phase.FAILED, Phase.ABORTED, Phase.RUNNING})), 100, 206),
        (Query(project="p", domain="d", labels={"rare": "yes"}), 5, 12),
        (Query(phases=frozenset({Phase.RUNNING})), 0, 2),
        (Query(source=("p", "d", "n1")), 0, 2),
        (Query(project="other", domain="d"), 0, 2),
    ],
)
def test_a_hundred_of_many_cost_a_hundred_steps(many: Counting, query: Query, found: int, steps: int) -> None:
    ledger = Ledger(many)
    many.looked = 0
    runs = ledger.runs(query, limit=100)
    assert len(runs) == found
    assert many.looked <= steps
    assert [run.id for run in runs] == sorted((run.id for run in runs), reverse=True)
    if runs:
        many.looked = 0
        page = ledger.runs(query, limit=10, before=runs[-1].id)
        assert many.looked <= 26
        assert all(run.id < runs[-1].id for run in page)


def test_a_name_that_is_not_there_gets_near_matches(many: Counting) -> None:
    ledger = Ledger(many)
    assert ledger.find_run("p", "d", "n77").id == 77
    with pytest.raises(RunNotFoundError) as raised:
        ledger.find_run("p", "d", "nn77")
    assert "n77" in raised.value.matches
    assert "in p/d" in str(raised.value)
    with pytest.raises(RunNotFoundError) as elsewhere:
        ledger.find_run("p", "dd", "n77")
    assert elsewhere.value.matches == ()


def test_an_action_that_is_not_there_gets_near_matches(play: Play) -> None:
    @env.task
    async def outer() -> int:
        return await good(1)

    async def story(engine: Engine) -> None:
        run = await engine.run(outer)
        await run.wait.aio()
        name = run.action().children[0].name
        with pytest.raises(ActionNotFoundError) as raised:
            run.action(name[:-1])
        assert raised.value.matches[0] == name
        assert "dalsegno get action" in str(raised.value)
        for wrong in ("", "a1", "good", name.upper()):
            with pytest.raises(ActionNotFoundError):
                run.action(wrong)

    play(story)
