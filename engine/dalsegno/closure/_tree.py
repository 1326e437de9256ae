"""Questions about parts of a syntax tree that need nothing but the part."""

import ast
from collections.abc import Collection, Iterable
from typing import Final

__all__ = [
    "Chain",
    "HOOKS",
    "all_arguments",
    "chain_of",
    "holds_values",
    "is_block",
    "is_constant",
    "is_constant_binding",
    "is_for_checkers",
    "is_script",
    "is_stub",
    "kept",
    "may_be_path",
    "names_of_overload",
    "relative",
]

Chain = tuple[str, ...]
"""A name and the attributes that are taken of it. A name that ends in ":" is that of a module."""

HOOKS: Final = frozenset({"__init_subclass__", "__set_name__", "__prepare__", "__mro_entries__"})
"""Methods that are called when a class is made that is derived from theirs, or holds an object of theirs."""

_DOUBTFUL: Final = frozenset({ast.Expr, ast.If, ast.Pass})
"""Statements that may do nothing."""

LONGEST_TEXT: Final = 255
LONGEST_NAME: Final = 40
_TYPING: Final = ("typing", "typing_extensions")
_FIELD_MAKERS: Final = frozenset(
    {"field", "Field", "auto", "property", "partial", "ConfigDict", "SettingsConfigDict"}
)


def chain_of(node: ast.AST) -> Chain | None:
    """The name and attributes that an expression consists of; None when it consists of more."""
    if type(node) is ast.Name:
        return (node.id,)
    attributes: list[str] = []
    while type(node) is ast.Attribute:
        attributes.append(node.attr)
        node = node.value
    if type(node) is not ast.Name:
        return None
    attributes.append(node.id)
    attributes.reverse()
    return tuple(attributes)


def is_for_checkers(test: ast.expr) -> bool | None:
    """Whether an `if` with this test is only for type checkers; False for the opposite test, None for any other."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = is_for_checkers(test.operand)
        return None if inner is None else not inner
    chain = chain_of(test)
    return True if chain is not None and chain[-1] == "TYPE_CHECKING" and len(chain) <= 2 else None


def kept(body: Iterable[ast.stmt]) -> tuple[list[ast.stmt], list[str]]:
    """The statements of a body that do something, and the texts that stand alone in it."""
    found: list[ast.stmt] = []
    texts: list[str] = []
    _keep(body, found, texts)
    return found, texts


def _keep(body: Iterable[ast.stmt], found: list[ast.stmt], texts: list[str]) -> None:
    for statement in body:
        if type(statement) not in _DOUBTFUL:
            found.append(statement)
        elif isinstance(statement, ast.Expr) and type(statement.value) is ast.Constant:
            value = statement.value.value
            if isinstance(value, str):
                texts.append(f"{len(found)} {ascii(value)}")
        elif isinstance(statement, ast.If) and (skipped := is_for_checkers(statement.test)) is not None:
            _keep(statement.orelse if skipped else statement.body, found, texts)
        elif not isinstance(statement, ast.Pass):
            found.append(statement)


def relative(package: str, level: int, module: str) -> str | None:
    """The module that a relative import in a package means; None when it leads out of it."""
    parts = package.split(".") if package else []
    if level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [module])])


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter of a function."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [each for each in (arguments.vararg, arguments.kwarg) if each is not None]


def names_of_overload(body: Iterable[ast.stmt]) -> frozenset[Chain]:
    """What `typing.overload` is called in a module that imports it, or `typing`, and binds these names to nothing else."""
    found: set[Chain] = set()
    bound: list[str] = []
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound += [each.asname or each.name.partition(".")[0] for each in node.names]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.append(node.name)
        else:
            bound += [
                each.id
                for each in ast.walk(node)
                if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)
            ]
        if isinstance(node, ast.ImportFrom) and node.module in _TYPING and not node.level:
            found.update((each.asname or each.name,) for each in node.names if each.name == "overload")
        elif isinstance(node, ast.Import):
            found.update(
                (each.asname or each.name, "overload") for each in node.names if each.name in _TYPING
            )
    return frozenset(chain for chain in found if bound.count(chain[0]) == 1)


def is_stub(decorators: list[ast.expr], overload: Collection[Chain]) -> bool:
    """Whether a function with these decorators is only there for type checkers, so that its annotations are not used."""
    chains = {chain_of(each) for each in decorators}
    return not chains.isdisjoint(overload) and chains <= {*overload, ("staticmethod",), ("classmethod",)}


def holds_values(body: list[ast.stmt]) -> bool:
    """Whether a class body binds something that could be changed later."""
    for statement in body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            value = statement.value
            if isinstance(value, ast.Call):
                chain = chain_of(value.func)
                if chain is None or chain[-1] not in _FIELD_MAKERS:
                    return True
            elif isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)):
                return True
        elif (
            isinstance(statement, (ast.For, ast.While, ast.With, ast.Expr, ast.AugAssign))
            or isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
            and has_mutable_default(statement.args)
        ):
            return True
    return False


def has_mutable_default(arguments: ast.arguments) -> bool:
    """Whether a parameter's default is something that calls of the function could change."""
    return any(
        isinstance(each, (ast.List, ast.Dict, ast.Set, ast.Call, ast.ListComp, ast.DictComp, ast.SetComp))
        for each in [*arguments.defaults, *arguments.kw_defaults]
    )


def may_be_path(text: str) -> bool:
    """Whether a text may name a file, a folder of files, or a module."""
    if "." in text or "/" in text:
        return len(text) <= LONGEST_TEXT and "\n" not in text
    return 1 < len(text) <= LONGEST_NAME and " " not in text and "\n" not in text


def is_script(node: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":` without an `else`."""
    match node:
        case ast.If(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]), orelse=[]):
            sides = (left, right)
            return any(isinstance(each, ast.Name) and each.id == "__name__" for each in sides) and any(
                isinstance(each, ast.Constant) and each.value == "__main__" for each in sides
            )
    return False


def is_constant_binding(node: ast.stmt) -> bool:
    """Whether it gives a name a value that is written out and cannot change."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return all(isinstance(each, ast.Name) for each in targets) and is_constant(value)
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value):
            return is_constant(value)
    return False


def is_block(node: ast.stmt) -> bool:
    """Whether a compound statement only binds functions, classes, constants and imports."""
    waiting: list[ast.stmt] = [node]
    while waiting:
        each = waiting.pop()
        match each:
            case ast.If(body=body, orelse=orelse):
                waiting += [*body, *orelse]
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=last):
                waiting += [*body, *orelse, *last, *(inner for handler in handlers for inner in handler.body)]
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Raise() | ast.Expr(value=ast.Constant()):
                pass
            case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
                if has_mutable_default(each.args):
                    return False
            case _:
                if not is_constant_binding(each):
                    return False
    return True


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is written out and cannot change: numbers, texts, tuples of them, `frozenset({…})`."""
    waiting: list[ast.AST] = [node]
    while waiting:
        each = waiting.pop()
        match each:
            case ast.Constant():
                pass
            case ast.UnaryOp(operand=operand) | ast.FormattedValue(value=operand):
                waiting.append(operand)
            case ast.BinOp(left=left, right=right):
                waiting += [left, right]
            case ast.Tuple(elts=items) | ast.JoinedStr(values=items):
                waiting += items
            case ast.Call(func=ast.Name(id="frozenset"), args=args, keywords=[]):
                for arg in args:
                    waiting += arg.elts if isinstance(arg, (ast.List, ast.Set)) else [arg]
            case _:
                return False
    return True
