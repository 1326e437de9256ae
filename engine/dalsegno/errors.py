"""Everything that dalsegno raises on purpose, in one tree.

DalsegnoError
├── StoreError and those below it                   from `dalsegno_storage.errors`, which draws them
├── TaskDefinitionError (also TypeError)            a function cannot be a task
├── InputError (also ValueError)                    inputs do not fit the interface; lists every problem
├── InvalidNameError (also ValueError)              a run name, label or project that cannot be
├── NotFoundError (also LookupError)
│   ├── RunNotFoundError
│   ├── ActionNotFoundError
│   └── TaskNotFoundError
├── RunExistsError                                  the run name is taken
├── RunNotDoneError                                 asked for a result that is not there yet
├── RunAbortedError                                 the run was aborted, so there is no result
├── RunInterruptedError                             the process that executed the run is gone
├── RunTakenOverError                               another process executes the run by now
├── CannotResumeError                               a run that was to be resumed is left as it is
├── ActionInterruptedError                          an at_most_once task had begun when its process ended
├── RunInUseError                                   a run that was to be removed is live, pinned or needed
├── CapsuleError                                    a capsule is damaged, forged, or does not fit; names the entry
├── UntrustedCodeError                              imported code or pickles that nobody has said to trust
├── CannotCollectError                              nothing was collected; it is not known what is reached
├── CodecError
│   ├── EncodeError (also TypeError)                a value cannot be recorded
│   └── DecodeError (also ValueError)               recorded bytes cannot be turned into a value
├── BundleError
│   ├── BundleCaptureError                          the user's code cannot be recorded
│   └── BundleLoadError                             recorded code cannot be loaded; names the module
├── EnvironmentMismatchError                        packages differ and `strict_environment` was asked for
├── EnvironmentBuildError                           a recorded environment cannot be built again here
├── ConfigError                                     a setting is wrong
├── UsageError                                      a call that cannot work where it was made
│   └── SyncTaskCallInAsyncContextError             a sync task called directly in async code
├── TaskExitError                                   a task called sys.exit()
├── TaskTimeoutError (also TimeoutError)            a task took longer than its Timeout allows
├── NonRecoverableError                             raised by a task: do not try again
├── EngineClosedError                               the engine was used outside its block
└── RecordedError                                   stands for a recorded exception whose class cannot be had
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dalsegno_storage.errors import (
    DalsegnoError,
    DamagedObjectError,
    DamagedRecordError,
    KeyTooLongError,
    NotAStoreError,
    ObjectNotFoundError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreForkedError,
    StoreFormatError,
    StoreFullError,
    StoreNotFoundError,
    StorePermissionError,
)

__all__ = [
    "ActionInterruptedError",
    "ActionNotFoundError",
    "BundleCaptureError",
    "BundleError",
    "BundleLoadError",
    "CannotCollectError",
    "CannotResumeError",
    "CapsuleError",
    "CodecError",
    "ConfigError",
    "DalsegnoError",
    "DamagedObjectError",
    "DamagedRecordError",
    "DecodeError",
    "EncodeError",
    "EngineClosedError",
    "EnvironmentBuildError",
    "EnvironmentMismatchError",
    "InputError",
    "InputProblem",
    "InvalidNameError",
    "KeyTooLongError",
    "NonRecoverableError",
    "NotAStoreError",
    "NotFoundError",
    "ObjectNotFoundError",
    "RecordedError",
    "RunAbortedError",
    "RunExistsError",
    "RunInUseError",
    "RunInterruptedError",
    "RunNotDoneError",
    "RunNotFoundError",
    "RunTakenOverError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreDamagedError",
    "StoreError",
    "StoreForkedError",
    "StoreFormatError",
    "StoreFullError",
    "StoreNotFoundError",
    "StorePermissionError",
    "SyncTaskCallInAsyncContextError",
    "TaskDefinitionError",
    "TaskExitError",
    "TaskNotFoundError",
    "TaskTimeoutError",
    "UntrustedCodeError",
    "UsageError",
]


class TaskDefinitionError(DalsegnoError, TypeError):
    """A function cannot be a task; the message names the parameter and the reason."""


@dataclass(frozen=True, slots=True)
class InputProblem:
    """One thing wrong with the inputs of a call.

    `input` is the input's name, `path` where inside its value (dotted, "" for the whole),
    `expected` what the interface wants in a person's words, `got` a short form of what came.
    """

    input: str
    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        where = f"{self.input}.{self.path}" if self.path else self.input
        return f"{where}: expected {self.expected}, got {self.got}"


class InputError(DalsegnoError, ValueError):
    """The inputs of a call do not fit the task's interface; nothing was run or recorded."""

    def __init__(self, task: str, problems: Sequence[InputProblem]) -> None:
        self.task = task
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{count} with the inputs of {task}:{lines}")


class InvalidNameError(DalsegnoError, ValueError):
    """A name that cannot be used; the message says why and what is allowed."""

    def __init__(self, what: str, name: str, reason: str) -> None:
        self.what, self.name, self.reason = what, name, reason
        super().__init__(f"{what} {name!r} cannot be used: {reason}")


class NotFoundError(DalsegnoError, LookupError):
    """Something that was asked for by name is not there; near matches are named."""

    what = "object"

    def __init__(self, name: str, known: Iterable[str] = (), where: str = "", cure: str = "") -> None:
        self.name = name
        from difflib import get_close_matches  # imported when something is wrong already

        self.matches = tuple(get_close_matches(name, list(known), n=3, cutoff=0.5))
        message = f"no {self.what} {name!r}" + (f" in {where}" if where else "")
        if self.matches:
            message += f" (did you mean {' or '.join(map(repr, self.matches))}?)"
        if cure:
            message += f"; {cure}"
        super().__init__(message)


class RunNotFoundError(NotFoundError):
    """No run has that name in the project and domain."""

    what = "run"


class ActionNotFoundError(NotFoundError):
    """The run has no action of that name."""

    what = "action"


class TaskNotFoundError(NotFoundError):
    """A file, module or bundle has no task of that name."""

    what = "task"


class RunExistsError(DalsegnoError):
    """The run name is taken in that project and domain; the run that has it is untouched."""

    def __init__(self, name: str, project: str, domain: str) -> None:
        self.name, self.project, self.domain = name, project, domain
        super().__init__(
            f"run {name!r} already exists in {project}/{domain}; choose another name, or none to get one made up"
        )


class RunNotDoneError(DalsegnoError):
    """The run or action has no result yet; wait for it first."""

    def __init__(self, name: str, phase: str) -> None:
        self.name, self.phase = name, phase
        super().__init__(f"{name} is {phase} and has no result yet; wait() for it first")


class RunAbortedError(DalsegnoError):
    """The run or action was aborted, so it has neither a result nor a failure of its own."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name} was aborted: {reason}")


class RunInterruptedError(DalsegnoError):
    """The process that executed the run is gone, so nobody brings it to its end until it is resumed."""

    def __init__(self, run: str) -> None:
        self.run = run
        super().__init__(
            f"run {run!r} was interrupted: the process that executed it is gone; `dalsegno resume {run}` goes on with it"
        )


class RunTakenOverError(DalsegnoError):
    """Another engine has taken the run over, so nothing that this one does is recorded any more."""

    def __init__(self, run: str) -> None:
        self.run = run
        super().__init__(
            f"run {run!r} was taken over by another process while this one was executing it, and goes on there; "
            "nothing more is recorded here"
        )


class CannotResumeError(DalsegnoError):
    """A run that was to be resumed is left as it is; the message says why, and what can be done."""

    def __init__(self, run: str, reason: str, cure: str) -> None:
        self.run, self.reason = run, reason
        super().__init__(f"run {run!r} cannot be resumed: {reason}; {cure}")


class ActionInterruptedError(DalsegnoError):
    """A task that runs at most once had begun when its process ended, so nobody knows what it has done."""

    def __init__(self, action: str, run: str) -> None:
        self.action, self.run = action, run
        super().__init__(
            f"{action} of run {run!r} had begun when its process ended, and is a task that runs at most once; see what it "
            f"has done, then rerun with recover and force_rerun_actions={action!r} to execute it again"
        )


class RunInUseError(DalsegnoError):
    """A run was to be removed that is live, pinned, or needed by others; nothing was removed."""

    def __init__(self, run: str, reason: str, cure: str) -> None:
        self.run, self.reason = run, reason
        super().__init__(f"run {run!r} was not removed: {reason}; {cure}")


class CapsuleError(DalsegnoError):
    """A capsule that cannot be made or imported; nothing of it was recorded.

    `entry` is the name inside the capsule that this is about, "" when it is the file itself.
    """

    def __init__(self, file: str, entry: str, reason: str, cure: str = "get another copy of it") -> None:
        self.file, self.entry, self.reason = file, entry, reason
        where = f"entry {entry!r} of {file}" if entry else file
        super().__init__(f"{where}: {reason}; {cure}")


class UntrustedCodeError(DalsegnoError):
    """A run that was imported is not executed, nor its pickles loaded, before its bundle is trusted.

    `digest` is that of the bundle, in hexadecimal. `pickles` says that the bundle is trusted, but the run was imported after
    that and has pickled values.
    """

    def __init__(self, run: str, digest: str, *, pickles: bool = False) -> None:
        self.run, self.digest, self.pickles = run, digest, pickles
        since = "which was trusted before its pickled values came here, " if pickles else ""
        super().__init__(
            f"run {run!r} was imported and the code that it needs, bundle {digest}, {since}is not trusted here; look at it with "
            f"`dalsegno get code {run}`, then `dalsegno trust {digest}`"
        )


class CannotCollectError(DalsegnoError):
    """No object was removed, because it is not known which ones are reached; the message says why."""


class CodecError(DalsegnoError):
    """A value and its recorded bytes do not go together."""


class EncodeError(CodecError, TypeError):
    """A value cannot be recorded; the message says where in the value and why."""


class DecodeError(CodecError, ValueError):
    """Recorded bytes cannot be turned into a value; the message says what is missing or wrong."""


class BundleError(DalsegnoError):
    """Something about a code bundle."""


class BundleCaptureError(BundleError):
    """The user's code cannot be recorded."""


class BundleLoadError(BundleError):
    """Recorded code cannot be loaded; `module` names where it failed."""

    def __init__(self, module: str, reason: str) -> None:
        self.module, self.reason = module, reason
        super().__init__(f"the recorded module {module!r} cannot be loaded: {reason}")


class EnvironmentBuildError(DalsegnoError):
    """An environment with the recorded packages cannot be built here; the message names what could not be had.

    `missing` are the requirements, as in "numpy==2.3", or empty when it is something else.
    """

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        self.missing = tuple(missing)
        super().__init__(message)


class EnvironmentMismatchError(DalsegnoError):
    """The packages here are not the recorded ones, and `strict_environment=True` was asked for."""


class ConfigError(DalsegnoError):
    """A setting is missing or wrong; the message names the setting and where it came from."""


class UsageError(DalsegnoError):
    """A call that cannot work in the place where it was made."""


class SyncTaskCallInAsyncContextError(UsageError):
    """A sync task was called directly in async code, which would stop the event loop."""

    def __init__(self, task: str) -> None:
        super().__init__(f"sync task {task!r} was called in async code; write `await {task}.aio(...)`")


class TaskExitError(DalsegnoError):
    """A task called `sys.exit(code)`, which fails the task and must not end the program that runs it."""

    def __init__(self, code: object) -> None:
        self.code = code
        super().__init__(f"the task called sys.exit({code!r})")


class TaskTimeoutError(DalsegnoError, TimeoutError):
    """A task took longer than its Timeout allows; `limit` says which, `seconds` what it is."""

    def __init__(self, task: str, limit: str, seconds: float) -> None:
        self.task, self.limit, self.seconds = task, limit, seconds
        super().__init__(f"{task} ran out of time: its {limit} is {seconds:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        # A TimeoutError is an OSError, which takes no arguments without __init__.
        return type(self), (self.task, self.limit, self.seconds), self.__dict__


class NonRecoverableError(DalsegnoError):
    """To be raised by a task that knows that another attempt will fail too; it is not tried again."""


class EngineClosedError(DalsegnoError):
    """The engine was used before it was opened or after it was closed."""


class RecordedError(DalsegnoError):
    """Stands for a recorded exception whose class cannot be loaded here.

    `kind` is the recorded class as "module.QualifiedName".
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind, self.message = kind, message
        super().__init__(f"{kind}: {message}" if message else kind)
