"""Capsules in pytest: as what a test begins with, and as regression tests.

A capsule that lies in the project's own folder is trusted without asking, as the tests beside it are: whoever runs these runs
what their authors wrote. It is trusted in a temporary store only. One from elsewhere that a test asks for is refused; a folder
that `--dalsegno-capsules` names is trusted by whoever names it, wherever it lies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dalsegno._blocking import block
from dalsegno._findings import replay_text
from dalsegno._replay import replay
from dalsegno.capsule import import_capsule, trust
from dalsegno.errors import DalsegnoError, RunNotFoundError, UsageError
from dalsegno.models import Phase
from dalsegno.runs import Run
from dalsegno.testing import TemporaryEngine, engine

SUFFIX = ".capsule"
"""How the names of capsules end."""

FOLDER = "capsules"
"""The folder, beside the test file, in which a capsule may lie too."""


class CapsuleChangedError(Exception):
    """A run of a capsule ended otherwise with the current code; the message says how."""


# As what a test begins with


def recorded(request: pytest.FixtureRequest, opened: TemporaryEngine) -> Run[Any]:
    """The run that the fixture `recorded_run` gives: imported, trusted, and in the project that the engine is in from now on."""
    file, name = _asked(request)
    folders = request.path.parent, request.config.rootpath
    if not any(file.is_relative_to(folder.resolve()) for folder in folders):
        raise UsageError(
            f"{file} is not in the folder of the project, so it is not trusted; copy it beside the test"
        )
    runs = imported(opened, file)
    if name is None:
        tops = [run for run in runs if not _is_source(run, runs)]
        if len(tops) != 1:
            names = ", ".join(run.name for run in runs)
            raise UsageError(
                f"{file.name} has several runs; name one with @pytest.mark.capsule(…, run=…): {names}"
            )
        found = tops[0]
    else:
        by_name = {run.name: run for run in runs}
        if name not in by_name:
            raise RunNotFoundError(name, by_name, file.name)
        found = by_name[name]
    opened.move_to(found)
    return found


def _asked(request: pytest.FixtureRequest) -> tuple[Path, str | None]:
    """The file, and the name of the run if one is named."""
    folder = request.path.parent.resolve()
    marker = request.node.get_closest_marker("capsule")
    if hasattr(request, "param"):
        return (folder / request.param).resolve(), None
    if marker is not None:
        file, run = _marked(*marker.args, **marker.kwargs)
        return (folder / file).resolve(), run
    name = getattr(request.node, "originalname", request.node.name).removeprefix("test_") + SUFFIX
    files = [folder / name, folder / FOLDER / name]
    for file in files:
        if file.is_file():
            return file.resolve(), None
    raise UsageError(
        f"{request.node.name} asks for recorded_run and has no capsule: there is no {name}, also not in {FOLDER}/; "
        "make it with `dalsegno export`, or name another one with @pytest.mark.capsule(FILE)"
    )


def _marked(file: str, run: str | None = None) -> tuple[str, str | None]:
    return file, run


def imported(opened: TemporaryEngine, file: Path) -> list[Run[Any]]:
    """The runs of a capsule, the oldest first, in the store of the engine and trusted there."""
    ledger = opened.engine.ledger
    store = ledger._store
    known = {run.record.id for run in opened.list_runs(everywhere=True, limit=sys.maxsize)}
    for digest in import_capsule(store, file).bundles:
        trust(store, digest)
    runs = opened.list_runs(everywhere=True, limit=sys.maxsize)
    new = [run for run in reversed(runs) if run.record.id not in known]
    opened.imported.update(run.record.id for run in new)
    return new


def _is_source(run: Run[Any], runs: Sequence[Run[Any]]) -> bool:
    """Whether another run has taken results over from it."""
    return any(
        action.record.origin is not None and action.record.origin.run_id == run.record.id
        for other in runs
        if other is not run
        for action in other.actions()
    )


# As regression tests


def add_to_arguments(config: pytest.Config, folders: Sequence[str]) -> None:
    """Have the capsules below these folders collected: those that no argument covers, and none if one names a capsule."""
    covering = [_absolute(config, argument.partition("::")[0]) for argument in config.args]
    for folder in folders:
        place = _absolute(config, folder)
        if not place.is_dir():
            raise pytest.UsageError(f"--dalsegno-capsules: there is no folder {folder}")
        if any(each.suffix == SUFFIX and each.is_relative_to(place) for each in covering):
            continue
        for file in sorted(place.rglob(f"*{SUFFIX}")):
            if not any(file.is_relative_to(each) for each in covering):
                config.args.append(str(file))


def collected(file: Path, parent: pytest.Collector, folders: Sequence[str]) -> pytest.Collector | None:
    """The file as one of tests, if it is a capsule below one of the folders."""
    if file.suffix != SUFFIX or not any(
        file.is_relative_to(_absolute(parent.config, folder)) for folder in folders
    ):
        return None
    found: CapsuleFile = CapsuleFile.from_parent(parent, path=file)
    return found


def _absolute(config: pytest.Config, place: str) -> Path:
    return Path(config.invocation_params.dir, place).resolve()


class CapsuleFile(pytest.File):
    """A capsule, which is one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """The test."""
        yield CapsuleTest.from_parent(self, name="replay")


class CapsuleTest(pytest.Item):
    """Executes the runs of a capsule with the current code; those that others took results from are left out."""

    def runtest(self) -> None:
        """Execute them and compare."""
        root = str(self.config.rootpath)
        if root not in sys.path:
            sys.path.append(root)
        with engine() as opened:
            runs = imported(opened, self.path)
            wanted = [run for run in runs if run.phase is not Phase.ABORTED and not _is_source(run, runs)]
            if not wanted:
                raise UsageError("it has no run with an outcome that could be compared")
            texts = []
            for run in wanted:
                opened.move_to(run)
                found = block(partial(replay, opened.engine, run.name))
                if not found.is_same:
                    texts.append(replay_text(found))
        if texts:
            raise CapsuleChangedError("\n\n".join(texts))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What differs, without where it was found."""
        if isinstance(excinfo.value, CapsuleChangedError):
            return str(excinfo.value)
        if isinstance(excinfo.value, DalsegnoError):
            return f"{self.path.name} could not be executed again: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is, for reports."""
        return self.path, None, f"capsule {self.path.name}"
