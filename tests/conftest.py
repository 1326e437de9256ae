"""Engines, stores and processes to test with."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import anyio
import pytest

import dalsegno
import dalsegno_storage
from dalsegno import Engine
from dalsegno_storage.memory import MemoryStore

T = TypeVar("T")


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The event loop that `play` uses; a test that takes it runs under both."""
    return str(request.param)


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """An empty store in memory."""
    opened = MemoryStore()
    yield opened
    opened.close()


@pytest.fixture
def content(store: MemoryStore) -> Callable[[], dict[bytes, bytes]]:
    """Gives everything that is in `store`."""

    def everything() -> dict[bytes, bytes]:
        with store.read() as reader:
            return dict(reader.scan())

    return everything


@pytest.fixture
def play(backend: str, store: MemoryStore) -> Callable[..., Any]:
    """Runs `story(engine)` to its end in an event loop, with an open engine on `store`."""

    def played(story: Callable[[Engine], Awaitable[T]], **settings: Any) -> T:
        async def main() -> T:
            async with Engine(**{"store": store, **settings}) as engine:
                return await story(engine)

        return anyio.run(main, backend=backend)

    return played


@pytest.fixture
def write_files(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tree of files below `tmp_path` and gives its folder."""

    def written(folder: str, files: Mapping[str, str]) -> Path:
        root = tmp_path / folder
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return root

    return written


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Any]:
    """Runs Python text, or a file, in a process of its own and gives the JSON that it prints last."""
    roots = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]

    def run(code: str | Path, *, cwd: Path, path: tuple[Path, ...] = (), **env: str) -> Any:
        done = subprocess.run(
            [sys.executable, *([str(code)] if isinstance(code, Path) else ["-c", dedent(code)])],
            cwd=cwd,
            env={
                "PYTHONPATH": ":".join([*map(str, path), *roots]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONWARNINGS": "error",
                "DALSEGNO_STORE": str(tmp_path / "store"),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
