"""Seven faults in one run are each located and named; twenty clean pipelines give no finding, whatever the hash seed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.compare import clean, faulty

from dalsegno import Engine
from dalsegno._verify import verify_run

Play = Callable[..., Any]
Script = Callable[..., Any]

PLANTED = {
    ("faulty.chance", "randomness"),
    ("faulty.clock", "time"),
    ("faulty.default", "state"),
    ("faulty.ordered", "set order"),
    ("faulty.outside", "file"),
    ("faulty.summed", "float order"),
    ("faulty.variable", "environment"),
}

IN_NEW_PROCESSES = {each for each in PLANTED if each[1] != "state"}
"""What stays from one call to the next is not there in a process that has made none."""

IN_THIS_ONE = {each for each in PLANTED if "order" not in each[1]}
"""What shows here for certain, whatever hash seed this process happens to have."""

RECORD = """
import json, os, sys
import dalsegno, {module}
run = dalsegno.with_runcontext(name="run").run({module}.{task}, *{inputs!r})
print(json.dumps(run.result()))
"""


@pytest.fixture
def backend() -> str:
    return "asyncio"


@pytest.fixture
def record(script: Script, tmp_path: Path) -> Callable[..., Any]:
    """Records a run named `run` of a task of `clean` or `faulty`, in another process with a hash seed of its own."""

    def recorded(module: Any, task: str, *inputs: str) -> Any:
        shutil.copy(module.__file__, tmp_path)
        name = Path(module.__file__).stem
        code = RECORD.format(module=name, task=task, inputs=inputs)
        return script(code, cwd=tmp_path, path=(tmp_path,), PYTHONHASHSEED="7", FLAVOUR="sour")

    return recorded


def test_seven_faults_in_one_run(
    play: Play, record: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("before")
    assert record(faulty, "all_at_once", str(outside)) == 20
    outside.write_text("after")
    monkeypatch.setenv("FLAVOUR", "sweet")

    async def story(engine: Engine) -> None:
        asked: list[tuple[set[tuple[str, str]], dict[str, Any]]] = [
            (IN_THIS_ONE, {"times": 2}),
            (IN_THIS_ONE, {"times": 2, "each": True}),
            (IN_NEW_PROCESSES, {"hash_seed": True}),
        ]
        everything: set[tuple[str, str]] = set()
        for certain, options in asked:
            found = await verify_run(engine, "run", "a0", **options)
            named = {(each.task, each.cause) for each in found.divergences}
            assert certain <= named <= PLANTED, found.divergences
            assert len(named) == len(found.divergences)
            everything |= named
            assert all(each.outputs and not each.came and not each.gone for each in found.divergences)
        assert everything == PLANTED

    play(story, store=tmp_path / "store")


@pytest.mark.parametrize("pipeline", clean.PIPELINES, ids=lambda task: task.short_name)
def test_twenty_clean_pipelines(play: Play, pipeline: Any) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(name="run").run(pipeline)
        await run.result.aio()
        assert (await verify_run(engine, "run", "a0", times=2)).divergences == ()
        assert (await verify_run(engine, "run", "a0", each=True)).divergences == ()

    assert len(clean.PIPELINES) == 20
    play(story)


def test_all_of_them_with_other_hash_seeds(play: Play, record: Callable[..., Any], tmp_path: Path) -> None:
    assert record(clean, "all_of_them") == 20

    async def story(engine: Engine) -> None:
        found = await verify_run(engine, "run", "a0", hash_seed=True)
        assert found.divergences == ()
        assert found.executed >= 2 * 21

    play(story, store=tmp_path / "store")


def test_a_clock_behind_a_relative_import(
    play: Play, script: Script, write_files: Callable[..., Path], tmp_path: Path
) -> None:
    root = write_files(
        "code",
        {
            "shop/__init__.py": "",
            "shop/helpers/__init__.py": "from .clock import stamp",
            "shop/helpers/clock.py": """
                import time

                def stamp():
                    return f"at {time.time_ns()}"
            """,
            "shop/flow.py": """
                import dalsegno
                from .helpers import stamp as stamped

                env = dalsegno.TaskEnvironment("shop")

                @env.task
                def label() -> str:
                    return stamped()
            """,
        },
    )
    script(
        """
        import dalsegno, shop.flow
        run = dalsegno.with_runcontext(name="run").run(shop.flow.label)
        print(len(run.result()))
        """,
        cwd=tmp_path,
        path=(root,),
    )

    async def story(engine: Engine) -> None:
        [found] = (await verify_run(engine, "run", "a0")).divergences
        assert (found.cause, found.clues) == ("time", ("time: time.time_ns in shop.helpers.clock:stamp",))

    play(story, store=tmp_path / "store")
