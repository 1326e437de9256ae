"""Commands with one option per input of a task, which is known only after part of the line has been read.

The line is parsed twice. The first time every option that the command does not have itself is left alone; that
gives the file and task, or the run, and with it the inputs. The second time the inputs are options like any other.
An input is given as text in its own option, as JSON in `--input`, or in the file of `--inputs-file`, whose values
are those that the line does not give. Own options win: an input of the same name is reached by `--input`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from dalsegno.cli._errors import note
from dalsegno.cli._text import clean
from dalsegno_storage.errors import DalsegnoError

if TYPE_CHECKING:
    from dalsegno.interface import Option, Source

_PARAMS, _HIDDEN, _TYPED = "dalsegno.inputs.params", "dalsegno.inputs.hidden", "dalsegno.inputs.typed"
"""Where a line's input options, the inputs without one and the values typed are kept in `ctx.meta`."""


@dataclass(frozen=True, slots=True)
class Given:
    """Inputs by name, and where each comes from."""

    values: Mapping[str, Any]
    sources: Mapping[str, Source]


class InputsCommand(click.RichCommand):
    """A command with options for inputs; subclasses say which."""

    def input_options(self, ctx: click.Context, known: Mapping[str, Any]) -> list[click.Option]:
        """The options for the inputs, given the values of the command's own parameters."""
        raise NotImplementedError

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse twice, see above."""
        asks_help = not set(args).isdisjoint(ctx.help_option_names)
        ctx.meta[_PARAMS], ctx.meta[_HIDDEN], ctx.meta[_TYPED] = [], [], {}
        try:
            found = self.input_options(ctx, self._own_values(ctx, args))
        except (click.ClickException, DalsegnoError) as error:
            if not (asks_help or ctx.resilient_parsing):
                raise
            found = []
            if asks_help:
                reason = error.message if isinstance(error, click.ClickException) else str(error)
                note(f"The inputs cannot be listed: {reason}\n")
        ctx.meta[_PARAMS] = found
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not found:
                raise
            names = ", ".join(param.opts[0] for param in found)
            message = f"there is no input or option {error.option_name!r}; the inputs are {names}"
            raise click.UsageError(message, ctx) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters and the inputs."""
        return [*super().get_params(ctx), *ctx.meta.get(_PARAMS, ())]

    def own_names(self, ctx: click.Context) -> set[str]:
        """The options that the command has itself, in the spelling of Python."""
        own = super().get_params(ctx)
        return {_pythonic(name) for param in own for name in (*param.opts, *param.secondary_opts)}

    def options_for(
        self, ctx: click.Context, inputs: Iterable[Option], describe: Callable[[Option], str]
    ) -> list[click.Option]:
        """An option for each input whose name is free."""
        taken = self.own_names(ctx)
        options = []
        for each in inputs:
            names = {f"--{each.name}", *([f"--no_{each.name}"] if each.is_bool else [])}
            if names & taken:
                ctx.meta[_HIDDEN].append(each.name)
            else:
                options.append(_option(each, describe(each)))
                taken |= names
        return options

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Which inputs have no option, at the end of the help."""
        super().format_epilog(ctx, formatter)
        hidden = ctx.meta.get(_HIDDEN)
        if hidden:
            formatter.write(f" Only --input NAME=JSON sets: {', '.join(hidden)}\n")

    def _own_values(self, ctx: click.Context, args: Sequence[str]) -> dict[str, Any]:
        first = click.RichCommand(
            name=self.name,
            params=self.params,
            add_help_option=False,
            context_settings={
                "ignore_unknown_options": True,
                "allow_extra_args": True,
                "token_normalize_func": ctx.token_normalize_func,
            },
        )
        line = [arg for arg in args if arg not in ctx.help_option_names]
        with first.make_context(ctx.info_name, line, parent=ctx.parent, resilient_parsing=True) as context:
            # An argument that looks like an option is the option of an input.
            return {
                name: None if isinstance(value, str) and value.startswith("-") else value
                for name, value in context.params.items()
            }


def given_inputs(ctx: click.Context, inputs: Sequence[str], inputs_file: str | None) -> Given:
    """All inputs that a command line gives."""
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    if inputs_file is not None:
        values.update(_file(ctx, Path(inputs_file)))
        sources.update(dict.fromkeys(values, "json"))
    typed: Mapping[str, Any] = ctx.meta[_TYPED]
    for name, value in typed.items():
        values[name] = value
        sources[name] = "text" if isinstance(value, str) else "python"
    for text in inputs:
        name, equals, data = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--input {text!r} is not NAME=JSON", ctx)
        if name in typed:
            raise click.UsageError(f"the input {name!r} is given twice, by --{name} and by --input", ctx)
        values[name] = _json(ctx, f"--input {name}", data)
        sources[name] = "json"
    return Given(values, sources)


def _option(each: Option, help: str) -> click.Option:
    # The second word is the name inside click, which must not meet that of an own parameter.
    name = f"input__{each.name}"
    settings: dict[str, Any] = {
        "help": help,
        "default": None,
        "expose_value": False,
        "callback": _keep(each.name),
        "panel": "Inputs",
    }
    if each.is_bool:
        return click.RichOption([f"--{each.name}/--no-{each.name}", name], **settings)
    return click.RichOption(
        [f"--{each.name}", name],
        metavar=_metavar(each),
        shell_complete=_complete_choice(each.choices),
        **settings,
    )


def _metavar(each: Option) -> str:
    return clean(f"[{'|'.join(each.choices)}]" if each.choices else each.type_text)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None:
            ctx.meta[_TYPED][name] = value

    return keep


def _complete_choice(choices: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    return lambda ctx, param, incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def _pythonic(option: str) -> str:
    return "--" + option.lstrip("-").replace("-", "_")


def _file(ctx: click.Context, file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{file} cannot be read: {error}", ctx) from error
    values = _json(ctx, str(file), text)
    if not isinstance(values, dict):
        raise click.UsageError(f'{file} has no object of inputs by name, as in {{"x": 1}}', ctx)
    return values


def _json(ctx: click.Context, what: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(
            f"{what}: {text[:60]!r} is not JSON ({error}); texts need quotes", ctx
        ) from error
