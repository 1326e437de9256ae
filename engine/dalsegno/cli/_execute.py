"""Executing a run from the command line: what is shown meanwhile, what is printed at the end."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import rich_click as click

from dalsegno import query
from dalsegno._context import current
from dalsegno.cli._errors import DONE, FAILED, INTERRUPTED, note
from dalsegno.cli._follow import Follower
from dalsegno.cli._screen import Screen, Through
from dalsegno.cli._store import place_of
from dalsegno.cli._streams import exchanged, stdout_on_stderr
from dalsegno.cli._table import colourful, print_json, styled
from dalsegno.cli._tally import Tally
from dalsegno.cli._text import clean, clean_lines, value_text
from dalsegno.engine import Engine
from dalsegno.models import ActionRecord, RunRecord
from dalsegno.observers import Observer, notify
from dalsegno.runs import Run
from dalsegno.settings import RunSettings

if TYPE_CHECKING:
    from dalsegno._plan import Plan
    from dalsegno._request import Request

MOST_LINES = 60
"""Outputs longer than this are cut; `get io` has them whole."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, read before the store is closed."""

    run: RunRecord
    root: ActionRecord
    first_failed: ActionRecord | None
    task_of_first: str
    outputs: Mapping[str, Any]
    url: str


def execute(
    ctx: click.Context,
    begin: Callable[[Engine], Awaitable[Run[Any]]],
    *,
    follow: bool,
    as_json: bool,
    begins: str = "started",
) -> int:
    """Start a run with `begin`, wait for its end, print what came of it; gives the exit code."""
    import anyio

    tally = Tally()
    with ExitStack() as stack:
        if as_json:
            stack.enter_context(stdout_on_stderr())
        observers = _shown(stack, tally, follow=follow, as_json=as_json, begins=begins)
        try:
            ended = anyio.run(_drive, ctx, begin, tally, observers)
        except KeyboardInterrupt:
            ended = None
    if ended is None:
        note(tally.sentence() or "interrupted before the run began")
        return INTERRUPTED
    note(tally.sentence() or f"run {ended.run.name} {ended.run.phase}")
    if as_json:
        print_json(_document(ended))
    elif ended.run.phase.is_success:
        _print_outputs(ended)
    else:
        _print_failure(ended)
    return DONE if ended.run.phase.is_success else FAILED


def show_plan(ctx: click.Context, settings: RunSettings, request: Request, *, as_json: bool) -> int:
    """Print what a rerun would do; gives the exit code."""
    import anyio

    from dalsegno._plan import plan
    from dalsegno.cli._why import print_plan

    async def planned() -> Plan:
        place = place_of(ctx)
        async with Engine(place.store, project=place.project, domain=place.domain) as engine:
            return plan(engine, settings, request.checked())

    print_plan(anyio.run(planned), as_json=as_json)
    return DONE


async def _drive(
    ctx: click.Context,
    begin: Callable[[Engine], Awaitable[Run[Any]]],
    tally: Tally,
    shown: list[Observer],
) -> Ended:
    place = place_of(ctx)
    observers = [tally, *shown]
    async with Engine(place.store, project=place.project, domain=place.domain, observers=observers) as engine:
        run = await begin(engine)
        elsewhere = tally.run is None
        if elsewhere:  # observers see nothing of a run in another process
            notify(observers, "run_started", run.record)
        await run.wait.aio()
        if elsewhere:
            for action in engine.ledger.actions(run.record.id):
                tally.action_finished(run.record, action)
            tally.run_finished(run.record)
        return _ended(engine, run)


def _ended(engine: Engine, run: Run[Any]) -> Ended:
    ledger, record = engine.ledger, run.record
    root = ledger.root(record.id)
    failed = [action for action in ledger.actions(record.id) if action.failure] if root.failure else []
    first = min(failed, key=lambda action: action.ended_at or 0, default=None)
    return Ended(
        record,
        root,
        first,
        "" if first is None else ledger.template(first.template).name,
        query.named_views(ledger, root.outputs),
        run.url,
    )


def _shown(stack: ExitStack, tally: Tally, *, follow: bool, as_json: bool, begins: str) -> list[Observer]:
    """Set up what is shown while the run is live; gives who else watches it."""
    stdout, stderr = sys.stdout, sys.stderr
    screen = Screen(tally) if colourful(stderr) else None
    put = _put if screen is None else screen.write
    observers: list[Observer] = []
    if screen is None:
        observers.append(_Beginning(begins))
    if follow:
        target = stderr if as_json else stdout

        def write(text: str) -> None:
            put(target, text)
            target.flush()

        observers.append(Follower(write))
    if follow or screen is not None:

        def through(stream: TextIO, text: str) -> int:
            # With --follow the same text comes again, behind the action's name.
            return len(text) if follow and current.get() is not None else put(stream, text)

        stack.enter_context(
            exchanged(Through(stdout, through).as_stream(), Through(stderr, through).as_stream())
        )
    if screen is not None:
        screen.start()
        stack.callback(screen.stop)
    return observers


def _put(stream: TextIO, text: str) -> int:
    return stream.write(text)


class _Beginning(Observer):
    """Says that a run has begun, where nothing is drawn."""

    def __init__(self, word: str) -> None:
        self._word = word

    def run_started(self, run: RunRecord) -> None:
        """Say it."""
        note(f"run {run.name} {self._word}")


def _document(ended: Ended) -> dict[str, Any]:
    failure = ended.root.failure
    return {
        **query.run_view(ended.run),
        "url": ended.url,
        "outputs": list(ended.outputs.values()),
        "error": None if failure is None else query.error_view(failure),
    }


def _print_outputs(ended: Ended) -> None:
    for name, shown in ended.outputs.items():
        lines = value_text(shown).splitlines()
        click.echo(f"{styled(clean(name), bold=True)} = " + "\n".join(lines[:MOST_LINES]))
        if len(lines) > MOST_LINES:
            left = len(lines) - MOST_LINES
            click.echo(f"… {left:,} more lines; `dalsegno get io {ended.run.name}` prints them all")


def _print_failure(ended: Ended) -> None:
    failure, first = ended.root.failure, ended.first_failed
    if failure is None:
        return
    if first is not None and first.seq:
        note(f"the first action to fail was {first.name} ({ended.task_of_first})")
    click.echo("\n" + clean_lines(failure.text.rstrip()), err=True)
