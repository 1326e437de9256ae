"""What the pass over a statement keeps, and what is done with every kind of node.

The nodes wait on a stack, since generated code may be nested deeper than Python can call. A stacked tuple is a call that
is made when its turn comes: the end of a scope, the beginning or end of an annotation.
"""

import ast
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Final

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import ATTRIBUTES, PATH_ATTRIBUTES
from dalsegno.closure._paths import Parts, literal_path
from dalsegno.closure._scopes import DEFINITION, LATER_CALLED, PARAMETER, Scope
from dalsegno.closure._tree import Chain, all_arguments, chain_of, kept

__all__ = ["Visit"]

_IGNORED: Final = frozenset({"ctx", "type_comment", "kind", "type_ignores"})


class Visit:
    """The pass over one statement; afterwards the attributes say what was found.

    `words`, `notes` and `docs` are the normal form, the annotations and the texts that were left out of it. `texts` may
    name files or modules, `paths` are written out from a place beside the code. `imports` are (name, what is imported), `stars`
    the modules of star imports. `package` is the module's, `folders` are the names in it that stand for places beside the
    code, None when nothing in the module does; `postponed` says that annotations are not evaluated; `overload` are the names
    of `typing.overload` in the module.
    """

    handlers: ClassVar[dict[type, Callable[[Any, Any], None]]] = {}
    fields: ClassVar[dict[type, tuple[str, ...]]] = {}

    def __init__(
        self,
        package: str,
        folders: dict[str, Parts] | None,
        *,
        postponed: bool,
        overload: Collection[Chain] = (),
    ) -> None:
        self.words: list[str] = []
        self.notes: list[str] = []
        self.docs: list[str] = []
        self.texts: dict[str, None] = {}
        self.paths: dict[str, None] = {}
        self.scope = self.module = Scope(None)
        self.flags = 0
        self.imports: list[tuple[str, str]] = []
        self.stars: list[str] = []
        self._package = package
        self._folders = folders
        self._postponed = postponed
        self._overload = overload
        self._out = self.words
        self._later = 0
        self._noted = 0
        self._annotated = 0
        self._located = 0
        self._classes = 0
        self._statement: ast.AST | None = None
        self._stack: list[Any] = []

    def run(self, node: ast.AST) -> None:
        """Goes through the statement."""
        stack = self._stack
        stack.append(node)
        handlers = self.handlers
        while stack:
            each = stack.pop()
            if type(each) is tuple:
                each[0](*each[1:])
            else:
                handlers[type(each)](self, each)
        self.flags |= self.module.flags

    def use(self, chain: Chain, more: int = 0, key: str | None = None) -> None:
        """Notes a use of a chain in the present place."""
        if self._noted:
            self.scope.uses.append((chain, bits.ANNOTATION, None))
            return
        if len(chain) > 1:
            for attribute in chain:
                self.flags |= ATTRIBUTES.get(attribute, 0)
            if not self._located and not PATH_ATTRIBUTES.isdisjoint(chain[1:]):
                self.flags |= bits.LOCATOR
        if self._annotated:
            more = bits.SOFT
        elif not self._later:
            more |= bits.RUN | bits.EAGER
        elif more:
            more = bits.RUN | bits.later(more) | (LATER_CALLED if more & bits.CALLED else 0)
        else:
            more = bits.RUN
        if self._located or more & bits.LOCATED:
            more |= bits.LOCATED
        elif self._folders and chain[0] in self._folders:
            self._uncovered(self._folders[chain[0]], chain)
        self.scope.uses.append((chain, more, key))

    def _uncovered(self, parts: Parts, chain: Chain) -> None:
        """A folder, or a file in one, is used otherwise than by writing on."""
        is_file = bool(parts) and "." in parts[-1]
        if not parts or (is_file and ("parent" in chain or "parents" in chain)):
            self.flags |= bits.LOCATOR
        else:
            self.paths["/".join(parts)] = None

    def touch(self, node: ast.AST, more: int) -> None:
        """Notes that something is done to what an expression leads to, however far inside."""
        inside = 0
        while True:
            chain = chain_of(node)
            if chain is not None:
                if more & bits.STORED and chain == ("type",):  # type(self).x = …
                    self.flags |= bits.MUTABLE
                self.use(
                    chain, more | inside | bits.LOCATED
                )  # what it says is noted where it is gone through
                return
            if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
                node = node.value
                inside = bits.INSIDE
            elif isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id == "vars" and node.args:
                    node = node.args[0]
                    more |= bits.STORED
                else:
                    node = node.func
            else:
                return

    def _located_path(self, node: ast.expr) -> bool:
        """Whether the expression is a path that is written out; if so, it is gone through as one."""
        if self._folders is None or self._located:
            return False
        parts = literal_path(node, self._folders)
        if not parts:
            return False
        self.paths["/".join(parts)] = None
        self._located += 1
        self._stack += [(self._unlocate,), node]
        return True

    def _unlocate(self) -> None:
        self._located -= 1

    def other(self, node: ast.AST) -> None:
        """Any node that is no more than its fields."""
        kind = type(node)
        fields = self.fields.get(kind)
        if fields is None:
            fields = self.fields[kind] = tuple(field for field in node._fields if field not in _IGNORED)
        word = kind.__name__
        push: list[Any] = []
        for field in fields:
            value = getattr(node, field, None)
            if value is None or value == []:
                continue
            if isinstance(value, ast.AST):
                word += f" {field}"
                push.append(value)
            elif isinstance(value, list):
                if isinstance(value[0], ast.stmt):
                    value = self._body(value)
                word += f" {field}*{len(value)}"
                if value and isinstance(value[0], str):
                    word += " " + " ".join(value)
                else:
                    word += "".join("-" for each in value if each is None)
                    push += [each for each in value if each is not None]
            else:
                word += f" {field}={value!a}"
        self._out.append(word)
        push.reverse()
        self._stack += push

    def leaf(self, node: ast.AST) -> None:
        """An operator."""
        self._out.append(type(node).__name__)

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found, texts = kept(body)
        if texts:
            self.docs.append(f"at {len(self._out)}")
            self.docs += texts
        return found

    def _begin_soft(self) -> None:
        self._annotated += 1

    def _end_soft(self) -> None:
        self._annotated -= 1

    def parameter(self, node: Any) -> None:
        self._begin_soft()
        self._stack.append((self._end_soft,))
        self.other(node)

    def _say(self, word: str) -> None:
        self._out.append(word)

    def _open_comprehension(self) -> None:
        self.scope = Scope(self.scope, is_comprehension=True)

    def _open_class(self) -> None:
        self.scope = Scope(self.scope, is_class=True)
        self._classes += 1

    def _close_class(self) -> None:
        self._classes -= 1
        self._close()

    def _open_function(self, arguments: ast.arguments) -> None:
        self.scope = Scope(self.scope)
        self._later += 1
        for each in all_arguments(arguments):
            self.scope.bound[each.arg] = PARAMETER

    def _close_function(self) -> None:
        self._later -= 1
        self._close()

    def _open_parameters(self, names: list[str]) -> None:
        self.scope = Scope(self.scope)
        self.scope.bound.update(dict.fromkeys(names, DEFINITION))

    def _close(self) -> None:
        self.scope = self.scope.close()

    def _push(self, before: list[Any], parameters: list[Any], rest: list[Any]) -> None:
        if parameters:
            names = [each.name for each in parameters]
            rest = [(self._open_parameters, names), *parameters, *rest, (self._close,)]
        self._stack += [*before, *rest][::-1]

    def _arguments(self, word: str, arguments: ast.arguments) -> list[Any]:
        """The word of a function with the names of its arguments; the defaults, which are to be gone through."""
        named = ",".join(each.arg for each in arguments.posonlyargs)
        plain = ",".join(each.arg for each in arguments.args)
        only = ",".join(each.arg for each in arguments.kwonlyargs)
        rest = arguments.vararg.arg if arguments.vararg else ""
        keywords = arguments.kwarg.arg if arguments.kwarg else ""
        given = "".join("-" if each is None else "+" for each in arguments.kw_defaults)
        self._out.append(f"{word} {named}/{plain}*{rest},{only}**{keywords} {len(arguments.defaults)}{given}")
        return [*arguments.defaults, *(each for each in arguments.kw_defaults if each is not None)]
