"""`dalsegno export`, `import` and `trust`: runs in one file, and code that came in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._gc import as_bytes
from dalsegno.cli._open import opened, size_text
from dalsegno.cli._options import completing, json_option, place_options, store_option
from dalsegno.cli._store import place_of
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import count
from dalsegno_storage import open_store

if TYPE_CHECKING:
    from dalsegno.capsule import Foreign
    from dalsegno_storage import Store

SOME = 5
"""So many names of runs are told."""


@click.command("export")
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=completing("runs"))
@click.argument("file", metavar="FILE", type=click.Path())
@place_options
@json_option
@click.pass_context
def export(ctx: click.Context, names: tuple[str, ...], file: str, as_json: bool) -> None:
    """Write runs into FILE, a new capsule, with all that they need to be looked at and executed elsewhere.

    Records, values, code and logs go into it; environment variables as they were recorded. Runs that these took results over
    from come along. `dalsegno import` takes it in. Nothing in it is encrypted.
    """
    from dalsegno import capsule

    with opened(ctx, read_only=True) as (store, place):
        done = capsule.export_runs(store, names, file, project=place.project, domain=place.domain)
    if as_json:
        print_json(
            done._asdict() | {"left_out": [{"run": run, "source": source} for run, source in done.left_out]}
        )
        return
    carried = f", with {', '.join(done.carried)}, which results were taken over from," if done.carried else ""
    note(f"{count(len(done.runs), 'run')}{carried} written to {done.file}, {size_text(done.size)}")
    for run, source in done.left_out:
        note(f"run {run!r} was started from {source!r}, which is not in it; name it as well to carry it")


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=as_bytes,
    help="How large its content may be: 500MB, 20GB. A hundred times FILE, or 1GiB, if not said.",
)
@store_option
@json_option
@click.pass_context
def import_(ctx: click.Context, file: str, max_size: int | None, as_json: bool) -> None:
    """Take in the runs of a capsule, all of them or none; they keep their names.

    FILE is checked to the last byte before anything is recorded, and nothing in it is executed. The runs can be looked at
    at once; `dalsegno trust` lets their code be executed.
    """
    from dalsegno import capsule

    with _made(ctx) as store:
        done = capsule.import_capsule(store, file, max_size=max_size)
    if as_json:
        print_json(done._asdict())
        return
    note(f"{count(len(done.runs), 'run')} imported" + (f": {', '.join(done.runs)}" if done.runs else ""))
    if done.known:
        note(f"{count(len(done.known), 'run')} here already: {', '.join(done.known)}")
    for digest in done.bundles:
        note(f"their code can be executed after `dalsegno trust {digest}`")
    if done.bundles and done.pickles:
        note("there are pickled values, which can do whatever they like when that code loads them")


@click.command("trust")
@click.argument("digests", metavar="[DIGEST]...", nargs=-1)
@click.option("--revoke", is_flag=True, help="Take trust back.")
@store_option
@json_option
@click.pass_context
def trust(ctx: click.Context, digests: tuple[str, ...], revoke: bool, as_json: bool) -> None:
    """Let code that was imported be executed, by the digest of its bundle; without one list what was imported.

    Look at the code first: `dalsegno get code RUN`. Code that was recorded by this store itself needs no trust.
    """
    from dalsegno import capsule

    if revoke and not digests:
        raise click.UsageError("--revoke needs a digest", ctx)
    with opened(ctx, read_only=not digests) as (store, _):
        say = capsule.revoke if revoke else capsule.trust
        found = [say(store, digest) for digest in digests] if digests else capsule.foreign(store)
        left = [name for each in found for name in capsule.made_here(store, each.digest)] if revoke else []
    if as_json:
        print_json([each._asdict() for each in found])
    elif digests:
        for each in found:
            runs = ", ".join(each.runs) or "runs that nobody has imported"
            note(f"bundle {each.digest[:12]} is {'no longer' if revoke else 'now'} trusted, for {runs}")
        if left:
            names = ", ".join([*left[:SOME], *(["…"] if len(left) > SOME else [])])
            note(
                f"{count(len(left), 'run')} made here with it meanwhile can still be executed until deleted: {names}"
            )
    elif found:
        print_table(("BUNDLE", "TRUSTED", "PICKLES", "RUNS"), list(map(_row, found)))
    else:
        note("nothing was imported")


def _row(each: Foreign) -> tuple[str, str, str, str]:
    yes = {True: "yes", False: "no"}
    return each.digest, yes[each.trusted], yes[each.pickles], ", ".join(each.runs)


@contextmanager
def _made(ctx: click.Context) -> Iterator[Store]:
    """The store that is meant, made if there is none, as for a first run."""
    store = open_store(place_of(ctx).store)
    try:
        yield store
    finally:
        store.close()
