"""Large files and values: in memory a piece at a time or as few times as can be, whole on disk, and never half."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dalsegno import Dir, Engine, File, Phase, TaskEnvironment
from dalsegno._puts import PART_BYTES, Large, put_pairs, small
from dalsegno._reading import Blobs
from dalsegno.codec import _encode, decode, encode
from dalsegno.errors import DamagedObjectError, EncodeError
from dalsegno.files import PIECE
from dalsegno.settings import Durability
from dalsegno_storage.digest import digest
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import (
    Prepared,
    Streamed,
    get_object,
    get_pieces,
    object_key,
    prepare,
    put_object,
)

Play = Callable[..., Any]
env = TaskEnvironment("large")
MB = 1 << 20


def unlike(number: int) -> bytes:
    """A megabyte like no other."""
    return number.to_bytes(8, "big") * (MB // 8)


def written(path: Path, megabytes: int) -> Path:
    with path.open("wb") as file:
        for number in range(megabytes):
            file.write(unlike(number))
    return path


@contextmanager
def peak_below(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()
    assert peak < megabytes


@env.task
async def length(file: File) -> int:
    with file.open() as content:
        return sum(len(piece) for piece in iter(lambda: content.read(MB), b""))


@env.task
async def found(path: str) -> File:
    return File(path)


@env.task
async def passes_on(path: str) -> int:
    file = await found(path)
    return await length(file)


def test_files_are_never_in_memory_as_a_whole(play: Play, tmp_path: Path) -> None:
    path = written(tmp_path / "big", 64)

    async def story(engine: Engine) -> None:
        small_run = await engine.run(length, File(written(tmp_path / "small", 1)))
        assert await small_run.result.aio() == MB
        with peak_below(20):
            run = await engine.run(passes_on, str(path))
            assert await run.result.aio() == 64 * MB
            again = await engine.rerun(run.name, run.actions()[1].name)
            recorded = await again.result.aio()
            copy = recorded.download(tmp_path / "copy")
        assert copy.stat().st_size == 64 * MB
        assert File(copy).digest == File(path).digest == recorded.digest
        assert recorded.read_bytes() == path.read_bytes()

    play(story, store=tmp_path / "store")


@env.task
async def same(data: bytes) -> bytes:
    return data


def test_large_values_are_recorded_without_a_copy_and_read_with_one(play: Play, tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        data = b"".join(map(unlike, range(64)))
        with peak_below(16):
            run = await engine.run(same, data)
            await run.wait.aio()
        with peak_below(2.2 * 64):
            assert await run.result.aio() == data

    play(story, store=tmp_path / "store")


@env.task
def both(data: bytes, file: File) -> bool:
    return file.read_bytes() == data


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_what_is_stored_in_parts_is_stored_whole(play: Play, tmp_path: Path, durability: Durability) -> None:
    async def story(engine: Engine) -> None:
        path = written(tmp_path / "big", 6)
        run = await engine.with_runcontext(durability=durability).run(both, path.read_bytes(), File(path))
        assert await run.result.aio()
        path.unlink()
        assert await (await engine.rerun(run.name)).result.aio()

    play(story)


def test_a_file_that_changes_while_it_is_stored_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "big", 3)
    encoded = encode(File(path))
    ((name, source),) = encoded.blobs
    assert source.size == 3 * MB
    assert b"".join(source.pieces()) == source.read() == path.read_bytes()
    changes: list[Callable[[], object]] = [
        lambda: path.write_bytes(path.read_bytes()[:-1] + b"x"),
        lambda: path.write_bytes(path.read_bytes()[:-1]),
        lambda: path.write_bytes(path.read_bytes() + b"xyz"),
    ]
    for change in changes:
        change()
        for read in (source.pieces, source.read):
            with pytest.raises(EncodeError, match="was changed while it was being recorded"):
                b"".join(read())  # type: ignore[arg-type]  # bytes are no pieces, but it raises before
    with closing(MemoryStore()) as store, store.write() as transaction:
        with pytest.raises(EncodeError):
            put_pairs(transaction, Streamed(name, "blob", source.size, source.pieces).parts)
        assert transaction.get(object_key(name)) is None


def test_a_damaged_file_is_not_laid_down(tmp_path: Path) -> None:
    content = b"".join(map(unlike, range(3)))
    with closing(MemoryStore()) as store:
        with store.write() as transaction:
            name = put_object(transaction, "blob", content)
        assert b"".join(get_pieces(store, "blob", name)) == content
        file = decode(encode(File(written(tmp_path / "big", 3))).data, read_blob=Blobs(store))
        assert file.digest == name
        with store.write() as transaction:
            chunk = object_key(digest("chunk", unlike(1)))
            transaction.put(chunk, Prepared(b"", "chunk", unlike(7)).parts.__next__()[1])
        with pytest.raises(DamagedObjectError):
            file.download(tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        assert not list(tmp_path.glob(".dalsegno-*"))


def test_a_streamed_object_is_the_one_that_is_held(tmp_path: Path) -> None:
    content = b"".join(map(unlike, range(3))) + b"and a bit"
    held = Prepared(digest("blob", content), "blob", content)
    pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
    streamed = Streamed(held.digest, "blob", len(content), lambda: pieces)
    assert list(streamed.parts) == list(held.parts)


def test_what_was_removed_meanwhile_is_made_again() -> None:
    content = b"".join(map(unlike, range(6)))
    prepared = Prepared(digest("blob", content), "blob", content)
    large = Large(lambda: prepared.parts)
    with closing(MemoryStore()) as store, store.write() as transaction:
        put_pairs(transaction, large)
        assert get_object(transaction, "blob", prepared.digest) == content
        assert len(list(large.missing(transaction))) == 1
        for key, _ in list(prepared.parts)[2:]:
            transaction.delete(key)
        put_pairs(transaction, large)
        assert get_object(transaction, "blob", prepared.digest) == content


def test_what_is_held_is_small() -> None:
    small_one, large_one = (prepare("value", bytes(size)) for size in (PART_BYTES, PART_BYTES + 1))
    assert Large.unless_small(small_one) == list(small_one.parts)
    assert isinstance(Large.unless_small(large_one), Large)
    assert PART_BYTES == 4 * MB
    assert small([])


def test_a_text_that_the_format_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bytes:
        raise ValueError("unicode string is too large")

    monkeypatch.setattr(_encode, "_pack", full)
    with pytest.raises(EncodeError, match="4 GiB; use a File"):
        encode("as long as that")


def test_a_directory_is_copied_piece_by_piece(play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        written(folder / name, 24)

    async def story(engine: Engine) -> None:
        with peak_below(20):
            run = await engine.run(copied, Dir(folder), str(tmp_path / "to"))
            assert await run.result.aio() == 48 * MB
        assert run.phase is Phase.SUCCEEDED

    play(story, store=tmp_path / "store")


@env.task
def copied(folder: Dir, to: str) -> int:
    return sum(path.stat().st_size for path in folder.download(to).iterdir())
