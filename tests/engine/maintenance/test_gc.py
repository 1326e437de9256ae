"""A collection removes everything that no run reaches, and nothing that one does."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.maintenance.building import Build, Call, content, dangling, file_with, noise

from dalsegno import Phase
from dalsegno import _records as records
from dalsegno._collection import collect
from dalsegno._marks import Marks
from dalsegno._pins import sweeps
from dalsegno._policy import Policy
from dalsegno._references import Reference
from dalsegno.codec import encode, join_map
from dalsegno.errors import CannotCollectError, ConfigError
from dalsegno.maintenance import check, delete_run, gc, pin
from dalsegno_storage import open_store
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import object_key, put_object
from dalsegno_storage.protocol import Store, Writer

DAY = 24 * 3600 * 10**9


@pytest.fixture
def build(store: MemoryStore) -> Build:
    return Build(store)


def objects(store: Store) -> set[bytes]:
    """The digests of all objects but chunks."""
    return {
        key[4:-1].replace(b"\0\xff", b"\0")
        for key, data in content(store).items()
        if key.startswith(b"\x02o\0") and data[2:7] != b"chunk"
    }


def names(store: Store) -> set[str]:
    return {key.rpartition(b"\0")[2].decode() for key in content(store) if key.startswith(b"n")}


calls = st.builds(
    Call,
    output=st.sampled_from([0, 1, "x" * 600, "y" * 600, "z" * 600]),
    files=st.lists(st.sampled_from([b"f", b"g", b"h"]), max_size=2).map(tuple),
    task=st.sampled_from(["one", "two"]),
)
run_lists = st.lists(
    st.tuples(
        st.lists(calls, max_size=3),
        st.sampled_from(["e.a", "e.b"]),
        st.sampled_from([b"1", b"2", b"3"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(run_lists, st.lists(st.sampled_from([b"stray", b"other"]), max_size=2))
def test_what_stays_is_what_the_kept_runs_reach(
    runs: list[tuple[list[Call], str, bytes, bool]], strays: list[bytes]
) -> None:
    store = MemoryStore()
    build = Build(store)
    kept: set[bytes] = set()
    gone = []
    for made, task, source, stays in runs:
        recorded = build.run("", made, task=task, sources={"m.py": source})
        if stays:
            kept |= recorded.all()
        else:
            gone.append(recorded.run)
    with store.write() as writer:
        for each in strays:
            put_object(writer, "blob", each)
            put_object(writer, "value", each * 600_000)
    before = content(store)
    for run in gone:
        delete_run(store, run.name)
    expected = objects(store) - kept
    planned = gc(store, dry_run=True)
    done = gc(store, grace=0)
    assert objects(store) == kept
    assert check(store).is_clean
    assert (planned.objects, planned.size) == (done.objects, done.size)
    assert done.objects >= len(expected)
    assert all(before[key] == data for key, data in content(store).items() if key != b"g")
    assert gc(store, grace=0).objects == 0
    store.close()


def test_chunks_go_with_the_last_object_that_they_are_in(store: MemoryStore, build: Build) -> None:
    one, two = noise(1, 1 << 20), noise(2, 1 << 20)
    build.run("a", [Call(files=(one + two,))])
    build.run("b", [Call(files=(one + one,))])
    delete_run(store, "a")
    gc(store, grace=0)
    assert check(store).is_clean
    chunks = [key for key, data in content(store).items() if data[2:7] == b"chunk"]
    assert len(chunks) == 1
    delete_run(store, "b")
    gc(store, grace=0)
    assert content(store).keys() == {b"g"}


def test_a_dry_run_changes_nothing(store: MemoryStore, build: Build) -> None:
    build.run("a", [Call("x" * 600)], sources={"m.py": b"a"})
    build.run("b")
    before = content(store)
    planned = gc(store, keep_last=1, dry_run=True)
    assert [run.name for run in planned.runs] == ["a"]
    assert planned.objects == 5  # a file, the bundle, its two templates, a value
    assert content(store) == before


def test_entries_that_lead_nowhere_go(store: MemoryStore, build: Build) -> None:
    a, b = build.run("a", sources={"m.py": b"a"}), build.run("b", sources={"m.py": b"b"})
    with store.write() as writer:
        for recorded, call in ((a, bytes(32)), (b, b"\1" * 32)):
            data = records.pack_record(recorded.run.id, 1, 5)
            writer.put(records.cache_key(call), data)
        writer.put(records.cache_key(b"\2" * 32), records.pack_record(b.run.id, 77, 5))
        writer.put(records.derived_key(bytes(32)), b"analysis")
    delete_run(store, "a")
    assert gc(store, dry_run=True).entries == 3
    assert gc(store, grace=0).entries == 3
    left = [key for key in content(store) if key[:1] in b"cd"]
    assert left == [records.cache_key(b"\1" * 32)]
    with store.write() as writer:
        writer.put(records.derived_key(bytes(32)), records.sealed(b"analysis"))
    assert gc(store, grace=0).entries == 0
    with store.write() as writer:
        writer.put(records.derived_key(bytes(32)), b"damaged")
        writer.put(records.cache_key(b"\3" * 32), b"damaged")
    assert gc(store, grace=0).entries == 2
    assert check(store).is_clean


# Policies


def test_keep_last_counts_by_task(store: MemoryStore, build: Build) -> None:
    for task in ("e.a", "e.b", "e.a", "e.a"):
        build.run(task=task)
    assert [run.id for run in gc(store, keep_last=2, grace=0).runs] == [1]
    assert names(store) == {"run2", "run3", "run4"}
    gc(store, keep_last=0, grace=0)
    assert names(store) == set()
    assert objects(store) == set()


def test_older_than_and_keep_last_protect_from_each_other(
    store: MemoryStore, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100 * DAY
    monkeypatch.setattr("dalsegno.maintenance.time.time_ns", lambda: now)
    for days in (50, 40, 10, 1):
        build.run(f"{days}", ended_at=now - days * DAY)
    month = timedelta(days=30)
    assert [run.name for run in gc(store, older_than=month, dry_run=True).runs] == ["50", "40"]
    assert [run.name for run in gc(store, older_than=month, keep_last=3, dry_run=True).runs] == ["50"]
    assert [run.name for run in gc(store, keep_last=3, dry_run=True).runs] == ["50"]
    assert [run.name for run in gc(store, keep_last=4, older_than=month, dry_run=True).runs] == []


def test_max_size_takes_the_oldest_until_it_fits(store: MemoryStore, build: Build) -> None:
    shared = noise(9, 50_000)
    for number in range(4):
        build.run(f"r{number}", [Call(files=(noise(number, 100_000), shared))])

    def size() -> int:
        return sum(len(k) + len(v) for k, v in content(store).items() if k[:1] in (b"\x02", b"r", b"z", b"l"))

    whole = size()
    assert gc(store, max_size=whole, grace=0).runs == ()
    assert [run.name for run in gc(store, max_size=whole - 1, dry_run=True).runs] == ["r0"]
    assert [run.name for run in gc(store, max_size=260_000, grace=0).runs] == ["r0", "r1"]
    assert 250_000 < size() < 260_000
    assert [run.name for run in gc(store, max_size=0, keep_last=1, grace=0).runs] == ["r2"]
    assert [run.name for run in gc(store, max_size=0, grace=0).runs] == ["r3"]
    assert objects(store) == set()


def test_live_and_pinned_runs_stay_and_what_they_need(store: MemoryStore, build: Build) -> None:
    first = build.run("first", [Call("x" * 600)]).run
    second = build.run("second", [Call("x" * 600, origin=(first.id, 1))]).run
    build.run("free")
    build.run("third", [Call(origin=(second.id, 1))])
    build.run("source")
    live = build.run("live", phase=Phase.RUNNING, of=build.run("wanted").run)
    pin(store, "third")
    for gone in (
        gc(store, keep_last=0, dry_run=True),
        gc(store, max_size=0, dry_run=True),
        gc(store, older_than=timedelta(0), dry_run=True),
    ):
        assert [run.name for run in gone.runs] == ["free", "source"]
    gc(store, keep_last=0, grace=0)
    assert names(store) == {"first", "second", "third", "live", "wanted"}
    assert live.all() <= objects(store)
    assert check(store).is_clean


def test_a_limit_below_zero_is_refused(store: MemoryStore) -> None:
    with pytest.raises(ConfigError, match="keep_last is zero or more"):
        gc(store, keep_last=-1)


# What cannot be known


def test_nothing_goes_while_something_that_is_reached_is_damaged(store: MemoryStore, build: Build) -> None:
    a = build.run("a", [Call("x" * 600, (b"file",))])
    build.run("b")
    delete_run(store, "b")
    (value,) = a.objects["value"]
    with store.write() as writer:
        writer.put(object_key(value), b"\0\5value" + bytes(9))
        put_object(writer, "blob", b"stray")
    before = content(store)
    with pytest.raises(CannotCollectError, match=rf"{value.hex()}.*`dalsegno check` names the runs"):
        gc(store, grace=0)
    assert content(store) == before
    delete_run(store, "a")
    gc(store, grace=0)
    assert objects(store) == set()


def test_nothing_goes_from_a_store_with_records_of_a_newer_release(store: MemoryStore) -> None:
    with store.write() as writer:
        writer.put(b"x1", b"refers to something")
        put_object(writer, "blob", b"that")
    before = content(store)
    with pytest.raises(CannotCollectError, match="records 'x' of a newer release"):
        gc(store, grace=0)
    assert content(store) == before


# Beside others


def test_what_becomes_reachable_between_the_two_looks_stays(store: MemoryStore, build: Build) -> None:
    with store.write() as writer:
        for data in (b"x = 1", b"stray"):
            put_object(writer, "blob", data)

    def wait() -> None:
        build.run("late", [Call("x" * 600)])
        live = build.run("live", [], phase=Phase.RUNNING).run
        with store.write() as writer:  # an action of a run that was seen
            action = records.unpack_action(
                live.id, 0, content(store)[records.action_key(live.id, 0, bytes(16))]
            )
            writer.put(records.action_key(live.id, 0, bytes(16)), records.pack_action(action))

    done = collect(store, Policy(), 0, wait)
    assert done.objects == 1
    assert check(store).is_clean
    with store.read() as reader:
        assert sweeps(reader) == 1


def refer(writer: Writer, blob: bytes) -> None:
    """Have the newest run refer to a file, as a task would that gave it back."""
    run_id = records.run_id_of(next(iter(writer.scan(*records.RUNS, reverse=True)))[0])
    key, data = next(iter(writer.scan(*records.action_range(run_id, 1))))
    action = records.unpack_action(run_id, 1, data)
    outputs = join_map({"o": encode(file_with(blob)).data})
    writer.put(key, records.pack_action(action._replace(outputs=outputs)))


@pytest.mark.parametrize("place", ["memory:", "lmdb", "sqlite"])
def test_collecting_beside_three_writers_leaves_nothing_dangling(tmp_path: Path, place: str) -> None:
    """Writers store ahead and refer later, and look again when something was removed since, as the ledger does."""
    store = open_store({"memory:": place}.get(place, f"{place}://{tmp_path}/store"))
    stop = threading.Event()
    bad: list[Reference] = []
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)
                stop.set()

        return run

    def writer(number: int) -> Callable[[], None]:
        def work() -> None:
            build = Build(store)
            for turn in range(15):
                source = {"m.py": b"%d" % (turn % 3)}
                value = "v" * (600 + turn % 4)
                own = b"%d of %d" % (turn % 2, number)
                with store.write() as transaction:
                    kept = sweeps(transaction)
                    put_object(transaction, "blob", own)
                if turn % 3 == 0:
                    gc(store, grace=0)
                with store.write() as transaction:
                    build.put(transaction, f"w{number}-{turn}", [Call(value)], sources=source)
                    if sweeps(transaction) != kept:
                        put_object(transaction, "blob", own)
                    refer(transaction, own)
                if turn >= 2:
                    delete_run(store, f"w{number}-{turn - 2}")

        return work

    def reader() -> None:
        while not stop.is_set():
            with store.read() as snapshot:
                bad.extend(dangling(snapshot))

    def collector() -> None:
        while not stop.is_set():
            gc(store, grace=0)

    writers = [threading.Thread(target=guarded(writer(number))) for number in range(3)]
    others = [threading.Thread(target=guarded(work)) for work in (reader, collector)]
    for thread in (*others, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert errors == []
    assert bad == []
    gc(store, grace=0)
    with store.read() as snapshot:
        assert dangling(snapshot) == []
        assert sweeps(snapshot) > 0
    assert check(store).is_clean
    assert names(store) == {f"w{number}-{turn}" for number in range(3) for turn in (13, 14)}
    assert objects(store) == set(Marks(store).first)
    store.close()
