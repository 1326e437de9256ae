"""Tasks: typed functions whose calls are recorded, and the environments that hold them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
)

from dalsegno._context import current
from dalsegno._loops import in_event_loop
from dalsegno._retry import Backoff, RetryStrategy, Timeout, limits, seconds_of, strategy
from dalsegno.errors import SyncTaskCallInAsyncContextError, TaskDefinitionError

if TYPE_CHECKING:
    from dalsegno.interface import Interface

__all__ = ["AsyncTask", "Backoff", "Cache", "RetryStrategy", "SyncTask", "Task", "TaskEnvironment", "Timeout"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*\Z")


class Cache(NamedTuple):
    """When the result of a call in an earlier run may stand for a call.

    `behavior` is "auto" (the same inputs, and the same code as far as the task can reach), "override" (the same inputs
    and the same `version_override`, whatever the code) or "disable". `ignored_inputs` are names of inputs that do not
    count. Another `salt` makes all earlier results invalid, and so does `max_age`, in seconds or as timedelta, for
    those that are older. With `serialize` of several callers of the same call one executes it and the others wait.
    """

    behavior: str = "auto"
    version_override: str | None = None
    serialize: bool = False
    ignored_inputs: tuple[str, ...] = ()
    salt: str = ""
    max_age: timedelta | float | None = None


class Task(Generic[P, R]):
    """A function whose calls inside a run are recorded; outside of one it is the plain function.

    Made by `@env.task`, never directly.
    """

    is_trace: ClassVar[bool] = False
    """Whether it is a helper of what calls it: it sees the caller's variables, and does not count as a task."""

    by_place: ClassVar[bool] = False
    """Whether a recorded result is one of its place in the recorded run, whatever the code and the versions are."""

    def __init__(
        self,
        function: Callable[..., Any],
        environment: TaskEnvironment,
        interface: Interface,
        settings: Mapping[str, Any],
    ) -> None:
        self.function = function
        self.environment = environment
        self.interface = interface
        self.settings = dict(settings)
        self.function_name = function.__name__
        self.name = f"{environment.name}.{self.function_name}"
        self.short_name = str(self.settings.get("short_name") or self.function_name)
        self.module = function.__module__
        self.qualname = function.__qualname__
        self.is_async = inspect.iscoroutinefunction(function)
        self.full_name = self.name.encode()
        _check_env_vars(self.name, self.settings.get("env_vars"))
        self.retries = strategy(self.name, self.settings.get("retries") or 0)
        self.limits = limits(self.name, self.settings.get("timeout"))
        self.at_most_once = _at_most_once(self.name, self.settings.get("at_most_once"), self.retries)
        own_variables: Mapping[str, str] = self.settings.get("env_vars") or {}
        self.cache = _cache(self.name, self.settings.get("cache") or environment.cache, interface)
        self.variables: Mapping[str, str] = {**(environment.env_vars or {}), **own_variables}
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def override(
        self,
        *,
        short_name: str | None = None,
        resources: Any = None,
        cache: Any = None,
        retries: int | RetryStrategy | None = None,
        timeout: Any = None,
        at_most_once: bool | None = None,
        reusable: Any = None,
        env_vars: Mapping[str, str] | None = None,
        secrets: Any = None,
        service_account: str | None = None,
        max_inline_io_bytes: int | None = None,
        pod_template: Any = None,
        queue: str | None = None,
        interruptible: bool | None = None,
        entrypoint: bool | None = None,
        produces_artifacts: Any = None,
        links: Any = None,
        plugin_config: Any = None,
    ) -> Self:
        """The same task with other settings; None keeps a setting as it is."""
        given = {key: value for key, value in locals().items() if key != "self" and value is not None}
        return type(self)(self.function, self.environment, self.interface, {**self.settings, **given})

    def with_settings(self, settings: Mapping[str, Any]) -> Task[P, R]:
        """The same task with exactly these settings, as a recorded template has them."""
        return type(self)(self.function, self.environment, self.interface, settings)

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Await the task from async code; the body of a sync one runs in a worker thread."""
        caller = current.get()
        if caller is not None:
            return caller.call_async(self, args, kwargs)
        return self._outside(*args, **kwargs)

    async def _outside(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The plain function, awaited outside of a run."""
        if self.is_async:
            return cast(R, await self.function(*args, **kwargs))
        from anyio import to_thread  # a fifth of the time that importing dalsegno takes

        return cast(R, await to_thread.run_sync(lambda: self.function(*args, **kwargs)))

    def __reduce__(self) -> Any:
        return type(self)._made_again, (self.function, self.environment, self.settings)

    @classmethod
    def _made_again(
        cls, function: Callable[..., Any], environment: TaskEnvironment, settings: Mapping[str, Any]
    ) -> Task[Any, Any]:
        return cls(function, environment, _interface_of(function, environment), settings)

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class SyncTask(Task[P, R]):
    """A task made from a plain function: call it in a sync task, await `.aio(...)` in an async one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        caller = current.get()
        if caller is None:
            return cast(R, self.function(*args, **kwargs))
        if in_event_loop():
            raise SyncTaskCallInAsyncContextError(self.function_name)
        return cast(R, caller.call(self, args, kwargs))


class AsyncTask(Task[P, R]):
    """A task made from an async function: await it."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        caller = current.get()
        if caller is None:
            return cast("Coroutine[Any, Any, R]", self.function(*args, **kwargs))
        return caller.call_async(self, args, kwargs)


def _interface_of(function: Callable[..., Any], environment: TaskEnvironment) -> Interface:
    from dalsegno.interface import (
        Interface,  # a fifth of the time that importing dalsegno takes; a reader has no tasks
    )

    return Interface.of(function, name=f"{environment.name}.{function.__name__}")


def _cache(task: str, setting: Any, interface: Interface) -> Cache | None:
    """The cache setting of a task, None for none; TaskDefinitionError for one that cannot be meant."""
    cache = Cache(setting) if isinstance(setting, str) else setting
    problem = ""
    if not isinstance(cache, Cache):
        problem = f'cache is "auto", "disable" or a Cache, not {setting!r}'
    elif cache.behavior not in ("auto", "override", "disable"):
        problem = f'the behavior of a cache is "auto", "override" or "disable", not {cache.behavior!r}'
    elif (cache.behavior == "override") is not (cache.version_override is not None):
        problem = 'a cache with behavior "override" has a version_override, and no other has'
    elif cache.max_age is not None and seconds_of(cache.max_age) <= 0:
        problem = f"max_age is a time above zero in seconds or as timedelta, not {cache.max_age!r}"
    elif isinstance(cache.ignored_inputs, str):
        problem = f"ignored_inputs are names of inputs, not {cache.ignored_inputs!r}"
    else:
        names = [variable.name for variable in interface.inputs]
        unknown = sorted(set(cache.ignored_inputs) - set(names))
        if unknown:
            problem = f"there is no input {', '.join(unknown)} to ignore; it has {', '.join(names) or 'none'}"
    if problem:
        raise TaskDefinitionError(f"the cache setting of {task} cannot be meant: {problem}")
    return None if cache.behavior == "disable" else cache


def _at_most_once(task: str, setting: Any, retries: RetryStrategy) -> bool:
    if not isinstance(setting, (bool, NoneType)):
        raise TaskDefinitionError(f"at_most_once of {task} is True or False, not {setting!r}")
    if setting and retries.count:
        raise TaskDefinitionError(
            f"{task} is to run at most once and has retries, which exclude each other; choose one"
        )
    return bool(setting)


def _check_env_vars(owner: str, env_vars: Any) -> None:
    if env_vars is None:
        return
    if not isinstance(env_vars, Mapping):
        raise TaskDefinitionError(
            f"the env_vars of {owner} map text to text, and are not {type(env_vars).__name__}"
        )
    for key, value in env_vars.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TaskDefinitionError(
                f"the env_vars of {owner} map text to text, not {key!r} to {value!r}; write the value as text"
            )


@dataclass(eq=False)
class TaskEnvironment:
    """A named group of tasks with settings in common.

    `include` are glob patterns, relative to the file that makes the environment, of data files that belong to
    the tasks' code. `env_vars` are what the tasks see in `os.environ`, below those of the run. At most
    `max_concurrency` bodies of its tasks execute at once in one engine, 0 for any number; one that waits for its own
    calls does not count. The settings from `image` to `queue` mean nothing inside one process; they are recorded in
    each task's template.
    """

    name: str
    depends_on: Sequence[TaskEnvironment] = ()
    description: str | None = None
    env_vars: Mapping[str, str] | None = None
    include: Sequence[str] = ()
    cache: Any = "disable"
    image: Any = None
    resources: Any = None
    secrets: Any = None
    pod_template: Any = None
    interruptible: bool = False
    service_account: str | None = None
    reusable: Any = None
    plugin_config: Any = None
    queue: str | None = None
    max_concurrency: int = 0
    tasks: dict[str, Task[Any, Any]] = field(default_factory=dict, init=False, repr=False)
    folder: Path = field(default=Path(), init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.match(self.name):
            raise TaskDefinitionError(
                f"a task environment's name has letters, digits, '_' and '-' and begins with a letter, not {self.name!r}"
            )
        _check_env_vars(self.name, self.env_vars)
        most = self.max_concurrency
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise TaskDefinitionError(
                f"max_concurrency of {self.name} is a number of bodies, or 0 for no limit, not {most!r}"
            )
        frame = inspect.currentframe()
        while frame is not None and frame.f_globals.get("__name__") in (__name__, None):
            frame = frame.f_back
        file = frame.f_globals.get("__file__") if frame is not None else None
        self.folder = Path(file).parent if file else Path()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "tasks": {}}

    def clone_with(self, name: str, **changes: Any) -> TaskEnvironment:
        """Another environment with the same settings but for those given, and no tasks."""
        keep = {
            key: getattr(self, key)
            for key in self.__dataclass_fields__
            if key not in ("name", "tasks", "folder")
        }
        return TaskEnvironment(name, **{**keep, **changes})

    @overload
    def task(  # type: ignore[overload-overlap]  # a coroutine is an R too; the first match is meant
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...

    @overload
    def task(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...

    @overload
    def task(
        self,
        /,
        *,
        short_name: str | None = None,
        cache: Any = None,
        retries: int | RetryStrategy | None = None,
        timeout: Any = None,
        at_most_once: bool | None = None,
        docs: Any = None,
        pod_template: Any = None,
        report: bool | None = None,
        interruptible: bool | None = None,
        max_inline_io_bytes: int | None = None,
        queue: str | None = None,
        service_account: str | None = None,
        triggers: Any = None,
        links: Any = None,
        task_resolver: Any = None,
        entrypoint: bool | None = None,
        produces_artifacts: Any = None,
    ) -> _Decorator: ...

    def task(self, function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
        """Make a function a task: `@env.task` or `@env.task(short_name=…, retries=…, …)`.

        With `at_most_once` that the body begins is on disk before it does, and when its process ends meanwhile the call fails
        with ActionInterruptedError in the run that is resumed or recovered: it is never executed a second time unless that
        is asked for by name. The function's parameters must be annotated and must not be `*args` or `**kwargs`. Raises
        TaskDefinitionError naming the parameter and the cure.
        """
        if function is None:
            unknown = sorted(settings.keys() - _TASK_SETTINGS)
            if unknown:
                raise TaskDefinitionError(
                    f"@{self.name}.task has no setting {', '.join(unknown)}; it has {', '.join(sorted(_TASK_SETTINGS))}"
                )
            return lambda function: self._add(function, settings)
        return self._add(function, {})

    def _add(self, function: Callable[..., Any], settings: Mapping[str, Any]) -> Task[Any, Any]:
        if isinstance(function, Task):
            raise TaskDefinitionError(f"{function.name} is a task already; decorate the function once")
        if not inspect.isfunction(function):
            raise TaskDefinitionError(f"a task is made from a function, not from {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TaskDefinitionError(
                f"{function.__qualname__} is a generator; a task returns its result whole"
            )
        given = {key: value for key, value in settings.items() if value is not None}
        interface = _interface_of(function, self)
        kind = AsyncTask if inspect.iscoroutinefunction(function) else SyncTask
        task: Task[Any, Any] = kind(function, self, interface, given)
        self.tasks[task.name] = task
        return task


class _Decorator(Protocol):
    """What `@env.task(...)` gives."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a coroutine is an R too; the first match is meant
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...


_TASK_SETTINGS = frozenset(
    {
        "short_name", "cache", "retries", "timeout", "at_most_once", "docs", "pod_template", "report", "interruptible",
        "max_inline_io_bytes", "queue", "service_account", "triggers", "links", "task_resolver", "entrypoint",
        "produces_artifacts",
    }
)  # fmt: skip

ENVIRONMENT_SETTINGS = (
    "cache", "description", "env_vars", "image", "interruptible", "plugin_config", "pod_template", "queue",
    "resources", "reusable", "secrets", "service_account",
)  # fmt: skip
"""The settings of an environment that are recorded in its tasks' templates, where a task has none of its own."""
