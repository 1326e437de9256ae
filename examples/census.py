"""Count the standard library of the running Python and rank its most complex functions.

    dalsegno run examples/census.py census --top 10
    python examples/census.py

One action per package, one per module. Complexity is McCabe's: one, plus one for each place where a function's
control flow branches, the operands of `and` and `or` included.
"""

import ast
import asyncio
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dalsegno

env = dalsegno.TaskEnvironment("census")

STDLIB = Path(sysconfig.get_path("stdlib"))
SKIPPED = {"__pycache__", "dist-packages", "idle_test", "site-packages", "test", "tests"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef)
BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.match_case,
)


@dataclass(frozen=True)
class Function:
    """A function or method, with the module and line where it is defined."""

    module: str
    name: str
    line: int
    complexity: int


@dataclass(frozen=True)
class Count:
    """What a module, a package or everything together holds; `worst` are the most complex functions, worst first."""

    name: str
    modules: int
    lines: int
    functions: int
    classes: int
    complexity: int
    worst: list[Function]


@env.task
async def census(packages: list[str] | None = None, top: int = 10) -> Count:
    """Count some top-level packages and modules of the standard library, all of them by default."""
    names = packages if packages is not None else top_level()
    counts = await asyncio.gather(*(count_package.aio(name, top) for name in names))
    return total("the standard library" if packages is None else ", ".join(names), counts, top)


@env.task
def count_package(package: str, top: int) -> Count:
    """Count the modules of one package, or the one module that has no package."""
    return total(package, [count_module(module, top) for module in modules_of(package)], top)


@env.task
def count_module(module: str, top: int) -> Count:
    """Parse and count one module."""
    with tokenize.open(source_of(module)) as file:
        lines = file.readlines()
    found = list(definitions(ast.parse("".join(lines))))
    functions = [
        Function(module, name, node.lineno, complexity(node))
        for name, node in found
        if not isinstance(node, ast.ClassDef)
    ]
    return Count(
        name=module,
        modules=1,
        lines=len(lines),
        functions=len(functions),
        classes=len(found) - len(functions),
        complexity=sum(function.complexity for function in functions),
        worst=ranked(functions)[:top],
    )


def top_level() -> list[str]:
    """The packages of the standard library, and its modules that have none."""
    return sorted(
        entry.stem
        for entry in STDLIB.iterdir()
        if (entry.suffix == ".py" or (entry / "__init__.py").is_file())
        and entry.stem.isidentifier()
        and entry.stem not in SKIPPED
    )


def modules_of(package: str) -> list[str]:
    """The modules of a package, tests left out, or the one module of that name."""
    if (STDLIB / f"{package}.py").is_file():
        return [package]
    modules = []
    for file in (STDLIB / package).rglob("*.py"):
        parts = file.relative_to(STDLIB).with_suffix("").parts
        if SKIPPED.isdisjoint(parts) and all(part.isidentifier() for part in parts):
            modules.append(".".join(parts).removesuffix(".__init__"))
    if not modules:
        raise LookupError(f"the standard library has no package or module {package!r}")
    return sorted(modules)


def source_of(module: str) -> Path:
    """The file that holds a module."""
    path = STDLIB.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def definitions(
    tree: ast.Module,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Every function, method and class at any depth, with its qualified name."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, SCOPES):
                yield prefix + child.name, child
                waiting.append((f"{prefix}{child.name}.", child))
            else:
                waiting.append((prefix, child))


def complexity(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """McCabe's number of a function, without the functions and classes that are defined inside it."""
    number = 1
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, SCOPES):
            continue
        if isinstance(node, BRANCHES):
            number += 1
        elif isinstance(node, ast.BoolOp):
            number += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            number += 1 + len(node.ifs)
        waiting += ast.iter_child_nodes(node)
    return number


def ranked(functions: Iterable[Function]) -> list[Function]:
    """The most complex first; in module and line order where equal."""
    return sorted(functions, key=lambda function: (-function.complexity, function.module, function.line))


def total(name: str, counts: list[Count], top: int) -> Count:
    """Several counts as one."""
    return Count(
        name=name,
        modules=sum(count.modules for count in counts),
        lines=sum(count.lines for count in counts),
        functions=sum(count.functions for count in counts),
        classes=sum(count.classes for count in counts),
        complexity=sum(count.complexity for count in counts),
        worst=ranked(function for count in counts for function in count.worst)[:top],
    )


def show(count: Count) -> None:
    """Print a count as a table."""
    print(f"{count.name}: {count.modules} modules, {count.lines} lines, {count.functions} functions")
    for function in count.worst:
        print(f"{function.complexity:5}  {function.module}:{function.line}  {function.name}")


if __name__ == "__main__":
    show(dalsegno.run(census, top=10).result())
