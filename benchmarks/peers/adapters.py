"""How each peer runs the program of the matrix: what `@env.task` means to it, and how `main` is called.

Every peer is set up as its documentation recommends for results that are to be reused by later processes. Tasks that
only call others (`main`, `region`) are not cached where the peer would otherwise not look below them any more, which
is to its advantage: with them cached, a change of any task below goes unnoticed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["ADAPTERS", "CALLERS", "Adapter"]

CALLERS = ("main", "region")
Task = Callable[..., Any]


class Adapter:
    """One peer; `folder` is where it keeps its results, `first` says that there are none yet."""

    def __init__(self, folder: Path, *, first: bool) -> None:
        self.folder = folder
        self.first = first

    def task(self, function: Task) -> Any:
        """What `@env.task` makes of a function."""
        return function

    def run(self, pipeline: ModuleType, inputs: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
        """What `main` gives; `changed` are those of the inputs that differ from the recorded run's."""
        result: str = pipeline.main(**inputs)
        return result


class Plain(Adapter):
    """No peer: everything is executed."""


class Dalsegno(Adapter):
    """The recorded run again, with the code that is there now and `recover=True`."""

    def run(self, pipeline: ModuleType, inputs: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
        async def story() -> str:
            async with import_module("dalsegno").Engine(self.folder / "store") as engine:
                if self.first:
                    run = await engine.with_runcontext(name="first").run(pipeline.main, **inputs)
                else:
                    run = await engine.rerun("first", task_template=pipeline.main, recover=True, **changed)
                result: str = await run.result.aio()
                return result

        return asyncio.run(story())


class Joblib(Adapter):
    """`joblib.Memory`, which checks the source of the function that it decorates."""

    def task(self, function: Task) -> Any:
        if function.__name__ in CALLERS:
            return function
        return import_module("joblib").Memory(self.folder / "joblib", verbose=0).cache(function)


class Redun(Adapter):
    """`redun.task`, with its default check of a task's source, and the SQLite database of one project."""

    def task(self, function: Task) -> Any:
        return import_module("redun").task(namespace="forecast")(function)

    def run(self, pipeline: ModuleType, inputs: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
        database = f"sqlite:///{self.folder / 'redun.db'}"
        config = import_module("redun.config").Config(
            {"backend": {"db_uri": database, "automigrate": "True"}}
        )
        scheduler = import_module("redun").Scheduler(config=config)
        scheduler.load()
        result: str = scheduler.run(pipeline.main(**inputs))
        return result


class Flyte(Adapter):
    """Flyte 2 in local mode with `cache="auto"`; its database is below the home folder."""

    def __init__(self, folder: Path, *, first: bool) -> None:
        super().__init__(folder, first=first)
        os.environ["HOME"] = str(folder)
        self._flyte = import_module("flyte")
        self._environment = self._flyte.TaskEnvironment("forecast", cache="auto")

    def task(self, function: Task) -> Any:
        cache = "disable" if function.__name__ in CALLERS else "auto"
        return self._environment.task(cache=cache)(function)

    def run(self, pipeline: ModuleType, inputs: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
        self._flyte.init()
        result: str = self._flyte.with_runcontext(mode="local").run(pipeline.main, **inputs).outputs()[0]
        return result


ADAPTERS: Mapping[str, type[Adapter]] = {
    "plain": Plain,
    "dalsegno": Dalsegno,
    "redun": Redun,
    "joblib": Joblib,
    "flyte": Flyte,
}
