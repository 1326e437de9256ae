"""What was imported is looked at freely and executed only after somebody has said that its code is to be trusted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.capsule import carried
from tests.engine.capsule.conftest import again, everything, play, record

from dalsegno import Engine, capsule, fingerprint, maintenance
from dalsegno._verify import verify_run
from dalsegno.codec import encode
from dalsegno.errors import DamagedRecordError, NotFoundError, RecordedError, UntrustedCodeError, UsageError
from dalsegno_storage.memory import MemoryStore


def bundle_of(store: MemoryStore) -> str:
    """The digest of the one bundle that was imported."""
    [found] = capsule.foreign(store)
    return found.digest


def phases(store: MemoryStore, name: str) -> list[str]:
    """What became of the actions of a run."""

    async def story(engine: Engine) -> list[str]:
        return [each.phase.value for each in engine.get_run(name).actions()]

    found: list[str] = play(store, story)
    return found


@pytest.fixture
def imported(other: MemoryStore, small: Path) -> MemoryStore:
    """A store with the run `run`, imported."""
    capsule.import_capsule(other, small)
    return other


WAYS: dict[str, dict[str, Any]] = {
    "rerun": {},
    "recover": {"recover": True},
    "other inputs": {"inputs": {"count": 3}},
    "own code": {"task_template": carried.whole},
    "private": {"isolation": "private"},
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_executed_before(imported: MemoryStore, way: str) -> None:
    options = dict(WAYS[way])
    settings = {name: options.pop(name) for name in ("isolation",) if name in options}

    async def story(engine: Engine) -> None:
        with pytest.raises(UntrustedCodeError) as caught:
            await engine.with_runcontext(**settings).rerun("run", **options)
        assert (caught.value.run, caught.value.digest) == ("run", bundle_of(imported))
        assert f"dalsegno trust {bundle_of(imported)}" in str(caught.value)

    before = everything(imported)
    play(imported, story)
    assert everything(imported) == before


def test_an_action_is_not_executed_before(imported: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        name = engine.get_run("run").actions()[1].name
        with pytest.raises(UntrustedCodeError):
            await engine.rerun("run", name)

    play(imported, story)


@pytest.mark.parametrize("options", [{}, {"each": True}, {"process": True}, {"hash_seed": True}])
def test_nothing_is_verified_before(imported: MemoryStore, options: dict[str, Any]) -> None:
    async def story(engine: Engine) -> None:
        with pytest.raises(UntrustedCodeError):
            await verify_run(engine, "run", "a0", **options)

    play(imported, story)


def test_all_can_be_done_afterwards(store: MemoryStore, imported: MemoryStore) -> None:
    found = capsule.trust(imported, bundle_of(imported)[:12])
    assert (found.runs, found.trusted) == (("run",), True)
    again(imported, "rerun", "run")

    async def story(engine: Engine) -> None:
        run, rerun = engine.get_run("run"), engine.get_run("rerun")
        assert await run.result.aio() == await rerun.result.aio() == 2003
        assert fingerprint(run) == fingerprint(rerun)
        assert (await verify_run(engine, "run", "a0")).reproduced

    play(imported, story)
    again(imported, "recovered", "run", recover=True, inputs={"count": 3})
    assert phases(imported, "recovered").count("recovered") == 2
    assert maintenance.check(imported).is_clean


def test_plain_values_can_be_had_before(imported: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        run = engine.get_run("run")
        assert (run.inputs(), run.outputs()) == ({"count": 2}, (2003,))
        with pytest.raises(UntrustedCodeError):  # which needs the task itself
            await run.result.aio()

    play(imported, story)


def test_values_of_recorded_classes_cannot(store: MemoryStore, other: MemoryStore, tmp_path: Path) -> None:
    record(store, "run", carried.summed, count=3)
    record(store, "failed", carried.failing)
    capsule.export_runs(store, ["run", "failed"], tmp_path / "file")
    capsule.import_capsule(other, tmp_path / "file")

    async def before(engine: Engine) -> None:
        run = engine.get_run("run")
        assert run.io()["outputs"][0]["fields"] == {"total": 3}
        with pytest.raises(UntrustedCodeError):
            run.outputs()
        with pytest.raises(RecordedError, match="ValueError: as planned"):
            engine.get_run("failed").outputs()

    async def after(engine: Engine) -> None:
        assert engine.get_run("run").outputs() == (carried.Sum(3),)
        with pytest.raises(ValueError, match="as planned"):
            engine.get_run("failed").outputs()

    play(other, before)
    capsule.trust(other, bundle_of(other))
    play(other, after)


def test_the_cache_never_gives_imported_results(imported: MemoryStore) -> None:
    capsule.trust(imported, bundle_of(imported))
    record(imported, "own", carried.cached, count=2)
    assert phases(imported, "own") == ["succeeded"]


def test_results_are_taken_from_trusted_runs_only(
    store: MemoryStore, other: MemoryStore, tmp_path: Path
) -> None:
    record(store, "first", carried.whole)
    again(store, "second", "first", recover=True, inputs={"count": 3})
    capsule.export_runs(store, ["second"], tmp_path / "file")
    capsule.import_capsule(other, tmp_path / "file")
    [bundle] = capsule.foreign(other)
    assert set(bundle.runs) == {"first", "second"}
    capsule.trust(other, bundle.digest)
    again(other, "third", "second", recover=True, inputs={"count": 4})
    assert phases(other, "third").count("recovered") == 3


def test_trust_is_taken_back(imported: MemoryStore) -> None:
    capsule.trust(imported, bundle_of(imported))
    again(imported, "rerun", "run")
    assert not capsule.revoke(imported, bundle_of(imported)).trusted
    with pytest.raises(UntrustedCodeError):
        again(imported, "more", "run")
    assert again(imported, "own", "rerun").phase.is_success  # was recorded here
    assert capsule.made_here(imported, bundle_of(imported)) == ["rerun", "own"]


def test_trust_holds_for_later_runs_of_the_same_code(
    store: MemoryStore, imported: MemoryStore, tmp_path: Path
) -> None:
    capsule.trust(imported, bundle_of(imported))
    record(store, "later", carried.whole, count=1)
    capsule.export_runs(store, ["later"], tmp_path / "later")
    assert capsule.import_capsule(imported, tmp_path / "later").bundles == ()
    assert again(imported, "rerun", "later").phase.is_success


def test_trust_does_not_hold_for_later_pickles(
    store: MemoryStore,
    imported: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canary = tmp_path / "canary"
    capsule.trust(imported, bundle_of(imported))
    record(store, "later", carried.opaque)
    capsule.export_runs(store, ["later"], tmp_path / "later")
    monkeypatch.setenv("CARRIED_CANARY", str(canary))
    done = capsule.import_capsule(imported, tmp_path / "later")
    assert (done.bundles, done.pickles) == ((bundle_of(imported),), True)

    async def story(engine: Engine) -> None:
        run = engine.get_run("later")
        assert "$opaque" in run.io()["outputs"][0]
        with pytest.raises(UntrustedCodeError, match="was trusted before its pickled values came here"):
            run.outputs()
        with pytest.raises(UntrustedCodeError):
            await run.result.aio()

    play(imported, story)
    with pytest.raises(UntrustedCodeError):
        again(imported, "rerun", "later")
    assert again(imported, "earlier", "run").phase.is_success
    assert not canary.exists()
    capsule.trust(imported, bundle_of(imported))

    async def trusted(engine: Engine) -> None:
        assert isinstance(engine.get_run("later").outputs()[0], carried.Held)

    play(imported, trusted)
    assert canary.exists()


@pytest.mark.parametrize(("table", "kind"), [(b"m", "import"), (b"t", "trust")])
def test_damage_to_what_is_noted_trusts_nobody(imported: MemoryStore, table: bytes, kind: str) -> None:
    capsule.trust(imported, bundle_of(imported))
    [key] = [key for key in everything(imported) if key.startswith(table)]
    with imported.write() as writer:
        data = writer.get(key) or b""
        writer.put(key, data[:-1] + bytes((data[-1] ^ 1,)))
    [problem] = maintenance.check(imported).problems
    assert problem.kind == kind
    assert problem.runs == (("default/development/run",) if table == b"m" else ())
    with pytest.raises(DamagedRecordError):
        again(imported, "rerun", "run")


def test_what_cannot_be_trusted(imported: MemoryStore) -> None:
    with pytest.raises(UsageError, match="12 to 64 hexadecimal digits"):
        capsule.trust(imported, bundle_of(imported)[:11])
    with pytest.raises(UsageError, match="12 to 64 hexadecimal digits"):
        capsule.trust(imported, bundle_of(imported).upper())
    with pytest.raises(NotFoundError, match="import the capsule that has the bundle first"):
        capsule.trust(imported, "0" * 64)


OPAQUE = encode(carried.Held()).data
HIDDEN: dict[str, Callable[[bytes], bytes]] = {
    "alone": lambda held: held,
    "in a list": lambda held: b"\x92\x01" + held,
    "in a list of tuples": lambda held: b"\x91" + ext(4, b"\x91" + held),
    "as a key": lambda held: b"\x81" + held + b"\x01",
    "in the head of an array": lambda held: ext(
        48, len(b"\x92" + held + b"\x90").to_bytes(4, "big") + b"\x92" + held + b"\x90"
    ),
    "in a dtype": lambda held: ext(51, b"\x91" + held),
    "in a numpy scalar": lambda held: ext(50, b"\x92" + held + b"\xc4\x00"),
    "beside what cannot be read": lambda held: b"\x92" + ext(4, b"\xc1") + held,
}


def ext(tag: int, payload: bytes) -> bytes:
    """An extension of msgpack."""
    return b"\xc9" + len(payload).to_bytes(4, "big") + bytes((tag,)) + payload


@pytest.mark.parametrize("place", HIDDEN)
def test_pickles_are_found_wherever_they_are(place: str) -> None:
    from dalsegno._pickles import is_plain, value_has_pickles

    assert value_has_pickles(HIDDEN[place](OPAQUE))
    assert not is_plain(HIDDEN[place](OPAQUE))


def test_bytes_that_only_look_so_are_no_pickles() -> None:
    from dalsegno._pickles import is_plain, value_has_pickles

    for value in (OPAQUE, [OPAQUE], {"a": (OPAQUE, 1)}, OPAQUE.decode("latin-1"), bytearray(OPAQUE)):
        assert not value_has_pickles(encode(value).data)
        assert is_plain(encode(value).data)
    np = pytest.importorskip("numpy")
    assert is_plain(encode(np.frombuffer(OPAQUE, dtype="u1")).data)
