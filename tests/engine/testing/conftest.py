"""Test sessions in processes of their own, with the plugin and files of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

import dalsegno
import dalsegno_storage

Session = Callable[..., pytest.RunResult]

FLOW = """
import os
import random
import dalsegno

env = dalsegno.TaskEnvironment("flow")
SCALE = 2
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


@env.task
async def scaled(n: int) -> int:
    return n * SCALE


@env.task
async def total(n: int) -> dict[str, int]:
    return {"total": sum([await scaled(each) for each in range(n)]), "count": n}


@env.task
async def drawn() -> float:
    return random.random()


@env.task
async def ordered() -> list[str]:
    return list(set(WORDS))


@env.task
async def main(fault: str = "") -> int:
    if fault == "drawn":
        await drawn()
    if fault == "ordered":
        await ordered()
    return (await total(3))["total"]
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Writes files into the folder of a project with `flow.py` in it, and runs pytest there."""
    roots = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]
    monkeypatch.setenv("PYTHONPATH", ":".join(roots))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # which takes longer than the tests
    monkeypatch.delenv("DALSEGNO_STORE", raising=False)
    (pytester.path / "flow.py").write_text(FLOW)

    def run(files: Mapping[str, str], *args: str) -> pytest.RunResult:
        for name, text in files.items():
            (pytester.path / name).parent.mkdir(parents=True, exist_ok=True)
            (pytester.path / name).write_text(dedent(text))
        return pytester.runpytest_subprocess(
            "-p", "dalsegno.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-Werror", *args
        )

    return run
