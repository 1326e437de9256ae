"""The commands that look after a store: what they print, remove, refuse, and how they end."""

from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.engine.maintenance.building import Build, Call, content, noise

from dalsegno import Phase
from dalsegno_storage import open_store
from dalsegno_storage.objects import object_key


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An LMDB store with the runs `a` and `b` of one task, and `user`, which took a result over from `b`."""
    path = tmp_path / "store"
    store = open_store(path)
    build = Build(store)
    build.run("a", [Call("x" * 600)], sources={"m.py": b"only a"})
    source = build.run("b", [Call("y" * 600)]).run
    build.run("user", [Call("y" * 600, origin=(source.id, 1))], task="env.other")
    store.close()
    return path


def stored(path: Path) -> dict[bytes, bytes]:
    store = open_store(path, create=False)
    try:
        return content(store)
    finally:
        store.close()


def change(path: Path, key: bytes, data: bytes | None) -> None:
    store = open_store(path, create=False)
    with store.write() as writer:
        writer.delete(key) if data is None else writer.put(key, data)
    store.close()


def test_a_sound_store(command: Command, place: Path) -> None:
    before = stored(place)
    done = command("check", "--store", place)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("no damage in 3 runs, 6 actions, ")
    document = command("check", "--store", place, "--json").json
    assert document["clean"]
    assert document["problems"] == []
    assert (document["runs"], document["actions"]) == (3, 6)
    assert stored(place) == before


def test_a_damaged_store_is_told_about_and_ends_with_3(command: Command, place: Path) -> None:
    key, data = next((k, v) for k, v in stored(place).items() if v[2:7] == b"value")
    change(place, key, data[:-1] + bytes((data[-1] ^ 1,)))
    done = command("check", "--store", place)
    assert done.code == 3
    assert done.out.splitlines()[0].split() == ["KIND", "NAME", "CAUSE", "RUNS"]
    assert done.out.splitlines()[1].startswith("value  ")
    assert "default/development/" in done.out
    assert done.err.startswith("1 problem in 3 runs")
    document = command("check", "--store", place, "--json")
    assert document.code == 3
    (problem,) = document.json["problems"]
    assert problem.keys() == {"kind", "name", "cause", "runs"}
    assert object_key(bytes.fromhex(problem["name"])) == key
    assert command("get", "run", "--store", place).code == 0


def test_runs_are_deleted_all_or_none(command: Command, place: Path) -> None:
    before = stored(place)
    done = command("delete", "run", "a", "b", "--store", place)
    assert (done.code, done.out) == (2, "")
    assert "'user' took results over from it" in done.err
    assert stored(place) == before
    assert "did you mean 'user'" in command("delete", "run", "usr", "--store", place).err
    done = command("delete", "run", "a", "b", "user", "--store", place)
    assert (done.code, done.err) == (0, "3 runs removed; `dalsegno gc` frees what only they needed\n")
    assert command("gc", "--store", place).code == 0
    assert stored(place).keys() == {b"g"}


def test_force_takes_the_source_away_from_its_users(command: Command, place: Path) -> None:
    assert command("delete", "run", "b", "--force", "--store", place).code == 0
    assert command("check", "--store", place).code == 0


def test_a_collection_without_limits_asks_nothing(command: Command, place: Path) -> None:
    before = stored(place)
    command("delete", "run", "a", "--store", place)
    dry = command("gc", "--dry-run", "--json", "--store", place).json
    assert dry["dry_run"]
    assert dry["runs"] == []
    assert dry["objects"] == 5
    done = command("gc", "--json", "--store", place).json
    assert done == {**dry, "dry_run": False}
    after = stored(place)
    assert sum(len(k) + len(before[k]) for k in before.keys() - after.keys() if k[0] == 2) == done["bytes"]
    assert command("gc", "--store", place).err == "removed: 0 runs, 0 objects, 0 bytes, 0 cached or derived\n"


def test_runs_go_only_after_a_yes(command: Command, place: Path) -> None:
    before = stored(place)
    done = command("gc", "--keep-last", "0", "--dry-run", "--store", place)
    assert done.code == 0
    assert [line.split()[0] for line in done.lines()] == ["NAME", "a", "b", "user"]
    done = command("gc", "--keep-last", "0", "--store", place)
    assert done.code == 2
    assert "3 runs would go; say --yes" in done.err
    assert stored(place) == before
    done = command("gc", "--keep-last", "1", "--yes", "--json", "--store", place)
    assert done.json["runs"] == ["default/development/a"]
    assert done.json["objects"] == 5
    assert command("check", "--store", place).code == 0


def test_ages_and_sizes(command: Command, place: Path) -> None:
    assert command("gc", "--older-than", "30d", "--yes", "--json", "--store", place).json["runs"] == [
        "default/development/a",
        "default/development/b",
        "default/development/user",
    ]
    for option, value, said in (
        ("--older-than", "30", "is not an age like 90m, 12h, 30d or 2w"),
        ("--max-size", "1 apple", "is not a size like 500MB, 1GB or 2GiB"),
        ("--keep-last", "-1", "-1 is not in the range"),
    ):
        done = command("gc", option, value, "--store", place)
        assert done.code == 2
        assert said in done.err


def test_max_size_in_a_unit(command: Command, place: Path) -> None:
    assert command("gc", "--max-size", "1GiB", "--dry-run", "--json", "--store", place).json["runs"] == []
    assert len(command("gc", "--max-size", "0kb", "--dry-run", "--json", "--store", place).json["runs"]) == 3


def test_a_collection_is_refused_where_something_is_damaged(command: Command, place: Path) -> None:
    change(place, next(k for k, v in stored(place).items() if v[2:8] == b"bundle"), None)
    before = stored(place)
    done = command("gc", "--store", place)
    assert done.code == 3
    assert "nothing was removed" in done.err
    assert stored(place) == before


def test_a_live_run_is_not_deleted(command: Command, place: Path) -> None:
    store = open_store(place)
    Build(store).run("live", phase=Phase.RUNNING)
    store.close()
    done = command("delete", "run", "live", "--store", place)
    assert done.code == 2
    assert "it is interrupted; resume it or abort it" in done.err


def test_a_backup_is_a_store(command: Command, place: Path, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "today"
    done = command("backup", target, "--store", place)
    assert done.code == 0
    assert stored(target) == stored(place)
    assert command("check", "--store", target).code == 0
    again = command("backup", target, "--store", place)
    assert again.code == 2
    assert "something is there already" in again.err


def test_compacting_gives_space_back_and_is_refused_while_the_store_is_open(
    command: Command, place: Path
) -> None:
    store = open_store(place)
    Build(store).run("large", [Call(files=(noise(1, 5_000_000),))], task="env.large")
    done = command("compact", "--store", place)
    assert done.code == 4
    assert "this very process, which has it open" in done.err
    store.close()
    command("delete", "run", "large", "--store", place)
    command("gc", "--store", place)
    before = stored(place)
    done = command("compact", "--store", place)
    assert done.code == 0
    assert (place / "data.mdb").stat().st_size < 1_000_000
    assert stored(place) == before


def test_the_doctor_finds_what_to_mend(command: Command, place: Path) -> None:
    findings = {each["name"]: each for each in command("doctor", "--json", "--store", place).json}
    assert findings["permissions"] == {"name": "permissions", "state": "private", "ok": True, "cure": ""}
    assert findings["format"]["state"] == "1"
    (place / "data.mdb").chmod(0o644)
    done = command("doctor", "--store", place)
    assert done.code == 1
    (line,) = [line for line in done.lines() if "permissions" in line]
    assert line.split() == ["warning", "permissions", "others", "may", "use", "data.mdb"]
    assert f"chmod -R go= {place}" in done.out


@pytest.mark.parametrize(
    "line",
    [["check"], ["gc"], ["delete", "run", "a"], ["backup", "copy"], ["compact"], ["doctor"]],
    ids=" ".join,
)
def test_no_store_is_made(command: Command, tmp_path: Path, line: list[str]) -> None:
    done = command(*line, "--store", tmp_path / "none")
    assert done.code == 2
    assert f"there is no store at {tmp_path / 'none'}" in done.err
    assert not (tmp_path / "none").exists()
