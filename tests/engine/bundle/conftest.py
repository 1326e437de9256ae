"""Source trees to capture, and processes to capture and load them in."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import dalsegno
import dalsegno_storage
from dalsegno.bundle import Capture, LoadedBundle, load, loader, unload

Write = Callable[[Path, Mapping[str, str]], Path]
Python = Callable[..., Any]
Load = Callable[..., LoadedBundle]


@pytest.fixture
def write() -> Write:
    """Writes a tree of files and gives its folder."""

    def written(folder: Path, files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return folder

    return written


@pytest.fixture
def project(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Writes a tree below `tmp_path` and puts it on `sys.path`; its modules are forgotten afterwards."""
    modules, hooks = sys.modules.copy(), list(sys.meta_path)

    def made(files: Mapping[str, str], *, folder: str = "src", on_path: bool = True) -> Path:
        root = write(tmp_path / folder, files)
        if on_path:
            monkeypatch.syspath_prepend(str(root))
        return root

    yield made
    for digest, _ in list(loader._loaded):
        unload(digest)
    for name in sys.modules.keys() - modules.keys():
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)) or not file:
            del sys.modules[name]
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder in hooks or "dalsegno" in type(finder).__module__
    ]


@pytest.fixture
def loaded() -> Load:
    """Loads what was captured, side by side with the original unless asked otherwise."""

    def made(taken: Capture, isolation: Any = "private") -> LoadedBundle:
        return load(taken.bundle, taken.read, isolation=isolation)

    return made


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Runs a script or `-c` text in a process of its own and gives the JSON that it prints."""
    roots = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]

    def run(*arguments: str, cwd: Path | None = None, path: tuple[Path, ...] = (), **env: str) -> Any:
        done = subprocess.run(
            [sys.executable, *(dedent(argument) for argument in arguments)],
            cwd=cwd or tmp_path,
            env={"PYTHONPATH": ":".join([*map(str, path), *roots]), "PYTHONDONTWRITEBYTECODE": "1", **env},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
