"""The panel beside the tree: one action, told tab by tab. What a tab shows is read when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui.element import Element

from dalsegno.errors import DalsegnoError
from dalsegno.ui._store import Reader
from dalsegno.ui.pages._elements import Text, copy, icon, note, phase_mark, tag
from dalsegno.ui.pages._io import inputs, outputs
from dalsegno.ui.pages._lineage import lineage
from dalsegno.ui.pages._logs import Logs
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.ui.pages._source import source
from dalsegno.ui.pages._summary import summary
from dalsegno.ui.pages._task import task
from dalsegno.ui.pages._tree import LIVE, Forest
from dalsegno.ui.pages._words import run_path, short_task
from dalsegno.views import ActionView, RunView

TABS = {
    "summary": "Summary",
    "logs": "Logs",
    "inputs": "Inputs",
    "outputs": "Outputs",
    "task": "Task",
    "code": "Code",
    "lineage": "Lineage",
}


class Details:
    """The details of the selected action."""

    def __init__(
        self,
        reader: Reader,
        run: RunView,
        forest: Forest,
        *,
        select: Callable[[str, str], Awaitable[None]],
        moved: Callable[[str, str], None],
        read_only: bool,
    ) -> None:
        self._reader = reader
        self._run = run
        self._forest = forest
        self._select = select
        self._moved = moved
        self._read_only = read_only
        self._action = "a0"
        self._tab = "summary"
        self._drawn: tuple[str, str] | None = None
        self._logs: Logs | None = None

    def build(self) -> None:
        """Make the empty panel."""
        self._top = tag("div", "details-top")
        with tag("div", "tabs", role="tablist"):
            self._tabs: dict[str, Element] = {}
            for name, word in TABS.items():
                made = tag("button", "tab", type="button", role="tab", data_testid=f"tab-{name}")
                with made:
                    Text(word)
                made.on("click", lambda _, name=name: self.show(self._action, name), args=[])
                self._tabs[name] = made
        self._body = tag("div", "details", role="tabpanel")

    async def show(self, action: str, tab: str = "") -> None:
        """Show an action, and a tab of it; the one that is open if none is named."""
        self._action, self._tab = action, tab or self._tab
        self._moved(self._action, self._tab)
        await self._draw()

    async def refresh(self, run: RunView) -> None:
        """Take over what has changed in the records."""
        self._run = run
        ended = self._view()["phase"] not in LIVE
        if self._logs is not None and self._tab == "logs" and not ended:
            await self._logs.more()
        elif self._view() != self._drawn_view:
            await self._draw()

    def _view(self) -> ActionView:
        return self._forest[self._action]

    async def _draw(self) -> None:
        wanted = (self._action, self._tab)
        action = self._drawn_view = self._view()
        self._head(action)
        for name, made in self._tabs.items():
            made.classes(**{"add" if name == self._tab else "remove": "at"})
            made.props["aria-selected"] = str(name == self._tab).lower()
        looked = Looked(self._reader, self._run, action, *self._forest.home(self._action, self._run))
        self._logs = None
        try:
            fill = await self._read(looked)
        except DalsegnoError as error:
            fill = partial(note, str(error), "bad")
        if (self._action, self._tab) != wanted:  # something else was asked for meanwhile
            return
        self._body.clear()
        with self._body, tag("div", "stack wide"):
            fill()

    def _head(self, action: ActionView) -> None:
        self._top.clear()
        with self._top:
            phase_mark(action["phase"], pill=True)
            Text(short_task(action["task"]), "h2", "cut", title=action["task"])
            Text(action["name"], "span", "mono faint cut", data_testid="action-name")
            copy(action["name"], "the name of the action")
            tag("span", "grow")
            if not self._read_only and action["kind"] == "task":
                home = self._forest.home(self._action, self._run)
                where = run_path(*home, action=action["name"], page="rerun")
                root = action["name"] == "a0" and action["run"] == self._run["name"]
                if not root:
                    with tag("a", "btn small", href=where, data_testid="rerun-action"):
                        icon("replay")
                        Text("Rerun action")

    async def _read(self, looked: Looked) -> Fill:
        match self._tab:
            case "summary":
                return await summary(looked, self._go_up)
            case "logs":
                return await self._read_logs(looked)
            case "inputs":
                return await inputs(looked)
            case "outputs":
                return await outputs(looked)
            case "task":
                return await task(looked)
            case "code":
                return await source(looked)
            case _:
                return await lineage(looked)

    async def _go_up(self) -> None:
        above = self._forest.above(self._action)
        if above is not None:
            await self._select(above, "")

    async def _read_logs(self, looked: Looked) -> Fill:
        logs = self._logs = Logs(looked)
        await logs.load()
        live = looked.action["phase"] in LIVE
        return partial(logs.build, live=live)
