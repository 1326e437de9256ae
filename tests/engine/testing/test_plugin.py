"""The plugin's fixtures, marker and messages, seen from projects that use them."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

Session = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[3]


def test_every_test_has_an_engine_of_its_own(session: Session) -> None:
    found = session(
        {
            "test_engine.py": """
                import dalsegno
                import flow
                from dalsegno import Engine, _default

                stores = []

                def test_first(dalsegno_engine):
                    dalsegno.init(store="elsewhere")
                    run = dalsegno.run(flow.main)
                    assert run.result() == 6
                    assert [each.name for each in dalsegno_engine.list_runs()] == [run.name]
                    assert dalsegno_engine.get_run(run.name).url.startswith(str(dalsegno_engine.store))
                    assert dalsegno_engine.rerun(run.name, fault="drawn").result() == 6
                    stores.append(dalsegno_engine.store)

                def test_second(dalsegno_engine):
                    assert dalsegno_engine.list_runs() == []
                    assert dalsegno_engine.run(flow.main).result() == 6
                    assert stores[0].exists() and stores[0] != dalsegno_engine.store

                def test_third():
                    assert _default._engine is None

                async def story():
                    run = await dalsegno.run.aio(flow.main)
                    return await run.result.aio()

                def test_async_code(dalsegno_engine):
                    import asyncio
                    assert asyncio.run(story()) == 6
            """
        }
    )
    found.assert_outcomes(passed=4)
    assert not Path("elsewhere").exists()


def test_what_reproduces_passes(session: Session) -> None:
    found = session(
        {
            "test_clean.py": """
                import dalsegno
                import flow
                import pytest

                env = dalsegno.TaskEnvironment("here")

                @env.task
                async def here(n: int) -> int:
                    return await flow.scaled(n)

                @env.task
                def failing(what: str) -> int:
                    return {"salt": 1}[what]

                @pytest.mark.reproducible
                def test_main():
                    dalsegno.run(flow.main).wait()
                    dalsegno.run(here, 3).wait()

                @pytest.mark.reproducible(times=1, hash_seeds=0)
                def test_tasks_inside(dalsegno_engine):
                    @env.task
                    async def inside(n: int) -> int:
                        return await here(n)

                    dalsegno_engine.run(inside, 3).wait()

                @pytest.mark.reproducible(times=1, hash_seeds=0)
                def test_failures_do_too():
                    assert dalsegno.run(flow.main, fault="drown").result() == 6
                    with pytest.raises(KeyError):
                        dalsegno.run(failing, "pepper").result()
            """
        }
    )
    found.assert_outcomes(passed=3)


def test_what_does_not_is_located_and_named(session: Session) -> None:
    found = session(
        {
            "test_faults.py": """
                import dalsegno
                import flow
                import pytest
                from dalsegno import testing

                @pytest.mark.reproducible(times=1, hash_seeds=0)
                def test_drawn():
                    dalsegno.run(flow.main, fault="drawn").wait()

                @pytest.mark.reproducible(times=1)
                def test_ordered():
                    dalsegno.with_runcontext(name="mine").run(flow.main, fault="ordered").wait()

                @pytest.mark.reproducible
                def test_nothing():
                    pass

                @pytest.mark.reproducible
                def test_stubs():
                    with testing.stub(flow.total, returns={"total": 1}):
                        dalsegno.run(flow.main).wait()

                @pytest.mark.reproducible(times=0, hash_seeds=1)
                def test_wrong():
                    pass

                @pytest.mark.reproducible(tmies=2)
                def test_misspelt():
                    pass

                @pytest.mark.reproducible
                def test_broken():
                    assert 1 == 2

                @pytest.mark.xfail(strict=True)
                @pytest.mark.reproducible(times=1, hash_seeds=0)
                def test_expected():
                    dalsegno.run(flow.main, fault="drawn").wait()
            """
        }
    )
    found.assert_outcomes(failed=7, xfailed=1)
    found.stdout.fnmatch_lines(
        [
            "*test_drawn*",
            "run * of flow.main did not reproduce",
            "  drawn-* (flow.drawn) did something else on the same inputs",
            "    output o0: 0.* → 0.*",
            "    likely cause: randomness",
            "      randomness: random.random in flow:drawn",
            "*the runs of this test: dalsegno --store * get run",
            "run mine of flow.main did not reproduce",
            "  ordered-* (flow.ordered) did something else on the same inputs (*with hash seed *)",
            "    output o0: the same in another order, *",
            "    likely cause: set order",
            "the test is marked as reproducible, but made no run that could be executed again",
            "*made no run that could be executed again; 1 had stubs, which are not executed again",
            "*hash_seeds of @pytest.mark.reproducible is 0, or 2 at least, not 1",
            "@pytest.mark.reproducible takes times and hash_seeds: got an unexpected keyword argument 'tmies'",
            "*assert 1 == 2*",
        ]
    )
    assert "Traceback" not in found.stdout.str()


def test_what_ran_is_told_with_reasons(session: Session) -> None:
    found = session(
        {
            "test_ran.py": """
                import dalsegno
                import flow
                from dalsegno.testing import ran, reused, stub

                def test_ran(dalsegno_engine):
                    with stub(flow.total, raises=ConnectionError):
                        run = dalsegno.run(flow.main, "drawn")
                        run.wait()
                    again = dalsegno.rerun(run.name, recover=True)
                    assert reused(again) == ["flow.drawn"]
                    assert ran(again) == ["flow.main", "flow.drawn", "flow.total", *["flow.scaled"] * 3]
            """
        }
    )
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(
        [
            "E*flow.main: it had failed in run *",
            "E* - flow.drawn",
            "E*  flow.total: *",
        ]
    )


def test_it_is_registered_once(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is named besides being installed."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    metadata = pytester.path / "here-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: here\nVersion: 1\n")
    lines = "".join(f"{name} = {module}\n" for name, module in points.items())
    (metadata / "entry_points.txt").write_text(f"[pytest11]\n{lines}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=":")
    named = pytester.runpytest_subprocess("-p", "dalsegno.pytest_plugin", "--markers")
    installed = pytester.runpytest_subprocess("--markers")
    for found in (named, installed):
        assert found.ret == pytest.ExitCode.OK, found.stderr.str()
        assert found.stdout.str().count("@pytest.mark.reproducible(") == 1


def test_importing_it_costs_little() -> None:
    """Beyond what pytest imports anyway; in seconds of the processor, the least of several."""

    code = """
        import pytest, _pytest.python, _pytest.fixtures
        from time import process_time
        began = process_time()
        import dalsegno.pytest_plugin
        print(process_time() - began)
    """

    def cost() -> float:
        done = run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
        return float(done.stdout)

    assert min(cost() for _ in range(3)) < 0.05


def test_it_imports_nothing_of_the_engine() -> None:
    code = "import sys, pytest; had = {*sys.modules}; import dalsegno.pytest_plugin; print(*{*sys.modules} - had)"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "dalsegno.pytest_plugin" in loaded
    heavy = {
        "asyncio",
        "anyio",
        "lmdb",
        "pydantic",
        "dalsegno.engine",
        "dalsegno._ledger",
        "dalsegno.testing",
        "dalsegno.capsule",
    }
    assert loaded.isdisjoint(heavy)
