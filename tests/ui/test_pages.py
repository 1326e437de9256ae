"""What a page does when answers come late, or what it shows goes away."""

import threading
from typing import Any

import anyio
import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from nicegui import ui

from dalsegno.config import Config
from dalsegno.errors import RunNotFoundError
from dalsegno.ui._store import Page
from dalsegno.ui.pages._lineage import SHOWN, around
from dalsegno.ui.pages._list import ListPage, Wish
from dalsegno.ui.pages._run import RunPage


class Slow:
    """A reader of no runs; a search for "slow" waits until it is let go."""

    def __init__(self) -> None:
        self.place = Config("memory:")
        self.go_on = threading.Event()

    def version(self) -> int:
        return 1

    def runs(self, *, text: str, **rest: Any) -> Page:
        if text == "slow":
            assert self.go_on.wait(20)
        return Page([], text)


def test_an_answer_that_comes_late_is_not_shown_in_the_place_of_a_newer_one() -> None:
    reader: Any = Slow()
    page = ListPage(reader, Wish(q="slow"))
    loaded: list[bool] = []

    async def load() -> None:
        loaded.append(await page._load())

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load)
            await anyio.lowlevel.checkpoint()
            page._wish = Wish(q="quick")
            await load()
            reader.go_on.set()

    anyio.run(both)
    assert loaded == [True, False]
    assert page._next == "quick"


class Gone:
    """A reader of a run that was deleted, in a store where something is recorded all the time."""

    def __init__(self) -> None:
        self.asked = 0

    def version(self) -> int:
        self.asked += 1
        return self.asked

    def run(self, name: str, **place: Any) -> Any:
        raise RunNotFoundError("a", "b", name)


def test_that_a_run_was_deleted_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(ui, "notify", lambda words, **rest: said.append(words))
    reader: Any = Gone()
    page = RunPage(reader, "mine", "", "", read_only=False)
    run: Any = {"phase": "running", "ended_at": None}
    page._run, page._version = run, 0

    async def twice() -> None:
        await page._refresh()
        await page._refresh()

    anyio.run(twice)
    assert len(said) == 1


class Interrupted:
    """A reader of a run that can be resumed once; what was not there at first is there later."""

    def __init__(self) -> None:
        self.asked = 0

    async def resume(self, name: str, **place: Any) -> None:
        self.asked += 1
        if self.asked == 1:
            raise RunNotFoundError("a", "b", name)
        await anyio.lowlevel.checkpoint()


def test_two_clicks_resume_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(ui, "notify", lambda words, **rest: said.append(words))
    reader: Any = Interrupted()
    page = RunPage(reader, "mine", "", "", read_only=False)

    async def click() -> None:
        await page._resume()  # refused, and can be asked again
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(page._resume)
            tasks.start_soon(page._resume)
        await page._resume()

    anyio.run(click)
    assert reader.asked == 2
    assert len(said) == 1


@pytest.mark.parametrize(
    ("at", "count", "shown"),
    [
        (0, 3, range(3)),
        (2, 3, range(3)),
        (0, 9000, range(SHOWN)),
        (4000, 9000, range(4000 - SHOWN // 2, 4000 + SHOWN // 2)),
        (8999, 9000, range(9000 - SHOWN, 9000)),
    ],
)
def test_of_a_large_family_those_around_the_run_are_shown(at: int, count: int, shown: range) -> None:
    assert around(at, count) == shown
    assert at in shown
