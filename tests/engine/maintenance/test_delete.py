"""A removed run leaves nothing behind but what others need, and those who need it keep it."""

import pytest
from tests.engine.maintenance.building import Build, Call, content

from dalsegno import Phase
from dalsegno import _records as records
from dalsegno._deletion import left_overs
from dalsegno.errors import RunInUseError, RunNotFoundError
from dalsegno.maintenance import (
    check,
    delete_run,
    delete_runs,
    gc,
    pin,
    pinned_runs,
    unpin,
)
from dalsegno_storage.memory import MemoryStore


@pytest.fixture
def build(store: MemoryStore) -> Build:
    return Build(store)


def test_a_run_goes_with_everything_that_is_only_its_own(store: MemoryStore, build: Build) -> None:
    build.run("kept", [Call("x" * 600)])
    before = content(store)
    build.run("gone", [Call("y" * 600), Call("x" * 600)], labels={"k": "v"}, sources={"m.py": b"gone"})
    delete_run(store, "gone")
    left = content(store).keys() - before.keys()
    assert {key[:2] for key in left} <= {b"\x02o"}
    gc(store, grace=0)
    assert {key: data for key, data in content(store).items() if key != b"g"} == before


def test_a_run_that_is_not_there_is_not_found(store: MemoryStore, build: Build) -> None:
    build.run("alpha")
    before = content(store)
    with pytest.raises(RunNotFoundError, match="did you mean 'alpha'"):
        delete_runs(store, ["alpha", "alhpa"])
    assert content(store) == before


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.QUEUED])
def test_a_live_run_is_refused_unless_forced(store: MemoryStore, build: Build, phase: Phase) -> None:
    build.run("live", phase=phase)
    build.run("other")
    before = content(store)
    with pytest.raises(RunInUseError, match="it is (interrupted|queued)"):
        delete_runs(store, ["other", "live"])
    assert content(store) == before
    delete_run(store, "live", force=True)
    assert check(store).runs == 1


def test_a_pinned_run_is_refused(store: MemoryStore, build: Build) -> None:
    run = build.run("a").run
    pin(store, "a", note="for the paper")
    assert pinned_runs(store) == [run]
    with pytest.raises(RunInUseError, match="it is pinned; unpin it first"):
        delete_run(store, "a")
    assert unpin(store, "a")
    assert not unpin(store, "a")
    delete_run(store, "a")
    assert pinned_runs(store) == []


def test_what_others_took_results_from_is_refused(store: MemoryStore, build: Build) -> None:
    source = build.run("source", [Call("x" * 600)])
    user = build.run("user", [Call("x" * 600, origin=(source.run.id, 1))])
    before = content(store)
    with pytest.raises(RunInUseError, match="'user' took results over from it"):
        delete_run(store, "source")
    assert content(store) == before
    delete_run(store, "source", force=True)
    gc(store, grace=0)
    assert check(store).is_clean
    (value,) = user.objects["value"]
    assert value in {key[4:-1].replace(b"\0\xff", b"\0") for key in content(store)}


def test_runs_that_need_each_other_go_together(store: MemoryStore, build: Build) -> None:
    source = build.run("source")
    build.run("user", [Call(origin=(source.run.id, 1))])
    delete_runs(store, ["source", "user"])
    assert content(store).keys() == {key for key in content(store) if key.startswith(b"\x02o")}


def test_the_source_of_a_live_rerun_is_refused(store: MemoryStore, build: Build) -> None:
    source = build.run("source").run
    build.run("rerun", phase=Phase.RUNNING, of=source)
    build.run("over", of=build.run("free").run)
    with pytest.raises(RunInUseError, match="'rerun' took results over"):
        delete_run(store, "source")
    delete_run(store, "free")


def test_what_a_crash_left_of_a_removed_run_goes_with_the_next_collection(
    store: MemoryStore, build: Build
) -> None:
    build.run("kept")
    before = content(store)
    gone = build.run("gone").run
    with store.write() as writer:
        for key in [
            records.run_key(gone.id),
            records.name_key("default", "development", "gone"),
            *records.index_keys(gone),
        ]:
            writer.delete(key)
    assert list(left_overs(store)) == [gone.id]
    assert gc(store, grace=0, dry_run=True).left_overs == 1
    assert gc(store, grace=0).left_overs == 1
    assert content(store) == before
