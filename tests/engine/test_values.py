"""Values in runs: large ones stored once, files and folders by their content, and what no codec takes."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dalsegno import Dir, Engine, File, TaskEnvironment
from dalsegno._values import INLINE

Play = Callable[..., Any]
Content = Callable[[], dict[bytes, bytes]]
env = TaskEnvironment("values")


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


@env.task
async def gives_back(data: bytes) -> bytes:
    return data


@env.task
async def passes_on(data: bytes, times: int) -> int:
    sizes = []
    for _ in range(times):
        data = await gives_back(data)
        sizes.append(len(data))
    return sum(sizes)


@pytest.mark.parametrize("size", [INLINE - 60, INLINE + 1, 1 << 20, (1 << 20) + 1, 10_000_000])
def test_a_value_of_any_size_comes_back_and_is_not_stored_again_by_a_rerun(
    play: Play, content: Content, size: int
) -> None:
    data = noise(size)

    async def story(engine: Engine) -> None:
        run = await engine.run(passes_on, data, 3)
        assert await run.result.aio() == 3 * size
        assert run.inputs() == {"data": data, "times": 3}
        assert [child.outputs() for child in run.action().children] == [(data,)] * 3
        recorded = run.action().children[2].record
        assert isinstance(recorded.inputs, bytes) == isinstance(recorded.outputs, bytes) == (size < INLINE)
        before = sum(map(len, content().values()))
        again = await engine.rerun(run.name)
        assert await again.result.aio() == 3 * size
        assert [child.outputs() for child in again.action().children] == [(data,)] * 3
        assert sum(map(len, content().values())) - before < 5_000

    play(story)


@env.task
async def length(data: bytes) -> int:
    return len(data)


@env.task
async def length_and(data: bytes, index: int) -> int:
    return len(data) + index


@env.task
async def alone(data: bytes, times: int) -> int:
    return sum([await length(data) for _ in range(times)])


@env.task
async def beside_others(data: bytes, times: int) -> int:
    return sum([await length_and(data, index) for index in range(times)])


@pytest.mark.parametrize(
    ("task", "expected"),
    [(length, 1_000_000), (alone, 30_000_000), (beside_others, 30_000_435), (passes_on, 30_000_000)],
)
def test_the_same_megabyte_is_stored_once_whatever_it_goes_to(
    play: Play, content: Content, task: Any, expected: int
) -> None:
    times = () if task is length else (30,)

    async def story(engine: Engine) -> None:
        await (await engine.run(task, b"", *times)).wait.aio()
        before = sum(map(len, content().values()))
        run = await engine.run(task, noise(1_000_000), *times)
        assert await run.result.aio() == expected
        stored = sum(map(len, content().values())) - before
        assert stored < 1_050_000

    play(story)


@env.task
def doubles(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    array *= 2
    return array


def test_arrays_cross_by_value(play: Play) -> None:
    async def story(engine: Engine) -> None:
        given = np.arange(1000, dtype=np.float64)
        run = await engine.run(doubles, given)
        result = await run.result.aio()
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, np.arange(1000) * 2.0)
        np.testing.assert_array_equal(given, np.arange(1000))
        np.testing.assert_array_equal(run.inputs()["array"], np.arange(1000))

    play(story)


@env.task
def upper(file: File) -> File:
    text = file.read_text()
    target = Path(workplace[0]) / f"upper-{file.name}"
    target.write_text(text.upper())
    return File(target)


@env.task
async def both_ways(file: File) -> tuple[File, str]:
    made = await upper.aio(file)
    return made, made.read_text()


@env.task
def sizes(folder: Dir) -> dict[str, int]:
    return {
        str(path.relative_to(folder.path)): path.stat().st_size
        for path in sorted(Path(folder.path).rglob("*.txt"))
    }


@env.task
def makes_folder(names: list[str]) -> Dir:
    folder = Path(workplace[0]) / "made"
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return Dir(folder)


@env.task
async def folder_there_and_back(names: list[str]) -> dict[str, int]:
    return await sizes.aio(await makes_folder.aio(names))


workplace: list[str] = []


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    workplace[:] = [str(folder)]
    return folder


def test_files_are_recorded_by_content(play: Play, place: Path, tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        source = tmp_path / "in.txt"
        source.write_text("hello")
        run = await engine.run(both_ways, File(source))
        made, text = await run.result.aio()
        assert text == "HELLO"
        source.write_text("changed since")
        (place / "upper-in.txt").unlink()
        assert run.inputs()["file"].read_text() == "hello"
        assert (made.name, made.read_text()) == ("upper-in.txt", "HELLO")
        assert run.action().children[0].outputs()[0].read_text() == "HELLO"
        source.unlink()
        again = await engine.rerun(run.name)
        assert (await again.result.aio())[1] == "HELLO"
        other = tmp_path / "other.txt"
        other.write_text("bye")
        changed = await engine.rerun(run.name, file=File(other))
        assert (await changed.result.aio())[1] == "BYE"

    play(story)


def test_a_large_file_is_stored_once(play: Play, content: Content, place: Path, tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        source = tmp_path / "big.bin"
        source.write_bytes(noise(5_000_000))
        before = sum(map(len, content().values()))
        run = await engine.run(reads_twice, File(source))
        assert await run.result.aio() == 10_000_000
        assert sum(map(len, content().values())) - before < 6_000_000

    play(story)


@env.task
async def reads_twice(file: File) -> int:
    return await size_of.aio(file) + await size_of.aio(file)


@env.task
def size_of(file: File) -> int:
    return len(file.read_bytes())


def test_folders_are_recorded_by_content(play: Play, place: Path) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(folder_there_and_back, ["a.txt", "sub/b.txt"])
        assert await run.result.aio() == {"a.txt": 5, "sub/b.txt": 9}
        child = run.action().children[1]
        (place / "made" / "a.txt").write_text("something else")
        again = await engine.rerun(run.name, child.name)
        assert await again.result.aio() == {"a.txt": 5, "sub/b.txt": 9}

    play(story)


def test_a_file_that_is_not_there_is_refused_and_nothing_written(
    play: Play, content: Content, tmp_path: Path
) -> None:
    async def story(engine: Engine) -> None:
        before = content()
        with pytest.raises(Exception, match=r"gone\.txt"):
            await engine.run(size_of, File(tmp_path / "gone.txt"))
        assert content() == before

    play(story)


class Handle:
    """Something that no codec takes but that can be pickled."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.call = lambda: number


@env.task
async def opaque(handle: Handle) -> int:
    return handle.number


@env.task
async def passes_opaque(number: int) -> int:
    return await opaque(Handle(number))


def test_what_no_codec_takes_is_pickled_and_flagged(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(passes_opaque, 7)
        assert await run.result.aio() == 7
        root, child = run.actions()
        assert (root.record.opaque_inputs, child.record.opaque_inputs) == (False, True)
        again = await engine.rerun(run.name, child.name)
        assert await again.result.aio() == 7
        assert again.action().record.opaque_inputs

    play(story)


@env.task
async def takes_any(value: object) -> int:
    return 1


@env.task
async def gives_a_lock() -> object:
    return threading.Lock()


def test_what_cannot_even_be_pickled_is_refused_as_an_input_and_fails_as_an_output(
    play: Play, content: Content
) -> None:
    async def story(engine: Engine) -> None:
        before = content()
        with pytest.raises(TypeError, match="lock"):
            await engine.run(takes_any, threading.Lock())
        assert content() == before
        run = await engine.run(gives_a_lock)
        with pytest.raises(TypeError, match="lock"):
            await run.result.aio()
        assert run.phase == "failed"

    play(story)
