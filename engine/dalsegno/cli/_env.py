"""`dalsegno env`: the environments that were built for reruns with `--isolated`."""

from __future__ import annotations

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._open import size_text
from dalsegno.cli._options import json_option
from dalsegno.cli._table import print_json, print_table
from dalsegno.cli._text import count


@click.group("env")
def env() -> None:
    """Look after the environments that `rerun --isolated` has built and keeps."""


@env.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the environments that are kept."""
    from dalsegno._environment_cache import cache_folder, kept

    found = kept()
    if as_json:
        print_json(
            [
                {
                    "folder": str(each.folder),
                    "python": each.python,
                    "requirements": list(each.requirements),
                    "size": each.size,
                }
                for each in found
            ]
        )
    elif found:
        rows = [
            (
                each.folder.name,
                each.python,
                size_text(each.size),
                " ".join(line for line in each.requirements if "==" in line and ";" not in line),
            )
            for each in found
        ]
        print_table(("NAME", "PYTHON", "SIZE", "PACKAGES"), rows)
        note(f"in {cache_folder()}")
    else:
        note(f"there are no environments in {cache_folder()}")


@env.command("clear")
def clear() -> None:
    """Remove the environments that are kept; they are built again when they are needed.

    Not while reruns are executed in them.
    """
    from dalsegno._environment_cache import clear

    note(f"{count(clear(), 'environment')} removed")
