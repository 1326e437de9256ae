"""Data files, libraries and environment variables that code reads."""

import pytest
from tests.engine.closure.sources import files, reach

DATA = {
    "pkg/data/prices.csv": "1",
    "pkg/data/weights.json": "2",
    "pkg/data/deep/notes.txt": "3",
    "pkg/templates/page.html": "4",
    "settings.toml": "5",
    "LICENSE": "6",
    "pkg/main.pyi": "7",
}
PRICES, WEIGHTS, NOTES, PAGE, SETTINGS, LICENSE = (path for path in DATA if not path.endswith(".pyi"))
ALL = [PRICES, WEIGHTS, NOTES, PAGE, SETTINGS, LICENSE]
IMPORTS = "import os, glob, pkgutil\nfrom pathlib import Path\nfrom importlib import resources\nimport pkg.places as places\n"


@pytest.mark.parametrize(
    ("top", "use", "expected"),
    [
        ("", "1", []),
        ("", 'open("prices.csv")', [PRICES]),
        ("", 'open("pkg/data/prices.csv")', [PRICES]),
        ("", 'open("data/" + name)', [PRICES, WEIGHTS, NOTES]),
        ("", 'open("pkg\\\\data\\\\prices.csv")', [PRICES]),
        ("", 'open(f"{name}.csv")', [PRICES]),
        ("", 'open(f"data/{name}")', [PRICES, WEIGHTS, NOTES]),
        ("", 'Path("data") / name', [PRICES, WEIGHTS, NOTES]),
        ("", 'open("LICENSE")', [LICENSE]),
        ("", "open(name + str(1))", ALL),
        ("", "open(name)", []),
        ("", 'print("settings")', [SETTINGS]),
        ("FILE = 'weights.json'", "open(FILE)", [WEIGHTS]),
        ("FILE = 'weights.json'", "1", []),
        ("def load(file='page.html'):\n    return open(file)", "load()", [PAGE]),
        ("HERE = Path(__file__).parent", '(HERE / "data" / "prices.csv").open()', [PRICES]),
        ("HERE: Path = Path(__file__).resolve().parent", 'HERE.joinpath("data", "prices.csv")', [PRICES]),
        ("HERE = os.path.dirname(os.path.abspath(__file__))", 'os.path.join(HERE, "data/prices.csv")', [PRICES]),
        ("HERE = os.path.dirname(__file__)", 'os.path.join(HERE, "..", "settings.toml")', [SETTINGS]),
        ("HERE = Path(__file__).parent", 'HERE / "data" / name', [PRICES, WEIGHTS, NOTES]),
        ("HERE = Path(__file__).parent", "HERE / name", ALL),
        ("HERE = Path(__file__).parent", "print(HERE)", ALL),
        ("HERE = Path(__file__).parent", "1", []),
        ("HERE = Path(__file__).parent\nDATA = HERE / 'data'", '(DATA / "prices.csv").read_text()', [PRICES]),
        ("HERE = Path(__file__).parent\nDATA = HERE / 'data'", "DATA / name", [PRICES, WEIGHTS, NOTES]),
        ("HERE = Path(__file__).parent\nDATA = HERE / 'data'", "list(DATA.iterdir())", ALL),
        ("HERE = Path(__file__).parent\nDATA = HERE / 'data'", 'DATA.parent / "templates" / "page.html"', [PAGE]),
        ("PRICES = Path(__file__).parent / 'data/prices.csv'", "PRICES.read_text()", [PRICES]),
        ("PRICES = Path(__file__).parent / 'data/prices.csv'", 'PRICES.parent / name', [PRICES, WEIGHTS, NOTES]),
        ("PRICES = Path(__file__).parent / 'data/prices.csv'", 'PRICES.parents[1] / "templates/page.html"', [PAGE, PRICES]),
        ("PRICES = Path(__file__).parent / 'data/prices.csv'", 'PRICES.with_name(name)', ALL),
        ("", 'Path(__file__).parent / "data/prices.csv"', [PRICES]),
        ("", 'Path(__file__).parent / name', ALL),
        ("", 'open(Path(__file__).with_name("prices.csv"))', ALL),
        ("", "__spec__.origin", ALL),
        ("", "places.__file__", ALL),
        ("", "places.HERE / name", ALL),
        ("", "places.PRICES.read_text()", [PRICES]),
        ("", "places.PRICES.parent / name", ALL),
        ("INDEX = Path(__file__).parent / 'data' / 'prices.csv'", "INDEX.resolve().parent / name", [PRICES, WEIGHTS, NOTES]),
        ("INDEX = Path(__file__).parent / 'data' / 'prices.csv'", "os.path.join(os.path.dirname(INDEX), name)", [PRICES, WEIGHTS, NOTES]),
        ("INDEX = Path(__file__).parent / 'data' / 'prices.csv'", "os.path.split(INDEX)[0] + name", ALL),
        ("INDEX = Path(__file__).parent / 'data' / 'prices.csv'\ndef beside(p, n):\n    return p.parent / n", "beside(INDEX, name)", ALL),
        ("", 'os.listdir("pkg/data")', ALL),
        ("", "glob.glob(name)", ALL),
        ("", 'Path(name).rglob("*")', ALL),
        ("", 'pkgutil.get_data("pkg", "data/prices.csv")', ALL),
        ("", 'resources.files("pkg").joinpath("data/prices.csv").read_text()', [PRICES]),
        ("", 'resources.files("pkg") / "data" / name', [PRICES, WEIGHTS, NOTES]),
        ("", "resources.files(name)", ALL),
        ("", "eval(name)", ALL),
        ("def unused():\n    return open('prices.csv'), Path(__file__)", "1", []),
    ],
)  # fmt: skip
def test_data(top: str, use: str, expected: list[str]) -> None:
    program = {
        **DATA,
        "pkg/__init__.py": "",
        "pkg/main.py": f"{IMPORTS}{top}\ndef main(name='x'):\n    return {use}\n",
        "pkg/places.py": "from pathlib import Path\nHERE = Path(__file__).parent\nPRICES = HERE / 'data' / 'prices.csv'\n",
    }
    found = reach(program, "pkg.main:main")
    assert [path for path, _ in found.files] == sorted(expected)
    if expected == ALL:
        assert found.widened
    for path in DATA:
        edited = reach({**program, path: "other"}, "pkg.main:main")
        assert (edited.digest != found.digest) is (path in expected)


def test_what_a_task_environment_includes_is_not_read_by_its_tasks() -> None:
    program = files("""
        # file: main.py
        import dalsegno
        env = dalsegno.TaskEnvironment("data", include=["data/*"])
        @env.task
        def main():
            return 1
        # file: data/prices.csv
    """)
    assert reach(program).files == ()


def test_libraries_are_files() -> None:
    program = files("""
        # file: main.py
        from pkg import _fast
        from pkg._quick import run
        import top
        def main():
            return _fast.go(), run(), top.x
        def other():
            return 1
        # file: pkg/__init__.py
        # file: pkg/_fast.cpython-311-x86_64-linux-gnu.so
        # file: pkg/_quick.pyd
        # file: top.abi3.so
        # file: pkg/_unused.so
    """)
    found = reach(program)
    assert [path for path, _ in found.files] == sorted(
        path for path in program if not path.endswith((".py", "_unused.so"))
    )
    assert found.widened == ()
    assert reach(program, "main:other").files == ()


@pytest.mark.parametrize(
    ("imports", "use", "expected"),
    [
        ("import os", 'os.environ["A"]', ["A"]),
        ("import os", 'os.environ.get("A", "1"), os.getenv("B")', ["A", "B"]),
        ("import os", '"A" in os.environ', ["A"]),
        ("import os", 'os.environ.setdefault("A", "1")', ["A"]),
        ("import os as o", 'o.environ["A"]', ["A"]),
        ("from os import environ, getenv as g", 'environ["A"], g("B")', ["A", "B"]),
        ("import os", 'os.path.expanduser("~/a")', ["HOME"]),
        ("from pathlib import Path", "Path.home()", ["HOME"]),
        ("import os", 'os.path.expandvars("$A")', ["*"]),
        ("import tempfile", "tempfile.gettempdir()", ["TEMP", "TMP", "TMPDIR"]),
        ("import shutil", 'shutil.which("ls")', ["PATH"]),
        ("import getpass", "getpass.getuser()", ["LNAME", "LOGNAME", "USER", "USERNAME"]),
        ("import os", "os.environ[name]", ["*"]),
        ("import os", "dict(os.environ)", ["*"]),
        ("import os", 'os.environ["A"], os.environ.copy()', ["*"]),
        ("import os", "os.getenv(name)", ["*"]),
        ("import os", "list(map(os.getenv, name))", ["*"]),
        ("import os", "os.path.join(name)", []),
        ("from conf import environ", 'environ["A"]', ["*"]),
        ("from conf import e", 'e["A"]', ["*"]),
        ("from os import *", 'environ["A"]', ["*"]),
        ("try:\n    from os import getenv\nexcept ImportError:\n    getenv = None", 'getenv("A")', ["A"]),
        ("import pydantic_settings", "pydantic_settings.BaseSettings()", ["*"]),
        ("import os\nDEBUG = os.environ.get('A') == '1'", "DEBUG", ["A"]),
        ("import os\nDEBUG = os.environ.get('A') == '1'", "1", []),
        ("import os\nKEY = 'A'", "os.environ[KEY]", ["*"]),
    ],
)
def test_variables(imports: str, use: str, expected: list[str]) -> None:
    program = {
        "main.py": f"{imports}\ndef main(name='x'):\n    return {use}\n",
        "conf.py": "import os\nfrom os import environ\ne = environ\n",
    }
    assert list(reach(program).environ) == expected


def test_variables_of_local_imports() -> None:
    text = 'def main():\n    import os\n    from os import getenv as g\n    return os.environ["A"], g("B")\n'
    assert reach({"main.py": text}).environ == ("A", "B")


def test_variables_that_are_set_are_not_read() -> None:
    text = 'import os\ndef main():\n    os.environ["A"] = "1"\n    del os.environ["B"]\n'
    assert reach({"main.py": text}).environ == ()
