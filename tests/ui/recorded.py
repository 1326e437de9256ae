"""A small store that tests of the server have for themselves: its code, its runs, and the API over it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, cast

import anyio
import httpx
import pytest

from .conftest import dalsegno, environment

if TYPE_CHECKING:
    from dalsegno.ui._store import Reader

TRACE = "unpickled"
"""A file of this name appears beside the code when the pickled input is loaded."""

TOKEN = "t" * 43

SCRIPT = "<script>alert(1)</script>"

FLOW = '''
    """A flow."""

    import enum
    import os
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Any

    import dalsegno

    env = dalsegno.TaskEnvironment("flow")
    FACTOR = 2


    class Mode(enum.Enum):
        FAST = "fast"
        SLOW = "slow"


    class Strange:
        """Leaves a trace where it is unpickled."""

        def __reduce__(self) -> Any:
            return _touch, (str(Path(__file__).with_name("unpickled")),)


    def _touch(file: str) -> str:
        Path(file).touch()
        return file


    def scaled(number: int) -> int:
        return FACTOR * number


    @env.task
    async def prepare(number: int) -> int:
        """Double a number."""
        print(f"preparing {number}")
        return scaled(number)


    @env.task(retries=1)
    async def fragile(text: str) -> str:
        raise ValueError(text)


    @env.task
    async def add(numbers: list[int], mode: Mode = Mode.FAST, scale: float = 1.0) -> float:
        """Sum what was prepared."""
        found = [await prepare(number) for number in numbers]
        print(f"level {os.environ.get('LEVEL')}")
        return sum(found) * scale


    @env.task
    async def broken(text: str) -> str:
        return await fragile(text)


    @env.task
    def strange(value: Any) -> float:
        return float("nan")


    @env.task
    def slow(seconds: float) -> None:
        print("begun", flush=True)
        for _ in range(int(seconds * 50)):
            time.sleep(0.02)
'''

RECORD = """
    import sys
    import dalsegno
    import flow

    dalsegno.init(sys.argv[1])


    def play(name, labels, task, **inputs):
        dalsegno.with_runcontext(name=name, labels=labels).run(task, **inputs).wait()


    play("first", {"team": "a"}, flow.add, numbers=[1, 2])
    play("failed", {"note": "<script>alert(1)</script>"}, flow.broken, text="<script>alert(1)</script>")
    play("pickled", {}, flow.strange, value=flow.Strange())
    play("slow", {}, flow.slow, seconds=0.0)
    dalsegno.with_runcontext(name="again").rerun("first", numbers=[1, 3], recover=True).wait()
"""


@dataclass(frozen=True)
class Small:
    """The folder with the code, and the store in it."""

    folder: Path
    store: str


def line(small: Small, *words: str) -> Any:
    """What a command line prints with `--json`."""
    done = subprocess.run(
        dalsegno(small.store, *words, "--json"),
        env=environment(),
        cwd=small.folder,
        capture_output=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Five runs: `first`, `failed`, `pickled`, `slow`, and `again`, which is `first` with another input and recovered."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "flow.py").write_text(dedent(FLOW))
    store = str(folder / "store")
    record = [sys.executable, "-c", dedent(RECORD), store]
    subprocess.run(record, check=True, env=environment(), cwd=folder, stdout=subprocess.DEVNULL)
    (folder / TRACE).unlink(missing_ok=True)  # recording it may have read it back
    return Small(folder, store)


@pytest.fixture
def reader(small: Small, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Reader]":
    """The store as the page sees it, from the folder of the code."""
    from dalsegno.config import Config
    from dalsegno.ui._store import Reader

    monkeypatch.chdir(small.folder)
    opened = Reader(Config(small.store))
    yield opened
    opened.close()


class Api:
    """The API for somebody with the token."""

    def __init__(self, reader: "Reader") -> None:
        from dalsegno.ui._access import guard_for
        from dalsegno.ui._app import build

        guard = guard_for(8237, TOKEN, ["127.0.0.1"])
        self._app = build(reader, guard, pages=False)

    def get(self, address: str, **asked: Any) -> httpx.Response:
        """What it answers."""
        return self.ask("GET", address, **asked)

    def post(self, address: str, **asked: Any) -> httpx.Response:
        """The same."""
        return self.ask("POST", address, **asked)

    def ask(self, method: str, address: str, **asked: Any) -> httpx.Response:
        """The same for any method."""

        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(cast(Any, self._app), raise_app_exceptions=False)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            base = "http://127.0.0.1:8237/api/v1"
            async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
                return await client.request(method, address, timeout=60, **asked)

        return anyio.run(answer)


@pytest.fixture
def api(reader: "Reader") -> Api:
    """The API over it."""
    return Api(reader)
