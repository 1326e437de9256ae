"""Imports point downwards.

A unit is a file or a folder directly inside `dalsegno` or `dalsegno_storage`. A unit may import those of lower layers
only, inside functions too; what is imported for type checkers alone does not count. Inside a folder there are no cycles.
"""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STORAGE = (
    "_zstd errors keys pieces",
    "digest",
    "protocol",
    "_files _lmdb_errors _lmdb_length _turns _writer_lock",
    "_lmdb_files",
    "_lmdb_env",
    "lmdb memory sqlite",
    "overlay",
    "objects open",
    "_lmdb_copy _pages _sqlite_copy",
    "check copies doctor",
    "sweep",
    "testing",
    "__init__",
)
ENGINE = (
    "_identity _lazily _loops _module_names errors",
    "models opaque",
    "_slots",
    "_context _phases _redaction _retry config names",
    "observers",
    "_convert files",
    "_schema bundle closure codec",
    "_pickles _secrets _values _variables failures settings",
    "_records",
    "interface",
    "task",
    "tracing",
    "durable",
    "_capture _listing _puts _tickets _trust",
    "_ownership _writer",
    "_pins _reading _references _walks",
    "_damage _fence _marks _notes _origins",
    "_deletion _policy",
    "_collection",
    "maintenance",
    "_completion",
    "_environment_cache _ledger _logs",
    "_analysis _closing _attributes _by_value _differences _earlier _reuse _stubs",
    "_contents _environments _suspects environment",
    "_fingerprint _places _why views",
    "_diff",
    "query",
    "_comparison_views _family _task_views capsule",
    "_cache _code _request",
    "_body _codebase _inputs _isolated _live _map _taken",
    "_call _inside _manual_clock",
    "_runner",
    "_elsewhere",
    "_start",
    "_driver _rerun _resume",
    "_plan",
    "run_context",
    "_blocking",
    "_recorded",
    "runs",
    "engine",
    "_reproduce",
    "_causes",
    "_verify",
    "_replay",
    "_default _findings",
    "comparison sdk sharing verification",
    "testing",
    "_capsule_tests _reproducible",
    "pytest_plugin",
    "ui",
    "cli",
    "__main__",
    "__init__",
)
LAYERS = (*(("dalsegno_storage", layer) for layer in STORAGE), *(("dalsegno", layer) for layer in ENGINE))
LAYER = {
    f"{package}.{unit}": number for number, (package, layer) in enumerate(LAYERS) for unit in layer.split()
}

UPWARDS = {
    (
        "dalsegno._blocking",
        "dalsegno._default",
    ): "blocking forms run in the default engine, made at first use",
    ("dalsegno._module_names", "dalsegno.bundle"): "how `__main__` came to be is the bundle's knowledge",
    ("dalsegno.runs", "dalsegno._default"): "`Run.get` and `Run.listall` are sugar over the default engine",
    ("dalsegno._isolated", "dalsegno._rerun"): "the other process makes the rerun itself",
    ("dalsegno._isolated", "dalsegno.run_context"): "the other process makes the rerun itself",
    ("dalsegno._isolated", "dalsegno.engine"): "the other process has an engine of its own",
}
"""The imports that point upwards, all of them inside functions, and why."""


@cache
def files() -> dict[str, Path]:
    """Every module of both source roots; packages end in `.__init__`."""
    return {
        ".".join(file.relative_to(ROOT / root).with_suffix("").parts): file
        for root in ("engine", "storage")
        for file in sorted((ROOT / root).rglob("*.py"))
    }


def unit_of(module: str) -> str:
    """The unit that a module belongs to; the package itself is its `__init__`."""
    package, _, rest = module.partition(".")
    return f"{package}.{rest.partition('.')[0] or '__init__'}"


def in_functions(tree: ast.AST) -> set[ast.AST]:
    """The nodes inside functions."""
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {inner for function in functions for inner in ast.walk(function)}


def for_checkers(tree: ast.AST) -> set[ast.AST]:
    """The nodes that only type checkers look at."""
    blocks = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """The modules of ours that a module imports, and whether inside a function."""
    tree = ast.parse(files()[module].read_text(encoding="utf-8"))
    lazy, ignored = in_functions(tree), for_checkers(tree)
    for node in ast.walk(tree):
        if node in ignored:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            # A module's own package is loaded before it; `import dalsegno` in one of its modules only names it.
            names = [alias.name for alias in node.names if alias.name != module.partition(".")[0]]
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*module.split(".")[: -node.level], *filter(None, [node.module])])
                if node.level
                else node.module
            )
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            found = resolved(name)
            if found is not None:
                yield found, node in lazy


def resolved(name: str) -> str | None:
    """The module that `import name` reads last; None for what is not ours."""
    while name:
        for known in (name, f"{name}.__init__"):
            if known in files():
                return known
        name = name.rpartition(".")[0]
    return None


@pytest.mark.parametrize("module", files())
def test_imports_point_downwards(module: str) -> None:
    unit = unit_of(module)
    assert unit in LAYER, f"{unit} has no layer; add it to the list in {Path(__file__).name}"
    for imported, lazy in imports(module):
        other = unit_of(imported)
        if other == unit or (lazy and (unit, other) in UPWARDS):
            continue
        assert LAYER[other] < LAYER[unit], f"{module} imports {imported}, which is not below it"


def test_there_are_no_cycles() -> None:
    graph = {
        module: {name for name, lazy in imports(module) if not lazy and name != module} for module in files()
    }
    TopologicalSorter(graph).prepare()


def test_the_list_is_true() -> None:
    units = {unit_of(module) for module in files()}
    assert set(LAYER) <= units
    found = {(unit_of(module), unit_of(name)) for module in files() for name, lazy in imports(module) if lazy}
    assert set(UPWARDS) <= found


def test_storage_has_no_async_code() -> None:
    for module, file in files().items():
        if module.startswith("dalsegno_storage."):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor)
            assert not any(isinstance(node, kinds) for node in ast.walk(tree)), module
