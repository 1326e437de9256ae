"""One pass over a top-level statement, which gives its normal form and the names that it uses.

The normal form is a list of words, one or a few for each node, in a fixed order, in which every word says how many nodes
follow it; so different trees have different words. What a person may change without changing what the program does is
not in it: positions, comments, quotes and number formats, `pass`, texts that stand alone, and annotations that nobody
reads. The last two are kept aside, for code that does read them. It is our own and not that of `ast.dump`, which changes
with the version of Python: fields are named and left out when empty, so those that later versions add say nothing
until they are used.

This file has the statements, `_expressions` the expressions, and `_visit` what is common to them.
"""

import ast
from typing import Any, Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._expressions import Expressions
from dalsegno.closure._scopes import DEFINITION, PARAMETER
from dalsegno.closure._tree import (
    HOOKS,
    all_arguments,
    chain_of,
    has_mutable_default,
    holds_values,
    is_stub,
    relative,
)

__all__ = ["Walk"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
_METACLASSES: Final = frozenset({"type", "ABCMeta", "EnumMeta", "EnumType"})
_IMPORT_ERRORS: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class Walk(Expressions):
    """The pass over one statement."""

    def function(self, node: Function) -> None:
        self.scope.bind(node.name, DEFINITION)
        if node.name in HOOKS and self._classes:
            self.flags |= bits.HOOK
        if not self._later and not self._classes and has_mutable_default(node.args):
            self.flags |= bits.MUTABLE
        body = self._body(node.body)
        self._out.append(f"{type(node).__name__} {node.name} {len(node.decorator_list)} {len(body)}")
        parameters = getattr(node, "type_params", [])
        decorators = self._decorators(node.decorator_list)
        noted = [(each.annotation, f"{each.arg}:") for each in all_arguments(node.args) if each.annotation]
        if node.returns:
            noted.append((node.returns, "->"))
        annotations: list[Any] = []
        if noted:
            begin, end = (
                (self._begin_annotation, self._end_annotation)
                if node.decorator_list and not is_stub(node.decorator_list, self._overload)
                else (self._begin_note, self._end_note)
            )
            annotations = [(begin, node.name, len(noted))]
            for annotation, word in noted:
                annotations += [(self._say, word), annotation]
            annotations.append((end,))
        defaults = self._arguments("def", node.args)
        inner = [(self._open_function, node.args), *body, (self._close_function,)]
        self._push(decorators, parameters, [*defaults, *annotations, *inner])

    def class_(self, node: ast.ClassDef) -> None:
        self.scope.bind(node.name, DEFINITION)
        body = self._body(node.body)
        self._out.append(
            f"class {node.name} {len(node.decorator_list)} {len(node.bases)} {len(node.keywords)} {len(body)}"
        )
        metaclasses = [each.value for each in node.keywords if each.arg == "metaclass"]
        for base in [*node.bases, *metaclasses]:
            chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
            if chain is not None:
                self.use(chain, bits.DEFINER)
                if chain[-1] in _METACLASSES and base not in metaclasses:
                    self.flags |= bits.HOOK
        if holds_values(body):
            self.flags |= bits.MUTABLE
        outer = [*node.bases, *node.keywords]
        inner = [(self._open_class,), *body, (self._close_class,)]
        self._push(self._decorators(node.decorator_list), getattr(node, "type_params", []), [*outer, *inner])

    def _decorators(self, nodes: list[ast.expr]) -> list[Any]:
        outermost = not self._later and not self._classes
        more = bits.CALLED | (bits.DEFINER if outermost else 0)
        for node in nodes:
            if (chain := chain_of(node)) is not None:
                self.use(chain, more)
            elif isinstance(node, ast.Call):
                self.touch(node.func, more)
            else:
                self.flags |= bits.UNKNOWN_CALL
        if nodes and outermost:
            self.flags |= bits.DECORATED
        return list(nodes)

    def alias(self, node: Any) -> None:
        """`type X[T] = …`, whose value is only worked out when it is asked for."""
        self._out.append(f"type {node.name.id} {len(node.type_params)}")
        self.scope.bind(node.name.id)
        self._push([], node.type_params, [(self._begin_soft,), node.value, (self._end_soft,)])

    def expression(self, node: ast.Expr) -> None:
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        self._out.append("do")
        if isinstance(value, ast.Call):
            self._statement = value
        else:
            for each in ast.walk(value):
                if isinstance(each, ast.Call):
                    self.touch(each.func, bits.CALLED | bits.STATEMENT)
                elif isinstance(each, ast.Name):  # an operator may change its operands
                    self.touch(each, bits.STORED)
        self._stack.append(node.value)

    def assignment(self, node: ast.Assign) -> None:
        self._out.append(f"= {len(node.targets)}")
        for target in node.targets:
            self._alias(target, node.value)
        self._stack.append(node.value)
        self._stack += node.targets[::-1]

    def loop(self, node: ast.For | ast.AsyncFor) -> None:
        self._alias(node.target, node.iter)
        self.other(node)

    def _alias(self, target: ast.expr, value: ast.expr) -> None:
        """Notes that a local name stands for something else."""
        if not isinstance(target, ast.Name) or not self._later:
            return
        for each in value.elts if isinstance(value, (ast.List, ast.Tuple)) else (value,):
            while isinstance(each, (ast.Subscript, ast.Starred)):
                each = each.value
            if (chain := chain_of(each)) is not None:
                self.scope.alias(target.id, chain)

    def augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.use((node.target.id,))
            if not self._later:
                self.use((node.target.id,), bits.STORED)
        self.other(node)

    def annotated(self, node: ast.AnnAssign) -> None:
        in_class = self.scope.is_class
        if node.value is None and not in_class:
            if self.scope.parent is not None and isinstance(node.target, ast.Name):
                self.scope.bind(node.target.id)
            self._note(node)
            return
        if in_class:
            self._out.append(f"field {node.value is not None}")
            values = [node.value] if node.value is not None else []
            if isinstance(node.target, ast.Name) and not values:
                self._out.append(f"@{node.target.id}")
                targets: list[Any] = []
            else:
                targets = [node.target]
            self._stack += [(self._end_annotation,), node.annotation, (self._begin_annotation, "", 1)]
            self._stack += values + targets
            return
        self._out.append("= 1")
        self._note(node)
        self._stack += [node.value, node.target]

    def _note(self, node: ast.AnnAssign) -> None:
        target = node.target.id if isinstance(node.target, ast.Name) else ""
        self._stack += [(self._end_note,), node.annotation, (self._begin_note, target, 1)]

    def _begin_annotation(self, name: str, number: int) -> None:
        self._out.append(f"annotations {name} {number} {self._postponed}")
        self._annotated += 1

    def _end_annotation(self) -> None:
        self._annotated -= 1

    def _begin_note(self, name: str, number: int) -> None:
        self.notes.append(f"{len(self.words)} {name} {number} {self._postponed}")
        self._noted += 1
        self._out = self.notes

    def _end_note(self) -> None:
        self._noted -= 1
        if not self._noted:
            self._out = self.words

    def import_(self, node: ast.Import) -> None:
        self._out.append("import " + " ".join(f"{each.name}:{each.asname}" for each in node.names))
        for each in node.names:
            top = each.name.partition(".")[0]
            package, _, last = each.name.rpartition(".")
            if each.asname and package:  # the attribute of the package, which need not be the module
                self._imported(each.asname, f"{package}:{last}", f"{each.name}:")
            elif each.asname:
                self._imported(each.asname, f"{each.name}:", f"{each.name}:")
            else:
                self._imported(top, f"{top}:", f"{each.name}:")

    def import_from(self, node: ast.ImportFrom) -> None:
        names = " ".join(f"{each.name}:{each.asname}" for each in node.names)
        self._out.append(f"from {'.' * node.level}{node.module or ''} {names}")
        module = relative(self._package, node.level, node.module or "") if node.level else node.module
        if module is None:
            module = "." * node.level + (node.module or "")
        for each in node.names:
            if each.name == "*":
                self.stars.append(module)
                self.imports.append(("", f"{module}:"))
            else:
                self._imported(each.asname or each.name, f"{module}:{each.name}", f"{module}:{each.name}")

    def _imported(self, name: str, target: str, whole: str) -> None:
        if self.scope is self.module:
            self.imports.append((name, target))
            if whole != target:
                self.imports.append(("", whole))
            self.module.bound.setdefault(name, PARAMETER)
            return
        is_global = self.scope.elsewhere.get(name)
        if is_global:
            self.imports.append((name, target))
        self.scope.bind(name, target)
        self.use((target if self.scope.is_class else f"!{whole}",))  # of a class, it is an attribute

    def global_(self, node: ast.Global | ast.Nonlocal) -> None:
        self._out.append(f"{type(node).__name__} {' '.join(sorted(node.names))}")
        self.scope.declare(node.names, is_global=isinstance(node, ast.Global))

    def handler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.scope.bind(node.name)
        if node.type is None or any(
            isinstance(each, ast.Name) and each.id in _IMPORT_ERRORS for each in ast.walk(node.type)
        ):
            self.flags |= bits.GUARDED
        self.other(node)

    def capture(self, node: Any) -> None:
        """A name, or the rest, in a pattern."""
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name:
            self.scope.bind(name)
        self.other(node)


Walk.handlers = {
    kind: Walk.other for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)
}
Walk.handlers.update(
    {
        kind: Walk.leaf
        for kind in Walk.handlers
        if issubclass(kind, (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context))
    }
)
Walk.handlers.update(
    {
        ast.Name: Walk.name,
        ast.Attribute: Walk.attribute,
        ast.Subscript: Walk.subscript,
        ast.Constant: Walk.constant,
        ast.Call: Walk.call,
        ast.NamedExpr: Walk.named,
        ast.BinOp: Walk.binary,
        ast.Compare: Walk.compare,
        ast.ListComp: Walk.comprehension,
        ast.SetComp: Walk.comprehension,
        ast.DictComp: Walk.comprehension,
        ast.GeneratorExp: Walk.comprehension,
        ast.Lambda: Walk.lambda_,
        ast.FunctionDef: Walk.function,
        ast.AsyncFunctionDef: Walk.function,
        ast.ClassDef: Walk.class_,
        ast.Expr: Walk.expression,
        ast.Assign: Walk.assignment,
        ast.For: Walk.loop,
        ast.AsyncFor: Walk.loop,
        ast.AugAssign: Walk.augmented,
        ast.AnnAssign: Walk.annotated,
        ast.Import: Walk.import_,
        ast.ImportFrom: Walk.import_from,
        ast.Global: Walk.global_,
        ast.Nonlocal: Walk.global_,
        ast.ExceptHandler: Walk.handler,
        ast.MatchAs: Walk.capture,
        ast.MatchStar: Walk.capture,
        ast.MatchMapping: Walk.capture,
    }
)
for _name, _handler in (
    ("TypeAlias", Walk.alias),
    ("TypeVar", Walk.parameter),
    ("ParamSpec", Walk.parameter),
    ("TypeVarTuple", Walk.parameter),
):
    if hasattr(ast, _name):
        Walk.handlers[getattr(ast, _name)] = _handler
