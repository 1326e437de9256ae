"""Capsules with a right seal that are not what they should be: each is refused by the name of what is wrong in it."""

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
from tests.engine.capsule import carried, forging
from tests.engine.capsule.conftest import again, everything, record
from tests.engine.capsule.forging import Entries, framed, frames

from dalsegno import _records as records
from dalsegno import capsule
from dalsegno.bundle import Bundle, BundleFile
from dalsegno.capsule import _archive, _examine, _shapes, import_capsule
from dalsegno.codec._format import array_head
from dalsegno.codec._pieces import LARGEST
from dalsegno.errors import CapsuleError
from dalsegno.models import Origin, Phase
from dalsegno_storage.digest import digest
from dalsegno_storage.memory import MemoryStore

Change = Callable[[Entries], Entries]


@dataclass(frozen=True)
class Case:
    """What is done to a good capsule, the entry that is named, and what is said of it."""

    change: Change
    entry: str
    reason: str


def of_kind(entries: Entries, kind: str) -> str:
    """The name of the first entry with an object of that kind."""
    return next(name for name in entries if name.startswith(f"objects/{kind}/"))


def without(entries: Entries, name: str) -> Entries:
    return {each: data for each, data in entries.items() if each != name}


def renamed(entries: Entries, old: str, new: str) -> Entries:
    return {new if each == old else each: data for each, data in entries.items()}


def with_run(**fields: Any) -> Change:
    """The run's record with other fields."""

    def change(entries: Entries) -> Entries:
        run = records.unpack_run(0, records.sealed(entries["runs/1/run"]))._replace(**fields)
        return {**entries, "runs/1/run": records.pack_run(run)[:-4]}

    return change


def with_action(number: int, **fields: Any) -> Change:
    """The record of the action in that place with other fields."""

    def change(entries: Entries) -> Entries:
        found = frames(entries["runs/1/actions"])
        seq = found[number][:4]
        action = records.unpack_action(0, int.from_bytes(seq, "big"), records.sealed(found[number][4:]))
        found[number] = seq + records.pack_action(action._replace(**fields))[:-4]
        return {**entries, "runs/1/actions": framed(*found)}

    return change


def with_actions(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    return lambda entries: {**entries, "runs/1/actions": framed(*change(frames(entries["runs/1/actions"])))}


def with_object(kind: str, change: Callable[[bytes], bytes]) -> Change:
    """Another object in place of one, under its own digest; what refers to the old one is left as it is."""

    def changed(entries: Entries) -> Entries:
        old = of_kind(entries, kind)
        data = change(entries[old])
        made = {
            f"objects/{kind}/{digest(kind, data).hex()}" if each == old else each: body
            for each, body in entries.items()
        }
        made[f"objects/{kind}/{digest(kind, data).hex()}"] = data
        front = {name: made[name] for name in ("manifest.json", "index.txt")}
        objects = {name: made[name] for name in sorted(made) if name.startswith("objects/")}
        return {**front, **objects, **{name: made[name] for name in made if name.startswith("runs/")}}

    return changed


def with_manifest(change: Callable[[Any], Any]) -> Change:
    return lambda entries: {
        **entries,
        "manifest.json": json.dumps(change(json.loads(entries["manifest.json"]))).encode(),
    }


def escaping(data: bytes) -> bytes:
    """The bundle with a path that leads out of it; `Bundle` itself would not take it."""
    layout, files = msgpack.unpackb(data)
    return bytes(msgpack.packb([layout, [["../" + files[0][0], *files[0][1:]], *files[1:]]]))


BLOB, VALUE = "objects/blob/", "objects/value/"
CASES = {
    "a path upwards": Case(
        lambda e: renamed(e, of_kind(e, "blob"), "../../etc/passwd"),
        "../../etc/passwd",
        "nothing in a capsule has such a name",
    ),
    "an absolute path": Case(
        lambda e: renamed(e, of_kind(e, "blob"), "/tmp/x"), "/tmp/x", "nothing in a capsule has such a name"
    ),
    "a path through a kind": Case(
        lambda e: renamed(e, of_kind(e, "blob"), BLOB + "../" + "0" * 61),
        BLOB + "../" + "0" * 61,
        "nothing in a capsule has such a name",
    ),
    "an unknown kind": Case(
        lambda e: renamed(e, of_kind(e, "blob"), "objects/chunk/" + "0" * 64),
        "objects/chunk/" + "0" * 64,
        "nothing in a capsule has such a name",
    ),
    "a bundle that leads out": Case(with_object("bundle", escaping), "objects/bundle/", "'..'"),
    "another digest": Case(
        lambda e: forging.changed(e, of_kind(e, "value"), lambda data: data[:-1] + b"\x05"),
        VALUE,
        "its content has the digest",
    ),
    "a missing object": Case(
        lambda e: without(e, of_kind(e, "blob")), BLOB, "it is missing, and 'objects/bundle/"
    ),
    "no index": Case(lambda e: without(e, "index.txt"), "objects/", "'index.txt' was expected"),
    "no logs": Case(lambda e: without(e, "runs/1/logs"), "runs/1/logs", "it is missing"),
    "another run": Case(
        lambda e: {**e, "runs/2/run": e["runs/1/run"]}, "runs/2/run", "the manifest has no such run"
    ),
    "entries in another order": Case(
        lambda e: {
            **{n: e[n] for n in ("manifest.json", "index.txt")},
            **dict(reversed([(n, d) for n, d in e.items() if n.startswith("objects/")])),
            **{n: d for n, d in e.items() if n.startswith("runs/")},
        },
        "objects/",
        "not in the order of names",
    ),
    "another index": Case(
        lambda e: forging.changed(
            e, "index.txt", lambda data: data.replace(b"carried.whole", b"harmless.task")
        ),
        "index.txt",
        "it says something else",
    ),
    "an index that is too long": Case(
        lambda e: {**e, "index.txt": bytes((1 << 26) + 1)}, "index.txt", "at most 67,108,864"
    ),
    "a run that goes on": Case(with_run(phase=Phase.RUNNING, ended_at=None), "runs/1/run", "has not ended"),
    "a name with a zero": Case(with_run(name="a\0b"), "runs/1/run", "control or invisible"),
    "a name with a slash": Case(with_run(name="../x"), "runs/1/run", "'/'"),
    "a task with a colour": Case(with_run(task="\x1b[31mred"), "runs/1/run", "its task has no name"),
    "a task that is too long": Case(with_run(task="x" * 600), "runs/1/run", "too long"),
    "a label with a zero": Case(with_run(labels={"a": "b\0c"}), "runs/1/run", "control or invisible"),
    "a label that is a number": Case(with_run(labels={"a": 1}), "runs/1/run", "not texts"),
    "a time before all": Case(with_run(started_at=-1), "runs/1/run", "a time in it is none"),
    "a short digest": Case(with_run(bundle=b"abc"), "runs/1/run", "a digest in it is none"),
    "a record of another layout": Case(
        lambda e: forging.changed(e, "runs/1/run", lambda data: data[:3] + b"\x03" + data[4:]),
        "runs/1/run",
        "another layout",
    ),
    "a record that is not canonical": Case(
        with_actions(lambda found: [longer(found[0]), *found[1:]]),
        "runs/1/actions",
        "not written in the form",
    ),
    "no root": Case(with_actions(lambda found: found[1:]), "runs/1/actions", "the root is missing"),
    "no actions": Case(with_actions(lambda found: []), "runs/1/actions", "the root is missing"),
    "an action twice": Case(with_actions(lambda found: [*found, found[-1]]), "runs/1/actions", "there twice"),
    "an action of nobody": Case(
        with_action(1, parent=7), "runs/1/actions", "the action that called it is missing"
    ),
    "an action in another place": Case(
        with_action(2, path=b"x" * 16), "runs/1/actions", "its path is not that of its key"
    ),
    "an action in no phase": Case(
        with_action(1, phase=Phase.INTERRUPTED), "runs/1/actions", "never recorded"
    ),
    "values that are none": Case(with_action(1, inputs=b"\x91\x01"), "runs/1/actions", "not a map of names"),
    "values that are a text": Case(with_action(1, inputs="abc"), "runs/1/actions", "no values"),
    "a value that is cut short": Case(
        with_action(1, outputs=b"\x81\xa1o\xc7\x20\x04"), "runs/1/actions", "the recorded bytes are not"
    ),
    "a result of itself": Case(
        with_action(1, origin=Origin("cache", 1, 0)), "runs/1/actions", "is below itself"
    ),
    "a result of nobody": Case(
        with_action(1, origin=Origin("cache", 1, 99)), "runs/1/actions", "from an action that is missing"
    ),
    "a result of another capsule": Case(
        with_action(1, origin=Origin("cache", 2, 0)),
        "runs/1/actions",
        "from a run that the capsule does not have",
    ),
    "a record that claims too much": Case(
        lambda e: forging.changed(e, "runs/1/actions", lambda data: b"\xff\xff\xff\xff" + data[4:]),
        "runs/1/actions",
        "claims 4294967295 bytes",
    ),
    "a record that is cut short": Case(
        lambda e: forging.changed(e, "runs/1/actions", lambda data: data[:-1]),
        "runs/1/actions",
        "it ends 1 bytes too early",
    ),
    "a log that is none": Case(
        lambda e: forging.changed(e, "runs/1/logs", lambda data: framed(bytes(8) + b"\x01")),
        "runs/1/logs",
        "another layout",
    ),
    "a template that is none": Case(
        with_object("template", lambda data: bytes(msgpack.packb([2]))), "objects/template/", "cannot be read"
    ),
    "an interface that is none": Case(
        with_object("template", lambda data: template(interface={"inputs": 3})),
        "objects/template/",
        "cannot be read",
    ),
    "a manifest that is none": Case(
        with_object("manifest", lambda data: bytes(msgpack.packb([2, {}]))),
        "objects/manifest/",
        "not the form",
    ),
    "a closure that is none": Case(
        with_object("closure", lambda data: b"abc"), "objects/closure/", "closure"
    ),
}


def longer(record: bytes) -> bytes:
    """The record in longer bytes that mean the same."""
    seq, data = record[:4], record[4:]
    count = int.from_bytes(data[1:3], "big")
    assert data[0] == 0xDC
    return seq + b"\xdd" + count.to_bytes(4, "big") + data[3:]


def template(**fields: Any) -> bytes:
    """A template with those fields."""
    from dalsegno.models import TaskTemplate

    empty: dict[str, Any] = {}
    made = TaskTemplate("a.b", "b", "a", "b", True, "", empty, {}, bytes(32), bytes(32))
    return records.pack_template(made._replace(**fields))


@pytest.mark.parametrize("name", CASES)
def test_what_is_forged_is_refused_by_name(
    name: str, small: Path, other: MemoryStore, tmp_path: Path
) -> None:
    case = CASES[name]
    file = forging.forged(case.change(forging.entries_of(small)), tmp_path / "forged")
    with pytest.raises(CapsuleError) as caught:
        import_capsule(other, file)
    assert caught.value.entry.startswith(case.entry)
    assert case.reason in caught.value.reason
    assert caught.value.entry in str(caught.value)
    assert not everything(other)


def test_forging_itself_is_right(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    file = forging.forged(forging.entries_of(small), tmp_path / "forged")
    assert file.read_bytes() == small.read_bytes()
    assert import_capsule(other, file).runs == ("run",)


def test_an_object_that_nothing_needs(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    entries = forging.entries_of(small)
    name = f"objects/blob/{digest('blob', b'extra').hex()}"
    entries[name] = b"extra"
    order = [each for each in entries if each.endswith((".json", ".txt"))]
    order += sorted(each for each in entries if each.startswith("objects/"))
    order += [each for each in entries if each.startswith("runs/")]
    file = forging.forged({each: entries[each] for each in order}, tmp_path / "forged")
    with pytest.raises(CapsuleError, match="nothing in the capsule refers to it") as caught:
        import_capsule(other, file)
    assert caught.value.entry == name


def test_no_manifest(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    entries = without(forging.entries_of(small), "manifest.json")
    (tmp_path / "forged").write_bytes(forging.sealed(forging.archived(entries)))
    with pytest.raises(CapsuleError, match="'manifest.json' was expected") as caught:
        import_capsule(other, tmp_path / "forged")
    assert caught.value.entry == "index.txt"


def test_an_entry_twice(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    pairs = list(forging.entries_of(small).items())
    pairs.insert(3, pairs[2])
    (tmp_path / "forged").write_bytes(forging.sealed(forging.archived(pairs)))
    with pytest.raises(CapsuleError, match="it is there twice") as caught:
        import_capsule(other, tmp_path / "forged")
    assert caught.value.entry == pairs[2][0]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"format": 1, "runs": []},
        {"format": 1, "runs": [1]},
        [],
        {"format": "1", "runs": [{"entries": {}}]},
    ],
)
def test_a_manifest_that_is_none(small: Path, other: MemoryStore, tmp_path: Path, document: object) -> None:
    entries = {**forging.entries_of(small), "manifest.json": json.dumps(document).encode()}
    (tmp_path / "forged").write_bytes(forging.sealed(forging.archived(entries)))
    with pytest.raises(CapsuleError) as caught:
        import_capsule(other, tmp_path / "forged")
    assert caught.value.entry == "manifest.json"


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"1" * 10_000, b"\xff"])
def test_a_manifest_that_is_no_json(small: Path, other: MemoryStore, tmp_path: Path, text: bytes) -> None:
    entries = {**forging.entries_of(small), "manifest.json": text}
    (tmp_path / "forged").write_bytes(forging.sealed(forging.archived(entries)))
    with pytest.raises(CapsuleError) as caught:
        import_capsule(other, tmp_path / "forged")
    assert caught.value.entry == "manifest.json"


def test_a_newer_manifest(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    entries = with_manifest(lambda document: {**document, "format": 2})(forging.entries_of(small))
    (tmp_path / "forged").write_bytes(forging.sealed(forging.archived(entries)))
    with pytest.raises(
        CapsuleError, match="the number 2, and this release knows those up to 1; upgrade dalsegno"
    ):
        import_capsule(other, tmp_path / "forged")


def test_a_manifest_that_says_more(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    entries = with_manifest(lambda document: {**document, "more": 1})(forging.entries_of(small))
    (tmp_path / "forged").write_bytes(forging.sealed(forging.archived(entries)))
    with pytest.raises(CapsuleError, match="it says something else than what is in the capsule"):
        import_capsule(other, tmp_path / "forged")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_what_is_no_plain_file(small: Path, other: MemoryStore, tmp_path: Path, kind: bytes) -> None:
    archive = bytearray()
    for name, data in forging.entries_of(small).items():
        if name.startswith("objects/"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive += info.tobuf(tarfile.GNU_FORMAT)
        _archive.put(archive.extend, name, len(data), (data,))
    _archive.end(archive.extend)
    (tmp_path / "forged").write_bytes(forging.sealed(bytes(archive)))
    with pytest.raises(CapsuleError, match="not that of a plain entry") as caught:
        import_capsule(other, tmp_path / "forged")
    assert caught.value.entry.startswith("objects/")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda archive: archive + bytes(512), "behind its last entry"),
        (lambda archive: archive + b"x", "behind its last entry"),
        (lambda archive: archive[:-512], "has no end"),
        (lambda archive: archive[:-1024], "has no end"),
        (lambda archive: archive[:700], "has no end"),
        (lambda archive: b"", "has no end"),
        (lambda archive: archive[:-512] + b"x" + bytes(511), "a single block of zeros"),
    ],
)
def test_an_archive_that_does_not_end_as_it_should(
    small: Path, other: MemoryStore, tmp_path: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    (tmp_path / "forged").write_bytes(forging.sealed(change(forging.archive_of(small))))
    with pytest.raises(CapsuleError, match=reason):
        import_capsule(other, tmp_path / "forged")
    assert not everything(other)


def test_sizes_that_lie(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    entries = forging.entries_of(small)
    name = of_kind(entries, "value")
    for size in (len(entries[name]) + 1, len(entries[name]) - 1, 1 << 50, 0):
        archive = bytearray()
        for each, data in entries.items():
            if each == name:
                archive += _archive.header(each, size) + data + bytes(-len(data) % 512)
            else:
                _archive.put(archive.extend, each, len(data), (data,))
        _archive.end(archive.extend)
        (tmp_path / "forged").write_bytes(forging.sealed(bytes(archive)))
        with pytest.raises(CapsuleError) as caught:
            import_capsule(other, tmp_path / "forged")
        assert caught.value.entry == name


def test_what_expands_too_far_is_refused(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    with bomb.open("wb") as file:
        packer = capsule._container.Packer(file)
        packer.write(_archive.header("manifest.json", 1 << 31))
        zeros = bytes(1 << 20)
        for _ in range(64):
            packer.write(zeros)
        packer.close()
    assert bomb.stat().st_size < 10_000
    with pytest.raises(CapsuleError, match=r"more than 1,073,741,824 bytes.*max_size"):
        import_capsule(other, bomb)
    with pytest.raises(CapsuleError, match="at most 67,108,864"):
        import_capsule(other, bomb, max_size=1 << 32)
    with pytest.raises(CapsuleError, match="more than 100 bytes"):
        import_capsule(other, small, max_size=100)


def test_results_that_go_in_a_circle_by_way_of_two_runs(
    store: MemoryStore, other: MemoryStore, tmp_path: Path
) -> None:
    record(store, "first", carried.whole)
    again(store, "second", "first", recover=True, inputs={"count": 3})
    capsule.export_runs(store, ["second"], tmp_path / "good")
    good = forging.entries_of(tmp_path / "good")
    # A call in each run has the result of the other run's root.
    last = len(frames(good["runs/1/actions"])) - 1
    entries = with_action(last, origin=Origin("recover", 2, 0))(good)
    found = frames(good["runs/2/actions"])
    action = records.unpack_action(0, 1, records.sealed(found[1][4:]))
    found[1] = found[1][:4] + records.pack_action(action._replace(origin=Origin("recover", 1, 0)))[:-4]
    entries["runs/2/actions"] = framed(*found)
    with pytest.raises(CapsuleError, match="is below itself"):
        import_capsule(other, forging.forged(entries, tmp_path / "forged"))


def test_a_bundle_in_another_order_is_no_bundle(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    def doubled(data: bytes) -> bytes:
        files = Bundle.decode(data).files
        both = (BundleFile("z.py", files[0].blob, files[0].size), *files)
        return bytes(msgpack.packb([1, [list(each) for each in both]]))

    entries = with_object("bundle", doubled)(forging.entries_of(small))
    with pytest.raises(CapsuleError, match="not written in the form of this release") as caught:
        import_capsule(other, forging.forged(entries, tmp_path / "forged"))
    assert caught.value.entry.startswith("objects/bundle/")


def test_records_that_are_nothing_but_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    many = array_head(LARGEST) + LARGEST * b"\x90"
    monkeypatch.setattr(_shapes, "_MOST_FIELDS", 1000)
    for kind in ("template", "bundle", "manifest", "closure"):
        with pytest.raises(_shapes.ShapeError, match="more than 1,000 fields"):
            _shapes.check_object(kind, many)
    for read in (_shapes.run_of, _shapes.check_log, lambda data: _shapes.action_of(data, 0, {}, 1)):
        with pytest.raises(_shapes.ShapeError, match="more than 1,000 fields"):
            read(many)
    _shapes.check_object("value", many)


def test_a_manifest_that_is_nothing_but_fields(
    small: Path, other: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_examine, "MOST_FIELDS", 1000)
    file = forging.forged(
        with_manifest(lambda document: {**document, "x": 1000 * [[]]})(forging.entries_of(small)),
        tmp_path / "forged",
    )
    with pytest.raises(CapsuleError, match=r"manifest\.json.*more than 1,000 fields"):
        import_capsule(other, file)
