"""An engine with settings for the next run: the ways to start one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from dalsegno import _rerun
from dalsegno._identity import ROOT_NAME
from dalsegno._request import Request, request
from dalsegno._start import first
from dalsegno.errors import UsageError
from dalsegno.settings import RunSettings
from dalsegno.task import Task

if TYPE_CHECKING:
    from dalsegno._plan import Plan
    from dalsegno.engine import Engine
    from dalsegno.runs import Run

__all__ = ["RunContext"]

P = ParamSpec("P")
R = TypeVar("R")


class RunContext:
    """An engine with settings for the next run."""

    def __init__(self, engine: Engine, settings: RunSettings) -> None:
        self._engine = engine
        self._settings = settings

    async def run(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Start a run of `task` with these settings; see `Engine.run`."""
        return await self._engine.start(first(self._engine, self._settings, task, args, kwargs))

    async def rerun(
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
        """Start a new run whose root is the recorded action's task, with its recorded inputs.

        Runs the recorded code, or `task_template` in its place. `changed` inputs are converted against the
        recorded interface; `inputs` does the same for names that collide with the parameters here. With `recover`
        every call whose code and inputs are those of a recorded one that succeeded takes over its result, but for
        the actions named by `force_rerun_actions` and those below them. Settings that are not given are those of the
        source run. Raises RunNotFoundError, ActionNotFoundError, InputError, BundleLoadError, RunExistsError, all
        before anything is recorded.
        """
        return await self.rerun_with(
            request(
                run_name,
                action_name,
                task_template=task_template,
                recover=recover,
                force_rerun_actions=force_rerun_actions,
                inputs=inputs,
                changed=changed,
            )
        )

    async def plan(self, run_name: str, action_name: str = ROOT_NAME, **options: Any) -> Plan:
        """What `rerun` with these arguments would execute and what it would take over; records nothing."""
        from dalsegno._plan import plan

        asked = {"task_template": None, "recover": False, "force_rerun_actions": (), "inputs": None}
        changed = {name: options.pop(name) for name in [*options] if name not in asked}
        wanted = request(run_name, action_name, **{**asked, **options}, changed=changed)
        return plan(self._engine, self._settings, wanted)

    async def rerun_with(self, request: Request) -> Run[Any]:
        """The same with all that is asked for in one value."""
        engine, settings = self._engine, self._settings
        request.checked()
        if request.task_template is None and settings.isolation in ("process", "environment"):
            return await engine.start_elsewhere(settings, request)
        if settings.isolation == "environment":
            raise UsageError(
                "isolation='environment' is for recorded code; a task_template has its packages in this process"
            )
        return await engine.start(_rerun.again(engine, settings, request))
