"""The command line. `main` is the command `dalsegno`; it exits the process."""

from dalsegno.cli._app import main

__all__ = ["main"]
