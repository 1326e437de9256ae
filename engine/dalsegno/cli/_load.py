"""The user's file as a module, and the tasks in it."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dalsegno.cli._errors import CommandError
from dalsegno.errors import TaskNotFoundError

if TYPE_CHECKING:
    from dalsegno.task import Task


class ImportFailedError(CommandError):
    """The user's own code raised while it was imported."""


def load_module(place: str, root_dir: str | None = None) -> ModuleType:
    """Import a Python file, or a module by its dotted name, under the name that other code imports it by.

    The folder above the file's top package goes to the front of `sys.path`, or `root_dir` if that is given. The user's
    files are loaded as they are, whatever Python's bytecode caches say.
    """
    file = Path(place)
    if file.suffix == ".py" or file.exists():
        root, name = _home(file, root_dir)
    else:
        root, name = Path(root_dir or ".").resolve(), place
        if not all(part.isidentifier() for part in place.split(".")):
            raise CommandError(f"there is no file {place!r}")
    if str(root) not in sys.path[:1]:
        sys.path.insert(0, str(root))
    module = _imported(name, place)
    if file.suffix == ".py" and not _is_from(module, file):
        raise CommandError(
            f"{place} is imported as {name!r}, but that is the name of {_origin(module)} here; rename the file"
        )
    return module


def tasks_of(module: ModuleType) -> dict[str, Task[Any, Any]]:
    """The tasks of a module by the names that they have there: its own first, then those it has imported."""
    from dalsegno.task import Task

    found = {
        name: value for name, value in vars(module).items() if isinstance(value, Task) and not value.is_trace
    }
    own = {name: task for name, task in found.items() if task.module == module.__name__}
    return own | found


def own_tasks(module: ModuleType) -> dict[str, Task[Any, Any]]:
    """The tasks that the module defines; those it has imported if it defines none."""
    found = tasks_of(module)
    return {name: task for name, task in found.items() if task.module == module.__name__} or found


def find_task(module: ModuleType, name: str, place: str) -> Task[Any, Any]:
    """The task of that name in the module, full name or short name; TaskNotFoundError lists those it has."""
    tasks = tasks_of(module)
    if name in tasks:
        return tasks[name]
    by_other_name = {id(task): task for task in tasks.values() if name in (task.name, task.short_name)}
    if len(by_other_name) == 1:
        return next(iter(by_other_name.values()))
    if by_other_name:
        names = ", ".join(task.name for task in by_other_name.values())
        raise CommandError(
            f"several tasks of {place} are called {name!r}; write the full name of one: {names}"
        )
    cure = f"it has {', '.join(own_tasks(module))}" if tasks else "it has no tasks; make one with @env.task"
    raise TaskNotFoundError(name, tasks, place, cure)


def _home(file: Path, root_dir: str | None) -> tuple[Path, str]:
    """The folder that a file is imported from, and its name as a module."""
    if not file.is_file():
        what = "is a folder; name a Python file in it" if file.is_dir() else "does not exist"
        raise CommandError(f"{file} {what}")
    if file.suffix != ".py":
        raise CommandError(f"{file} is not a Python file; its name must end in .py")
    file = file.resolve()
    root = file.parent
    if root_dir is None:
        while (root / "__init__.py").is_file():
            root = root.parent
    else:
        root = Path(root_dir).resolve()
        if not file.is_relative_to(root):
            raise CommandError(f"{file} is not below the root folder {root}")
    parts = [*file.relative_to(root).parent.parts, *([file.stem] if file.stem != "__init__" else [])]
    for part in parts:
        if not part.isidentifier():
            raise CommandError(f"{file} cannot be imported, since {part!r} is no name in Python; rename it")
    return root, ".".join(parts)


def _imported(name: str, place: str) -> ModuleType:
    from dalsegno.bundle import fresh_imports

    try:
        with fresh_imports():
            return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise CommandError(f"there is no file or module {place!r}") from error
        raise _failed(place, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(place, error) from error


def _failed(place: str, error: BaseException) -> ImportFailedError:
    """The error with its traceback, without the frames of the import machinery."""
    report = traceback.TracebackException.from_exception(error)
    own = str(Path(__file__).parent)
    theirs = [
        frame
        for frame in report.stack
        if not frame.filename.startswith(("<frozen importlib", own))
        and "importlib/__init__" not in frame.filename
    ]
    report.stack = traceback.StackSummary.from_list(theirs)
    return ImportFailedError(f"{place} cannot be imported\n\n{''.join(report.format()).rstrip()}")


def _is_from(module: ModuleType, file: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve() == file.resolve()


def _origin(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or "a module of Python itself")
