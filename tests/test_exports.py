"""What modules promise: every `__all__` is sorted and complete, and `__init__` files hold no logic."""

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import dalsegno
import dalsegno_storage

PACKAGES = (dalsegno, dalsegno_storage)


def modules() -> list[str]:
    """Every module of both packages but `__main__`, which is nobody's to import."""
    names = [package.__name__ for package in PACKAGES]
    for package in PACKAGES:
        found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        names += [module.name for module in found if not module.name.endswith("__main__")]
    return sorted(names)


MODULES = modules()
PROMISED = [name for name in MODULES if not any(part.startswith("_") for part in name.split("."))]


def source(module: ModuleType) -> ast.Module:
    """The module's parsed source."""
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


def is_package(module: ModuleType) -> bool:
    """Whether the module is an `__init__` file."""
    return hasattr(module, "__path__")


def for_checkers(tree: ast.Module) -> set[str]:
    """The names that type checkers see imported, which are imported lazily by everybody else."""
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name for block in blocks for node in ast.walk(block) for alias in getattr(node, "names", ())
    }


@pytest.mark.parametrize("name", MODULES)
def test_all_is_sorted_and_true(name: str) -> None:
    module = importlib.import_module(name)
    promised = getattr(module, "__all__", None)
    if promised is None:
        assert name not in PROMISED, f"{name} is a promise and has no __all__"
        return
    assert promised == sorted(set(promised))
    assert [each for each in promised if not hasattr(module, each)] == []


@pytest.mark.parametrize("name", PROMISED)
def test_all_is_complete(name: str) -> None:
    module = importlib.import_module(name)
    if is_package(module):
        public = {
            each
            for each, value in vars(module).items()
            if not each.startswith("_")
            and each not in ("TYPE_CHECKING", "lazily")
            and (not isinstance(value, ModuleType) or each in module.__all__)
        }
        assert public | for_checkers(source(module)) == set(module.__all__)
        return
    defined = {
        each
        for each, value in vars(module).items()
        if not each.startswith("_") and isinstance(value, type) and value.__module__ == name
    }
    assert sorted(defined - set(module.__all__)) == []


@pytest.mark.parametrize("name", MODULES)
def test_an_init_file_is_a_table_of_contents(name: str) -> None:
    module = importlib.import_module(name)
    if not is_package(module):
        return
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    for node in source(module).body:
        if isinstance(node, ast.If):
            assert ast.unparse(node.test) == "TYPE_CHECKING", f"{name}: line {node.lineno} is logic"
            assert all(isinstance(each, ast.ImportFrom) for each in node.body)
            continue
        assert isinstance(node, allowed), f"{name}: line {node.lineno} is logic"
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), f"{name}: line {node.lineno} is logic"
        if isinstance(node, ast.Assign):
            assert [ast.unparse(target) for target in node.targets] in (["__all__"], ["__getattr__"])
