"""The plugin for pytest: engines for tests, runs that must reproduce, and capsules as regression tests.

    def test_total(dalsegno_engine):                    # a store of its own, and the default engine meanwhile
        assert dalsegno.run(flow.main, 3).result() == 6

    @pytest.mark.reproducible(times=2, hash_seeds=2)    # what the test runs is executed again, and must do the same
    def test_main():
        dalsegno.run(flow.main, 3).wait()

    @pytest.mark.capsule("broken-order.capsule")        # beside the test file
    def test_order_is_mended(recorded_run):
        assert dalsegno.rerun(recorded_run.name, task_template=orders.main).result() == 3

    pytest --dalsegno-capsules tests/capsules           # each recorded run gives the same with the current code

Installed with dalsegno, so every pytest imports this file: nothing of the engine is imported before it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dalsegno.runs import Run
    from dalsegno.testing import TemporaryEngine

__all__ = ["dalsegno_engine", "recorded_run"]

_OPTION = "--dalsegno-capsules"
_MARKERS = (
    "reproducible(times=2, hash_seeds=2): execute every run of the test again, so often here and in so many processes with "
    "other hash seeds, and fail where one does something else.",
    "capsule(file, run=None): the capsule, from the folder of the test file, that the fixture recorded_run imports, and the "
    "run of it if it has several.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.getgroup("dalsegno").addoption(
        _OPTION,
        metavar="DIR",
        action="append",
        default=[],
        help="Run every capsule below DIR again with the current code, as a test of its own: it must give what is recorded.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The markers, and the capsules among what is collected."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption(_OPTION):
        from dalsegno._capsule_tests import add_to_arguments

        add_to_arguments(config, config.getoption(_OPTION))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A capsule as a file of tests, if it is in a folder that was asked for."""
    if not parent.config.getoption(_OPTION):
        return None
    from dalsegno._capsule_tests import collected

    return collected(file_path, parent, parent.config.getoption(_OPTION))


def pytest_itemcollected(item: pytest.Item) -> None:
    """What must reproduce needs an engine, whether the test asks for it or not."""
    names = getattr(item, "fixturenames", None)
    if names is not None and "dalsegno_engine" not in names and item.get_closest_marker("reproducible"):
        names.insert(0, "dalsegno_engine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """When the test has passed, its runs are executed again if it says so."""
    try:
        result = yield
    except BaseException:
        _tell(item)
        raise
    marker = item.get_closest_marker("reproducible")
    if marker is not None:
        from dalsegno._reproducible import problems, wanted
        from dalsegno.errors import UsageError

        try:
            asked = wanted(*marker.args, **marker.kwargs)
        except UsageError as error:
            pytest.fail(str(error), pytrace=False)
        text = problems(getattr(item, "funcargs", {})["dalsegno_engine"], asked)
        if text:
            _tell(item)
            pytest.fail(text, pytrace=False)
    return result


def _tell(item: pytest.Item) -> None:
    """Where the runs of a failed test can be looked at."""
    engine = getattr(item, "funcargs", {}).get("dalsegno_engine")
    if engine is not None:
        item.add_report_section(
            "call", "dalsegno", f"the runs of this test: dalsegno --store {engine.store} get run"
        )


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Why something ran, where it was not what the test expected."""
    testing: Any = sys.modules.get("dalsegno.testing")
    if testing is None or op != "==" or not isinstance(right, Sequence) or not isinstance(left, testing.Ran):
        return None
    explained: list[str] = testing.explained(left, right)
    return explained


@pytest.fixture
def dalsegno_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TemporaryEngine]:
    """An engine with a store of its own, which is the default engine until the test has ended.

    The store lies in pytest's temporary folder, so after a failure it can still be looked at.
    """
    from dalsegno.testing import engine

    store = tmp_path_factory.mktemp("dalsegno") / "store"
    with engine(store) as opened:
        yield opened


@pytest.fixture
def recorded_run(request: pytest.FixtureRequest, dalsegno_engine: TemporaryEngine) -> Run[Any]:
    """The run in a capsule, imported into the store of `dalsegno_engine` and ready to be looked at and rerun.

    The capsule is the one that `@pytest.mark.capsule` names, or an indirect parameter, from the folder of the test file; else
    it is `NAME.capsule` there or in `capsules/` for a test `test_NAME`. Its code and pickled values are trusted, as those of the tests
    themselves are, because it lies in the folder of the project; one from elsewhere is refused.
    """
    from dalsegno._capsule_tests import recorded

    return recorded(request, dalsegno_engine)
