"""What went wrong, as one sentence on stderr and an exit code.

0 done   1 the run failed   2 usage or bad input   3 damaged store   4 store busy   130 interrupted   141 closed pipe
"""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._text import clean_lines
from dalsegno_storage.errors import DalsegnoError, ObjectNotFoundError, StoreBusyError, StoreDamagedError

DONE = 0
FAILED = 1
USAGE = 2
DAMAGED = 3
BUSY = 4
INTERRUPTED = 130
CLOSED_PIPE = 141


class CommandError(click.ClickException):
    """Bad input that only a command line can have."""

    exit_code = USAGE


def code_of(error: DalsegnoError) -> int:
    """The exit code for an error; what is not about the store's state is the caller's to mend."""
    if isinstance(error, (StoreDamagedError, ObjectNotFoundError)):
        return DAMAGED
    if isinstance(error, StoreBusyError):
        return BUSY
    return USAGE


def say(message: str) -> None:
    """An error message."""
    click.echo(f"Error: {clean_lines(message)}", err=True)


def note(message: str) -> None:
    """A message that is neither a result nor an error."""
    click.echo(clean_lines(message), err=True)
