"""Every edit of the matrix executes what it concerns, nothing else, and gives what a fresh run would."""

import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from tests.engine.reuse.matrix import INPUTS, ROWS, TASKS, Row, edited
from tests.engine.reuse.package import FILES, write
from tests.engine.reuse.play import Call, arguments, imported, label, watched

from dalsegno import Action, Engine, Observer, Phase, Run
from dalsegno.bundle import environment
from dalsegno.models import ActionRecord, RunRecord
from dalsegno_storage.memory import MemoryStore

T = TypeVar("T")
Recorded = tuple[MemoryStore, str]

CALLERS = {"load": {"main"}, "clean": {"main"}, "features": {"region"}, "fit": {"region"}, "region": {"main"}}
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "_"))


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No bytecode, no remembered versions of packages, and the random numbers of this process afterwards."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    drawn = random.getstate()
    _forget_versions()
    yield
    random.setstate(drawn)
    monkeypatch.undo()
    _forget_versions()


def _forget_versions() -> None:
    for remembered in vars(environment).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Call], str]:
    """What the unedited program calls, without an engine, and its result."""
    with imported(write(FILES, tmp_path_factory.mktemp("plain"))) as pipeline, watched() as found:
        result = pipeline.main(**arguments(INPUTS))
    return found, result


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A store with a run of the unedited program."""

    async def first(engine: Engine) -> str:
        run = await engine.run(pipeline.main, **arguments(INPUTS))
        await run.result.aio()
        return run.name

    store = MemoryStore()
    with imported(write(FILES, tmp_path_factory.mktemp("recorded"))) as pipeline:
        name = _played(store, first)
    yield store, name
    store.close()


class Diary(Observer):
    """Notes the names of the actions whose bodies begin."""

    def __init__(self) -> None:
        self.began: list[str] = []

    def action_started(self, run: RunRecord, action: ActionRecord) -> None:
        self.began.append(action.name)


def _played(store: MemoryStore, story: Callable[[Engine], Awaitable[T]], *observers: Observer) -> T:
    async def main() -> T:
        async with Engine(store, observers=observers) as engine:
            return await story(engine)

    return anyio.run(main)


def _surround(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of a row, and pretend that other versions of packages are installed."""
    for name, value in row.environ.items():
        monkeypatch.setenv(name, value)
    if row.versions:
        real = environment._named

        def pretended(name: str) -> tuple[str, str] | None:
            return (name, row.versions[name]) if name in row.versions else real(name)

        monkeypatch.setattr(environment, "_named", pretended)


def test_the_matrix_is_large_enough() -> None:
    assert len(ROWS) >= 100
    assert sum(row.cosmetic for row in ROWS) >= 30
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.reach.nearest.partition(":")[0] for row in ROWS} == {"", *TASKS}
    assert all(row.reach.nearest in row.executes for row in ROWS if not row.cosmetic)


@every_row
def test_the_expectation_follows_from_what_the_program_does(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: tuple[list[Call], str]
) -> None:
    before, result_before = calls
    _surround(row, monkeypatch)
    with imported(write(edited(row), tmp_path)) as pipeline, watched() as after:
        result = pipeline.main(**arguments({**INPUTS, **row.inputs}))
    assert (result == result_before) == (row.equal or row.cosmetic)

    known = Counter((call.label, call.inputs) for call in before)
    outputs = {(call.label, call.inputs): call.output for call in before}
    new: list[Call] = []
    reusable: list[Call] = []
    for call in after:
        found = known[call.label, call.inputs] > 0
        known[call.label, call.inputs] -= 1
        (reusable if found else new).append(call)
    # What has other inputs is executed, and what would give something else.
    assert {call.label for call in new} <= row.executes
    assert {
        call.label for call in reusable if call.output != outputs[call.label, call.inputs]
    } <= row.executes
    # What is executed on the same inputs is so because of the code: then every call of that task is, and its callers.
    touched = {call.label.partition(":")[0] for call in reusable if call.label in row.executes}
    if row.kind not in ("inputs", "calls"):
        assert all(CALLERS.get(task, set()) <= touched for task in touched)
        assert {call.label for call in reusable if call.label.partition(":")[0] in touched} <= row.executes
    assert row.executes <= {call.label for call in after}
    assert row.cosmetic or "main" in row.executes


@every_row
def test_exactly_what_an_edit_concerns_is_executed(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: Recorded
) -> None:
    store, name = recorded
    diary = Diary()
    _surround(row, monkeypatch)

    async def again(engine: Engine) -> None:
        inputs = arguments({**INPUTS, **row.inputs})
        changed = {key: inputs[key] for key in row.inputs}
        run = await engine.rerun(name, task_template=pipeline.main, recover=True, **changed)
        assert await run.result.aio() == pipeline.main(**inputs)
        began = [_label(run.action(name)) for name in diary.began]
        assert sorted(began) == sorted(row.executes)
        _check_phases(run, row)
        _check_reasons(run, row)

    with imported(write(edited(row), tmp_path)) as pipeline:
        _played(store, again, diary)


def _check_phases(run: Run[Any], row: Row) -> None:
    phases = {_label(action): action.phase for action in run.actions()}
    executed = {called for called, phase in phases.items() if phase is Phase.SUCCEEDED}
    assert executed == row.executes
    assert {phases[called] for called in phases.keys() - executed} <= {Phase.RECOVERED}


def _check_reasons(run: Run[Any], row: Row) -> None:
    labels = {action.name: _label(action) for action in run.actions()}
    answers = {labels[answer.action]: answer for answer in run.why() if answer.action in labels}
    assert {called for called, answer in answers.items() if answer.verdict == "executed"} == row.executes
    assert {answer.verdict for called, answer in answers.items() if called not in row.executes} <= {"reused"}
    if not row.cosmetic:
        assert row.why in answers[row.reach.nearest].reason


def _label(action: Action) -> str:
    return label(action.record.short_name, action.io()["inputs"])
