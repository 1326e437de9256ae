"""What a piece of code imports, found without running it.

Counted are import statements anywhere (also inside functions and `if TYPE_CHECKING`), and
`importlib.import_module` and `__import__` with a literal name; `_computed` says what can be known of computed names.
Code that does not parse imports nothing.
"""

import ast
import dis
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType

from dalsegno.bundle._computed import Computed, computed_imports, may_compute

__all__ = ["Import", "Scan", "absolute_names", "code_imports", "scan"]


@dataclass(frozen=True, slots=True)
class Import:
    """One import as written: `from <level dots><module> import <names>`; no names for a plain `import`."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """The imports of a file, those under computed names, and the names in its `__all__`, which a star import of a
    package may load; `parses` says whether it is Python at all."""

    imports: tuple[Import, ...] = ()
    exports: tuple[str, ...] = ()
    computed: tuple[Computed, ...] = ()
    parses: bool = True


def scan(text: bytes) -> Scan:
    """What the source text of a module imports; nothing when it does not parse."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Scan(parses=False)
    dynamic = b"import_module" in text or b"__import__" in text
    computes = may_compute(text)
    nodes = list(ast.walk(tree)) if dynamic or computes else list(_statements(tree.body))
    imports: dict[Import, None] = {}
    for node in nodes:
        match node:
            case ast.Import(names=aliases):
                imports.update((Import(alias.name), None) for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                imports[Import(module or "", tuple(alias.name for alias in aliases), level)] = None
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *others]):
                found = _dynamic(function, name, others, node.keywords)
                if found is not None:
                    imports[found] = None
    return Scan(tuple(imports), tuple(_exports(tree.body)), computed_imports(nodes) if computes else ())


def code_imports(code: CodeType) -> tuple[Import, ...]:
    """What the import statements in a compiled function import, those of functions inside it too."""
    found: dict[Import, None] = {}
    before: list[object] = [None, None]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, names = before
            found[
                Import(
                    str(instruction.argval),
                    tuple(map(str, names)) if isinstance(names, tuple) else (),
                    level if isinstance(level, int) else 0,
                )
            ] = None
        before = [before[1], instruction.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(code_imports(constant)))
    return tuple(found)


def absolute_names(found: Import, package: str) -> Iterator[str]:
    """The modules that an import in `package` may load, parents first; a name after `import` may be no module."""
    base = found.module
    if found.level:
        parts = package.split(".") if package else []
        if found.level > len(parts):
            return
        base = ".".join([*parts[: len(parts) - found.level + 1], *filter(None, [base])])
    parts = base.split(".")
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])
    for name in found.names:
        if name != "*":
            yield f"{base}.{name}"


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements, nested ones too, without descending into expressions."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody"):
            waiting.extend(getattr(node, name, ()))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            waiting.extend(part.body)


def _dynamic(
    function: ast.expr, name: str, others: Sequence[ast.expr], keywords: Sequence[ast.keyword]
) -> Import | None:
    match function:
        case ast.Name(id="__import__"):
            return Import(name)
        case ast.Name(id="import_module") | ast.Attribute(attr="import_module"):
            level = len(name) - len(name.lstrip("."))
            anchors = [*others, *(word.value for word in keywords if word.arg == "package")]
            match anchors:
                case [ast.Constant(value=str(anchor))] if level:
                    parts = anchor.split(".")
                    return Import(".".join([*parts[: len(parts) - level + 1], name[level:]]))
            return Import(name[level:], (), level)
    return None


def _exports(body: Sequence[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)
            ):
                for item in items:
                    if isinstance(item, ast.Constant) and isinstance(item.value, str):
                        yield item.value
