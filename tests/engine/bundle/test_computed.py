"""Modules that are imported under computed names are recorded."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dalsegno.bundle import _meant, capture

Project = Callable[..., Path]

PACKAGE = {
    "shop/__init__.py": "",
    "shop/main.py": "",
    "shop/near.py": "",
    "shop/rules/__init__.py": "",
    "shop/rules/a.py": "import helper_of_a",
    "shop/rules/deep/b.py": "",
    "shop/rules/broken.py": "def (:",
    "shop/rules/not-a-name.py": "",
    "shop/rules/node_modules/js.py": "",
    "shop/rules/env/pyvenv.cfg": "",
    "shop/rules/env/mod.py": "",
    "shop/rules/site-packages/mod.py": "",
    "helper_of_a.py": "",
    "beside.py": "",
    "plugins/one.py": "",
    "setup.py": "",
    "conftest.py": "",
    "test_it.py": "",
    "tests/test_more.py": "",
    "build/lib/shop/main.py": "",
    ".hidden/mod.py": "",
}
RULES = {"helper_of_a.py", "shop/rules/__init__.py", "shop/rules/a.py", "shop/rules/deep/b.py"}
SHOP = RULES | {"shop/__init__.py", "shop/main.py", "shop/near.py"}
BESIDE = {"beside.py", "plugins/one.py"}


def taken(name: str) -> set[str]:
    importlib.import_module(name)
    found = capture([name])
    assert found.stale == found.cut == ()
    return {file.path for file in found.bundle.files}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f'shop.rules.{x}'", RULES),
        ("'.rules.' + x, __package__", RULES),
        ("'.' + x, __package__", SHOP),
        ("'shop.rules.a'", {"shop/rules/__init__.py", "shop/rules/a.py", "helper_of_a.py"}),
        ("__name__[:5] + x", SHOP),
        ("x", SHOP | BESIDE),
        ("f'os.{x}'", set()),
        ("f'missing_package.{x}'", set()),
    ],
)
def test_all_that_a_computed_name_may_mean_is_taken(project: Project, text: str, expected: set[str]) -> None:
    code = f"import importlib\ndef f(x):\n    importlib.import_module({text})"
    project({**PACKAGE, "shop/main.py": code})
    assert taken("shop.main") == {"shop/__init__.py", "shop/main.py", *expected}


def test_a_script_may_mean_what_lies_beside_it(project: Project) -> None:
    project({**PACKAGE, "script_of_mine.py": "def f(x): return __import__(x)"})
    assert taken("script_of_mine") == {"script_of_mine.py"} | SHOP | BESIDE


def test_modules_that_are_listed_are_taken(project: Project) -> None:
    code = (
        "import pkgutil\nimport shop.rules as r\nx = [each.name for each in pkgutil.iter_modules(r.__path__)]"
    )
    project({**PACKAGE, "lists_rules.py": code})
    assert taken("lists_rules") >= {"lists_rules.py"} | SHOP


def test_a_module_that_comes_later_is_taken_and_a_place_is_looked_at_once(project: Project) -> None:
    code = "import importlib\ndef f(x): importlib.import_module(f'shop.rules.{x}')"
    root = project({**PACKAGE, "shop/main.py": code, "shop/near.py": code})
    before = taken("shop.main")
    first = capture(["shop.main"])
    assert capture(["shop.main"]) is first
    (root / "shop" / "rules" / "deep" / "new.py").write_text("")
    assert taken("shop.main") == before | {"shop/rules/deep/new.py"}


def test_too_many_modules_are_left_out_and_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_meant, "MANY", 3)
    code = "import importlib\ndef f(x): importlib.import_module(f'shop.rules.{x}')"
    project({**PACKAGE, "shop/main.py": code})
    importlib.import_module("shop.main")
    found = capture(["shop.main"])
    assert found.cut == ("shop.main",)
    assert {file.path for file in found.bundle.files} < SHOP


def test_folders_in_a_circle_are_entered_once(project: Project) -> None:
    root = project({"round_pkg/__init__.py": "def f(x): __import__(x)", "round_pkg/a/b.py": ""})
    (root / "round_pkg" / "a" / "again").symlink_to(root / "round_pkg")
    assert taken("round_pkg") == {"round_pkg/__init__.py", "round_pkg/a/b.py"} | {
        "round_pkg/a/again/__init__.py"
    }
