"""The program of the matrix in this process: imported from a folder, called, and watched.

Like the matrix itself, this needs neither pytest nor dalsegno.
"""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from tests.engine.reuse.matrix import TASKS
from tests.engine.reuse.package import PACKAGES, SOURCES

__all__ = ["Call", "arguments", "forget", "imported", "label", "watched"]

_NAMES = ("forecast", "pricelib")


@contextmanager
def imported(folder: Path) -> Iterator[ModuleType]:
    """The pipeline that was written to a folder, as a new process would import it; it is forgotten at the end."""
    paths = [str(folder / SOURCES), str(folder / PACKAGES)]
    forget()
    sys.path[:0] = paths
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("forecast.pipeline")
    finally:
        for path in paths:
            sys.path.remove(path)
        forget()


def forget() -> None:
    """Take the program out of `sys.modules`."""
    for name in [name for name in sys.modules if name.partition(".")[0] in _NAMES]:
        del sys.modules[name]


def arguments(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What `main` of the imported program is called with."""
    settings = importlib.import_module("forecast.settings")
    config = {**inputs["config"], "season": settings.Season(inputs["config"]["season"])}
    return {**inputs, "config": settings.Config(**config)}


def label(task: str, inputs: Mapping[str, Any]) -> str:
    """How the matrix writes a call."""
    return f"{task}:{inputs['name']}" if "name" in inputs else task


@dataclass
class Call:
    """One execution of a task's body: what it got, and gave, as text."""

    label: str
    inputs: str
    output: str = ""


@contextmanager
def watched() -> Iterator[list[Call]]:
    """Notes every body of a task that this thread, or a thread that begins meanwhile, executes.

    The interpreter tells, so that no peer has to, and the program need not be changed for it.
    """
    calls: list[Call] = []

    def began(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if not _is_task(frame.f_code):
            return None
        inputs = frame.f_locals
        call = Call(label(frame.f_code.co_name, inputs), repr(inputs))
        calls.append(call)

        def goes_on(frame: FrameType, event: str, given: object) -> Callable[..., Any]:
            if event == "return":
                call.output = repr(given)
            return goes_on

        return goes_on

    before = sys.gettrace(), threading.gettrace()
    sys.settrace(began)
    threading.settrace(began)
    try:
        yield calls
    finally:
        sys.settrace(before[0])
        threading.settrace(before[1])


def _is_task(code: CodeType) -> bool:
    return code.co_name in TASKS and code.co_filename.endswith("forecast/pipeline.py")
