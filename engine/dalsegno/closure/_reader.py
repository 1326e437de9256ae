"""Splits the text of a module into units and reads them one by one.

Whether a name is the module's own, an import or a builtin is only known when all units are read, since functions may use
what is bound further down; so what uses say of a unit, such as which variables it reads, is worked out at the end.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Final, NamedTuple

from dalsegno.closure import _bits as bits
from dalsegno.closure._known import FLAGGED, FLAGS, PURE_BUILTINS, VARIABLES
from dalsegno.closure._paths import Parts, literal_path
from dalsegno.closure._scopes import Use
from dalsegno.closure._tree import Chain, is_block, is_constant_binding, is_script, kept, names_of_overload
from dalsegno.closure._walk import Walk
from dalsegno.closure.facts import SIZE, Kind, Unit

__all__ = ["Reader", "parsed"]

LABEL: Final = 60
"""The length of the labels of statements that bind no name."""

_EXCUSED: Final = bits.LOCATOR | bits.EVAL | bits.NAMESPACE
_LATE_STORES: Final = bits.LATER_STORED | bits.LATER_REBOUND

_TRIES: Final = 5


def parsed(text: bytes) -> ast.Module:
    """The syntax tree of a text, without warnings about it.

    CPython 3.11 raises SystemError for a good text when another thread parses one meanwhile, so it is tried again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_TRIES):
            with suppress(SystemError):
                return ast.parse(text)
        return ast.parse(text)


class _Pending(NamedTuple):
    """A unit whose names cannot be told yet, because the module may bind them further down."""

    walk: Walk
    unit: Unit
    uses: list[Use]


class Reader:
    """Reads one module; afterwards `exports` and `computed_exports` are known.

    `package` is the one that relative imports start from; `has_places`: the text may name places beside the code,
    `has_overload`: it may have functions that are only there for type checkers.
    """

    def __init__(self, package: str, *, has_places: bool, has_overload: bool) -> None:
        self.exports: tuple[str, ...] | None = None
        self.computed_exports = False
        self._package = package
        self._folders: dict[str, Parts] | None = {} if has_places else None
        self._postponed = False
        self._has_overload = has_overload
        self._overload: frozenset[Chain] = frozenset()
        self._labels: dict[str, int] = {}

    def read(self, tree: ast.Module) -> tuple[Unit, ...]:
        """The units of a module, in order."""
        body, _ = kept(tree.body)
        self._postponed = any(
            isinstance(each, ast.ImportFrom)
            and each.module == "__future__"
            and any(alias.name == "annotations" for alias in each.names)
            for each in body
        )
        if self._has_overload:
            self._overload = names_of_overload(body)
        found: list[_Pending | Unit] = []
        if (documentation := ast.get_docstring(tree, clean=False)) is not None:
            lines = tree.body[0].lineno, tree.body[0].end_lineno or 0
            found.append(_plain(("__doc__",), "text", _hash(["doc", ascii(documentation)]), *lines))
        for statement in body:
            found += self._statement(statement)
        imports = _imported_names(found)
        bound = {name for each in found for name in _unit(each).names}
        return tuple(each if isinstance(each, Unit) else _finished(each, imports, bound) for each in found)

    def _statement(self, node: ast.stmt) -> Iterator["_Pending | Unit"]:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return
        first, last = node.lineno, node.end_lineno or node.lineno
        walk = Walk(self._package, self._folders, postponed=self._postponed, overload=self._overload)
        walk.run(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _import_units(walk, first, last)
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.decorator_list:
            first = min(first, node.decorator_list[0].lineno)
        own = [node.name] if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else []
        names = tuple(dict.fromkeys([*own, *walk.module.bound]))
        if isinstance(node, ast.AnnAssign) and not names and isinstance(node.target, ast.Name):
            return
        kind, flags = _kind(node), walk.flags
        if is_script(node):
            flags |= bits.SCRIPT
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            flags |= bits.RESULT
        if "__all__" in names:
            self._read_exports(node)
        folder = 0
        if self._folders is not None and isinstance(node, (ast.Assign, ast.AnnAssign)):
            folder = self._folder(node, walk)
        if folder:
            flags = flags & ~bits.LOCATOR | folder
        digest = _hash(walk.words)
        yield _Pending(
            walk,
            Unit(
                names=names,
                kind=kind,
                digest=digest,
                noted=_hash([*walk.words, "notes", *walk.notes]) if walk.notes else b"",
                documented=_hash([*walk.words, "docs", *walk.docs]) if walk.docs else b"",
                uses={},
                targets=tuple(walk.imports),
                texts=tuple(walk.texts),
                paths=tuple(walk.paths),
                environ=(),
                flags=flags,
                first=first,
                last=last,
                label="" if names else self._label(node),
            ),
            walk.module.uses,
        )
        for star in walk.stars:
            yield _star(star, first, last)

    def _label(self, node: ast.stmt) -> str:
        """The first line of a statement, told apart from others like it by a number."""
        try:
            line = ast.unparse(node).partition("\n")[0]
        except RecursionError:
            line = type(node).__name__
        line = line if len(line) <= LABEL else f"{line[: LABEL - 1]}…"
        number = self._labels[line] = self._labels.get(line, 0) + 1
        return f"<{line}>" if number == 1 else f"<{line}> {number}"

    def _read_exports(self, node: ast.stmt) -> None:
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        names: object = None
        if value is not None and self.exports is None:
            try:
                names = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                names = None
        if isinstance(names, (list, tuple)) and all(isinstance(each, str) for each in names):
            self.exports = tuple(names)
        else:
            self.computed_exports = True

    def _folder(self, node: ast.Assign | ast.AnnAssign, walk: Walk) -> int:
        """Remembers a name for a place beside the code; what is below it, is up to those who use the name."""
        assert self._folders is not None
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = literal_path(node.value, self._folders) if node.value is not None else None
        if parts is None or len(targets) != 1 or not isinstance(targets[0], ast.Name):
            return 0
        self._folders[targets[0].id] = parts
        if parts and "." in parts[-1]:
            return 0
        walk.paths.clear()
        walk.module.uses[:] = [(chain, how | bits.LOCATED, key) for chain, how, key in walk.module.uses]
        return bits.FOLDER


def _unit(each: "_Pending | Unit") -> Unit:
    return each if isinstance(each, Unit) else each.unit


def _hash(words: list[str]) -> bytes:
    return blake2b("\n".join(words).encode("utf-8", "surrogatepass"), digest_size=SIZE).digest()


def _plain(
    names: tuple[str, ...],
    kind: Kind,
    digest: bytes,
    first: int,
    last: int,
    targets: tuple[tuple[str, str], ...] = (),
) -> Unit:
    return Unit(names, kind, digest, b"", b"", {}, targets, (), (), (), 0, first, last, "")


def _star(module: str, first: int, last: int) -> Unit:
    return _plain((), "star", _hash(["star", module]), first, last, (("", f"{module}:"),))


def _import_units(walk: Walk, first: int, last: int) -> Iterator[Unit]:
    """A unit for each name; the digest is that of what is imported, not of how that is written."""
    targets = walk.imports
    for number, (name, target) in enumerate(targets):
        if name:
            more = targets[number + 1 : number + 2]
            whole = tuple(each for each in more if not each[0])
            yield _plain((name,), "import", _hash(["import", target]), first, last, ((name, target), *whole))
    for star in walk.stars:
        yield _star(star, first, last)


def _imported_names(found: list["_Pending | Unit"]) -> dict[str, str]:
    """The names that are bound by imports only, and what the last of these brings."""
    targets: dict[str, str] = {}
    others: set[str] = set()
    for each in found:
        unit = _unit(each)
        targets.update((name, target) for name, target in unit.targets if name)
        others.update(set(unit.names) - {name for name, _ in unit.targets})
    return {name: target for name, target in targets.items() if name not in others}


def _finished(pending: _Pending, imports: Mapping[str, str], bound: set[str]) -> Unit:
    """The unit with its uses, and what these say of it."""
    unit, flags = pending.unit, pending.unit.flags
    uses: dict[str, int] = {}
    environ: set[str] = set()
    for chain, how, key in pending.uses:
        root = chain[0]
        if ":" in root:
            target = root.lstrip("!")
            told = target.replace(":", ".").rstrip(".")
            written = root + ("." if not root.endswith(":") and len(chain) > 1 else "") + ".".join(chain[1:])
        else:
            written = ".".join(chain)
            if root in imports:
                told = imports[root].replace(":", ".").rstrip(".")
            elif root in bound:
                told = ""
            else:
                told = f"builtins.{root}"
                if how & bits.CALLED and written in PURE_BUILTINS:
                    how &= ~(bits.CALLED | bits.STATEMENT)
        uses[written] = uses.get(written, 0) | how
        if told and told.partition(".")[0] in FLAGGED and how & bits.RUN:
            full = ".".join([told, *chain[1:]])
            said = _flags(full) if how & bits.EAGER else _flags(full) & ~bits.CALLER
            flags |= said & ~(_EXCUSED if how & bits.LOCATED else 0)
            environ.update(_variables(full))
            if full.startswith(("os.environ", "os.getenv")) and not root.startswith("!"):
                if key is not None:
                    environ.add(key)
                elif not how & (bits.STORED | bits.REBOUND | _LATE_STORES):
                    environ.add("*")
    return unit._replace(uses=uses, environ=tuple(sorted(environ)), flags=flags)


def _flags(name: str) -> int:
    found = 0
    while name:
        found |= FLAGS.get(name, 0)
        name = name.rpartition(".")[0]
    return found


def _variables(name: str) -> tuple[str, ...]:
    while name:
        if name in VARIABLES:
            return VARIABLES[name]
        name = name.rpartition(".")[0]
    return ()


def _kind(node: ast.stmt) -> Kind:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return "function"
    if isinstance(node, ast.ClassDef):
        return "class"
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return "constant" if is_constant_binding(node) else "value"
    if isinstance(node, (ast.If, ast.Try, ast.TryStar)):
        return "block" if is_block(node) else "value"
    return "statement" if isinstance(node, (ast.Expr, ast.Delete, ast.Assert)) else "value"
