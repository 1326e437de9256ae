"""The list of runs: newest first, searched and filtered, page by page, and fresh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from nicegui import ui

from dalsegno.errors import DalsegnoError
from dalsegno.ui._store import Reader
from dalsegno.ui.pages._components import Row, RunList
from dalsegno.ui.pages._elements import Button, Text, empty, icon, tag
from dalsegno.ui.pages._layout import frame, keep_fresh
from dalsegno.ui.pages._missing import show_error
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._words import (
    ago,
    counted,
    moment,
    path_of,
    phase_words,
    phases,
    relation_mark,
    run_path,
    took,
)
from dalsegno.views import RunView

PAGE = 50
"""So many runs are on one page."""

SINCE = {"": "Any time", "1h": "Last hour", "1d": "Last day", "7d": "Last 7 days", "30d": "Last 30 days"}
_HOURS = {"1h": 1, "1d": 24, "7d": 168, "30d": 720}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which runs are to be seen; "" is any. `before` is the place after which the page begins."""

    q: str = ""
    phase: str = ""
    task: str = ""
    label: str = ""
    since: str = ""
    before: str = ""

    @property
    def is_any(self) -> bool:
        """Whether nothing is filtered."""
        return not (self.q or self.phase or self.task or self.label or self.since)

    def address(self) -> str:
        """Where this page of the list is."""
        said = {name: value for name in self.__slots__ if (value := getattr(self, name))}
        return f"/?{urlencode(said)}" if said else "/"


def run_row(run: RunView, home: tuple[str, str]) -> Row:
    """What the browser needs of a run; `home` are the project and the domain that need not be said."""
    icon_name, word = phase_words(run["phase"])
    relation = run["relation"]
    lasted = run["duration_s"]
    if lasted is None and run["phase"] == "running":
        lasted = (datetime.now(UTC) - datetime.fromisoformat(run["started_at"])).total_seconds()
    return {
        "id": f"{run['project']}/{run['domain']}/{run['name']}",
        "href": path_of(run),
        "rerun": run_path(run["name"], run["project"], run["domain"], page="rerun"),
        "phase": run["phase"],
        "icon": icon_name,
        "word": word,
        "name": run["name"],
        "place": "" if (run["project"], run["domain"]) == home else f"{run['project']} / {run['domain']}",
        "imported": "" if run["imported"] is None else f"imported {ago(run['imported']['at'])}",
        "task": run["task"],
        "labels": [f"{name}={value}" for name, value in sorted(run["labels"].items())],
        "ago": ago(run["started_at"]),
        "at": moment(run["started_at"]),
        "took": took(lasted),
        "mark": None if relation is None else relation_mark(relation)._asdict(),
    }


class ListPage:
    """What one visitor sees of the list."""

    def __init__(self, reader: Reader, wish: Wish) -> None:
        self._reader = reader
        self._wish = wish
        self._earlier: list[str] = []
        self._next = ""
        self._version = -1
        self._rows: list[Row] = []

    async def build(self) -> None:
        """Put everything on the page."""
        await self._load()
        with tag("div", "page"):
            self._tools()
            self._body = tag("div")
        self._show()
        keep_fresh(self._refresh)

    async def _load(self) -> bool:
        """Read the page that is wanted; False when another one is wanted by the time that it is there."""
        wish = self._wish
        self._version = self._reader.version()
        found = await beside(
            self._reader.runs,
            text=wish.q,
            phase=wish.phase,
            task=wish.task,
            label=wish.label,
            since=_since(wish.since),
            limit=PAGE,
            before=wish.before,
        )
        if wish is not self._wish:
            return False
        place = self._reader.place
        self._rows = [run_row(run, (place.project, place.domain)) for run in found.runs]
        self._next = found.next
        return True

    def _tools(self) -> None:
        wish = self._wish
        with tag("div", "tools"):
            search = _field(ui.input(placeholder="Search runs, tasks, labels", value=wish.q), "280px")
            search.props["data-key"] = "/"
            search.props("clearable debounce=250")
            search.on_value_change(lambda event: self._change(q=event.value or ""))
            phase = _field(ui.select({"": "Any phase", **phases()}, value=wish.phase), "130px")
            phase.on_value_change(lambda event: self._change(phase=event.value))
            task = _field(ui.input(placeholder="Task", value=wish.task), "180px")
            task.props("clearable debounce=250")
            task.on_value_change(lambda event: self._change(task=event.value or ""))
            label = _field(ui.input(placeholder="Label: key=value", value=wish.label), "160px")
            label.props("clearable debounce=250")
            label.on_value_change(lambda event: self._change(label=event.value or ""))
            since = _field(ui.select(SINCE, value=wish.since), "130px")
            since.on_value_change(lambda event: self._change(since=event.value))
            tag("span", "grow")
            with tag("a", "btn", href="/compare"):
                icon("difference")
                Text("Compare")

    def _show(self) -> None:
        self._body.clear()
        self._list = None
        with self._body:
            if self._rows:
                self._list = RunList(self._rows)
            else:
                with tag("div", "box"):
                    self._nothing()
            self._pager()

    def _nothing(self) -> None:
        if self._next:
            empty("search", "No run matches so far", "There are older runs that were not looked at yet.")
        elif self._wish.before or not self._wish.is_any:
            empty("search_off", "No run matches", "Take a filter away, or look at another time.")
        else:
            empty(
                "play_circle",
                "Nothing was recorded yet",
                "Every run of a task is listed here as soon as it starts.",
                "dalsegno run FILE TASK",
            )

    def _pager(self) -> None:
        with tag("div", "pager"):
            if self._wish.before:
                Button("Newest", self._newest, sign="first_page", classes="small")
                Button("Newer", self._newer, sign="chevron_left", classes="small")
            if self._next:
                Button("Older", self._older, sign="chevron_right", classes="small", data_testid="older")
            if not self._wish.is_any:
                Button("Show all runs", lambda: ui.navigate.to("/"), sign="close", classes="small")
            if self._rows:
                Text(
                    counted(len(self._rows), "run") + (", the newest" if self._next else ""), "span", "faint"
                )

    async def _change(self, **changes: str) -> None:
        await self._go(replace(self._wish, before="", **changes), forget=True)

    async def _older(self) -> None:
        self._earlier.append(self._wish.before)
        await self._go(replace(self._wish, before=self._next))

    async def _newer(self) -> None:
        await self._go(replace(self._wish, before=self._earlier.pop() if self._earlier else ""))

    async def _newest(self) -> None:
        await self._go(replace(self._wish, before=""), forget=True)

    async def _go(self, wish: Wish, *, forget: bool = False) -> None:
        if forget:
            self._earlier.clear()
        self._wish = wish
        ui.navigate.history.replace(wish.address())
        if await self._load():
            self._show()

    async def _refresh(self) -> None:
        running = any(row["phase"] == "running" for row in self._rows)
        if self._reader.version() == self._version and not running:
            return
        old, more = self._rows, self._next
        if not await self._load():
            return
        if self._list is None or not self._rows or bool(more) != bool(self._next):
            self._show()
        elif self._rows != old:
            self._list.show(self._rows)


def _field(made: ui.input | ui.select, width: str) -> ui.input | ui.select:
    made.props("outlined dense hide-bottom-space").style(f"width: {width}")
    return made


def _since(word: str) -> datetime | None:
    hours = _HOURS.get(word)
    return None if hours is None else datetime.now(UTC) - timedelta(hours=hours)


async def list_page(reader: Reader, wish: Wish, *, read_only: bool) -> None:
    """Build the page at "/"."""
    known = replace(
        wish,
        phase=wish.phase if wish.phase in phases() else "",
        since=wish.since if wish.since in SINCE else "",
    )
    with frame("Runs", ("Runs", ""), read_only=read_only):
        try:
            await ListPage(reader, known).build()
        except DalsegnoError as error:
            show_error(error)
