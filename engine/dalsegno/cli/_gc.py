"""`dalsegno gc`."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno.cli._errors import DAMAGED, DONE, USAGE, note, say
from dalsegno.cli._open import opened, size_text
from dalsegno.cli._options import json_option, store_option
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import count, local

if TYPE_CHECKING:
    from dalsegno.maintenance import Collected

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip


def _age(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not an age like 90m, 12h, 30d or 2w", ctx=ctx, param=param)
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])


def as_bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """What a size like 500MB means, as the callback of an option."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-zA-Z]*)", value)
    if found is None or found[2].lower() not in _BYTES:
        raise click.BadParameter(f"{value!r} is not a size like 500MB, 1GB or 2GiB", ctx=ctx, param=param)
    return round(float(found[1]) * _BYTES[found[2].lower()])


@click.command("gc")
@click.option(
    "--keep-last", metavar="N", type=click.IntRange(min=0), help="Keep the N newest runs of each task."
)
@click.option(
    "--older-than", metavar="AGE", callback=_age, help="Remove runs that ended longer ago: 12h, 30d, 2w."
)
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=as_bytes,
    help="Then remove the oldest until no more is in use: 500MB, 1GB.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("-y", "--yes", is_flag=True, help="Remove runs without asking.")
@store_option
@json_option
@click.pass_context
def gc(
    ctx: click.Context,
    keep_last: int | None,
    older_than: timedelta | None,
    max_size: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove what no run needs any more; with limits, first remove runs.

    Without a limit no run goes. With --keep-last and --older-than a run goes when both let it go. Live runs, pinned runs
    and runs that others took results over from stay. The runs are listed and asked about before they go.
    Works beside engines and other processes. The file itself is made smaller by `dalsegno compact`.
    """
    from dalsegno import maintenance
    from dalsegno.errors import CannotCollectError

    limits = any(limit is not None for limit in (keep_last, older_than, max_size))
    with opened(ctx, read_only=dry_run) as (store, _):
        try:
            if dry_run or limits:
                planned = maintenance.gc(
                    store, keep_last=keep_last, older_than=older_than, max_size=max_size, dry_run=True
                )
                if dry_run:
                    _show(planned, as_json=as_json, dry_run=True)
                    return DONE
                if planned.runs and not yes:
                    _list(planned)
                    if not sys.stdin.isatty():
                        say(
                            f"{count(len(planned.runs), 'run')} would go; say --yes to remove them, or --dry-run to look"
                        )
                        return USAGE
                    click.confirm(f"Remove {count(len(planned.runs), 'run')}?", abort=True, err=True)
            done = maintenance.gc(store, keep_last=keep_last, older_than=older_than, max_size=max_size)
        except CannotCollectError as error:
            say(str(error))
            return DAMAGED if error.__cause__ is not None else USAGE
    _show(done, as_json=as_json, dry_run=False)
    return DONE


def _show(collected: Collected, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "runs": [f"{run.project}/{run.domain}/{run.name}" for run in collected.runs],
                "objects": collected.objects,
                "bytes": collected.size,
                "entries": collected.entries,
                "left_overs": collected.left_overs,
            }
        )
        return
    if collected.runs:
        _list(collected)
    gone = ", ".join(
        (
            count(len(collected.runs), "run"),
            count(collected.objects, "object"),
            size_text(collected.size),
            f"{collected.entries:,} cached or derived",
        )
    )
    note(f"{'would be removed' if dry_run else 'removed'}: {gone}")


def _list(collected: Collected) -> None:
    from dalsegno.query import iso

    rows = [
        (
            run.name,
            f"{run.project}/{run.domain}",
            run.task,
            "" if run.ended_at is None else local(iso(run.ended_at)),
        )
        for run in collected.runs
    ]
    print_table(("NAME", "PROJECT", "TASK", "ENDED"), rows)
