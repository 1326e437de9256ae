"""Imports under names that are only known when the code runs, and what the text tells of these names.

`import_module(f"shop.rules.{x}")` imports something below `shop.rules`; `import_module("." + x, __package__)` something
below its own package; of `import_module(x)` nothing is known. What lists the modules of a package (`pkgutil`), executes
text in which the word import is seen, or makes lazy attributes (`lazy_loader`) is taken for such an import too. An import
in other text that is executed, or by a function that is found by a computed name itself, is not seen.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

__all__ = ["Computed", "computed_imports", "may_compute", "meant"]

_BY_NAME = frozenset({"__import__", "find_spec", "import_module", "locate", "resolve_name", "run_module"})
_LISTING = frozenset({"iter_modules", "walk_packages"})
_EXECUTING = frozenset({"eval", "exec"})
_BY_PATH = frozenset({"run_path", "spec_from_file_location"})
_BUILTINS = frozenset({"__import__", "eval", "exec"})
_FUNCTIONS = _BY_NAME | _BY_PATH | _LISTING | _EXECUTING
_METHODS = _FUNCTIONS - _BUILTINS - {"locate"}
_HOMES = frozenset({"importlib", "importlib.util", "pkgutil", "pydoc", "runpy"})
_WORDS = re.compile(
    "|".join(
        [rf"\b{name}\b" for name in (_FUNCTIONS - _EXECUTING - {"locate"}) | {"lazy_loader", "pydoc"}]
    ).encode()
    + rb"|\b(?:eval|exec)\s*\("
)
_KINDS = (ast.Attribute, ast.Call, ast.Import, ast.ImportFrom, ast.Name)
_IMPORT = re.compile(r"^\s*(?:from|import)\s+([\w.]+)", re.MULTILINE)

_OWN_NAME, _OWN_PACKAGE = "\0", "\1"
"""Stand in a name for that of the module itself, and for that of its package."""


class Computed(NamedTuple):
    """What is known of the names of modules that are imported.

    "exact": the name is `start`. "below": it begins with `start`. "own": it may be anything in the top-level package that
    the text is in. "imported": that, or anything in a package that the text imports. "any": nothing is known.
    What begins with dots is relative to `anchor`.
    """

    kind: Literal["exact", "below", "own", "imported", "any"]
    start: str = ""
    anchor: str = ""


def may_compute(text: bytes) -> bool:
    """Whether a text has a word of those that are looked for."""
    return _WORDS.search(text) is not None


def computed_imports(text: Iterable[ast.AST]) -> tuple[Computed, ...]:
    """The imports under computed names among all nodes of a module; `import_module` of a literal name is none."""
    names = {name: name for name in _BUILTINS}
    found: dict[Computed, None] = {}
    nodes = [node for node in text if isinstance(node, _KINDS)]
    for node in nodes:
        match node:
            case ast.ImportFrom(module=str(home), names=aliases) if home in _HOMES:
                names.update(
                    (each.asname or each.name, each.name) for each in aliases if each.name in _FUNCTIONS
                )
            case ast.ImportFrom(module="lazy_loader") | ast.Import(names=[ast.alias(name="lazy_loader")]):
                found[Computed("own")] = None
    called: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Call) and (function := _function(node.func, names)):
            called.add(node.func)
            found.update(dict.fromkeys(_call(function, node)))
    for node in nodes:
        if isinstance(node, (ast.Name, ast.Attribute)) and node not in called:
            function = _function(node, names)
            if function and function not in _EXECUTING:
                found[Computed("own" if function in _BY_PATH else "any")] = None
    return tuple(found)


def meant(found: Computed, name: str, package: str) -> str:
    """The module that an "exact" name in a module means, or the package that one "below" is in; "" if that is unknown.

    `name` and `package` are those of the module that has the text.
    """
    start = _absolute(found.start, name, package)
    if start.startswith("."):
        level = len(start) - len(start.lstrip("."))
        parts = _absolute(found.anchor or _OWN_PACKAGE, name, package).split(".")
        start = ".".join([*parts[: len(parts) - level + 1], start[level:]])
    return start if found.kind == "exact" else start.rpartition(".")[0]


def _absolute(text: str, name: str, package: str) -> str:
    return text.replace(_OWN_NAME, name).replace(_OWN_PACKAGE, package)


def _function(node: ast.expr, names: dict[str, str]) -> str:
    """Which of the functions a name is; "" for none."""
    match node:
        case ast.Name(id=name):
            return names.get(name, "")
        case ast.Attribute(attr=name) if name in _METHODS:
            return name
        case ast.Attribute(value=ast.Name(id="importlib" | "builtins" | "__builtins__"), attr=name):
            return name if name in _BUILTINS else ""
        case ast.Attribute(value=ast.Name(id="pydoc"), attr="locate"):
            return "locate"
    return ""


def _call(function: str, node: ast.Call) -> Iterator[Computed]:
    words = {each.arg: each.value for each in node.keywords}
    first = node.args[0] if node.args else words.get("name") or words.get("path")
    literal = first.value if isinstance(first, ast.Constant) else None
    if function in _LISTING:
        yield _listed(first)
    elif function in _EXECUTING:
        yield from _executed(first)
    elif function in _BY_PATH:
        yield Computed("own")
    elif function == "__import__" and isinstance(literal, str):
        if "fromlist" in words or len(node.args) > 3:
            yield Computed("below", f"{literal}.")
    elif function != "import_module" or literal is None:
        yield _named(first, node.args[1] if len(node.args) > 1 else words.get("package"))


def _executed(text: ast.expr | None) -> Iterator[Computed]:
    words = (
        [each.value for each in ast.walk(text) if isinstance(each, ast.Constant)] if text is not None else []
    )
    if text is None or not any(isinstance(word, str) and "import" in word for word in words):
        return
    start, is_all = _start(text)
    names = _IMPORT.findall(start)
    if is_all and names:
        yield from (Computed("exact", name) for name in names)
    else:
        yield Computed("below" if names and "." in names[-1] else "any", names[-1] if names else "")


def _listed(path: ast.expr | None) -> Computed:
    match path:
        case ast.Name(id="__path__"):
            return Computed("own")
        case ast.Attribute(attr="__path__"):
            return Computed("imported")
    return Computed("any")


def _named(name: ast.expr | None, package: ast.expr | None) -> Computed:
    start, is_all = ("", False) if name is None else _start(name)
    anchor, is_known = ("", False) if package is None else _start(package)
    anchor = anchor if is_known and start.startswith(".") else ""
    if is_all:
        return Computed("exact", start.partition(":")[0], anchor)
    if start:
        return Computed("below", start, anchor)
    own = name is not None and any(
        isinstance(each, ast.Name) and each.id in ("__name__", "__package__", "__spec__")
        for each in ast.walk(name)
    )
    return Computed("own" if own else "any")


def _start(node: ast.expr) -> tuple[str, bool]:
    """What the value of an expression begins with, and whether that is all of it."""
    match node:
        case ast.Constant(value=str(text)):
            return text, True
        case ast.Name(id="__name__"):
            return _OWN_NAME, True
        case ast.Name(id="__package__"):
            return _OWN_PACKAGE, True
        case ast.JoinedStr(values=parts):
            return _joined(parts, "")
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return _start(value)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([left, right], "")
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            return text.partition("%")[0], False
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return text.partition("{")[0], False
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(text)), attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            return _joined(parts, text)
    return "", False


def _joined(parts: list[ast.expr], between: str) -> tuple[str, bool]:
    text = ""
    for number, part in enumerate(parts):
        start, is_all = _start(part)
        text += (between if number else "") + start
        if not is_all:
            return text, False
    return text, True
