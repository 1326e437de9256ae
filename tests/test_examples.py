"""The examples, as the command line, as scripts, and without their files."""

import importlib.util
import json
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import dalsegno
import dalsegno_storage

EXAMPLES = Path(__file__).parents[1] / "examples"
ROOTS = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]

Command = Callable[..., str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the examples, and a store beside it."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "elsewhere").mkdir()
    return folder


@pytest.fixture(scope="module")
def python(place: Path) -> Command:
    """Runs Python in a new process in an empty folder and gives what it prints."""

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=place / "elsewhere",
            env={"PYTHONPATH": ":".join(ROOTS), "DALSEGNO_STORE": str(place / "store")},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def command(python: Command) -> Callable[..., Any]:
    """Runs the command line and gives the JSON that it prints."""

    def run(*arguments: str | Path) -> Any:
        return json.loads(python("-m", "dalsegno", *arguments, "--json"))

    return run


def outputs_digest(command: Callable[..., Any], run: str, action: str = "a0") -> str:
    """The digest of what an action gave."""
    return str(command("get", "action", run, action)["outputs_digest"])


def fields(shown: Any) -> Any:
    """The fields of the dataclass that is the only output."""
    (output,) = shown["outputs"]
    return output["fields"]


def load(name: str) -> ModuleType:
    """An example as a module, loaded for this call only."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[module.__name__]
    return module


def test_census_counts_what_the_source_says() -> None:
    census = load("census")
    count = census.count_package("json", 3)
    words: list[str] = []
    lines = 0
    for file in (census.STDLIB / "json").glob("*.py"):
        with tokenize.open(file) as text:
            words += [token.string for token in tokenize.generate_tokens(text.readline)]
        lines += len(file.read_bytes().splitlines())
    assert count.modules == len(list((census.STDLIB / "json").glob("*.py")))
    assert count.lines == lines
    assert count.functions == words.count("def")
    assert count.classes == words.count("class")
    assert [each.complexity for each in count.worst] == sorted(
        (each.complexity for each in count.worst), reverse=True
    )


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ("pass", 1),
        ("if a: pass\nelif b: pass\nelse: pass", 3),
        ("for x in a:\n    while b: pass", 3),
        ("return a and b and c or d", 4),
        ("return [x for x in a if b if c]", 4),
        ("try: pass\nexcept A: pass\nexcept B: pass\nfinally: pass", 3),
        ("def inner():\n    if a: pass", 1),
        ("match a:\n    case 1: pass\n    case _: pass", 3),
        ("assert a\nreturn b if c else d", 3),
    ],
)
def test_complexity_is_one_and_one_for_each_branch(body: str, number: int) -> None:
    census = load("census")
    source = "def f():\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    ((_, function), *_inner) = census.definitions(census.ast.parse(source))
    assert census.complexity(function) == number


def test_definitions_have_qualified_names() -> None:
    census = load("census")
    tree = census.ast.parse("class A:\n def f(self):\n  def g(): pass\nif True:\n async def h(): pass\n")
    assert {name for name, _ in census.definitions(tree)} == {"A", "A.f", "A.f.g", "h"}


def test_census_as_a_script_runs_again_without_its_file(
    place: Path, python: Command, command: Callable[..., Any]
) -> None:
    table = python(place / "source" / "census.py").splitlines()
    (place / "source").rename(place / "away")
    try:
        (run,) = command("get", "run", "--task", "census.census")
        actions = command("get", "action", run["name"])
        tasks = [action["task"] for action in actions]
        assert tasks.count("census.count_package") > 100
        assert tasks.count("census.count_module") > 300
        assert {action["phase"] for action in actions} == {"succeeded"}
        assert table[0].startswith(f"the standard library: {tasks.count('census.count_module')} modules, ")
        assert len(table) == 11

        again = command("rerun", run["name"])
        assert again["relation"]["kind"] == "rerun"
        assert outputs_digest(command, again["name"]) == outputs_digest(command, run["name"])

        nested = next(action for action in actions if action["task"] == "census.count_module")
        alone = command("rerun", run["name"], "--action-name", nested["name"])
        assert outputs_digest(command, alone["name"]) == nested["outputs_digest"]

        fewer = command("rerun", run["name"], "--packages", '["json", "this"]', "--top", "1")
        assert fewer["relation"]["changed_inputs"] == ["packages", "top"]
        count = fields(fewer)
        assert count["name"] == "json, this"
        assert count["modules"] == 6
        assert len(count["worst"]) == 1
    finally:
        (place / "away").rename(place / "source")


def test_census_with_other_code(place: Path, command: Callable[..., Any]) -> None:
    census = place / "source" / "census.py"
    first = command("run", census, "census", "--packages", '["json"]', "--top", "10")
    count = fields(first)
    assert count["name"] == "json"

    recorded = census.read_text()
    census.write_text(recorded.replace("number = 1\n", "number = 1000\n"))
    try:
        reproduced = command("rerun", first["name"])
        assert outputs_digest(command, reproduced["name"]) == outputs_digest(command, first["name"])

        forked = command("run", "--rerun-from", first["name"], census, "census")
        assert forked["relation"]["kind"] == "fork"
        other = fields(forked)
        assert other["complexity"] == count["complexity"] + 999 * count["functions"]
    finally:
        census.write_text(recorded)


def test_census_names_a_package_that_is_not_there(place: Path, python: Command) -> None:
    census = load("census")
    with pytest.raises(LookupError, match="no package or module 'jsno'"):
        census.count_package("jsno", 1)


@pytest.fixture
def sklearn() -> None:
    """Skips where the extra `examples` is not installed."""
    pytest.importorskip(
        "sklearn", reason="examples/digits.py NOT TESTED: scikit-learn is missing, install '.[examples]'"
    )


@pytest.mark.usefixtures("sklearn")
def test_digits_picks_the_best_of_its_grid(place: Path, command: Callable[..., Any]) -> None:
    digits = place / "source" / "digits.py"
    run = command("run", digits, "digits")
    best = fields(run)
    assert best["accuracy"] > 0.98

    fits = [action for action in command("get", "action", run["name"]) if action["task"] == "digits.fit"]
    scores = [fields(command("get", "io", run["name"], fit["name"]))["accuracy"] for fit in fits]
    assert len(scores) == 9
    assert best["accuracy"] == max(scores)

    digits.rename(place / "digits.py")
    try:
        again = command("rerun", run["name"], "--action-name", fits[0]["name"])
        assert outputs_digest(command, again["name"]) == fits[0]["outputs_digest"]
        one = command("rerun", run["name"], "--cs", "[1.0]", "--gammas", "[0.001]")
        assert fields(one)["c"] == 1.0
    finally:
        (place / "digits.py").rename(digits)


@pytest.mark.usefixtures("sklearn")
def test_digits_as_a_script(place: Path, python: Command) -> None:
    printed = python(place / "source" / "digits.py").splitlines()
    assert "C=10.0 gamma=0.001 accuracy=0.99" in "\n".join(printed)
