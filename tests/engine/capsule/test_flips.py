"""No capsule that differs from the one that was made is ever taken for it."""

import os
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.engine.capsule import carried, forging
from tests.engine.capsule.conftest import everything, play

from dalsegno import Engine
from dalsegno.capsule import export_runs, import_capsule
from dalsegno.capsule._container import Container
from dalsegno.errors import CapsuleError
from dalsegno_storage.memory import MemoryStore

quickly = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def small(store: MemoryStore, tmp_path: Path) -> Path:
    """A capsule with the run `run` and without files: how many would go into it depends on what other tests have imported."""

    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="run", copy_style="none").run(carried.whole)
        await run.wait.aio()

    play(store, story)
    export_runs(store, ["run"], tmp_path / "small.capsule")
    assert (tmp_path / "small.capsule").stat().st_size < 10_000
    return tmp_path / "small.capsule"


def is_refused(file: Path, data: bytes, store: MemoryStore) -> bool:
    """Whether a capsule of those bytes is refused, and leaves nothing."""
    file.write_bytes(data)
    try:
        import_capsule(store, file)
    except CapsuleError:
        return not everything(store)
    return False


def test_every_flipped_byte_is_refused(small: Path, other: MemoryStore) -> None:
    data = small.read_bytes()
    file = os.open(small, os.O_WRONLY)
    accepted = []
    for place, byte in enumerate(data):
        # One bit of every byte, and every bit where the frames and the seal say what they are.
        for bit in range(8) if place < 60 or place >= len(data) - 50 else (place % 8,):
            os.pwrite(file, bytes((byte ^ 1 << bit,)), place)
            try:
                import_capsule(other, small)
            except CapsuleError:
                continue
            accepted.append((place, bit))
        os.pwrite(file, bytes((byte,)), place)
    os.close(file)
    assert accepted == []
    assert not everything(other)
    assert import_capsule(other, small).runs == ("run",)


def test_every_length_but_the_right_one_is_refused(small: Path, other: MemoryStore, tmp_path: Path) -> None:
    data = small.read_bytes()
    for more in (b"\0", b"\n", data[-40:], data, data[:24]):
        assert is_refused(tmp_path / "longer", data + more, other)
    accepted = []
    for size in reversed(range(len(data))):
        os.truncate(small, size)
        try:
            import_capsule(other, small)
        except CapsuleError:
            continue
        accepted.append(size)
    assert accepted == []
    assert not everything(other)


@quickly
@given(st.data())
def test_insertions_and_exchanges_are_refused(
    small: Path, other: MemoryStore, tmp_path: Path, data: st.DataObject
) -> None:
    good = small.read_bytes()
    start = data.draw(st.integers(0, len(good)))
    stop = data.draw(st.integers(start, min(len(good), start + 20)))
    piece = data.draw(st.binary(max_size=20))
    other_one = good[:start] + piece + good[stop:]
    assert other_one == good or is_refused(tmp_path / "changed", other_one, other)


def test_every_entry_is_looked_at_even_if_the_seal_is_right(
    small: Path, other: MemoryStore, tmp_path: Path
) -> None:
    archive = bytearray(forging.archive_of(small))
    headers = [
        place for place in range(0, len(archive), 512) if archive[place : place + 512].find(b"ustar") == 257
    ]
    assert len(headers) > 10
    # A third of the first header, the first bytes of each, and one byte in 211 of everything.
    places = sorted(
        {*range(0, 512, 3), *chain(*(range(at, at + 4) for at in headers)), *range(0, len(archive), 211)}
    )
    accepted = []
    for place in places:
        archive[place] ^= 1
        if not is_refused(tmp_path / "forged", forging.sealed(bytes(archive)), other):
            accepted.append(place)
        archive[place] ^= 1
    assert accepted == []
    assert not is_refused(tmp_path / "forged", forging.sealed(bytes(archive)), other)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"PK" + data[2:], "it is not a capsule"),
        (lambda data: b"", "it is not a capsule"),
        (lambda data: data[:27] + b"\2" + data[28:], "its format has the number 2, and this release knows"),
        (lambda data: data[:100] + bytes((data[100] ^ 4,)) + data[101:], "its bytes do not match the seal"),
    ],
)
def test_what_is_wrong_is_said(
    small: Path, other: MemoryStore, tmp_path: Path, change: object, reason: str
) -> None:
    assert callable(change)
    (tmp_path / "wrong").write_bytes(change(small.read_bytes()))
    with pytest.raises(CapsuleError, match=reason):
        import_capsule(other, tmp_path / "wrong")


def test_a_pipe_is_not_waited_for(tmp_path: Path, other: MemoryStore) -> None:
    os.mkfifo(tmp_path / "pipe")
    held = os.open(tmp_path / "pipe", os.O_RDWR)  # so that opening it waits for nobody if it is done
    try:
        with pytest.raises(CapsuleError, match="it is not a plain file"):
            import_capsule(other, tmp_path / "pipe")
    finally:
        os.close(held)


@given(st.binary(max_size=300))
@quickly
@example(b"")
def test_bytes_that_are_no_frames(small: Path, tmp_path: Path, other: MemoryStore, body: bytes) -> None:
    from hashlib import sha256

    good = small.read_bytes()
    sealed = good[:28] + body
    place = tmp_path / "noise"
    assert is_refused(place, sealed + good[-40:-32] + sha256(sealed).digest(), other)


def test_a_file_that_changes_while_it_is_read_is_noticed(small: Path) -> None:
    container = Container(small)
    pieces = container.archive()
    data = bytearray(small.read_bytes())
    data[30] ^= 1
    small.write_bytes(data)
    with pytest.raises(CapsuleError):
        list(pieces)
    container.close()
