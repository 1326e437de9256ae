"""The addresses of the pages."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from dalsegno.ui._store import Reader
from dalsegno.ui.pages._compare import compare_page
from dalsegno.ui.pages._form import form_page
from dalsegno.ui.pages._layout import serve_static
from dalsegno.ui.pages._list import Wish, list_page
from dalsegno.ui.pages._run import run_page

PATIENCE = 60.0
"""A page that takes longer to read than so many seconds is given up."""


def register(reader: Reader, *, read_only: bool) -> None:
    """Put the pages at their addresses; once per process, before the server starts.

    With `read_only` nothing on them starts or stops a run.
    """
    serve_static()
    page = partial(ui.page, dark=None, response_timeout=PATIENCE)

    @page("/")
    async def runs(
        q: str = "", phase: str = "", task: str = "", label: str = "", since: str = "", before: str = ""
    ) -> None:
        await list_page(reader, Wish(q, phase, task, label, since, before), read_only=read_only)

    @page("/run/{name}")
    async def run(name: str, project: str = "", domain: str = "", tab: str = "") -> None:
        await run_page(reader, name, project, domain, action="a0", tab=tab, read_only=read_only)

    @page("/run/{name}/action/{action}")
    async def run_action(name: str, action: str, project: str = "", domain: str = "", tab: str = "") -> None:
        await run_page(reader, name, project, domain, action=action, tab=tab, read_only=read_only)

    @page("/run/{name}/rerun")
    async def rerun(name: str, project: str = "", domain: str = "") -> None:
        await form_page(reader, name, project, domain, action="a0", read_only=read_only)

    @page("/run/{name}/action/{action}/rerun")
    async def rerun_action(name: str, action: str, project: str = "", domain: str = "") -> None:
        await form_page(reader, name, project, domain, action=action, read_only=read_only)

    @page("/compare")
    async def compare(old: str = "", new: str = "", action: str = "a0", other_action: str = "a0") -> None:
        await compare_page(reader, old, new, action, other_action, read_only=read_only)
