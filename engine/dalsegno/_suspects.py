"""What in the recorded code of a task may give another result each time, told from its text alone.

All that the task reaches is looked through for clocks, chance, the process's surroundings, files, sets, and what stays from
one call to the next. This proves nothing: it is asked when a result was another one, to say what that may come from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import resolve_name
from typing import NamedTuple

from dalsegno._reading import Reading
from dalsegno.bundle import Bundle
from dalsegno.closure import symbol_source
from dalsegno.errors import DalsegnoError
from dalsegno.models import TaskTemplate

NAMES = {
    "time": (
        "time.time", "time.monotonic", "time.perf_counter", "time.process_time", "time.localtime", "time.gmtime",
        "time.strftime", "time.ctime", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
        "datetime.date.today",
    ),
    "randomness": (
        "random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.urandom", "numpy.random", "tempfile", "builtins.id",
    ),
    "environment": (
        "os.environ", "os.getenv", "os.getcwd", "os.getpid", "os.cpu_count", "os.uname", "socket.gethostname",
        "platform", "sys.argv", "locale", "pathlib.Path.cwd", "pathlib.Path.home", "getpass",
        "datetime.datetime.fromtimestamp", "datetime.date.fromtimestamp", "time.mktime", "time.timezone", "time.tzname",
    ),
    "set order": ("builtins.set", "builtins.frozenset", "builtins.hash"),
    "file": (
        "builtins.open", "os.listdir", "os.scandir", "os.walk", "os.stat", "os.path.getmtime", "os.path.getsize",
        "os.path.exists", "glob", "sqlite3", "urllib.request", "requests", "httpx", "socket.create_connection",
    ),
    "float order": ("asyncio.as_completed", "asyncio.wait", "concurrent.futures.as_completed"),
}  # fmt: skip
"""What code that uses these names, or something below them, may depend on."""

_METHODS = {
    "read_text": "file",
    "read_bytes": "file",
    "iterdir": "file",
    "rglob": "file",
    "imap_unordered": "float order",
}

_CHANGING = {
    "append", "add", "update", "pop", "extend", "setdefault", "insert", "clear", "remove", "discard", "popitem",
    "appendleft",
}  # fmt: skip

_NEW = {"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict"}

_ITSELF = {"cls", "type(self)", "self.__class__"}
"""How the methods of a class call it."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Suspect(NamedTuple):
    """Something that a result may depend on: the cause it would be, what it is, and the symbol that has it."""

    cause: str
    what: str
    where: str


def suspects(ledger: Reading, template: TaskTemplate) -> list[Suspect]:
    """What a task reaches that may give another result each time, the nearest first.

    What other tasks do that it calls is theirs. Nothing where its code cannot be read.
    """
    try:
        closure = ledger.closure(template.closure)
        bundle = ledger.bundle(template.bundle_digest)
        modules = _Modules(ledger, bundle)
        trees = {
            (symbol.module, symbol.name): _parsed(symbol_source(modules.text(symbol.module), symbol.name))
            for symbol in closure.symbols
        }
        found: dict[Suspect, None] = {}
        for module, name in _near(trees, modules, (template.module, template.qualname.partition(".")[0])):
            own = _in(trees[module, name], modules.imported(module))
            found |= dict.fromkeys(Suspect(cause, what, f"{module}:{name}") for cause, what in own)
    except DalsegnoError:
        return []
    return [*found]


_Symbol = tuple[str, str]


class _Modules:
    """The modules of a bundle, each read once."""

    def __init__(self, ledger: Reading, bundle: Bundle) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._texts: dict[str, bytes] = {}
        self._imported: dict[str, dict[str, str]] = {}

    def text(self, module: str) -> bytes:
        """Its text, b"" for a module that is not there."""
        if module not in self._texts:
            file = self._bundle.file_of(module)
            self._texts[module] = b"" if file is None else self._ledger.blob(file.blob)
        return self._texts[module]

    def imported(self, module: str) -> Mapping[str, str]:
        """What the names that it imports stand for."""
        known = self._imported.get(module)
        if known is None:
            file = self._bundle.file_of(module)
            is_package = file is not None and file.path.endswith("__init__.py")
            package = module if is_package else module.rpartition(".")[0]
            known = self._imported[module] = _imported(_parsed(self.text(module)), package)
        return known

    def origin(self, symbol: _Symbol) -> _Symbol:
        """Where something is that modules import from each other."""
        seen: set[_Symbol] = set()
        while symbol not in seen:
            seen.add(symbol)
            module, _, name = self.imported(symbol[0]).get(symbol[1], "").rpartition(".")
            symbol = (module, name) if module else symbol
        return symbol


def _near(trees: Mapping[_Symbol, ast.Module], modules: _Modules, first: _Symbol) -> list[_Symbol]:
    """The symbols that the first one names, those that these name, and so on, without other tasks; all if it is not there."""
    if first not in trees:
        return [*trees]
    found = {first: None}
    waiting = [first]
    while waiting:
        module, name = waiting.pop(0)
        for node in ast.walk(trees[module, name]):
            if not isinstance(node, (ast.Name, ast.Attribute)):
                continue
            whole = _dotted(node, modules.imported(module)).removeprefix("builtins.")
            parts = whole.split(".")
            named = [(module, parts[0])]
            named += [(".".join(parts[:cut]), parts[cut]) for cut in range(1, len(parts))]
            for symbol in map(modules.origin, named):
                if symbol in trees and symbol not in found and not _is_task(trees[symbol]):
                    found[symbol] = None
                    waiting.append(symbol)
    return [*found]


def _is_task(tree: ast.Module) -> bool:
    """Whether it is a function with a decorator such as `@env.task` or `@trace`."""
    return any(
        ast.unparse(decorator).partition("(")[0].rpartition(".")[2] in ("task", "trace")
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for decorator in node.decorator_list
    )


def _parsed(text: bytes | str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _imported(tree: ast.Module, package: str) -> dict[str, str]:
    """What the names that a module imports stand for; its relative imports start from `package`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            with suppress(ImportError):  # it leads out of the package
                module = resolve_name("." * node.level + (node.module or ""), package)
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{module}.{alias.name}"
    return found


def _in(tree: ast.Module, imported: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    inner |= {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _has_zone(node)}
    functions = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    nested = {id(node) for function in functions for node in ast.walk(function) if node is not function}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and id(node) not in inner:
            yield from _of_name(_dotted(node, imported))
        if isinstance(node, (ast.Set, ast.SetComp)):
            yield "set order", "a set"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            cause = _METHODS.get(node.func.attr)
            if node.func.attr == "astimezone" and not node.args and not node.keywords:
                cause = "environment"  # the zone of the machine
            if cause is not None:
                yield cause, f".{node.func.attr}()"
        if isinstance(node, _FUNCTIONS):
            yield from _kept_in_defaults(node)
            if id(node) not in nested:
                yield from _kept(node, imported)
        if isinstance(node, ast.ClassDef):
            yield from _kept_by_class(node)


def _of_name(name: str) -> Iterator[tuple[str, str]]:
    for cause, names in NAMES.items():
        for known in names:
            if name == known or name.startswith((f"{known}.", f"{known}_ns")):
                yield cause, name.removeprefix("builtins.")


def _dotted(node: ast.expr, imported: Mapping[str, str]) -> str:
    """The whole name that an expression stands for; "" for what is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([imported.get(node.id, f"builtins.{node.id}"), *reversed(parts)])


def _has_zone(call: ast.Call) -> bool:
    """Whether it is `fromtimestamp` with a zone, so that the one of the machine does not count."""
    is_named = isinstance(call.func, ast.Attribute) and call.func.attr == "fromtimestamp"
    return is_named and (len(call.args) > 1 or any(each.arg == "tz" for each in call.keywords))


def _kept_in_defaults(function: _Function) -> Iterator[tuple[str, str]]:
    """What stays from one call of a function to the next because it is a default."""
    arguments = function.args
    for default in [*arguments.defaults, *filter(None, arguments.kw_defaults)]:
        if _is_new(default):
            yield "state", f"the default {ast.unparse(default)}"


def _kept(function: _Function, imported: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a function, or one inside of it, changes and has not made."""
    own: set[str | None] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            own.add(node.name)
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            yield from (("state", f"the global {name}") for name in node.names)
        changed = _changed(node)
        root = changed
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        is_called = isinstance(node, ast.Call)
        if is_called and isinstance(changed, ast.Name) and "." not in imported.get(changed.id, "."):
            continue  # a function of a module, such as `numpy.append`
        if changed is not None and isinstance(root, ast.Name) and root.id not in own:
            yield "state", f"the global {ast.unparse(changed)}"


def _kept_by_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """What a class has and its methods change, so that it stays from one object to the next."""
    shared = {
        target.id
        for each in node.body
        if isinstance(each, (ast.Assign, ast.AnnAssign)) and each.value is not None and _is_new(each.value)
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        if isinstance(target, ast.Name)
    }
    inner = [*ast.walk(node)]
    shared -= {
        each.attr for each in inner if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
    }
    for each in inner:
        changed = _changed(each)
        if not isinstance(changed, ast.Attribute):
            continue
        is_shared = changed.attr in shared and isinstance(changed.value, ast.Name)
        if is_shared or ast.unparse(changed.value) in _ITSELF:
            yield "state", f"{node.name}.{changed.attr}"


def _is_new(value: ast.expr) -> bool:
    """Whether it makes something that can be changed."""
    is_made = isinstance(value, ast.Call) and _dotted(value.func, {}).rpartition(".")[2] in _NEW
    return is_made or isinstance(value, (ast.List, ast.Dict, ast.Set))


def _changed(node: ast.AST) -> ast.expr | None:
    """What a call of a changing method, or an assignment to an item or an attribute, changes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
        return node.func.value
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return node.value
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return node
    return None
