"""What `why` and a plan say, beyond the matrix: forced, failed, opaque, new calls, values in depth, variables, classes."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import anyio
import pytest

from dalsegno import Engine, Run, TaskEnvironment
from dalsegno._differences import differences
from dalsegno._plan import Plan
from dalsegno.codec import encode, view
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("why")
broken = False


@dataclass
class Config:
    rate: float = 0.5
    layers: list[int] = field(default_factory=lambda: [3, 4])
    names: dict[str, str] = field(default_factory=dict)


@env.task
async def part(n: int) -> int:
    if broken:
        raise ValueError(n)
    return n


@env.task
async def configured(config: Config) -> int:
    return await part(1) + await part(2)


@env.task
async def takes_anything(thing: Any) -> int:
    return 1


@env.task
async def several(count: int) -> int:
    return sum([await part(n) for n in range(count)])


@pytest.fixture
def backend() -> str:
    return "asyncio"


def reasons(run: Run[Any]) -> dict[str, tuple[str, str]]:
    return {answer.action: (answer.verdict, answer.reason) for answer in run.why()}


def test_inputs_are_compared_in_depth(play: Play) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.with_runcontext(name="first").run(configured, Config())).wait.aio()
        other = Config(0.1, [3, 5, 6], {"a": "b"})
        again = await engine.rerun("first", recover=True, config=other)
        await again.wait.aio()
        root = again.action().why()
        assert root.verdict == "executed"
        assert root.reason == "input config.rate: 0.5 → 0.1, and 3 more"
        assert [(each.kind, each.name, each.old, each.new) for each in root.differences] == [
            ("input", "config.rate", "0.5", "0.1"),
            ("input", "config.layers[1]", "4", "5"),
            ("input", "config.layers[2]", "nothing", "6"),
            ("input", "config.names.a", "nothing", '"b"'),
        ]
        assert [answer.verdict for answer in again.why()] == ["executed", "reused", "reused"]
        assert again.why()[1].origin == ("first", again.actions()[1].name)
        assert again.why(again.actions()[1].name) == [again.why()[1]]

    play(story)


def test_a_failure_a_new_call_and_an_opaque_input_are_reasons(play: Play) -> None:
    global broken

    async def story(engine: Engine) -> None:
        global broken
        broken = True
        await (await engine.with_runcontext(name="failed").run(several, 2)).wait.aio()
        broken = False
        again = await engine.rerun("failed", recover=True)
        await again.wait.aio()
        assert [reason for _, reason in reasons(again).values()] == [
            "it had failed in run failed",
            "it had failed in run failed",
            "there is no such call of why.part in run failed",
        ]
        longer = await engine.rerun(again.name, recover=True, count=3)
        await longer.wait.aio()
        assert [answer.verdict for answer in longer.why()] == ["executed", "reused", "reused", "executed"]
        assert longer.why()[3].reason == f"there is no such call of why.part in run {again.name}"
        await (await engine.with_runcontext(name="opaque").run(takes_anything, iter([1]))).wait.aio()
        pickled = await engine.rerun("opaque", recover=True)
        await pickled.wait.aio()
        assert pickled.why()[0].reason.startswith("its inputs hold something pickled")

    play(story)


def test_runs_that_do_not_recover_say_so(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(name="first").run(several, 1)
        await first.wait.aio()
        assert set(reasons(first).values()) == {
            ("executed", "the run is no rerun, there was nothing to take over")
        }
        again = await engine.rerun("first")
        await again.wait.aio()
        assert set(reasons(again).values()) == {
            ("executed", "nothing was to be taken over: the rerun was made without recover")
        }

    play(story)


def test_a_plan_is_what_then_happens(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(name="first").run(several, 3)
        await first.wait.aio()
        forced = first.actions()[2].name
        options: list[dict[str, Any]] = [
            {},
            {"recover": True},
            {"recover": True, "count": 2},
            {"recover": True, "force_rerun_actions": [forced]},
        ]
        for option in options:
            before = len(engine.list_runs())
            plan: Plan = await engine.with_runcontext().plan("first", **option)
            assert len(engine.list_runs()) == before
            run = await engine.rerun("first", **option)
            await run.wait.aio()
            done = {answer.action: answer.verdict for answer in run.why()}
            told = {answer.action: answer.verdict for answer in plan.actions}
            renamed = {"execute": "executed", "reuse": "reused", "forced": "forced"}
            assert done.items() <= {name: renamed[verdict] for name, verdict in told.items()}.items()
            assert plan.executed + plan.reused == 4

    play(story)


SHOP = """
    import os
    from typing import Any
    import dalsegno

    env = dalsegno.TaskEnvironment("shop")

    class Coin:
        def __init__(self, value: int) -> None:
            self.value = value

        def worth(self) -> int:
            return self.value * 2

    class Bag(dict):
        def worth(self) -> int:
            return len(self)

    @env.task
    def count(thing: Any) -> int:
        return thing.worth()

    @env.task
    def mode() -> str:
        return os.environ.get("SHOP_MODE", "none")

    KEYS = ["SHOP", "ANY"]

    @env.task
    def computed(n: int) -> str:
        return os.environ.get("_".join(KEYS), "none")

    @env.task
    def both(n: int) -> str:
        return f"{count(Bag(a=n))} {mode()}"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[[str, str], ModuleType]]:
    """Imports the module `shop` with a text in it replaced."""
    folders: list[str] = []

    def imported(old: str, new: str) -> ModuleType:
        text = dedent(SHOP)
        assert text.count(old) == 1
        folder = tmp_path / str(len(folders))
        folder.mkdir()
        (folder / "shop.py").write_text(text.replace(old, new))
        sys.modules.pop("shop", None)
        sys.path.insert(0, str(folder))
        folders.append(str(folder))
        return __import__("shop")

    yield imported
    sys.modules.pop("shop", None)
    for folder in folders:
        sys.path.remove(folder)


def played(store: MemoryStore, story: Callable[[Engine], Any]) -> Any:
    async def main() -> Any:
        async with Engine(store) as engine:
            return await story(engine)

    return anyio.run(main)


def test_the_class_of_an_input_counts_although_no_code_names_it(
    shop: Callable[[str, str], ModuleType], store: MemoryStore
) -> None:
    first = shop("len(self)", "len(self)")

    async def record(engine: Engine) -> None:
        run = await engine.with_runcontext(name="first").run(first.count, first.Bag(a=1))
        assert await run.result.aio() == 1

    async def again(engine: Engine) -> Run[Any]:
        run = await engine.rerun("first", task_template=second.count, recover=True)
        assert await run.result.aio() == 101
        return run

    played(store, record)
    second = shop("len(self)", "len(self) + 100")

    async def story(engine: Engine) -> None:
        run = await again(engine)
        assert run.why()[0].reason == "class shop:Bag: the recorded code → other code"

    played(store, story)
    third = shop("self.value * 2", "self.value * 3")

    async def unconcerned(engine: Engine) -> None:
        run = await engine.rerun("first", task_template=third.count, recover=True)
        assert [answer.verdict for answer in run.why()] == ["reused"]

    played(store, unconcerned)


def test_variables_that_the_code_reads_count(
    shop: Callable[[str, str], ModuleType], store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = shop("len(self)", "len(self)")
    monkeypatch.delenv("SHOP_MODE", raising=False)

    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(name="first").run(module.both, 1)
        assert await first.result.aio() == "1 none"
        same = await engine.with_runcontext(env_vars={"SHOP_OTHER": "x"}).rerun("first", recover=True)
        assert [answer.verdict for answer in same.why()] == ["reused"]
        set_for_it = await engine.with_runcontext(env_vars={"SHOP_MODE": "api"}).rerun("first", recover=True)
        assert await set_for_it.result.aio() == "1 api"
        assert {
            answer.task: answer.reason for answer in set_for_it.why() if answer.verdict == "executed"
        } == {
            "shop.both": "env SHOP_MODE",
            "shop.mode": "env SHOP_MODE",
        }
        monkeypatch.setenv("SHOP_MODE", "process")
        in_process = await engine.rerun("first", recover=True)
        assert await in_process.result.aio() == "1 process"
        unset = await engine.rerun(in_process.name, recover=True)
        assert [answer.verdict for answer in unset.why()] == ["reused"]

    played(store, story)


def test_where_any_variable_may_be_read_all_count(
    shop: Callable[[str, str], ModuleType], store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = shop("len(self)", "len(self)")

    async def story(engine: Engine) -> None:
        monkeypatch.setenv("SHOP_ANY", "1")
        first = await engine.with_runcontext(name="first").run(module.computed, 1)
        assert await first.result.aio() == "1"
        monkeypatch.setenv("PWD", "/elsewhere")
        assert (await engine.rerun("first", recover=True)).action().why().verdict == "reused"
        monkeypatch.setenv("SHOP_ANY", "2")
        again = await engine.rerun("first", recover=True)
        assert await again.result.aio() == "2"
        assert again.action().why().reason == "env *"

    played(store, story)


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["x.a[1].b: 2 → 3"]),
        ([1, 2], [1], ["x[1]: 2 → nothing"]),
        ((1, "a"), (1, "b"), ['x[1]: "a" → "b"']),
        (1, True, ["x: 1 → true"]),
        (Config(), Config(rate=1.0), ["x.rate: 0.5 → 1.0"]),
        ({1: "a"}, {1: "b"}, ['x[0][1]: "a" → "b"']),
        ("a" * 100, "b", ["x: " + '"' + "a" * 58 + '… → "b"']),
        (1.0, 1.0, []),
    ],
)
def test_differences_are_the_innermost_places(old: Any, new: Any, places: list[str]) -> None:
    views = [view(encode(value).data) for value in (old, new)]
    assert [str(each) for each in differences("x", *views)] == places
