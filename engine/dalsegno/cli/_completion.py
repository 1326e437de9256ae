"""`dalsegno completion`."""

from __future__ import annotations

import rich_click as click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete the names of runs, actions and tasks.

    For bash, put  eval "$(dalsegno completion bash)"  into ~/.bashrc; zsh likewise into ~/.zshrc. For fish, write the
    script to ~/.config/fish/completions/dalsegno.fish.
    """
    from click.shell_completion import get_completion_class

    from dalsegno.cli._app import app

    kind = get_completion_class(shell)
    assert kind is not None  # one of click's own three
    source = kind(app, {}, "dalsegno", "_DALSEGNO_COMPLETE")
    # What `kind.source()` gives, without starting the shell to ask for its version.
    click.echo(source.source_template % source.source_vars())
