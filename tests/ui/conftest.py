"""A store with recorded runs, the pages served from it, and a browser to look at them."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@dataclass(frozen=True)
class Served:
    """A running server: its store, its address, and the name and value of the cookie that it wants."""

    store: str
    address: str
    cookie: tuple[str, str]


def environment() -> dict[str, str]:
    """The environment in which dalsegno is found."""
    paths = os.pathsep.join(str(ROOT / source) for source in ("engine", "storage"))
    return {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "TZ": "UTC"}


def dalsegno(store: str, *line: str) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "dalsegno", "--store", store, *line]


def record(store: str) -> None:
    """Record the runs in a process of its own."""
    line = [sys.executable, str(HERE / "record.py"), store]
    subprocess.run(line, check=True, env=environment(), cwd=HERE, stdout=subprocess.DEVNULL)


def serve(store: str, *options: str) -> Generator[Served, None, None]:
    """Serve a store until the generator is closed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = dalsegno(store, "ui", "--port", str(port), "--no-open", *options)
    with subprocess.Popen(
        line, env=environment(), cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            for words in process.stdout:
                said.append(words)
                if "file://" in words:
                    file = Path(words[words.index("file://") + len("file://") :].strip())
                    token = file.with_name("token").read_text().strip()
                    yield Served(store, f"http://127.0.0.1:{port}", (f"dalsegno-{port}", token))
                    return
            raise AssertionError(f"the server said nothing of a file to open: {''.join(said)}")
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The recorded runs, served."""
    pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
    store = str(tmp_path_factory.mktemp("ui") / "store")
    record(store)
    yield from serve(store)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A browser without a window.

    It ends with its module: Playwright has an event loop running in this thread as long as it lives, and other tests run theirs.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}; `apt-get install chromium` gives one")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield made
        made.close()


def visit(browser: "Browser", served: Served, **settings: object) -> "BrowserContext":
    """A visitor who may see the pages."""
    name, value = served.cookie
    context = browser.new_context(base_url=served.address, **settings)  # type: ignore[arg-type]  # passed on
    context.add_cookies([{"name": name, "value": value, "url": served.address}])
    context.set_default_timeout(8000)
    return context


@pytest.fixture(scope="module")
def visitor(browser: "Browser", served: Served) -> "Iterator[BrowserContext]":
    """A visitor whose browser keeps what it has loaded."""
    context = visit(browser, served, viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(visitor: "BrowserContext") -> "Iterator[Page]":
    """A page of its own for each test; an error in one of its scripts fails the test."""
    made = visitor.new_page()
    broken: list[str] = []
    made.on("pageerror", lambda error: broken.append(str(error)))
    yield made
    assert broken == []
    assert made.evaluate("window.broken") is None
    made.close()
