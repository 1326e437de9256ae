"""A group whose subcommands are imported when they are asked for, so that none pays for another's imports."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import rich_click as click


class LazyGroup(click.RichGroup):
    """`lazily` maps a subcommand's name to "module:attribute", in the order in which help lists them."""

    def __init__(self, *args: Any, lazily: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazily = lazily

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the subcommands."""
        return list(self._lazily)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of that name, imported now."""
        if cmd_name not in self._lazily:
            return None
        module, _, attribute = self._lazily[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command
