"""Runs go into a file and come out of it in another store as they were."""

import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.engine.capsule import carried
from tests.engine.capsule.conftest import again, everything, play, record

from dalsegno import Engine, capsule, fingerprint, maintenance
from dalsegno import _records as records
from dalsegno.capsule import _import
from dalsegno.errors import CapsuleError, RunNotFoundError, UsageError
from dalsegno_storage.lmdb import LmdbStore
from dalsegno_storage.memory import MemoryStore


def shown(store: MemoryStore, name: str) -> dict[str, Any]:
    """All that can be seen of a run, but for ids."""

    async def story(engine: Engine) -> dict[str, Any]:
        run = engine.get_run(name)
        actions = run.actions()
        return {
            "run": run.record._replace(id=0),
            "fingerprint": fingerprint(run),
            "actions": [each.record._replace(run_id=0, origin=None) for each in actions],
            "origins": [
                None if each.origin is None else (each.origin.run.name, each.origin.name) for each in actions
            ],
            "below": [[child.name for child in each.children] for each in actions],
            "io": [each.io() for each in actions],
            "logs": run.logs(),
            "why": run.why(),
        }

    seen: dict[str, Any] = play(store, story)
    return seen


def test_a_run_is_the_same_in_the_other_store(store: MemoryStore, other: MemoryStore, small: Path) -> None:
    done = capsule.import_capsule(other, small)
    assert (done.runs, done.known, done.pickles) == (("run",), (), False)
    assert shown(other, "run") == shown(store, "run")
    assert len(shown(other, "run")["logs"]) == 2
    report = maintenance.check(other)
    assert report.is_clean
    assert (report.runs, report.actions, report.objects) == (1, 4, done.objects)


def test_the_same_run_gives_the_same_bytes(
    store: MemoryStore, other: MemoryStore, small: Path, tmp_path: Path
) -> None:
    capsule.export_runs(store, ["run"], tmp_path / "second")
    record(other, "before", carried.parts, count=9)
    capsule.import_capsule(other, small)
    capsule.export_runs(other, ["run"], tmp_path / "third")
    assert small.read_bytes() == (tmp_path / "second").read_bytes() == (tmp_path / "third").read_bytes()


def test_failures_files_and_classes(
    store: MemoryStore, other: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARRIED_FOLDER", str(tmp_path))
    record(store, "failed", carried.failing)
    record(store, "class", carried.summed, count=3)
    record(store, "file", carried.filed, text="abc")
    names = ["failed", "class", "file"]
    capsule.export_runs(store, names, tmp_path / "all")
    with closing(LmdbStore(tmp_path / "store")) as disk:
        assert set(capsule.import_capsule(disk, tmp_path / "all").runs) == set(names)
        assert maintenance.check(disk).is_clean
        capsule.export_runs(disk, names, tmp_path / "again")
    assert (tmp_path / "all").read_bytes() == (tmp_path / "again").read_bytes()
    capsule.import_capsule(other, tmp_path / "again")
    assert [shown(other, name) == shown(store, name) for name in names] == [True] * 3


def test_the_runs_that_results_are_from_come_along(
    store: MemoryStore, other: MemoryStore, tmp_path: Path
) -> None:
    record(store, "first", carried.whole)
    again(store, "second", "first", recover=True, inputs={"count": 3})
    again(store, "third", "second", recover=True, inputs={"count": 4})
    done = capsule.export_runs(store, ["third"], tmp_path / "file")
    assert (done.runs, set(done.carried)) == (("third",), {"first", "second"})
    assert done.left_out == ()
    capsule.import_capsule(other, tmp_path / "file")
    assert [shown(other, name) for name in ("first", "second", "third")] == [
        shown(store, name) for name in ("first", "second", "third")
    ]


def test_a_run_that_was_merely_started_from_is_left_out_and_named(
    store: MemoryStore, other: MemoryStore, tmp_path: Path
) -> None:
    record(store, "first", carried.parts, count=1)
    again(store, "second", "first")
    done = capsule.export_runs(store, ["second"], tmp_path / "file")
    assert (done.carried, done.left_out) == ((), (("second", "first"),))
    capsule.import_capsule(other, tmp_path / "file")
    assert shown(other, "second")["fingerprint"] == shown(store, "second")["fingerprint"]
    both = capsule.export_runs(store, ["second", "first"], tmp_path / "both")
    assert (both.runs, both.left_out) == (("first", "second"), ())
    assert capsule.import_capsule(other, tmp_path / "both").runs == ("first",)


def test_what_is_below_a_run_that_was_removed_by_force_stays_lost(
    store: MemoryStore, other: MemoryStore, tmp_path: Path
) -> None:
    record(store, "first", carried.whole)
    again(store, "second", "first", recover=True, inputs={"count": 3})
    maintenance.delete_run(store, "first", force=True)
    capsule.export_runs(store, ["second"], tmp_path / "file")
    capsule.import_capsule(other, tmp_path / "file")
    assert maintenance.check(other).is_clean
    capsule.export_runs(other, ["second"], tmp_path / "again")
    assert (tmp_path / "file").read_bytes() == (tmp_path / "again").read_bytes()


def test_importing_twice_changes_nothing(other: MemoryStore, small: Path) -> None:
    capsule.import_capsule(other, small)
    before = everything(other)
    done = capsule.import_capsule(other, small)
    assert (done.runs, done.known, done.objects) == ((), ("run",), 0)
    assert everything(other) == before


def test_importing_where_it_was_recorded_changes_nothing(store: MemoryStore, small: Path) -> None:
    before = everything(store)
    assert capsule.import_capsule(store, small).bundles == ()
    assert everything(store) == before


def test_objects_that_are_there_are_not_written_again(
    store: MemoryStore, other: MemoryStore, small: Path, tmp_path: Path
) -> None:
    capsule.import_capsule(other, small)
    record(store, "next", carried.whole, count=3)
    capsule.export_runs(store, ["next"], tmp_path / "next")
    before = everything(other)
    done = capsule.import_capsule(other, tmp_path / "next")
    new = {key for key in everything(other).keys() - before.keys() if key.startswith(b"\2o")}
    assert done.objects == len(new) == 1  # the value of the one call that is new


def test_another_run_of_the_same_name_is_refused(other: MemoryStore, small: Path) -> None:
    record(other, "run", carried.whole)
    before = everything(other)
    with pytest.raises(
        CapsuleError, match="there is another run 'run' in default/development here"
    ) as caught:
        capsule.import_capsule(other, small)
    assert caught.value.entry == "runs/1/run"
    assert everything(other) == before
    maintenance.delete_run(other, "run")
    assert capsule.import_capsule(other, small).runs == ("run",)


def test_runs_have_their_projects(store: MemoryStore, other: MemoryStore, tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        for project in ("a", "b"):
            context = engine.with_runcontext(name="same", project=project, labels={"of": project})
            await (await context.run(carried.parts, 1)).wait.aio()

    play(store, story)
    with store.read() as reader:
        runs = [records.unpack_run(records.run_id_of(key), data) for key, data in reader.scan(*records.RUNS)]
    capsule.export_records(store, runs, tmp_path / "file")
    capsule.import_capsule(other, tmp_path / "file")

    async def look(engine: Engine) -> list[tuple[str, str]]:
        return [(run.project, run.labels["of"]) for run in engine.list_runs(everywhere=True)]

    assert play(other, look) == [("b", "b"), ("a", "a")]


def test_what_has_not_ended_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="live").run(carried.whole)
        with pytest.raises(UsageError, match="run 'live' is running"):
            capsule.export_runs(store, ["live"], tmp_path / "file")
        await run.wait.aio()

    play(store, story)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(store: MemoryStore, small: Path, tmp_path: Path) -> None:
    with pytest.raises(CapsuleError, match="there is something at this place"):
        capsule.export_runs(store, ["run"], small)
    with pytest.raises(RunNotFoundError, match="did you mean 'run'"):
        capsule.export_runs(store, ["rum"], tmp_path / "file")
    with pytest.raises(UsageError, match="no run was named"):
        capsule.export_runs(store, [], tmp_path / "file")
    assert list(tmp_path.iterdir()) == [small]


def test_a_place_below_a_file(store: MemoryStore, tmp_path: Path) -> None:
    record(store, "run", carried.whole)
    (tmp_path / "file").touch()
    with pytest.raises(CapsuleError, match=r"file is no folder; name another place"):
        capsule.export_runs(store, ["run"], tmp_path / "file" / "capsule")


def test_a_damaged_object_leaves_no_file(store: MemoryStore, small: Path, tmp_path: Path) -> None:
    key = next(key for key in everything(store) if key.startswith(b"\2o"))
    with store.write() as writer:
        data = writer.get(key) or b""
        writer.put(key, data[:-1] + bytes((data[-1] ^ 1,)))
    with pytest.raises(Exception, match="is damaged"):
        capsule.export_runs(store, ["run"], tmp_path / "file")
    assert list(tmp_path.iterdir()) == [small]


def test_a_file_is_private(small: Path) -> None:
    assert small.stat().st_mode & 0o777 == 0o600


def test_what_was_imported_stays_and_goes_like_any_run(other: MemoryStore, small: Path) -> None:
    capsule.import_capsule(other, small)
    assert maintenance.gc(other, grace=0).objects == 0
    maintenance.delete_run(other, "run")
    maintenance.gc(other, grace=0)
    assert {key[:1] for key in everything(other)} <= {b"g"}
    assert capsule.foreign(other) == []


def test_a_collection_in_the_middle_is_noticed(
    other: MemoryStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = _import._Importing._put_runs
    collected: list[int] = []

    def collect_before(*args: Any) -> None:
        if not collected:
            collected.append(maintenance.gc(other, grace=0).objects)
        put(*args)

    monkeypatch.setattr(_import._Importing, "_put_runs", collect_before)
    done = capsule.import_capsule(other, small)
    assert collected == [done.objects]
    assert done.runs == ("run",)
    assert maintenance.check(other).is_clean


def test_two_who_import_the_same_get_along(
    other: MemoryStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = _import._Importing._put_runs
    before: list[dict[bytes, bytes]] = []

    def import_before(*args: Any) -> None:
        if not before:
            before.append({})
            assert capsule.import_capsule(other, small).runs == ("run",)
            before.append(dict(everything(other)))
        put(*args)

    monkeypatch.setattr(_import._Importing, "_put_runs", import_before)
    done = capsule.import_capsule(other, small)
    assert (done.runs, done.known) == ((), ("run",))
    assert everything(other) == before[1]


def test_a_store_that_never_stands_still(
    other: MemoryStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*_: Any) -> None:
        raise _import._AgainError

    monkeypatch.setattr(_import._Importing, "_put_runs", put)
    with pytest.raises(CapsuleError, match="was changed 5 times while it was imported; try again"):
        capsule.import_capsule(other, small)


def test_the_last_step_is_undone_as_a_whole(
    other: MemoryStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_import._Importing, "_put_logs", fail)
    with pytest.raises(KeyboardInterrupt):
        capsule.import_capsule(other, small)
    assert {key[:2] for key in everything(other)} == {b"\2o"}
    maintenance.gc(other, grace=0)
    assert {key[:1] for key in everything(other)} == {b"g"}


def test_memory_does_not_grow_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRIED_FOLDER", str(tmp_path))

    async def story() -> None:
        async with Engine(tmp_path / "from", durability="relaxed") as engine:
            run = await engine.with_runcontext(name="large").run(carried.filed, text="0123456789abcdef")
            await run.wait.aio()

    anyio.run(story)
    with closing(LmdbStore(tmp_path / "from")) as source, closing(LmdbStore(tmp_path / "to")) as target:
        tracemalloc.start()
        capsule.export_runs(source, ["large"], tmp_path / "file")
        capsule.import_capsule(target, tmp_path / "file")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert maintenance.check(target).size > 0
    assert (tmp_path / "large.txt").stat().st_size == 48 << 20
    assert peak < 20 << 20
