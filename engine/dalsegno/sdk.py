"""Run, rerun and resume with the default engine, in a blocking and an awaitable form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, Unpack, overload

from dalsegno._blocking import block
from dalsegno._default import default_engine, in_portal
from dalsegno._identity import ROOT_NAME
from dalsegno.run_context import RunContext
from dalsegno.runs import Run
from dalsegno.settings import RunOptions, RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._plan import Plan

__all__ = ["DryRunner", "Runner", "rerun", "resume", "run", "with_runcontext"]

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
    recorded ones; `inputs` does the same for names that collide with the parameters here. With `recover` every call
    whose code and inputs are those of a recorded one that succeeded takes over its result, but for the actions named by
    `force_rerun_actions` and those below them. Raises RunNotFoundError, ActionNotFoundError, InputError or
    BundleLoadError before anything is recorded.
    """

    def __call__(
        self,
        run_name: str,
        action_name: str = ROOT_NAME,
        *,
        task_template: Task[..., Any] | None = None,
        recover: bool = False,
        force_rerun_actions: Collection[str] = (),
        inputs: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Run[Any]:
        return block(
            lambda: self._context().rerun(
                run_name,
                action_name,
                task_template=task_template,
                recover=recover,
                force_rerun_actions=force_rerun_actions,
                inputs=inputs,
                **changed,
            )
        )

    async def aio(
        self,
        run_name: str,
        action_name: str = ROOT_NAME,
        *,
        task_template: Task[..., Any] | None = None,
        recover: bool = False,
        force_rerun_actions: Collection[str] = (),
        inputs: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Run[Any]:
        """The awaitable form."""
        return await in_portal(
            lambda: self._context().rerun(
                run_name,
                action_name,
                task_template=task_template,
                recover=recover,
                force_rerun_actions=force_rerun_actions,
                inputs=inputs,
                **changed,
            )
        )


class _Plan(_Context):
    """The plan of a rerun: what it would execute and what it would take over. Nothing is launched or recorded."""

    def __call__(
        self,
        run_name: str,
        action_name: str = ROOT_NAME,
        *,
        task_template: Task[..., Any] | None = None,
        recover: bool = False,
        force_rerun_actions: Collection[str] = (),
        inputs: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Plan:
        return block(
            lambda: self._context().plan(
                run_name,
                action_name,
                task_template=task_template,
                recover=recover,
                force_rerun_actions=force_rerun_actions,
                inputs=inputs,
                **changed,
            )
        )


class _Resume:
    """Go on with a run whose process is gone: the same run, with its recorded code; `await resume.aio(...)` in async code.

    Actions that have ended are not executed again: their callers get what is recorded. Those that had begun are, as another
    attempt. `take_over` takes the run from a process that is stuck, which can record nothing for it from then on; `force`
    resumes one that is parked, because it was interrupted again and again. `task_template` is refused if its code is
    not the recorded one. `env_vars` are those of the run whose values are secret and were not recorded. Raises
    CannotResumeError for a run that has ended, that is being executed, or that somebody else resumes at this moment.
    """

    def __call__(
        self,
        run_name: str,
        *,
        task_template: Task[..., Any] | None = None,
        take_over: bool = False,
        force: bool = False,
        env_vars: Mapping[str, str] | None = None,
        project: str | None = None,
        domain: str | None = None,
    ) -> Run[Any]:
        return block(
            lambda: default_engine().resume(
                run_name,
                task_template=task_template,
                take_over=take_over,
                force=force,
                env_vars=env_vars,
                project=project,
                domain=domain,
            )
        )

    async def aio(
        self,
        run_name: str,
        *,
        task_template: Task[..., Any] | None = None,
        take_over: bool = False,
        force: bool = False,
        env_vars: Mapping[str, str] | None = None,
        project: str | None = None,
        domain: str | None = None,
    ) -> Run[Any]:
        """The awaitable form."""
        return await in_portal(
            lambda: default_engine().resume(
                run_name,
                task_template=task_template,
                take_over=take_over,
                force=force,
                env_vars=env_vars,
                project=project,
                domain=domain,
            )
        )


class Runner:
    """`run` and `rerun` with settings; made by `with_runcontext`."""

    def __init__(self, settings: RunSettings) -> None:
        self.run = _Run(settings)
        self.rerun = _Rerun(settings)


class DryRunner:
    """`rerun` with settings that launches nothing and gives a `Plan`; made by `with_runcontext(dry_run=True)`."""

    def __init__(self, settings: RunSettings) -> None:
        self.rerun = _Plan(settings)


run = _Run(RunSettings())
rerun = _Rerun(RunSettings())
resume = _Resume()


@overload
def with_runcontext(*, dry_run: Literal[True], **options: Unpack[RunOptions]) -> DryRunner: ...


@overload
def with_runcontext(*, dry_run: Literal[False] = False, **options: Unpack[RunOptions]) -> Runner: ...


def with_runcontext(*, dry_run: bool = False, **options: Unpack[RunOptions]) -> Runner | DryRunner:
    """`run` and `rerun` with settings for that run: name, project, domain, env_vars, labels, custom_context,
    copy_style, root_dir, durability, isolation, strict_environment, overwrite_cache, disable_run_cache,
    max_action_concurrency.

    `dalsegno.settings.RunSettings` says what each means. With `dry_run=True` nothing is launched: `rerun` gives the
    plan of what it would execute and what it would take over.
    """
    settings = RunSettings(**options)
    return DryRunner(settings) if dry_run else Runner(settings)
