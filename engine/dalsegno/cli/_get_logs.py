"""`dalsegno get logs`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import rich_click as click

from dalsegno import query
from dalsegno._reading import LogLine
from dalsegno.cli._follow import Labelled, log_lines
from dalsegno.cli._options import completing, json_option, place_options, run_argument
from dalsegno.cli._store import Records, reading
from dalsegno.cli._table import print_json, print_json_line
from dalsegno.errors import ActionNotFoundError
from dalsegno.models import Phase, RunRecord
from dalsegno.views import LogView

POLL = 0.2
"""How often a live run is looked at, in seconds."""


@click.command("logs")
@run_argument
@click.argument("name", metavar="[ACTION]", required=False, shell_complete=completing("actions"))
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@place_options
@json_option
@click.pass_context
def get_logs(ctx: click.Context, run_name: str, name: str | None, follow: bool, as_json: bool) -> None:
    """Show what the actions of RUN printed and logged, or one ACTION alone."""
    with reading(ctx) as records:
        run = records.run(run_name)
        seq = None if name is None else records.ledger.action(run, name).seq
        pieces = _pieces(records, run, seq, follow=follow)
        if not as_json:
            _print(pieces, labelled=name is None)
        elif follow:
            for piece in pieces:
                print_json_line(piece)
        else:
            print_json(list(pieces))


def _pieces(records: Records, run: RunRecord, seq: int | None, *, follow: bool) -> Iterator[LogView]:
    """The pieces of log in the order in which they were written; with `follow`, as long as somebody executes the run."""
    printed: Counter[int] = Counter()
    names: dict[int, str] = {}
    while True:
        # The phase is read first, so that the last look comes after the end of the run.
        over = not follow or records.ledger.run(run.id).phase not in (Phase.QUEUED, Phase.RUNNING)
        new = _new(records.ledger.log_lines(run.id, seq), printed)
        for line in new:
            if line.seq not in names:
                with suppress(ActionNotFoundError):  # its log may be stored a moment before its record
                    names[line.seq] = records.ledger.action_by_seq(run.id, line.seq).name
        yield from query.log_views(run, new, names)
        if over:
            return
        time.sleep(POLL)


def _new(lines: list[LogLine], printed: Counter[int]) -> list[LogLine]:
    """The lines that have not been printed; every action's log only grows at its end."""
    place: Counter[int] = Counter()
    new = []
    for line in lines:
        place[line.seq] += 1
        if place[line.seq] > printed[line.seq]:
            new.append(line)
    printed.update({seq: count - printed[seq] for seq, count in place.items()})
    return new


def _print(pieces: Iterator[LogView], *, labelled: bool) -> None:
    def write(text: str) -> None:
        click.echo(text, nl=False)

    if not labelled:
        _print_plain(pieces, write)
        return
    lines = Labelled(write)
    for piece in pieces:
        lines.add(piece["action"], piece["stream"], piece["text"])
    lines.end()


def _print_plain(pieces: Iterator[LogView], write: Callable[[str], None]) -> None:
    """The log of one action, as it was printed."""
    ends = True
    for piece in pieces:
        text = "\n".join(log_lines(piece["text"]))
        write(text)
        ends = text.endswith("\n") if text else ends
    if not ends:
        write("\n")
