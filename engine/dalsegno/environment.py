"""What surrounded a run, beside what is here: Python, platform, packages, and the variables that it was given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dalsegno._context import current
from dalsegno._ledger import Ledger
from dalsegno._redaction import MASK
from dalsegno.bundle import Manifest, installed
from dalsegno.models import RunRecord

__all__ = ["EnvironmentLine"]

Kind = Literal["python", "implementation", "platform", "package", "env"]


@dataclass(frozen=True, slots=True)
class EnvironmentLine:
    """One thing that surrounded a run, as it was recorded and as it is in this process; None where it is not there.

    `origin` says of a package that no index gave where it came from, as in "an editable install". A variable whose value
    is secret was recorded without it, and counts as the same if it is set.
    """

    kind: Kind
    name: str
    recorded: str | None
    here: str | None
    origin: str = ""

    @property
    def differs(self) -> bool:
        """Whether it is another one here."""
        return self.recorded != self.here


def manifest_of(ledger: Ledger, run: RunRecord) -> Manifest:
    """The recorded environment of a run."""
    return ledger.manifest(run.manifest)


def lines(ledger: Ledger, run: RunRecord) -> tuple[EnvironmentLine, ...]:
    """The environment of a run, packages and variables by name."""
    return tuple(_lines(manifest_of(ledger, run), run))


def _lines(recorded: Manifest, run: RunRecord) -> Iterator[EnvironmentLine]:
    here = installed(recorded)
    yield EnvironmentLine("python", "Python", recorded.python, here.python)
    yield EnvironmentLine("implementation", "implementation", recorded.implementation, here.implementation)
    yield EnvironmentLine("platform", "platform", recorded.platform, here.platform)
    for name, version in sorted(recorded.packages.items()):
        yield EnvironmentLine(
            "package", name, version, here.packages.get(name), recorded.origins.get(name, "")
        )
    token = current.set(None)  # so that `os.environ` is that of the process
    try:
        process = {name: os.environ.get(name) for name in run.env_vars}
    finally:
        current.reset(token)
    for name, value in sorted(run.env_vars.items()):
        now = process[name]
        yield EnvironmentLine("env", name, value, MASK if value == MASK and now is not None else now)
