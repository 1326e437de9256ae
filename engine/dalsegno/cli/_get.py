"""`dalsegno get`: everything that only looks. Nothing recorded is imported, unpickled or run."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._lazy import LazyGroup
from dalsegno.cli._options import place_options


@click.group(
    cls=LazyGroup,
    lazily={
        "run": "dalsegno.cli._get_run:get_run",
        "action": "dalsegno.cli._get_action:get_action",
        "io": "dalsegno.cli._get_io:get_io",
        "logs": "dalsegno.cli._get_logs:get_logs",
        "code": "dalsegno.cli._get_code:get_code",
        "env": "dalsegno.cli._get_env:get_env",
    },
)
@place_options
def get() -> None:
    """Show runs, actions, inputs and outputs, logs, code and environments."""
