"""A run: what it is at the top, the tree of its actions beside a timeline, and the details of one of them."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from dalsegno.errors import DalsegnoError
from dalsegno.ui._store import Reader
from dalsegno.ui.pages._components import RunTree
from dalsegno.ui.pages._details import TABS, Details
from dalsegno.ui.pages._elements import Button, Text, copy, digest, icon, link, note, phase_mark, tag
from dalsegno.ui.pages._layout import frame, keep_fresh
from dalsegno.ui.pages._missing import show_error
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._tree import LIVE, Forest
from dalsegno.ui.pages._words import ago, moment, reference_of, relation_mark, run_path, took
from dalsegno.views import RunView

FIRST = 80
"""So many rows of the tree come with the page itself."""


class RunPage:
    """What one visitor sees of a run."""

    def __init__(self, reader: Reader, name: str, project: str, domain: str, *, read_only: bool) -> None:
        self._reader = reader
        self._name = name
        self._place = {"project": project or None, "domain": domain or None}
        self._read_only = read_only
        self._window = (0, FIRST)
        self._top: Element | None = None
        self._gone = False
        self._is_resumed = False

    async def load(self) -> None:
        """Read the run and its actions; raises what the reader raises."""
        self._version = self._reader.version()
        self._run: RunView = await beside(self._reader.run, self._name, **self._place)
        self._actions = await beside(self._reader.tree, self._name, **self._place)

    async def build(self, action: str, tab: str) -> None:
        """Put everything on the page, with an action selected and a tab of it open."""
        self._forest = Forest(self._actions)
        self._selected = action if action in self._forest else "a0"
        self._forest.reveal(self._selected)
        self._details = Details(
            self._reader,
            self._run,
            self._forest,
            select=self._pick,
            moved=self._note_address,
            read_only=self._read_only,
        )
        self._dialogs = tag("div")  # what is at the top is made anew while the run goes on
        with tag("section", "run-top") as self._top:
            self._head()
        if action != self._selected:
            note(f"This run has no action {action}.", "bad")
        with tag("div", "panes"):
            with tag("div", "pane left"):
                self._tree = RunTree(
                    self._first(),
                    window=self._look,
                    pick=self._pick,
                    fold=self._fold,
                    step=self._step,
                )
            with tag("div", "pane"):
                self._details.build()
        await self._details.show(self._selected, tab if tab in TABS else "summary")
        keep_fresh(self._refresh)

    def _head(self) -> None:
        run = self._run
        with tag("div", "grow"):
            with tag("div", "line wrap"):
                Text(run["name"], "h1", "mono cut", style="font-size: 17px", data_testid="run-name")
                copy(run["name"], "the name")
                phase_mark(run["phase"], pill=True)
                if run["relation"] is not None:
                    mark = relation_mark(run["relation"])
                    with tag("span", "mark", data_testid="relation"):
                        icon(mark.icon)
                        Text(mark.word)
                        link(mark.run, mark.href)
            with tag("div", "run-facts"):
                if (run["project"], run["domain"]) != (self._reader.place.project, self._reader.place.domain):
                    self._fact("In", f"{run['project']} / {run['domain']}")
                if (imported := run["imported"]) is not None:
                    self._fact("Imported", ago(imported["at"]), f"from the capsule {imported['capsule']}")
                    Text("trusted" if imported["trusted"] else "not trusted", "span", "chip")
                self._fact("Task", run["task"])
                self._fact("Duration", took(run["duration_s"]) or "goes on")
                self._fact("Started", ago(run["started_at"]), moment(run["started_at"]))
                self._fact("Actions", f"{len(self._forest):,}", self._counts())
                with tag("span", "line", style="gap: 5px; display: inline-flex"):
                    Text("Code")
                    digest(run["code_digest"], "the code digest")
                if fingerprint := run.get("fingerprint"):
                    with tag("span", "line", style="gap: 5px; display: inline-flex"):
                        Text(
                            "Fingerprint", title="Equal for runs that did the same, down to every nested call"
                        )
                        digest(fingerprint, "the fingerprint")
                if run["labels"]:
                    with tag("span", "line wrap", style="gap: 4px; display: inline-flex"):
                        for name, value in sorted(run["labels"].items()):
                            Text(f"{name}={value}", "span", "chip")
        with tag("div", "line firm"):
            with tag("a", "btn", href=f"/compare?{self._as_old()}", title="Compare with another run"):
                icon("difference")
                Text("Compare")
            if not self._read_only:
                if run["phase"] in (*LIVE, "interrupted"):
                    Button("Abort", self._abort, sign="stop", data_testid="abort")
                if run["phase"] == "interrupted":
                    Button("Resume", self._resume, sign="play_arrow", data_testid="resume")
                where = run_path(run["name"], run["project"], run["domain"], page="rerun")
                with tag("a", "btn primary", href=where, data_key="r", data_testid="rerun"):
                    icon("replay")
                    Text("Rerun")

    def _as_old(self) -> str:
        home = self._reader.place.project, self._reader.place.domain
        return urlencode({"old": reference_of(self._run, home)})

    def _counts(self) -> str:
        return ", ".join(f"{count:,} {phase}" for phase, count in sorted(self._forest.counts().items()))

    def _fact(self, name: str, words: str, title: str = "") -> None:
        with tag("span", **({"title": title} if title else {})):
            Text(f"{name} ")
            Text(words, "b")

    def _first(self) -> dict[str, object]:
        place = self._forest.place(self._selected)
        start = max(0, place - FIRST // 2)
        self._window = (start, start + FIRST)
        return self._forest.seen(*self._window, self._selected)

    def _show(self) -> None:
        self._tree.show(self._forest.seen(*self._window, self._selected))

    def _look(self, start: int, stop: int) -> None:
        self._window = (start, min(stop, start + 400))
        self._show()

    def _fold(self, action: str) -> None:
        self._forest.fold(action)
        self._show()

    async def _step(self, by: int) -> None:
        place = self._forest.place(self._selected)
        order = self._forest.order
        await self._pick(order[max(0, min(len(order) - 1, place + by))])

    async def _pick(self, action: str, tab: str = "") -> None:
        self._selected = action
        if self._forest.place(action) < 0:
            self._forest.reveal(action)
        place = self._forest.place(action)
        if not self._window[0] <= place < self._window[1]:
            self._window = (max(0, place - FIRST // 2), place + FIRST // 2)
        self._show()
        await self._details.show(action, tab)

    def _note_address(self, action: str, tab: str) -> None:
        run = self._run
        shown = {} if tab == "summary" else {"tab": tab}
        own = action if "/" not in action else "a0"
        ui.navigate.history.replace(
            run_path(run["name"], self._place["project"], self._place["domain"], action=own, **shown)
        )

    async def _abort(self) -> None:
        with self._dialogs, ui.dialog(value=True) as dialog, ui.card(), tag("div", "stack"):
            Text(f"Stop {self._run['name']}?", "h2")
            Text("What has ended stays recorded; what goes on is recorded as aborted.", "p", "soft")
            with tag("div", "line", style="justify-content: flex-end"):
                Button("Keep it", lambda: dialog.submit(False))
                Button("Abort", lambda: dialog.submit(True), classes="primary", data_testid="abort-really")
        if await dialog:
            try:
                await self._reader.abort(self._name, **self._place)
            except DalsegnoError as error:
                ui.notify(str(error), type="negative")

    async def _resume(self) -> None:
        if self._is_resumed:  # a second click was on its way before the page could show it
            return
        self._is_resumed = True
        try:
            await self._reader.resume(self._name, **self._place)
        except DalsegnoError as error:
            self._is_resumed = False
            ui.notify(str(error), type="negative")

    async def _phase(self) -> str:
        run: RunView = await beside(self._reader.run, self._name, **self._place)
        return run["phase"]

    async def _refresh(self) -> None:
        live = self._run["phase"] in LIVE
        if (
            self._gone
            or self._run["ended_at"] is not None
            or not (live or self._reader.version() != self._version)
        ):
            return
        was = self._run["phase"]
        try:
            # That its process is gone is written nowhere.
            if self._reader.version() != self._version or await self._phase() != was:
                await self.load()
                self._forest.load(self._actions)
                self._forest.arrange()
        except DalsegnoError as error:  # it was deleted meanwhile
            self._gone = True
            ui.notify(str(error), type="warning")
            return
        if live or self._run["phase"] != was:
            self._is_resumed = False
            self._show()
            assert self._top is not None
            self._top.clear()
            with self._top:
                self._head()
            await self._details.refresh(self._run)


async def run_page(
    reader: Reader, name: str, project: str, domain: str, *, action: str, tab: str, read_only: bool
) -> None:
    """Build the page of a run."""
    with frame(name, ("Runs", "/"), (name, ""), read_only=read_only) as content:
        page = RunPage(reader, name, project, domain, read_only=read_only)
        try:
            await page.load()
        except DalsegnoError as error:
            show_error(error)
            return
        content.classes("run-page")
        await page.build(action, tab)
