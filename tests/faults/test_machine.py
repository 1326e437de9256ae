"""Any sequence of runs, reruns, recoveries, removals and collections gives what a dict of them says, on every backend.

The tasks write down when their bodies run, in a file that is no input of theirs, so it is known what was executed and
what was taken over. A number is broken while a file says so; mending it is what a recovery is for.
"""

import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import anyio
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Step
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.faults.mutants import SURE

from dalsegno import Engine, Phase, Run, TaskEnvironment, maintenance
from dalsegno.errors import ObjectNotFoundError, RunExistsError, RunInUseError, RunNotFoundError
from dalsegno.run_context import RunContext
from dalsegno_storage import copies, open_store
from dalsegno_storage.objects import get_object, put_object
from dalsegno_storage.protocol import Store

T = TypeVar("T")
C = TypeVar("C", str, int)
env = TaskEnvironment("machine")
NUMBERS = st.integers(0, 3)
SOME = st.lists(NUMBERS, unique=True, max_size=4)
PICK = st.integers(0, 99)


@env.task
async def square(n: int, notes: Path) -> int:
    """One number; fails while it is broken."""
    with (notes / "executed").open("a") as file:
        file.write(f"{n}\n")
    if (notes / f"broken {n}").exists():
        raise ValueError(n)
    return n * n


@env.task
async def total(numbers: list[int], notes: Path) -> int:
    """All numbers, in order, as far as none is broken."""
    with (notes / "executed").open("a") as file:
        file.write("total\n")
    return sum([await square(n, notes) for n in numbers])


@dataclass
class Known:
    """What the model knows of a run: `steps` are the numbers that succeeded, each with the run whose body it was."""

    numbers: list[int]
    output: int | None
    steps: dict[int, str] = field(default_factory=dict)
    origins: set[str] = field(default_factory=set)
    root: str = ""
    """The run whose body gave the result of the root; empty when it failed."""
    task: str = "machine.total"
    pinned: bool = False


def chosen(names: list[C], pick: int) -> C:
    """One of these."""
    return names[pick % len(names)]


class Machine(RuleBasedStateMachine):
    """One store and what should be in it."""

    scheme: str
    base: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=self.base))
        self.notes = self.folder / "notes"
        self.notes.mkdir()
        self.place = "memory:" if self.scheme == "memory" else f"{self.scheme}://{self.folder}/store"
        self.store: Store = open_store(self.place)
        self.runs: dict[str, Known] = {}
        """In the order in which they began."""
        self.loose: dict[bytes, bytes] = {}
        self.broken: set[int] = set()
        self.number = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    # Doing

    def within(self, story: Callable[[Engine], Awaitable[T]]) -> tuple[T, list[str]]:
        """Do it with an engine on the store; gives what came of it, and whose bodies ran."""

        async def main() -> T:
            async with Engine(self.store) as engine:
                return await story(engine)

        executed = self.notes / "executed"
        executed.write_text("")
        return anyio.run(main), executed.read_text().split()

    def started(self, story: Callable[[Engine, RunContext], Awaitable[Run[int]]]) -> tuple[str, list[str]]:
        """Start a run of a new name and wait for it; gives the name and whose bodies ran."""
        self.number += 1
        name = f"r{self.number}"

        async def begin(engine: Engine) -> None:
            run = await story(engine, engine.with_runcontext(name=name))
            await run.wait.aio()

        return name, self.within(begin)[1]

    def expect(self, name: str, numbers: list[int], executed: list[str], source: Known | None = None) -> None:
        """Note a new run of all these numbers, which takes over what `source` has, and compare what was executed."""
        if source is not None and source.root and source.numbers == numbers:
            self.runs[name] = Known(numbers, source.output, dict(source.steps), {source.root}, source.root)
            assert executed == []
            return
        known, bodies = Known(numbers, None), ["total"]
        for n in numbers:
            if source is not None and n in source.steps:
                known.steps[n] = source.steps[n]
                known.origins.add(source.steps[n])
                continue
            bodies.append(str(n))
            if n in self.broken:
                break
            known.steps[n] = name
        else:
            known.output, known.root = sum(n * n for n in numbers), name
        self.runs[name] = known
        assert executed == bodies

    @rule(numbers=SOME)
    def run(self, numbers: list[int]) -> None:
        name, executed = self.started(lambda engine, context: context.run(total, numbers, self.notes))
        self.expect(name, numbers, executed)

    @precondition(lambda self: self.runs)
    @rule(pick=PICK)
    def run_of_a_taken_name(self, pick: int) -> None:
        name = chosen(list(self.runs), pick)
        with pytest.raises(RunExistsError):
            self.within(lambda engine: engine.with_runcontext(name=name).run(total, [], self.notes))

    @precondition(lambda self: self.totals())
    @rule(pick=PICK)
    def rerun(self, pick: int) -> None:
        source = chosen(self.totals(), pick)
        name, executed = self.started(lambda engine, context: context.rerun(source))
        self.expect(name, self.runs[source].numbers, executed)

    @precondition(lambda self: self.totals())
    @rule(pick=PICK, numbers=st.none() | SOME)
    def recover(self, pick: int, numbers: list[int] | None) -> None:
        source = chosen(self.totals(), pick)
        changed: dict[str, Any] = {} if numbers is None else {"numbers": numbers}
        name, executed = self.started(lambda engine, context: context.rerun(source, recover=True, **changed))
        wanted = self.runs[source].numbers if numbers is None else numbers
        self.expect(name, wanted, executed, self.runs[source])

    @precondition(lambda self: self.with_steps())
    @rule(pick=PICK)
    def rerun_a_step(self, pick: int) -> None:
        source = chosen(self.with_steps(), pick)
        n = chosen(sorted(self.runs[source].steps), pick)

        async def again(engine: Engine, context: RunContext) -> Run[int]:
            [action] = [
                each
                for each in engine.get_run(source).actions()
                if each.task == "machine.square" and each.inputs()["n"] == n
            ]
            return await context.rerun(source, action.name)

        name, executed = self.started(again)
        output = None if n in self.broken else n * n
        root = "" if output is None else name
        self.runs[name] = Known([n], output, task="machine.square", root=root)
        assert executed == [str(n)]

    @rule(n=NUMBERS)
    def break_or_mend(self, n: int) -> None:
        self.broken ^= {n}
        sign = self.notes / f"broken {n}"
        if n in self.broken:
            sign.touch()
        else:
            sign.unlink()

    # Keeping

    @rule(data=st.binary(min_size=1, max_size=3000))
    def put_object(self, data: bytes) -> None:
        with self.store.write() as writer:
            self.loose[put_object(writer, "blob", data)] = data

    @precondition(lambda self: self.runs)
    @rule(pick=PICK, pinned=st.booleans())
    def pin(self, pick: int, pinned: bool) -> None:
        name = chosen(list(self.runs), pick)
        known = self.runs[name]
        if pinned:
            maintenance.pin(self.store, name, note="kept")
        else:
            assert maintenance.unpin(self.store, name) == known.pinned
        known.pinned = pinned

    @precondition(lambda self: self.runs)
    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        name = chosen(list(self.runs), pick)
        users = [other for other, known in self.runs.items() if name in known.origins]
        if self.runs[name].pinned or users:
            with pytest.raises(RunInUseError):
                maintenance.delete_run(self.store, name)
            return
        maintenance.delete_run(self.store, name)
        del self.runs[name]
        with pytest.raises(RunNotFoundError):
            maintenance.delete_run(self.store, name)

    @rule(keep_last=st.none() | st.integers(0, 3))
    def collect(self, keep_last: int | None) -> None:
        gone: set[str] = set()
        if keep_last is not None:
            kept = {name for name, known in self.runs.items() if known.pinned}
            for task in ("machine.total", "machine.square"):
                of_task = [name for name, known in self.runs.items() if known.task == task]
                kept |= set(of_task[len(of_task) - min(keep_last, len(of_task)) :])
            waiting = list(kept)
            while waiting:
                needed = self.runs[waiting.pop()].origins - kept
                kept |= needed
                waiting += needed
            gone = self.runs.keys() - kept
        planned = maintenance.gc(self.store, keep_last=keep_last, grace=0, dry_run=True)
        collected = maintenance.gc(self.store, keep_last=keep_last, grace=0)
        assert {run.name for run in planned.runs} == {run.name for run in collected.runs} == gone
        assert planned.objects == collected.objects >= len(self.loose)
        for name in gone:
            del self.runs[name]
        with self.store.read() as reader:
            for digest in self.loose:
                with pytest.raises(ObjectNotFoundError):
                    get_object(reader, "blob", digest)
        self.loose.clear()

    @rule()
    def reopen(self) -> None:
        if self.scheme == "memory":
            return
        self.store.close()
        if self.scheme == "lmdb":
            copies.compact(self.folder / "store")
        self.store = open_store(self.place, create=False)

    @rule()
    def backup(self) -> None:
        target = Path(mkdtemp(dir=self.folder)) / "copy"
        copies.backup(self.store, target)
        copy = open_store(f"{'sqlite' if self.scheme == 'sqlite' else 'lmdb'}://{target}", create=False)
        with copy.read() as reader, self.store.read() as original:
            assert list(reader.scan()) == list(original.scan())
        copy.close()

    # Looking

    def totals(self) -> list[str]:
        return [name for name, known in self.runs.items() if known.task == "machine.total"]

    def with_steps(self) -> list[str]:
        """The runs that have steps in their own tree; those of a root that was taken over are in another's."""
        return [
            name for name in self.totals() if self.runs[name].steps and self.runs[name].root in ("", name)
        ]

    @invariant()
    def everything_is_there(self) -> None:
        report = maintenance.check(self.store)
        assert report.is_clean, report.problems

        async def look(engine: Engine) -> list[tuple[str, Phase, int | None]]:
            found = reversed(engine.list_runs(limit=100))
            return [
                (run.name, run.phase, run.outputs()[0] if run.phase is Phase.SUCCEEDED else None)
                for run in found
            ]

        found, executed = self.within(look)
        assert executed == []
        assert found == [
            (name, Phase.FAILED if known.output is None else Phase.SUCCEEDED, known.output)
            for name, known in self.runs.items()
        ]
        pinned = {run.name for run in maintenance.pinned_runs(self.store)}
        assert pinned == {name for name, known in self.runs.items() if known.pinned}
        with self.store.read() as reader:
            assert all(get_object(reader, "blob", digest) == data for digest, data in self.loose.items())


@pytest.mark.parametrize("scheme", ["memory", "lmdb", "sqlite"])
def test_the_store_and_the_engine_do_what_the_model_says(
    scheme: str, memory: Path, often: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(memory)  # where there is no configuration, which each engine looks for
    sure = SURE in os.environ
    machine = type("Machine", (Machine,), {"scheme": scheme, "base": memory})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=50 if sure else 8 * often,
            stateful_step_count=30,
            deadline=None,
            phases=[each for each in Step if each is not Step.shrink or not sure],
            suppress_health_check=list(HealthCheck),
        ),
    )
