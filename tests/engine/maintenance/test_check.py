"""Check finds what is wrong, names it, and says which runs it touches; everything else stays readable."""

import random
from collections.abc import Iterator

import pytest
from tests.engine.maintenance.building import Build, Call, content, noise

from dalsegno import _records as records
from dalsegno.maintenance import Problem, check, pin
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import get_object, object_key
from dalsegno_storage.protocol import Store


@pytest.fixture
def build(store: MemoryStore) -> Build:
    return Build(store)


def put(store: Store, key: bytes, data: bytes | None) -> None:
    with store.write() as writer:
        if data is None:
            writer.delete(key)
        else:
            writer.put(key, data)


def objects_in(store: Store) -> Iterator[tuple[bytes, bytes]]:
    return ((key, data) for key, data in content(store).items() if key.startswith(b"\x02o\0"))


def small_store(build: Build) -> None:
    """Two runs that share a bundle, one with sources and values of its own."""
    build.run("a", [Call("x" * 600, (b"file a",)), Call(7)])
    build.run("b", [Call("x" * 600, (b"file a",))])
    build.run("c", [Call("y" * 600), Call(8, (b"inline file",))], sources={"flow.py": b"y", "other.py": b"z"})


def test_a_sound_store_is_clean(store: MemoryStore, build: Build) -> None:
    small_store(build)
    build.run("big", [Call(noise(1, 3_000_000))])
    pin(store, "a")
    before = content(store)
    steps: list[tuple[str, int]] = []
    report = check(store, progress=lambda what, count: steps.append((what, count)))
    assert report.problems == ()
    assert report.is_clean
    assert (report.runs, report.actions) == (4, 10)
    found = list(objects_in(store))
    assert report.objects == len(found)
    assert report.size == sum(len(key) + len(data) for key, data in found)
    assert content(store) == before


def test_progress_is_told(store: MemoryStore, build: Build) -> None:
    build.run("many", [Call(number) for number in range(1100)])
    steps: list[tuple[str, int]] = []
    check(store, progress=lambda what, count: steps.append((what, count)))
    assert ("actions", 1000) in steps


def test_a_missing_object_touches_those_that_reach_it(store: MemoryStore, build: Build) -> None:
    a = build.run("a", [Call("x" * 600, (b"file",))])
    build.run("b", [Call("x" * 600, (b"file",))])
    build.run("c")
    (blob,) = a.objects["blob"] - build.run("d").objects["blob"]
    put(store, object_key(blob), None)
    assert check(store).problems == (
        Problem("blob", blob.hex(), "it is missing", ("default/development/a", "default/development/b")),
    )


@pytest.mark.parametrize("kind", ["bundle", "closure", "manifest", "template", "value"])
def test_each_kind_is_followed(store: MemoryStore, build: Build, kind: str) -> None:
    small_store(build)
    c = build.run("last", [Call("z" * 600)], task="env.last", sources={"l.py": b"last"})
    others = build.run("other").all()
    for gone in c.objects[kind] - others if kind != "manifest" else c.objects[kind]:
        put(store, object_key(gone), None)
        found = [each for each in check(store).problems if each.name == gone.hex()]
        assert [(each.kind, each.cause) for each in found] == [(kind, "it is missing")]
        assert "default/development/last" in found[0].runs
        if kind != "manifest":
            assert found[0].runs == ("default/development/last",)
        return


def test_every_flipped_bit_in_an_object_is_found_and_no_run_that_it_does_not_touch(
    store: MemoryStore, build: Build
) -> None:
    small_store(build)
    build.run("big", [Call(noise(2, 2_500_000))])
    draw = random.Random(3)
    reached = {
        name: Build(MemoryStore()).run(name, calls, sources=sources).all()
        for name, calls, sources in (
            ("default/development/a", [Call("x" * 600, (b"file a",)), Call(7)], None),
            (
                "default/development/c",
                [Call("y" * 600), Call(8, (b"inline file",))],
                {"flow.py": b"y", "other.py": b"z"},
            ),
        )
    }
    for key, data in list(objects_in(store)):
        broken = bytearray(data)
        bit = draw.randrange(8 * len(broken))
        broken[bit // 8] ^= 1 << bit % 8
        put(store, key, bytes(broken))
        report = check(store)
        named = {bytes.fromhex(each.name): each for each in report.problems}
        digest = records_digest(key)
        assert digest in named, (key, bit)
        for run, objects in reached.items():
            assert (run in named[digest].runs) == (digest in objects)
        put(store, key, data)
    assert check(store).is_clean


def records_digest(key: bytes) -> bytes:
    return key[4:-1].replace(b"\0\xff", b"\0")


def test_a_damaged_chunk_is_named_and_so_is_what_it_belongs_to(store: MemoryStore, build: Build) -> None:
    big = build.run("big", [Call(noise(4, 2_500_000))])
    (value,) = big.objects["value"]
    chunks = [(k, v) for k, v in objects_in(store) if v[2:7] == b"chunk"]
    key, data = chunks[1]
    put(store, key, data[:-1] + bytes((data[-1] ^ 1,)))
    found = {each.kind: each for each in check(store).problems}
    assert found["chunk"].cause == "its bytes have another digest"
    assert found["value"].name == value.hex()
    assert found["value"].cause == f"its chunk {records_digest(key).hex()} is damaged"
    assert found["value"].runs == ("default/development/big",)


def test_an_object_of_another_kind_is_refused(store: MemoryStore, build: Build) -> None:
    a = build.run("a", sources={"m.py": b"text"})
    (blob,) = a.objects["blob"]
    data = content(store)[object_key(blob)]
    put(store, object_key(blob), data.replace(b"blob", b"clob"))
    found = check(store).problems
    assert [(each.name, each.runs) for each in found] == [(blob.hex(), ("default/development/a",))]


@pytest.mark.parametrize("what", ["project", "task", "phase", "label", "source"])
def test_a_missing_index_entry_is_named(store: MemoryStore, build: Build, what: str) -> None:
    source = build.run("a").run
    run = build.run("b", labels={"k": "v"}, of=source).run
    (key,) = [key for key in records.index_keys(run) if key.startswith(b"i" + what.encode())]
    put(store, key, None)
    (found,) = check(store).problems
    assert (found.kind, found.cause, found.runs) == (
        "index",
        "the entry is missing",
        ("default/development/b",),
    )
    assert found.name.startswith(what)


def test_an_index_entry_too_many_is_named(store: MemoryStore, build: Build) -> None:
    build.run("a")
    put(store, records.index_range("phase", "failed")[0] + (1).to_bytes(8, "big"), b"")
    put(store, records.index_range("phase", "failed")[0] + (9).to_bytes(8, "big"), b"")
    assert check(store).problems == (
        Problem("index", "phase failed of run 1", "the entry is of no run", ("default/development/a",)),
        Problem("index", "phase failed of run 9", "the entry is of no run", ()),
    )


def test_names_lead_to_their_runs_and_back(store: MemoryStore, build: Build) -> None:
    build.run("a")
    build.run("b")
    put(store, records.name_key("default", "development", "a"), records.pack_number(2))
    put(store, records.name_key("default", "development", "ghost"), records.pack_number(7))
    assert check(store).problems == (
        Problem("name", "default/development/a", "it does not lead to its run", ("default/development/a",)),
        Problem("name", "default/development/ghost", "it does not lead to its run", ()),
    )


def test_records_that_cannot_be_read_are_named_and_the_rest_is_checked(
    store: MemoryStore, build: Build
) -> None:
    build.run("a")
    b = build.run("b", [Call("x" * 600)])
    put(store, records.run_key(1), b"\xc1")
    (value,) = b.objects["value"]
    put(store, object_key(value), None)
    (action,) = [key for key in content(store) if key.startswith(records.action_range(2, 1)[0])]
    put(store, records.log_key(2, 1, 0), b"nonsense")
    found = {each.kind: each for each in check(store).problems}
    assert found.keys() == {"run", "value", "log"}
    assert (found["run"].name, found["run"].runs) == ("default/development/a", ("default/development/a",))
    assert found["value"].runs == ("default/development/b",)
    assert found["log"].runs == ("default/development/b",)
    put(store, action, content(store)[action][:-3])
    found = {each.kind: each for each in check(store).problems}
    assert found["action"].name == "default/development/b/number 1"
    assert found["action"].runs == ("default/development/b",)


def test_an_action_stands_where_its_path_says(store: MemoryStore, build: Build) -> None:
    build.run("a", [Call(1), Call(2)])
    first, second = [key for key in content(store) if key[:1] == records.ACTIONS[0] and key[9:13] != bytes(4)]
    put(store, first, content(store)[second])
    (found,) = check(store).problems
    assert (found.kind, found.cause) == ("action", "its key and its record say different paths")
    put(store, records.action_key(1, 0, bytes(16)), None)
    causes = {each.cause for each in check(store).problems}
    assert causes == {
        "it is missing",
        "its key and its record say different paths",
        "the action that called it is missing",
    }


def test_a_key_of_no_record_is_named(store: MemoryStore, build: Build) -> None:
    build.run("a")
    for key in (b"\x02o\0\x01short\0", b"A", b"\x7f"):
        put(store, key, b"")
    assert [(each.kind, each.name) for each in check(store).problems] == [
        ("key", b"\x02o\0\x01short\0".hex()),
        ("key", b"A".hex()),
        ("key", b"\x7f".hex()),
    ]


def test_what_is_left_of_a_removed_run_is_no_damage(store: MemoryStore, build: Build) -> None:
    a = build.run("a")
    for key in [
        records.run_key(1),
        records.name_key("default", "development", "a"),
        *records.index_keys(a.run),
    ]:
        put(store, key, None)
    assert check(store).is_clean


def test_the_rest_stays_readable(store: MemoryStore, build: Build) -> None:
    a, b = build.run("a", [Call("x" * 600)]), build.run("b", [Call("y" * 600)])
    (value,) = a.objects["value"]
    put(store, object_key(value), b"\0\5value" + bytes(20))
    (other,) = b.objects["value"]
    with store.read() as reader:
        assert b"y" * 600 in get_object(reader, "value", other)
    (found,) = check(store).problems
    assert found.runs == ("default/development/a",)
