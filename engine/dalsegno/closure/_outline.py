"""Tells from the top level of a module whether executing it can do nothing but bind its names.

Most modules of a program are like that: imports, functions, classes, constants. Of those, nothing more has to be known until
something in them is reached, so the bodies of their functions are not gone through. Whatever is not plainly quiet
is not, and is read in full; so this may only err to the side of more work. What it calls quiet is what
`Effects` finds no effect in; the tests hold the two against each other.

Calls at import are quiet if they are of builtins that change nothing, or of what is imported from elsewhere and
does not go by a name such as `register`, and if they are given nothing of the module. That something is imported from
elsewhere is an assumption, to be compared with the modules of the bundle.
"""

import ast
import builtins
from collections.abc import Iterator
from typing import Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import (
    ATTRIBUTES,
    CHANGING,
    EXECUTING,
    FLAGS,
    HARMFUL,
    PURE_BASES,
    PURE_BUILTINS,
    PURE_DECORATORS,
    below,
    is_random,
)
from dalsegno.closure._tree import HOOKS, chain_of, is_script, kept, relative

__all__ = ["Top"]

Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_AT_IMPORT: Final = bits.NAMESPACE | bits.CALLER
_LOUD_NAMES: Final = frozenset(
    name.removeprefix("builtins.") for name, flags in FLAGS.items() if flags & _AT_IMPORT
)
_LOUD_ATTRIBUTES: Final = frozenset(name for name, flags in ATTRIBUTES.items() if flags & _AT_IMPORT)
_QUIET_BUILTINS: Final = PURE_BUILTINS - _LOUD_NAMES - {"setattr", "delattr"}
_PLAIN: Final = frozenset(
    {
        ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.Subscript,
        ast.Slice, ast.Starred, ast.JoinedStr, ast.FormattedValue, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
        ast.comprehension,
    }
)  # fmt: skip
_BUILTINS: Final = frozenset(dir(builtins)) - {"type"}
_IMPORTING: Final = frozenset({ast.Import, ast.ImportFrom, ast.If, ast.Try})
_SIGNS: Final = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


class Top:
    """The top level of one module; afterwards `assumes` are the packages that are taken to be no part of the bundle.

    `package` is the one that relative imports start from.
    """

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.assumes: set[str] = set()
        self._package = package
        self._body = kept(tree.body)[0]
        self._targets: dict[str, str] = {}
        self._plain_classes: set[str] = set()
        self._bound: set[str] = set()
        self._bound_twice: set[str] = set()
        self._has_stars = False
        self._is_inside = 0
        self._foreign_calls = 0
        self._collect(self._body)

    def is_quiet(self) -> bool:
        """Whether executing the module only binds its names."""
        return all(map(self._statement, self._body))

    def imports(self) -> Iterator[str]:
        """The modules that it imports, in order, and what may be one."""
        waiting = self._body[::-1]
        while waiting:
            each = waiting.pop()
            if type(each) not in _IMPORTING:
                continue
            if isinstance(each, ast.Import):
                for alias in each.names:
                    top = alias.name.partition(".")[0]
                    if alias.asname is None and top != alias.name:
                        yield top
                    yield alias.name
            elif isinstance(each, ast.ImportFrom):
                module = self._module_of(each)
                for alias in () if module == "__future__" else each.names:
                    yield module
                    if alias.name != "*":
                        yield f"{module}.{alias.name}"
            elif isinstance(each, (ast.If, ast.Try)):
                waiting += _inner(each)[::-1]

    def _module_of(self, node: ast.ImportFrom) -> str:
        own = node.module or ""
        found = relative(self._package, node.level, own) if node.level else own
        return "." * node.level + own if found is None else found

    # What the names mean

    def _collect(self, body: list[ast.stmt]) -> None:
        for each in body:
            if type(each) is ast.Import:
                for alias in each.names:
                    top = alias.name.partition(".")[0]
                    self._bind(alias.asname or top, alias.name if alias.asname else top)
            elif type(each) is ast.ImportFrom:
                module = self._module_of(each)
                for alias in each.names:
                    self._has_stars |= alias.name == "*"
                    self._bind(alias.asname or alias.name, f"{module}.{alias.name}")
            elif isinstance(each, (*Function, ast.ClassDef)):
                self._bind(each.name)
            elif type(each) is ast.Assign:
                for target in each.targets:
                    self._bind_target(target)
            elif type(each) is ast.AnnAssign:
                self._bind_target(each.target)
            elif isinstance(each, (ast.If, ast.Try)):
                self._is_inside += 1
                self._collect(_inner(each))
                self._is_inside -= 1

    def _bind(self, name: str, target: str = "") -> None:
        if name in self._bound or self._is_inside:
            self._bound_twice.add(name)
            self._targets.pop(name, None)
        elif target:
            self._targets[name] = target
        self._bound.add(name)

    def _bind_target(self, node: ast.expr) -> None:
        for each in (node,) if type(node) is ast.Name else ast.walk(node):
            if type(each) is ast.Name:
                self._bind(each.id)

    def _foreign(self, name: str) -> str | None:
        """What an imported name stands for, assuming that it comes from elsewhere; None for other names."""
        target = self._targets.get(name)
        if target is None or self._has_stars or target.startswith("."):
            return None
        self.assumes.add(target.partition(".")[0])
        return target

    # Statements

    def _statement(self, node: ast.stmt) -> bool:
        if isinstance(node, Function):
            return self._function(node)
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
            return True
        if type(node) is ast.ClassDef:
            return self._class(node)
        if type(node) is ast.Assign:
            return all(map(_is_name, node.targets)) and self._value(node.value)
        if type(node) is ast.AnnAssign:
            return _is_name(node.target) and (node.value is None or self._value(node.value))
        if type(node) is ast.If:
            return not is_script(node) and self._value(node.test) and all(map(self._statement, _inner(node)))
        if type(node) is ast.Try:
            return all(map(self._statement, _inner(node)))
        return type(node) is ast.Raise and (node.exc is None or self._value(node.exc))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        return self._decorators(node) and self._defaults(node.args)

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        return not node.decorator_list or all(map(self._decorator, node.decorator_list))

    def _defaults(self, arguments: ast.arguments) -> bool:
        given = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
        return not given or all(map(self._value, given))

    def _decorator(self, node: ast.expr) -> bool:
        if type(node) is ast.Call:
            return self._value(node)
        return self._may_be_called(node) or (
            # @name.setter, of a property in the same class
            type(node) is ast.Attribute
            and node.attr in ("setter", "getter", "deleter")
            and type(node.value) is ast.Name
            and node.value.id not in self._bound
        )

    def _class(self, node: ast.ClassDef) -> bool:
        is_plain = node.name not in self._bound_twice
        has_own_bases = False
        calls = self._foreign_calls
        for base in [*node.bases, *(each.value for each in node.keywords if each.arg == "metaclass")]:
            while type(base) is ast.Subscript:
                base = base.value
            chain = chain_of(base)
            if chain is None:
                return False
            if chain[0] in self._plain_classes and len(chain) == 1:
                has_own_bases = True
                continue
            if chain[0] not in self._bound:
                if chain[0] not in _BUILTINS or self._has_stars:
                    return False
                continue
            origin = self._foreign(chain[0])
            if origin is None:
                return False
            is_plain &= origin.partition(".")[0] in PURE_BASES
        if is_plain:
            self._plain_classes.add(node.name)
        body = kept(node.body)[0]
        return (
            all(self._value(each.value) for each in node.keywords)
            and self._decorators(node)
            and all(map(self._member, body))
            and not (has_own_bases and self._foreign_calls > calls)  # what is called may change a base
        )

    def _member(self, node: ast.stmt) -> bool:
        if isinstance(node, Function):
            return node.name not in HOOKS and self._function(node)
        return isinstance(node, (ast.ClassDef, ast.Assign, ast.AnnAssign)) and self._statement(node)

    # Expressions

    def _value(self, node: ast.expr, *, is_given: bool = False) -> bool:
        """Whether working out an expression changes nothing; `is_given`: the result goes to a call."""
        waiting: list[ast.AST] = [node]
        while waiting:
            each = waiting.pop()
            if type(each) is ast.Constant:
                continue
            if type(each) is ast.Name:
                name = each.id
                if name in _LOUD_NAMES or (is_given and name in self._bound and self._foreign(name) is None):
                    return False
            elif type(each) is ast.Attribute:
                if each.attr in _LOUD_ATTRIBUTES:
                    return False
                waiting.append(each.value)
            elif type(each) is ast.Call:
                if not self._call(each, is_given=is_given):
                    return False
                if not is_given and self._is_foreign_call(each):  # all of it may meet the result
                    return self._value(node, is_given=True)
            elif type(each) is ast.Lambda:
                if is_given or not self._defaults(each.args):
                    return False
            elif type(each) in _PLAIN:
                waiting += [inner for inner in ast.iter_child_nodes(each) if not isinstance(inner, _SIGNS)]
            else:
                return False
        return True

    def _call(self, node: ast.Call, *, is_given: bool) -> bool:
        return (
            self._may_be_called(node.func)
            and all(self._value(each, is_given=is_given) for each in node.args)
            and all(
                each.arg != "key" and self._value(each.value, is_given=is_given) for each in node.keywords
            )
        )

    def _is_foreign_call(self, node: ast.Call) -> bool:
        chain = chain_of(node.func)
        return chain is not None and chain[0] in self._bound

    def _may_be_called(self, node: ast.expr) -> bool:
        """Whether what is called is a harmless builtin, a method of a text that is written out, or from elsewhere."""
        chain = chain_of(node)
        if chain is None:
            return isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Constant, ast.JoinedStr))
        root = chain[0]
        if root not in self._bound:
            return len(chain) == 1 and root in _QUIET_BUILTINS and not self._has_stars
        origin = self._foreign(root)
        if origin is None:
            return False
        name = ".".join([origin, *chain[1:]])
        self._foreign_calls += not below(name, PURE_DECORATORS)
        return not (
            below(name, EXECUTING)
            or name in HARMFUL
            or CHANGING.search(name.rpartition(".")[2])
            or is_random(name)
            or "seed" in name
            or any(each in _LOUD_ATTRIBUTES for each in chain)
            or FLAGS.get(name, 0) & _AT_IMPORT
        )


def _inner(node: ast.If | ast.Try) -> list[ast.stmt]:
    """The statements in a compound one."""
    if isinstance(node, ast.If):
        return kept([*node.body, *node.orelse])[0]
    handled = [each for handler in node.handlers for each in handler.body]
    return kept([*node.body, *handled, *node.orelse, *node.finalbody])[0]


def _is_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(isinstance(each, ast.Name) for each in node.elts)
    return isinstance(node, ast.Name)
