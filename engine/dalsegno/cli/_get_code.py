"""`dalsegno get code`."""

from __future__ import annotations

import rich_click as click

from dalsegno import query
from dalsegno.cli._errors import CommandError, note
from dalsegno.cli._options import completing, json_option, place_options, run_argument
from dalsegno.cli._store import reading
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import count


@click.command("code")
@run_argument
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    shell_complete=completing("folders"),
    help="Write the files below this folder; existing files are never touched.",
)
@place_options
@json_option
@click.pass_context
def get_code(ctx: click.Context, run_name: str, output: str | None, as_json: bool) -> None:
    """List the recorded source files of RUN, or write them to a folder."""
    with reading(ctx) as records:
        bundle = query.recorded_bundle(records.ledger, records.run(run_name))
        if output is not None:
            from dalsegno.bundle import write_files

            ledger = records.ledger
            try:
                write_files(bundle, ledger.blob, output)
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}") from error
    files = query.file_views(bundle)
    if as_json:
        print_json(files)
    elif output is None:
        rows = [(file["path"], f"{file['size']:,}".rjust(9), file["digest"][:16]) for file in files]
        print_table(("PATH", "    BYTES", "DIGEST"), rows)
    if output is not None:
        note(f"{count(len(bundle.files), 'file')} written to {output}")
