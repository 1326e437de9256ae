"""The action that is looked at, as its tabs need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dalsegno.ui._store import Reader
from dalsegno.ui.pages._threads import beside
from dalsegno.views import ActionView, RunView

T = TypeVar("T")

Fill = Callable[[], None]
"""Puts what was read on the page."""


@dataclass(frozen=True, slots=True)
class Looked:
    """An action, and where it is recorded; `run` is the run whose page this is, which may be another."""

    reader: Reader
    run: RunView
    action: ActionView
    name: str
    project: str
    domain: str

    async def ask(self, method: Callable[..., T], **options: Any) -> T:
        """Ask the reader about this action, in a thread of its own."""
        return await beside(
            method, self.name, self.action["name"], project=self.project, domain=self.domain, **options
        )
