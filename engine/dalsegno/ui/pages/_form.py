"""The launch form: a recorded run or action again, with what is to be other than it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, Literal

from nicegui import ui

from dalsegno.errors import DalsegnoError, InputError
from dalsegno.ui._store import Reader
from dalsegno.ui.pages._elements import Button, Text, link, note, tag
from dalsegno.ui.pages._fields import Field
from dalsegno.ui.pages._layout import frame, keep_fresh
from dalsegno.ui.pages._missing import show_error
from dalsegno.ui.pages._pairs import Pairs
from dalsegno.ui.pages._preview import show_plan
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._words import counted, path_of, run_path, short_task
from dalsegno.views import ActionView, RunView

OFFERED = 500
"""So many actions can be picked from a list; the names of others are typed."""


class LaunchForm:
    """What one visitor makes of a recorded action."""

    def __init__(self, reader: Reader, run: RunView, action: ActionView) -> None:
        self._reader = reader
        self._run = run
        self._action = action
        self._fields: dict[str, Field] = {}
        self._name = ""
        self._into: dict[str, str] = {}
        self._recover = False
        self._forced: list[str] = []
        self._current = False
        self._typed = False
        self._planned = False
        self._is_busy = False
        self._launched = False

    @property
    def _place(self) -> dict[str, str]:
        return {"project": self._run["project"], "domain": self._run["domain"]}

    async def load(self) -> None:
        """Read the interface and the inputs of the action."""
        asked = (self._run["name"], self._action["name"])
        self._task = await beside(self._reader.task, *asked, **self._place)
        project, domain = self._run["project"], self._run["domain"]
        io = await beside(self._reader.io, *asked, project=project, domain=domain)
        tree = await beside(self._reader.tree, self._run["name"], **self._place)
        self._values = io["inputs"]
        own = (each["name"] for _, each in tree if each["run"] == self._run["name"])
        self._others = [*islice(own, OFFERED)]

    def build(self) -> None:
        """Put everything on the page."""
        with tag("div", "page form-page"):
            with tag("div", "stack wide"):
                with tag("section", "box form-box"):
                    self._inputs()
                with tag("section", "box form-box"):
                    self._how()
                with tag("section", "box form-box"):
                    self._around()
            with tag("aside", "stack form-side"):
                with tag("section", "box form-box stack"):
                    self._launch()
                self._outdated = Text(
                    "Something was changed since this was looked at.", "div", "note warn hidden"
                )
                self._plan = tag("div", "stack")
        self._list_changed()
        keep_fresh(self._check)

    def _inputs(self) -> None:
        with tag("div", "form-title"):
            Text("Inputs", "h2")
            Text("What you leave alone is passed on as it is stored.", "span", "faint")
        interface = {each["name"]: each for each in self._task["inputs"]}
        if not self._values:
            Text("This task takes nothing.", "p", "soft")
        for name, value in self._values.items():
            known = interface.get(name)
            type_text, schema = ("", {}) if known is None else (known["type"], known["schema"])
            field = Field(name, type_text, schema, value, self._note)
            self._fields[name] = field
            field.build()

    def _how(self) -> None:
        Text("Execution", "h2", style="margin-bottom: 8px")
        with tag("div", "stack"):
            with tag("div", "line"):
                made = ui.switch(
                    "Recover: take over what still holds",
                    on_change=lambda event: self._set_recover(event.value),
                )
                made.props("dense data-testid=recover")
            with tag("div", "stack hidden") as self._forcing:
                Text("Execute these nevertheless, and what is below them", "label", "soft")
                forced = ui.select(
                    self._others,
                    multiple=True,
                    with_input=True,
                    new_value_mode="add-unique",
                    value=[],
                    on_change=lambda event: self._set_forced(event.value),
                )
                forced.props("outlined dense use-chips data-testid=forced")
            if self._task["current"]:
                with tag("div", "line"):
                    Text("Code", "label", "soft", style="min-width: 60px")
                    ui.radio(
                        {False: "as it was recorded", True: "as it is now"},
                        value=False,
                        on_change=lambda event: self._set_current(event.value),
                    ).props("inline dense")

    def _around(self) -> None:
        Text("Settings", "h2", style="margin-bottom: 8px")
        with tag("div", "stack wide"):
            with tag("div", "stack", style="gap: 4px"):
                Text("Name of the new run", "label", "soft")
                made = ui.input(
                    placeholder="made by itself", on_change=lambda event: self._set_name(event.value)
                )
                made.props("outlined dense clearable data-testid=new-name").style("max-width: 340px")
                self._name_problem = Text("", "div", "field-problem hidden", role="alert")
            with tag("div", "line wrap"):
                self._placed("project")
                self._placed("domain")
            with tag("div", "stack", style="gap: 4px"):
                Text("Labels", "label", "soft")
                self._labels = Pairs(self._run["labels"], "label", self._note)
                self._labels.build()
            with tag("div", "stack", style="gap: 4px"):
                Text("Environment variables", "label", "soft")
                self._env = Pairs(self._run["env_vars"], "variable", self._note)
                self._env.build()

    def _placed(self, what: Literal["project", "domain"]) -> None:
        with tag("div", "stack", style="gap: 4px"):
            Text(what.capitalize(), "label", "soft")
            made = ui.input(
                value=self._run[what], on_change=lambda event: self._into.update({what: event.value or ""})
            )
            made.props(f"outlined dense data-testid=new-{what}").style("max-width: 160px")

    def _launch(self) -> None:
        what = short_task(self._action["task"])
        Text(f"Rerun {what}", "h2")
        with tag("div", "soft"):
            Text("from ")
            link(self._run["name"], path_of(self._run), "mono")
            if self._action["name"] != "a0":
                Text(", action ")
                where = run_path(self._run["name"], **self._place, action=self._action["name"])
                link(self._action["name"], where, "mono")
        self._words = tag("div", "line wrap", style="gap: 4px")
        self._message = tag("div")
        with tag("div", "line"):
            self._preview = Button("Preview", self._show_preview, sign="visibility", data_testid="preview")
            self._go = Button(
                "Launch", self._start, sign="play_arrow", classes="primary grow", data_testid="launch"
            )

    def _note(self) -> None:
        self._typed = True
        self._age()
        self._list_changed()

    def _age(self) -> None:
        """What was looked at before a change is shown as such."""
        if self._planned:
            self._outdated.classes(remove="hidden")
            self._plan.classes(add="stale")

    def _list_changed(self) -> None:
        changed = [name for name, field in self._fields.items() if field.changed]
        self._words.clear()
        with self._words:
            if not changed:
                Text("No input is changed", "span", "faint")
            for name in changed:
                Text(name, "span", "chip changed")

    def _set_recover(self, wanted: bool) -> None:
        self._recover = wanted
        self._age()
        self._forcing.classes(**{"remove" if wanted else "add": "hidden"})

    def _set_forced(self, names: list[str]) -> None:
        self._forced = [*names]
        self._age()

    def _set_current(self, wanted: bool) -> None:
        self._current = wanted
        self._age()

    def _set_name(self, name: str | None) -> None:
        self._name = (name or "").strip()

    def _request(self) -> dict[str, Any]:
        return {
            "inputs": {name: field.value for name, field in self._fields.items() if field.changed},
            "new_name": self._name or None,
            "new_project": self._into.get("project", "").strip() or None,
            "new_domain": self._into.get("domain", "").strip() or None,
            "labels": self._labels.changed,
            "env_vars": self._env.changed,
            "recover": self._recover,
            "forced": tuple(self._forced) if self._recover else (),
            "current_code": self._current,
            **self._place,
        }

    def _ready(self) -> bool:
        """Whether every changed field can be sent; says on the others why not."""
        self._message.clear()
        fine = True
        for field in self._fields.values():
            problem = field.broken if field.changed else ""
            field.say(problem)
            fine = fine and not problem
        if not fine:
            self._say("Some fields cannot be read yet.")
        elif self._labels.nameless or self._env.nameless:
            self._say("A label or a variable has a value and no name.")
            return False
        return fine

    async def _show_preview(self) -> None:
        await self._busy(self._look, "Looking …", self._preview)

    async def _start(self) -> None:
        await self._busy(self._launch_it, "Starting …", self._go)

    async def _busy(self, work: Callable[[], Awaitable[None]], words: str, made: Button) -> None:
        """Do something unless a field cannot be read; the button says so, and cannot be pressed meanwhile.

        A second click may be on its way before the browser knows of the first.
        """
        if self._is_busy or not self._ready():
            return
        self._is_busy = True
        made.wait(words)
        try:
            await work()
        except DalsegnoError as error:
            self._refuse(error)
        finally:
            self._is_busy = self._launched  # until the browser has left
            if not self._launched:
                made.wait("")

    async def _look(self) -> None:
        plan = await self._reader.plan(self._run["name"], self._action["name"], **self._request())
        self._forget_plan()
        self._planned = True
        with self._plan:
            show_plan(plan)

    def _forget_plan(self) -> None:
        self._planned = False
        self._plan.clear()
        self._plan.classes(remove="stale")
        self._outdated.classes(add="hidden")

    async def _launch_it(self) -> None:
        run = await self._reader.rerun(self._run["name"], self._action["name"], **self._request())
        self._launched = True
        ui.navigate.to(path_of(run))

    async def _check(self) -> None:
        """Say what the recorded interface thinks of what was typed; the last word has the code, at launch."""
        if not self._typed:
            return
        self._typed = False
        fine = {
            name: field.value for name, field in self._fields.items() if field.changed and not field.broken
        }
        try:
            await beside(
                self._reader.check, self._run["name"], self._action["name"], inputs=fine, **self._place
            )
        except InputError as error:
            self._point(error)
        else:
            self._point(None)

    def _refuse(self, error: DalsegnoError) -> None:
        """Say what is wrong where it is wrong."""
        self._forget_plan()
        if not isinstance(error, InputError):
            self._say(str(error))
            return
        others = self._point(error)
        count = counted(len({problem.input for problem in error.problems}), "input")
        self._say("\n".join([f"{count} must be mended first.", *others]))

    def _point(self, error: InputError | None) -> list[str]:
        """Put each problem on its field; gives those that have none."""
        found: dict[str, list[str]] = {}
        for problem in error.problems if error is not None else ():
            where = f"{problem.path}: " if problem.path else ""
            words = f"{where}expected {problem.expected}, got {problem.got}"
            found.setdefault(problem.input, []).append(words)
        for name, field in self._fields.items():
            field.say("; ".join(found.pop(name, [])) or (field.broken if field.changed else ""))
        return [f"{name}: {'; '.join(words)}" for name, words in found.items()]

    def _say(self, words: str) -> None:
        self._message.clear()
        with self._message:
            note(words, "bad")


async def form_page(
    reader: Reader, name: str, project: str, domain: str, *, action: str, read_only: bool
) -> None:
    """Build the page on which a run or an action is launched again."""
    where = run_path(name, project, domain, action=action)
    with frame(f"Rerun {name}", ("Runs", "/"), (name, where), ("Rerun", ""), read_only=read_only):
        place = {"project": project or None, "domain": domain or None}
        try:
            run = await beside(reader.run, name, **place)
            found = await beside(reader.action, name, action, **place)
            form = LaunchForm(reader, run, found)
            await form.load()
        except DalsegnoError as error:
            show_error(error)
            return
        if read_only:
            with tag("div", "page"):
                note("This page is read-only: nothing can be launched from it.", "warn")
            return
        form.build()
