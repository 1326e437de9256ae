"""Capsules as what a test begins with, and as regression tests of the current code."""

import sys
from collections.abc import Callable
from subprocess import run
from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

Session = Callable[..., pytest.RunResult]

SHOP = """
import dalsegno
from dalsegno import durable
from dataclasses import dataclass

env = dalsegno.TaskEnvironment("shop")
RATE = 2


@dataclass
class Order:
    items: list[str]
    number: int


@env.task
def price(item: str) -> int:
    return len(item) * RATE


@env.task
async def main(order: Order) -> dict[str, object]:
    prices = {item: await price.aio(item) for item in order.items}
    if order.number < 0:
        raise ValueError(f"no order has the number {order.number}")
    return {"prices": prices, "at": durable.now(), "id": durable.uuid4(), "order": order}
"""

MAKE = """
import dalsegno, shop
from shop import Order

def make(name, order, *more):
    dalsegno.with_runcontext(name=name, project="shops").run(shop.main, order).wait()
    dalsegno.export_runs(name, *more, file=f"tests/capsules/{name}.capsule", project="shops")

make("good", Order(["tea", "milk"], 1))
make("bad", Order(["tea"], -1))
make("other", Order([], 2))
dalsegno.export_runs("good", "other", file="tests/capsules/both.capsule", project="shops")
"""


@pytest.fixture(scope="module")
def capsules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Capsules of runs of the shop, by name of the file, made in a process and a folder of its own."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "tests" / "capsules").mkdir(parents=True)
    (folder / "shop.py").write_text(SHOP)
    done = run([sys.executable, "-c", MAKE], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {file.name: file.read_bytes() for file in (folder / "tests" / "capsules").iterdir()}


@pytest.fixture
def project(
    session: Session, pytester: pytest.Pytester, capsules: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Session:
    """A project that has the shop, with its capsules in `tests/capsules`, and a session in it."""
    folder = pytester.path / "tests" / "capsules"
    folder.mkdir(parents=True)
    for name, content in capsules.items():
        (folder / name).write_bytes(content)
    (pytester.path / "shop.py").write_text(SHOP)
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    return session


ASKED = ("--dalsegno-capsules", "tests/capsules")


def test_the_same_code_gives_what_is_recorded(project: Session) -> None:
    files = {"tests/test_any.py": "def test_any():\n    pass\n"}
    found = project(files, *ASKED, "-v")
    found.assert_outcomes(passed=5)
    found.stdout.fnmatch_lines(["tests/capsules/good.capsule::replay PASSED*"])


@pytest.mark.parametrize(
    ("args", "count"),
    [
        (("tests",), 1),
        ((*ASKED, "tests"), 5),
        ((*ASKED, "tests/test_any.py"), 5),
        ((*ASKED, "tests/capsules/good.capsule::replay"), 1),
    ],
    ids=["not asked for", "inside", "beside", "one"],
)
def test_which_are_collected(project: Session, args: tuple[str, ...], count: int) -> None:
    files = {"tests/test_any.py": "def test_any():\n    pass\n"}
    found = project(files, "--collect-only", "-q", *args)
    assert found.ret == pytest.ExitCode.OK
    assert sum("::" in line for line in found.outlines) == count


def test_what_changed_is_told_without_noise(project: Session) -> None:
    found = project({"shop.py": dedent(SHOP).replace("RATE = 2", "RATE = 3")}, *ASKED)
    found.assert_outcomes(passed=2, failed=2)
    found.stdout.fnmatch_lines(
        [
            "*capsule good.capsule*",
            "run good of shop.main ended otherwise with the current code than is recorded",
            "  output o0.prices.tea: 6 → 9",
            "  output o0.prices.milk: 8 → 12",
            "  it begins with price-* (shop.price), on the same inputs",
            "    output o0: 6 → 9",
            "  it begins with price-* (shop.price), on the same inputs",
            "    output o0: 8 → 12",
        ]
    )
    text = found.stdout.str()
    assert "Traceback" not in text
    assert "_capsule_tests.py" not in text


def test_failures_are_compared_too(project: Session) -> None:
    shop = SHOP.replace("no order has the number", "orders are never numbered")
    shop = shop.replace("    return len(item) * RATE", "    return {'tea': 6}[item]")
    found = project({"shop.py": shop}, *ASKED, "-k", "good or bad")
    found.assert_outcomes(failed=2, deselected=2)
    found.stdout.fnmatch_lines(
        [
            "  error: ValueError: no order has the number -1 → ValueError: orders are never numbered -1",
            "    at */shop.py:* in main",
            "  error: none → KeyError: 'milk'",
            "  it begins with price-* (shop.price), on the same inputs",
            "    error: none → KeyError: 'milk'",
            "      at */shop.py:* in price",
        ],
        consecutive=False,
    )


@pytest.mark.parametrize(
    ("shop", "message"),
    [
        ("", "*no task 'shop:main' in the current code (module 'shop' has no attribute 'main')*"),
        (SHOP.replace("order: Order", "order: int"), "*1 problem with the inputs of shop.main:*"),
    ],
    ids=["no task", "other inputs"],
)
def test_what_cannot_be_executed(project: Session, shop: str, message: str) -> None:
    found = project({"shop.py": shop}, *ASKED, "-k", "good")
    found.assert_outcomes(failed=1, deselected=3)
    found.stdout.fnmatch_lines([f"good.capsule could not be executed again: {message}"])
    assert "Traceback" not in found.stdout.str()


def test_a_damaged_capsule_and_a_missing_folder(project: Session, pytester: pytest.Pytester) -> None:
    file = pytester.path / "tests" / "capsules" / "good.capsule"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = project({}, *ASKED, "-k", "good")
    found.assert_outcomes(failed=1, deselected=3)
    found.stdout.fnmatch_lines(["*good.capsule could not be executed again: *"])
    found = project({}, "--dalsegno-capsules", "nowhere")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*--dalsegno-capsules: there is no folder nowhere*"])


def test_recorded_runs(project: Session, pytester: pytest.Pytester, capsules: dict[str, bytes]) -> None:
    outside = pytester.path.parent / "outside.capsule"
    outside.write_bytes(capsules["good.capsule"])
    found = project(
        {
            "tests/test_recorded.py": f"""
                import dalsegno
                import pytest
                from dalsegno.testing import ran

                def test_good(recorded_run):
                    assert (recorded_run.name, recorded_run.project) == ("good", "shops")
                    again = dalsegno.rerun(recorded_run.name)
                    assert again.result()["prices"] == {{"tea": 6, "milk": 8}}
                    assert dalsegno.rerun(recorded_run.name, recover=True).actions()[0].origin is not None

                @pytest.mark.capsule("capsules/bad.capsule")
                def test_marked(recorded_run, dalsegno_engine):
                    import shop
                    with pytest.raises(ValueError, match="no order has the number -1"):
                        recorded_run.result()
                    again = dalsegno.rerun("bad", task_template=shop.main, order=shop.Order(["tea"], 1))
                    assert again.result()["prices"] == {{"tea": 6}}
                    assert ran(again) == ["shop.main", "shop.price"]

                @pytest.mark.parametrize("recorded_run", ["capsules/other.capsule"], indirect=True)
                def test_parameter(recorded_run):
                    assert recorded_run.name == "other"

                @pytest.mark.capsule("capsules/both.capsule", run="other")
                def test_one_of_several(recorded_run):
                    assert recorded_run.name == "other"

                @pytest.mark.reproducible(times=1, hash_seeds=0)
                @pytest.mark.capsule("capsules/bad.capsule")
                def test_only_what_is_executed_is_verified(recorded_run):
                    dalsegno.rerun("bad").wait()

                @pytest.mark.capsule("capsules/both.capsule")
                def test_which(recorded_run):
                    pass

                def test_nothing_there(recorded_run):
                    pass

                @pytest.mark.capsule({str(outside)!r})
                def test_from_elsewhere(recorded_run):
                    pass
            """
        },
        "tests/test_recorded.py",
    )
    found.assert_outcomes(passed=5, errors=3)
    found.stdout.fnmatch_lines(
        [
            "E*both.capsule has several runs; name one with @pytest.mark.capsule(*, run=*): good, other",
            "E*there is no nothing_there.capsule, also not in capsules/; make it with `dalsegno export`*",
            "E*outside.capsule is not in the folder of the project, so it is not trusted; copy it beside the test",
        ]
    )
