"""The tab of the code: exactly the pieces that a task reaches, and each file that they are in as a whole."""

from __future__ import annotations

from dalsegno.ui.pages._code import code_lines, only_marked
from dalsegno.ui.pages._components import CodeLines, Line
from dalsegno.ui.pages._elements import Text, copy, digest, empty, tag
from dalsegno.ui.pages._looked import Fill, Looked
from dalsegno.ui.pages._threads import beside
from dalsegno.ui.pages._words import counted
from dalsegno.views import CodeView, SourceView


async def source(looked: Looked) -> Fill:
    """Read the code of the task."""
    found = await looked.ask(looked.reader.code)
    lines = await beside(lambda: [_lines(each) for each in found["files"]])

    def fill() -> None:
        show_code(found, lines)

    return fill


def _lines(file: SourceView) -> list[Line]:
    return code_lines(file["text"], file["path"], inside=frozenset(file["marked"]))


def show_code(found: CodeView, lines: list[list[Line]]) -> None:
    """The symbols, one by one or file by file, and what else the digest covers; `lines` are those of each file."""
    closure = found["closure"]
    with tag("div", "line wrap"):
        Text(counted(len(closure["symbols"]), "symbol"), "b")
        Text("can be reached by this task; the code digest covers them", "span", "soft")
        digest(closure["code_digest"], "the code digest")
    for each in closure["widened"]:
        Text(
            f"{each['module']}.{each['name']} counts as a whole {each['to']}: {each['reason']}",
            "div",
            "note warn",
        )
    if not found["files"]:
        empty("code_off", "No source", "The code of this task is not recorded as text.")
    for file, written in zip(found["files"], lines, strict=True):
        _file(file, written)
    if closure["packages"]:
        with tag("div", "section"):
            Text("Versions", "h3")
            with tag("div", "line wrap", style="gap: 4px"):
                for name, version in closure["packages"].items():
                    Text(f"{name} {version}", "span", "chip mono")


def _file(file: SourceView, lines: list[Line]) -> None:
    with tag("div", "section", data_testid="code-file"):
        with tag("div", "line"):
            Text(file["path"], "h2", "mono cut")
            copy(file["text"], "the whole file")
            tag("span", "grow")
            whole = tag("button", "btn small", type="button", data_testid="whole-file")
            with whole:
                words = Text("Whole file")
        with tag("div") as reached:
            CodeLines(only_marked(lines))
        body = tag("div", "hidden")

    def toggle() -> None:
        shown = "hidden" in body.classes
        if shown and not body.default_slot.children:
            with body:
                CodeLines(lines, reveal=True)
        body.classes(**{"remove" if shown else "add": "hidden"})
        reached.classes(**{"add" if shown else "remove": "hidden"})
        words.text = "Only what is reached" if shown else "Whole file"

    whole.on("click", toggle, args=[])
