"""Errors as JSON documents: for the API, and from the process that a run is launched in."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from dalsegno.errors import (
    CannotResumeError,
    DalsegnoError,
    InputError,
    InputProblem,
    NotFoundError,
    ObjectNotFoundError,
    RunExistsError,
    RunInUseError,
    RunNotDoneError,
    RunTakenOverError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    UntrustedCodeError,
)


class ProblemView(TypedDict):
    """One thing wrong with an input; `path` is where inside its value."""

    input: str
    path: str
    expected: str
    got: str


class RefusalView(TypedDict):
    """What went wrong: the class of the error, its sentence, and for inputs every problem."""

    kind: str
    message: str
    problems: NotRequired[list[ProblemView]]


class ErrorDocument(TypedDict):
    """What the API answers when something went wrong."""

    error: RefusalView


class RefusedError(DalsegnoError):
    """What another process refused; `kind` is the name of the class that it raised."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        self.kind = kind
        self.status = status
        super().__init__(message)


class ReadOnlyError(DalsegnoError):
    """The page was started with --read-only, and something was to be executed."""

    def __init__(self) -> None:
        super().__init__(
            "this page is read-only, so nothing can be started or stopped from it; start it without --read-only"
        )


_STATUS: tuple[tuple[type[DalsegnoError], int], ...] = (
    (ReadOnlyError, 403),
    (UntrustedCodeError, 403),
    (NotFoundError, 404),
    (RunExistsError, 409),
    (RunTakenOverError, 409),
    (RunInUseError, 409),
    (RunNotDoneError, 409),
    (CannotResumeError, 409),
    (InputError, 422),
    (StoreBusyError, 503),
    (StoreDamagedError, 500),
    (ObjectNotFoundError, 500),
    (StoreError, 500),
)


def status_of(error: DalsegnoError) -> int:
    """The HTTP status of an error: 400 for what the caller can mend and has no number of its own."""
    if isinstance(error, RefusedError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


def refusal_view(error: Exception) -> RefusalView:
    """An error as a document."""
    kind = error.kind if isinstance(error, RefusedError) else type(error).__name__
    view: RefusalView = {"kind": kind, "message": str(error) or kind}
    if isinstance(error, InputError):
        view["problems"] = [
            {"input": each.input, "path": each.path, "expected": each.expected, "got": each.got}
            for each in error.problems
        ]
    return view


def refused(task: str, view: dict[str, Any], status: int) -> DalsegnoError:
    """The error that a document of another process stands for; `task` is what inputs were for."""
    if "problems" in view:
        return InputError(task, [InputProblem(**each) for each in view["problems"]])
    return RefusedError(view["kind"], view["message"], status)
