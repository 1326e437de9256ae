"""Run and rerun with the default engine, in a blocking and an awaitable form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from dalsegno._blocking import block
from dalsegno._default import default_engine, in_portal
from dalsegno.engine import RunContext
from dalsegno.models import CopyStyle
from dalsegno.runs import Run
from dalsegno.settings import Durability, Isolation, RunSettings
from dalsegno.task import Task

__all__ = ["Runner", "rerun", "run", "with_runcontext"]

P = ParamSpec("P")
R = TypeVar("R")


class _Context:
    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings

    def _context(self) -> RunContext:
        return RunContext(default_engine(), self._settings)


class _Run(_Context):
    """Start a run of a task: `run(task, *args, **inputs)`, or `await run.aio(task, *args, **inputs)`.

    Comes back once the run is recorded and started; `wait()` waits for its end, `result()` gives what it returned.
    Raises InputError for inputs that do not fit, before anything is recorded.
    """

    def __call__(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        return block(lambda: self._context().run(task, *args, **kwargs))

    async def aio(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """The awaitable form."""
        return await in_portal(lambda: self._context().run(task, *args, **kwargs))


class _Rerun(_Context):
    """Start a new run from a recorded run, or from one of its actions; `await rerun.aio(...)` in async code.

    The new run's root is the action's task on its recorded inputs. Without `task_template` the recorded code runs,
    with it that task in its place. `changed` inputs are converted against the interface and take the place of the
    recorded ones; `inputs` does the same for names that collide with the parameters here. Raises RunNotFoundError,
    ActionNotFoundError, InputError or BundleLoadError before anything is recorded.
    """

    def __call__(
        self,
        run_name: str,
        action_name: str = "a0",
        *,
        task_template: Task[..., Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Run[Any]:
        return block(
            lambda: self._context().rerun(
                run_name, action_name, task_template=task_template, inputs=inputs, **changed
            )
        )

    async def aio(
        self,
        run_name: str,
        action_name: str = "a0",
        *,
        task_template: Task[..., Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Run[Any]:
        """The awaitable form."""
        return await in_portal(
            lambda: self._context().rerun(
                run_name, action_name, task_template=task_template, inputs=inputs, **changed
            )
        )


class Runner:
    """`run` and `rerun` with settings; made by `with_runcontext`."""

    def __init__(self, settings: RunSettings) -> None:
        self.run = _Run(settings)
        self.rerun = _Rerun(settings)


run = _Run(RunSettings())
rerun = _Rerun(RunSettings())


def with_runcontext(
    *,
    name: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    env_vars: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    custom_context: Mapping[str, str] | None = None,
    copy_style: CopyStyle = "loaded_modules",
    root_dir: str | Path | None = None,
    durability: Durability | None = None,
    isolation: Isolation | None = None,
    strict_environment: bool = False,
) -> Runner:
    """`run` and `rerun` with settings for that run; `dalsegno.settings.RunSettings` says what each means."""
    return Runner(
        RunSettings(
            name=name,
            project=project,
            domain=domain,
            env_vars=env_vars or {},
            labels=labels or {},
            custom_context=custom_context or {},
            copy_style=copy_style,
            root_dir=root_dir,
            durability=durability,
            isolation=isolation,
            strict_environment=strict_environment,
        )
    )
