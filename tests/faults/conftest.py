"""The shim, the stage, and how much is tried: DALSEGNO_LONG=1 tries about ten times as much."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.faults.shim import build
from tests.faults.stage import Server, Stage

LONG = os.environ.get("DALSEGNO_LONG", "") not in ("", "0")


@pytest.fixture(scope="session")
def often() -> int:
    """What counts of repetitions are multiplied with."""
    return 10 if LONG else 1


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim; without a compiler, the tests that need it are skipped, which a run with CI set does not let pass."""
    built = build(tmp_path_factory.mktemp("shim"))
    if isinstance(built, Path):
        return built
    if os.environ.get("CI"):
        pytest.fail(f"faults cannot be injected: {built}")
    pytest.skip(f"FAULTS ARE NOT INJECTED: {built}")


@pytest.fixture(scope="session")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A process that forks for each piece of work."""
    opened = Server(library, tmp_path_factory.mktemp("server"))
    yield opened
    opened.close()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is room: as long as nobody pulls the plug, syncing costs nothing but time."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def stage(server: Server, memory: Path, tmp_path: Path) -> Stage:
    """A stage whose folder is in memory."""
    folder = memory / "disk"
    folder.mkdir()
    return Stage(server, folder, tmp_path)


@pytest.fixture(params=["lmdb", "sqlite"])
def scheme(request: pytest.FixtureRequest) -> str:
    """The backends that have a disk."""
    return str(request.param)
