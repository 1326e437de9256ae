"""A collection at the worst moment: between the finding of an object and the commit of the record that refers to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.engine.maintenance.building import content, dangling, noise

from dalsegno import Cache, Dir, Engine, File, TaskEnvironment
from dalsegno import _cache as cache
from dalsegno import _start as start
from dalsegno import _taken as taking
from dalsegno._collection import collect
from dalsegno._policy import Policy
from dalsegno._references import REFERRING, Reference, of_object
from dalsegno.errors import ObjectNotFoundError, RunInUseError, RunNotFoundError
from dalsegno.maintenance import check, delete_run, gc
from dalsegno_storage.check import OBJECTS, chunks_of, digest_of, kind_of
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import get_object, has_object
from dalsegno_storage.protocol import Reader

env = TaskEnvironment("fence")
LARGE = "v" * 2000
HUGE = noise(7, 5 << 20)
executed: list[str] = []


class Swept(MemoryStore):
    """While it is armed, everything that nobody reaches is removed before each transaction of an engine's writer.

    `before` is called first. After each transaction it is looked for records that refer to what is not there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.armed = False
        self.before: Callable[[], None] = lambda: None
        self.removed = 0
        self.missing: list[Reference] = []
        self._busy = False

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        ours = self.armed and not self._busy and threading.current_thread().name == "dalsegno-writer"
        if ours:
            self._busy = True
            self.before()
            self.removed += gc(self, grace=0).objects
        try:
            with super().write() as transaction:
                yield transaction
            if ours:
                with self.read() as reader:
                    self.missing += dangling(reader)
                    self.missing += incomplete(reader)
        finally:
            if ours:
                self._busy = False


def incomplete(reader: Reader) -> list[Reference]:
    """What objects refer to, reached or not, that is not there: who finds one relies on everything below it."""
    found: list[Reference] = []
    for key, record in reader.scan(*OBJECTS):
        digest, kind = digest_of(key), kind_of(record)
        assert digest is not None
        found += [Reference("chunk", each) for each in chunks_of(record) if not has_object(reader, each)]
        if kind in REFERRING and not found:
            below = of_object(kind, get_object(reader, kind, digest))
            found += [each for each in below if not has_object(reader, each.digest)]
    return found


@pytest.fixture
def swept() -> Iterator[Swept]:
    store = Swept()
    executed.clear()
    yield store
    assert store.missing == []
    assert check(store).problems == ()
    gc(store, grace=0)
    assert check(store).problems == ()
    store.close()


def having(swept: Swept, backend: str, story: Callable[[Engine], Any], durability: Any = "full") -> Any:
    async def main() -> Any:
        async with Engine(swept, durability=durability) as engine:
            return await story(engine)

    return anyio.run(main, backend=backend)


@env.task
async def echo(text: str) -> str:
    executed.append("echo")
    return text + LARGE


@env.task
def plain(text: str) -> str:
    return inner(text) + LARGE


@env.task
def inner(text: str) -> str:
    return "inner" + text + LARGE


@env.task
async def copied(file: File) -> File:
    return file


@env.task
async def listed(folder: Dir, much: bytes) -> tuple[Dir, bytes]:
    return folder, much[::-1]


@env.task
async def fails(text: str) -> None:
    raise ValueError(text)


@env.task
async def everything(text: str, file: File, folder: Dir, huge: bytes) -> str:
    """Calls of every kind, whose inputs and outputs are objects."""
    first, second = await echo(text), await plain.aio(text)
    with suppress(ValueError):
        await fails(text + "!" * 600)
    await copied(file)
    _, reversed_ = await listed(folder, huge)
    return first + second + str(len(reversed_))


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_what_was_found_and_is_removed_before_the_commit_is_stored_again(
    swept: Swept, backend: str, durability: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"a" * 1000)

    async def story(engine: Engine) -> list[Any]:
        results = []
        for number in range(3):
            run = await engine.run(everything, LARGE, File(tmp_path / "file"), Dir(tmp_path / "folder"), HUGE)
            results.append(await run.result.aio())
            # Everything is there, reached by nobody, when the next run finds it.
            delete_run(swept, run.name)
            swept.armed = number >= 0
        return results

    results = having(swept, backend, story, durability)
    assert len(set(results)) == 1
    assert swept.removed > 20


def test_a_template_that_is_remembered_is_looked_for_when_something_was_removed(
    swept: Swept, backend: str
) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(echo, "a")
        await first.wait.aio()
        delete_run(swept, first.name)
        gc(swept, grace=0)
        swept.armed = True
        second = await engine.run(echo, "a")
        await second.wait.aio()
        swept.armed = False
        templates = [key for key, data in content(swept).items() if data[2:10] == b"template"]
        assert len(templates) == 1
        gets = counted(swept)
        third = await engine.run(echo, "b")
        await third.wait.aio()
        assert templates[0] not in gets

    having(swept, backend, story)


def counted(store: MemoryStore) -> set[bytes]:
    """The keys that are looked up in write transactions from now on."""
    seen: set[bytes] = set()
    write = store.write

    @contextmanager
    def watched() -> Iterator[Any]:
        with write() as transaction:
            get = transaction.get

            def and_note(key: bytes) -> bytes | None:
                seen.add(key)
                return get(key)

            transaction.get = and_note  # type: ignore[method-assign]  # this one transaction
            yield transaction

    store.write = watched  # type: ignore[method-assign, assignment]  # any context manager will do
    return seen


def test_a_task_without_a_source_is_stored_again(swept: Swept, backend: str) -> None:
    factor = 3

    @env.task
    async def local(text: str) -> str:
        return text * factor

    async def story(engine: Engine) -> None:
        for _ in range(2):
            run = await engine.run(local, LARGE)
            assert await run.result.aio() == LARGE * 3
            delete_run(swept, run.name)
            swept.armed = True

    having(swept, backend, story)
    assert swept.removed > 3


# Reruns


@env.task
async def tree(text: str, again: int = 0) -> str:
    executed.append("tree")
    return await echo(text) + LARGE


@pytest.mark.parametrize("options", [{}, {"again": 1}, {"recover": True}, {"task_template": tree}])
def test_a_rerun_of_a_run_that_is_removed_meanwhile_is_refused(
    swept: Swept, backend: str, options: dict[str, Any]
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(tree, LARGE)
        await run.wait.aio()
        swept.before = lambda: delete_run(swept, run.name) if names(swept) else None
        swept.armed = True
        with pytest.raises(RunNotFoundError, match="removed after this run was asked for"):
            await engine.rerun(run.name, **options)
        swept.armed = False
        assert names(swept) == []

    having(swept, backend, story)


def names(store: MemoryStore) -> list[str]:
    return [key.rpartition(b"\0")[2].decode() for key in content(store) if key.startswith(b"n")]


@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_results_are_taken_from_stays_unless_it_is_forced_away(
    swept: Swept, backend: str, force: bool
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(tree, LARGE)
        result = await run.result.aio()
        refused: list[RunInUseError] = []

        def remove() -> None:
            # The second run is recorded: what was found for its child is not yet.
            if executed.count("tree") == 2 and len(names(swept)) == 2:
                try:
                    delete_run(swept, run.name, force=force)
                except RunInUseError as error:
                    refused.append(error)

        swept.before = remove
        swept.armed = True
        # With a name of its own it is recorded before it begins, not along with its child.
        again = await engine.with_runcontext(name="again").rerun(run.name, recover=True, again=1)
        assert await again.result.aio() == result
        assert executed == ["tree", "echo", "tree"]
        assert bool(refused) is not force
        assert (run.name in names(swept)) is not force

    having(swept, backend, story)


# The cache

cached_env = TaskEnvironment("cached", cache=Cache("override", version_override="1"))


@cached_env.task
async def of_text(text: str) -> str:
    executed.append("of_text")
    return text + LARGE


@cached_env.task
async def of_file(text: str) -> File:
    executed.append("of_file")
    path = Path(text)
    return File(path)


@cached_env.task
def of_file_in_a_thread(text: str) -> File:
    return File(Path(text))


@env.task
async def asks(text: str) -> str:
    return await of_text(text)


@env.task
async def asks_for_a_file(text: str) -> bytes:
    return (await of_file(text)).read_bytes() + (await in_a_thread.aio(text))


@env.task
def in_a_thread(text: str) -> bytes:
    return of_file_in_a_thread(text).read_bytes()


def when_found(monkeypatch: pytest.MonkeyPatch, module: Any, swept: Swept, name: str) -> None:
    """Remove the run of that name, and what only it reaches, once something of it was found in the cache."""
    look = cache.cached

    def and_arm(*args: Any) -> Any:
        found = look(*args)
        if found is not None:
            swept.armed = True
        return found

    monkeypatch.setattr(module, "cached", and_arm)
    swept.before = lambda: delete_run(swept, name) if name in names(swept) else None


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_a_cached_value_stays_though_its_run_is_removed(
    swept: Swept, backend: str, monkeypatch: pytest.MonkeyPatch, durability: Any
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(asks, LARGE)
        result = await run.result.aio()
        when_found(monkeypatch, taking, swept, run.name)
        again = await engine.run(asks, LARGE)
        assert await again.result.aio() == result
        assert executed == ["of_text"]
        assert swept.armed
        assert names(swept) == [again.name]

    having(swept, backend, story, durability)
    assert swept.removed > 0


def test_a_cached_file_that_is_removed_is_made_again(
    swept: Swept,
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def story(engine: Engine) -> None:
        run = await engine.run(asks_for_a_file, str(path))
        assert await run.result.aio() == b"contentcontent"
        when_found(monkeypatch, taking, swept, run.name)
        again = await engine.run(asks_for_a_file, str(path))
        assert await again.result.aio() == b"contentcontent"
        assert executed == ["of_file", "of_file"]

    having(swept, backend, story)
    assert "cannot be used, it is executed: there is no blob object" in caplog.text


def test_a_whole_run_from_the_cache_is_executed_if_the_cached_one_is_removed(
    swept: Swept, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(of_text, LARGE)
        result = await run.result.aio()
        hit = await engine.run(of_text, LARGE)
        assert hit.phase == "succeeded"
        assert executed == ["of_text"]
        delete_run(swept, hit.name)
        when_found(monkeypatch, start, swept, run.name)
        again = await engine.run(of_text, LARGE)
        assert await again.result.aio() == result
        assert executed == ["of_text", "of_text"]

    having(swept, backend, story)


# What cannot be made again


def test_a_file_of_a_removed_run_that_is_given_on_is_an_error_and_no_record(
    swept: Swept, backend: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")

    async def story(engine: Engine) -> None:
        run = await engine.run(copied, File(tmp_path / "file"))
        file = await run.result.aio()
        delete_run(swept, run.name)
        swept.armed = True
        with pytest.raises(ObjectNotFoundError):
            await engine.run(copied, file)
        assert names(swept) == []

    having(swept, backend, story)


def test_what_was_used_and_left_during_a_collection_is_not_taken_for_whole(
    swept: Swept, backend: str
) -> None:
    """A collection has seen an object without a reader, and removes it below one that came and was left meanwhile."""
    other = echo.override(retries=2)  # another template, with the same closure

    async def story(engine: Engine) -> None:
        first = await engine.run(echo, "a")
        await first.wait.aio()
        delete_run(swept, first.name)

        async def come_and_go() -> None:
            async with Engine(swept) as another:
                run = await another.run(other, "a")
                await run.wait.aio()
                delete_run(swept, run.name)

        done = await anyio.to_thread.run_sync(
            lambda: collect(swept, Policy(), 0, lambda: anyio.from_thread.run(come_and_go))
        )
        assert done.objects > 2
        with swept.read() as reader:
            assert {each.kind for each in incomplete(reader)} == {"closure", "bundle"}
        assert check(swept).problems == ()
        async with Engine(swept) as another:
            again = await another.run(other, "a")
            await again.wait.aio()
            with swept.read() as reader:
                assert dangling(reader) == []

    having(swept, backend, story)
