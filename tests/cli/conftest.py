"""The command line in this process and in one of its own, and a store with recorded runs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

import dalsegno
import dalsegno_storage
from dalsegno.bundle import unload

FLOW = '''
    import enum
    import logging
    from dataclasses import dataclass

    import dalsegno

    env = dalsegno.TaskEnvironment("flow")


    class Mode(enum.Enum):
        FAST = "f"
        SLOW = "s"


    @dataclass
    class Config:
        rate: float = 0.5
        title: str = "plain"


    @env.task
    async def prepare(number: int) -> int:
        """Double a number."""
        print(f"preparing {number}")
        if number == 13:
            raise ValueError(f"{number} is unlucky")
        return 2 * number


    @env.task
    def scale(total: int, factor: float = 1.5, loud: bool = False) -> float:
        logging.getLogger("flow").warning("scaling %s", total)
        if loud:
            print("LOUD")
        return total * factor


    @env.task
    async def main(numbers: list[int], config: Config = Config(), mode: Mode = Mode.FAST) -> tuple[float, Config]:
        """Scale the doubled sum.

        The rest of the story.
        """
        total = 0
        with dalsegno.group("halves"), dalsegno.group("first"):
            for number in numbers:
                total += await prepare(number)
        return await scale.aio(total), config


    @env.task
    def greet(name: str, json: bool = False) -> str:
        return f"{name} {json}"


    @env.task
    def nothing() -> None:
        """Do nothing."""
'''


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.out.splitlines()


Command = Callable[..., Done]


@pytest.fixture(scope="session")
def variables() -> Callable[..., dict[str, str]]:
    """Gives the environment variables for a process."""
    return environment


def environment(**more: str) -> dict[str, str]:
    """What a process needs to find the packages, and nothing that changes output."""
    roots = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return {
        **kept,
        "PYTHONPATH": ":".join(roots),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONWARNINGS": "error",
        "TZ": "UTC",
        **more,
    }


@pytest.fixture(scope="session")
def process() -> Command:
    """Runs `dalsegno ARGS` in a process of its own."""

    def run(*args: str | Path, cwd: Path, stdin: str = "", **env: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "dalsegno", *map(str, args)],
            cwd=cwd,
            env=environment(**env),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def flow() -> str:
    """The text of `flow.py`."""
    return dedent(FLOW)


@pytest.fixture
def here(tmp_path: Path, flow: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with `flow.py` in it."""
    (tmp_path / "flow.py").write_text(flow)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs `dalsegno ARGS` in this process; modules that it imports are forgotten afterwards."""
    from dalsegno.cli._app import app

    monkeypatch.delenv("DALSEGNO_STORE", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    before = set(sys.modules)

    def run(*args: str | Path) -> Done:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "path", list(sys.path))
            done = CliRunner().invoke(app, [*map(str, args)], prog_name="dalsegno")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    yield run
    for name in set(sys.modules) - before:
        if "pytest-of" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, process: Command, flow: str) -> Path:
    """A store with `good`, `bad` (failed), `again` (a rerun of one action of `good`), and no sources beside it."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "flow.py").write_text(flow)
    store = folder / "store"
    runs = [
        (
            "run",
            "flow.py",
            "main",
            "--numbers",
            "[1, 2]",
            "--name",
            "good",
            "--label",
            "team=a",
            "-e",
            "LEVEL=2",
        ),
        ("run", "flow.py", "main", "--numbers", "[1, 13]", "--name", "bad", "--label", "team=b"),
    ]
    for line in runs:
        process("--store", store, *line, cwd=folder)
    listed = process("get", "action", "good", "--json", "--store", store, cwd=folder).json
    (scale,) = (action["name"] for action in listed if action["task"] == "flow.scale")
    process("--store", store, "rerun", "good", "--action-name", scale, "--name", "again", cwd=folder)
    (folder / "flow.py").unlink()
    return store


@pytest.fixture
def unloaded(recorded: Path, command: Command) -> Iterator[None]:
    """Takes the recorded code out of this process afterwards."""
    yield
    run = command("get", "run", "good", "--json", "--store", recorded).json
    unload(bytes.fromhex(run["bundle_digest"]))


@pytest.fixture
def look(command: Command, recorded: Path, unloaded: None) -> Command:
    """Runs `dalsegno ARGS` on the store with recorded runs."""
    return lambda *args: command("--store", recorded, *args)
