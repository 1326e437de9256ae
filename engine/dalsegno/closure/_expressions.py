"""Expressions: names, what is taken of them, and what is done with them."""

import ast
from typing import Any, Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import ATTRIBUTES, PATH_ATTRIBUTES
from dalsegno.closure._scopes import DEFINITION
from dalsegno.closure._tree import chain_of, may_be_path, relative
from dalsegno.closure._visit import Visit

__all__ = ["Expressions"]

MOST_TEXTS: Final = 500
_CHANGEABLE: Final = frozenset({"bytearray", "dict", "list", "object", "set", "type"})
_OPENING: Final = frozenset({("open",), ("io", "open"), ("os", "open")})
_REFLECTIVE: Final = frozenset({"getattr", "hasattr", "setattr", "delattr"})
_OWN_NAMES: Final = frozenset({"vars", "dir", "locals"})
"""Give the names of the module itself, unless they are called with something else or inside a function."""


class Expressions(Visit):
    """What is done with expressions."""

    def name(self, node: ast.Name) -> None:
        name = node.id
        self._out.append(f"@{name}")
        if type(node.ctx) is ast.Load:
            self.use((name,))
        elif self.scope.is_comprehension:
            self.scope.bound[name] = DEFINITION
        else:
            self.scope.bind(name)

    def attribute(self, node: ast.Attribute) -> None:
        if self._folders is not None and self._located_path(node):
            return
        chain = chain_of(node)
        if chain is None:
            self._out.append(f".{node.attr}")
            self.flags |= ATTRIBUTES.get(node.attr, 0)
            if node.attr in PATH_ATTRIBUTES and not self._located:
                self.flags |= bits.LOCATOR
            if node.attr == "__doc__":
                self.flags |= bits.DOCS
            if type(node.ctx) is not ast.Load:
                self.touch(node.value, bits.STORED)
            self._stack.append(node.value)
            return
        self._out.append("@" + ".".join(chain))
        self.use(chain, 0 if type(node.ctx) is ast.Load else bits.REBOUND)

    def subscript(self, node: ast.Subscript) -> None:
        if self._folders is not None and self._located_path(node):
            return
        self._out.append("[]")
        chain = chain_of(node.value)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if type(node.ctx) is not ast.Load:
            self.touch(node.value, bits.STORED)
        if chain is None:
            self._stack += [node.slice, node.value]
            return
        self._out.append("@" + ".".join(chain))
        if type(node.ctx) is ast.Load:
            self.use(chain, key=key if isinstance(key, str) else None)
        self._stack.append(node.slice)

    def constant(self, node: ast.Constant) -> None:
        value = node.value
        if type(value) is str:
            self._out.append(ascii(value))
            if self._annotated or self._noted:
                self._quoted(value)
            elif not self._located and may_be_path(value):
                if len(self.texts) < MOST_TEXTS:
                    self.texts[value] = None
                else:
                    self.flags |= bits.LOCATOR
        elif type(value) is int:
            self._out.append(hex(value))
        else:
            self._out.append(ascii(value))

    def _quoted(self, text: str) -> None:
        """An annotation in quotes names what it would name without."""
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        for node in ast.walk(tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and (chain := chain_of(node)) is not None:
                self.use(chain)

    def call(self, node: ast.Call) -> None:
        if self._folders is not None and self._located_path(node):
            return
        function, arguments = node.func, node.args
        more = bits.CALLED
        if node is self._statement:
            more |= bits.STATEMENT
            if isinstance(function, ast.Call):
                self._statement = function
        self._out.append(f"() {len(arguments)} {len(node.keywords)}")
        self._stack += node.keywords[::-1]
        chain = chain_of(function)
        if chain is not None and len(chain) == 1 and chain[0] in _REFLECTIVE and len(arguments) >= 2:
            arguments = self._reflective(chain[0], arguments)
        self._stack += arguments[::-1]
        if chain is None:
            self._stack.append(function)
            if isinstance(function, (ast.Attribute, ast.Subscript, ast.Await)):
                self.touch(function.value, more)
            elif not self._later and not isinstance(function, ast.Call):
                self.flags |= bits.UNKNOWN_CALL
            return
        self._out.append("@" + ".".join(chain))
        first = arguments[0] if arguments else None
        key = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if chain[-1] == "import_module" and key is not None and self._import_module(key, node):
            more |= bits.LOCATED
        elif key is None and chain[-1] == "__import__" and len(chain) == 1:
            self.flags |= bits.EVAL
        if (
            len(chain) == 1
            and chain[0] in _OWN_NAMES
            and (arguments if chain[0] != "locals" else self._later)
        ):
            more |= bits.LOCATED
        if chain in _OPENING and not (arguments and _names_something(arguments[0])):
            self.flags |= bits.LOCATOR
        if len(chain) == 2 and chain[0] in _CHANGEABLE and arguments:  # list.append(x, 1) is x.append(1)
            self.touch(arguments[0], bits.STORED)
        if not self._later and any(each.arg == "key" for each in node.keywords):
            self.flags |= bits.CALLER
        self.use(chain, more, key)

    def _reflective(self, function: str, arguments: list[ast.expr]) -> list[ast.expr]:
        """`getattr(x, "y")` is `x.y`; with a name that is computed it may be anything of x.

        Gives the arguments that are still to be gone through: `x` alone would be a use of the whole of it.
        """
        target, name = arguments[0], arguments[1]
        chain = chain_of(target)
        written = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
        stores = function in ("setattr", "delattr")
        if written is not None:
            self.flags |= ATTRIBUTES.get(written, 0)
        if chain is None:
            if stores:
                self.touch(target, bits.STORED)
        elif written is not None:
            self.use((*chain, written), bits.REBOUND if stores else 0)
            self._out.append("@" + ".".join(chain))
            return arguments[1:]
        elif stores:
            self.use(chain, bits.STORED)
            if self._later and chain != ("self",):
                self.flags |= bits.CHANGES_PARAMETER
        return arguments

    def _import_module(self, name: str, node: ast.Call) -> bool:
        """`importlib.import_module` with a name that is written out; False when its package is not."""
        package = self._package
        if name.startswith("."):
            given = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "package")]
            match given:
                case [ast.Constant(value=str(package))]:
                    pass
                case [ast.Name(id="__package__" | "__name__")]:
                    pass
                case _:
                    return False
            level = len(name) - len(name.lstrip("."))
            name = relative(package, level, name[level:]) or ""
        self.use((f"{name}:",))
        return True

    def named(self, node: ast.NamedExpr) -> None:
        self._out.append(f":= {node.target.id}")
        self.scope.bind_outside(node.target.id)
        self._stack.append(node.value)

    def binary(self, node: ast.BinOp) -> None:
        if self._folders is not None and self._located_path(node):
            return
        self.other(node)

    def compare(self, node: ast.Compare) -> None:
        chain = chain_of(node.comparators[0])
        left = node.left
        if (
            chain is not None
            and len(node.ops) == 1
            and isinstance(node.ops[0], (ast.In, ast.NotIn))
            and isinstance(left, ast.Constant)
            and isinstance(left.value, str)
        ):
            self._out.append(f"{type(node.ops[0]).__name__} @{'.'.join(chain)}")
            self.use(chain, key=left.value)
            self._stack.append(left)
            return
        self.other(node)

    def comprehension(self, node: Any) -> None:
        generators = node.generators
        self._out.append(f"{type(node).__name__} {len(generators)}")
        first = generators[0]
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        inner: list[Any] = [(self._open_comprehension,)]
        for number, each in enumerate(generators):
            inner.append((self._out.append, f"for {each.is_async} {len(each.ifs)}"))
            inner.append(each.target)
            if number:
                inner.append(each.iter)
            inner += each.ifs
        self._stack += [first.iter, *inner, *parts, (self._close,)][::-1]

    def lambda_(self, node: ast.Lambda) -> None:
        inner: list[Any] = [(self._open_function, node.args), node.body, (self._close_function,)]
        self._stack += [*self._arguments("lambda", node.args), *inner][::-1]


def _names_something(node: ast.expr) -> bool:
    """Whether a path is a name, or some of it is written out where it is used."""
    return chain_of(node) is not None or any(
        isinstance(each, ast.Constant) and isinstance(each.value, str) for each in ast.walk(node)
    )
