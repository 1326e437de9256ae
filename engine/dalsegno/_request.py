"""What somebody asks for who wants a recorded run again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dalsegno._identity import ROOT_NAME
from dalsegno.errors import UsageError
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno.interface import Source


class Request(NamedTuple):
    """A rerun of an action: with which code, with which inputs changed, taking over which results.

    `source` says where the changed inputs come from: Python values, text of a command line, or JSON. With `recover`
    results of the recorded run are taken over where they still hold, but for the actions `forced` and those below them.
    """

    run: str
    action: str = ROOT_NAME
    changed: Mapping[str, Any] = {}
    task_template: Task[..., Any] | None = None
    source: Source | Mapping[str, Source] = "python"
    recover: bool = False
    forced: tuple[str, ...] = ()

    def checked(self) -> Request:
        """The request, if every part of it can be meant; UsageError otherwise."""
        check_named("a run to rerun", self.run)
        check_named("an action to rerun", self.action)
        if self.task_template is not None and not isinstance(self.task_template, Task):
            raise UsageError(f"task_template is a task, made with @env.task, not {self.task_template!r}")
        if not isinstance(self.recover, bool):
            raise UsageError(f"recover is True or False, not {self.recover!r}")
        if self.forced and not self.recover:
            raise UsageError(
                "force_rerun_actions names what is executed although recover=True would take it over; "
                "without recover everything is executed"
            )
        return self


def request(
    run_name: str,
    action_name: str,
    *,
    task_template: Task[..., Any] | None,
    recover: bool,
    force_rerun_actions: Collection[str],
    inputs: Mapping[str, Any] | None,
    changed: Mapping[str, Any],
) -> Request:
    """The request that the arguments of `rerun` are; UsageError for those that cannot be meant."""
    if inputs is not None and not isinstance(inputs, Mapping):
        raise UsageError(f"inputs maps names of inputs to values, and is not {inputs!r}")
    if isinstance(force_rerun_actions, str) or not all(isinstance(name, str) for name in force_rerun_actions):
        raise UsageError(f"force_rerun_actions is a list of names of actions, not {force_rerun_actions!r}")
    return Request(
        run_name,
        action_name,
        {**(inputs or {}), **changed},
        task_template,
        recover=recover,
        forced=tuple(force_rerun_actions),
    ).checked()


def check_named(what: str, name: object) -> None:
    """A name, not the thing itself."""
    if not isinstance(name, str):
        own = getattr(name, "name", None)
        cure = f"; write {own!r}, its .name" if isinstance(own, str) else ""
        raise UsageError(f"{what} is given by its name, not as {name!r}{cure}")
