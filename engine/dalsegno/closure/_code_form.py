"""The normal form of code objects: what of them says what a function does.

It is the instructions with constants, names and jump targets resolved. Line numbers, file names, docstrings, the padding
that keeps lines apart for debuggers, and the names of local variables are not in it; nor is how instructions are
packed, since two of one line may be one. Names of locals count where code looks at them, docstrings where any does.

What code reads is noted on the way: names of globals with the attributes that are taken of them, and imports.
"""

import dis
from types import CodeType
from typing import Any

__all__ = [
    "DYNAMIC",
    "DYNAMIC_BUILTINS",
    "ENVIRON",
    "INTROSPECTION",
    "LOCATORS",
    "Reads",
    "constant",
    "normal_form",
]

LOCATORS = frozenset({"__file__", "__loader__", "__path__", "__spec__"})
ENVIRON = frozenset({"environ", "environb", "getenv", "getenvb"})
INTROSPECTION = frozenset(
    [
        "__annotations__",
        "__doc__",
        "get_annotations",
        "get_type_hints",
        "getdoc",
        "getfullargspec",
        "signature",
    ]
)
DYNAMIC_BUILTINS = frozenset({"__import__", "compile", "eval", "exec"})
DYNAMIC = frozenset(
    {"__subclasses__", "getsource", "getsourcelines", "import_module", "run_module", "run_path"}
)
"""The words by which code reads what it does not name: files, variables, docstrings and annotations, anything."""

_SKIPPED = frozenset({"NOP", "EXTENDED_ARG", "CACHE"})
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
"""Instructions that stand for two when both are of one line."""

_OF_THE_TEXT = frozenset({"__doc__", "__firstlineno__", "__qualname__", "__static_attributes__"})
_GLOBAL_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTE_READS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_READS_LOCALS = frozenset({"dir", "eval", "exec", "locals", "vars"})
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_KINDS = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x200
"""The flags of a code object that say what kind of function it is."""


class Reads:
    """What code reads, that of functions inside it too.

    `globals` are names, each with the attributes that are taken of it, `imports` are (level, module, names), and `words`
    are all names of globals and attributes.
    """

    def __init__(self) -> None:
        self.globals: dict[tuple[str, ...], None] = {}
        self.imports: dict[tuple[int, str, tuple[str, ...]], None] = {}
        self.words: set[str] = set()


def constant(value: object, docs: bool, reads: Reads) -> object:
    """Something whose repr is canonical."""
    if isinstance(value, CodeType):
        return normal_form(value, docs, reads)
    if isinstance(value, (tuple, frozenset)):
        parts = [constant(item, docs, reads) for item in value]
        return type(value).__name__, parts if isinstance(value, tuple) else sorted(map(repr, parts))
    return type(value).__name__, hex(value) if type(value) is int else repr(value)


def normal_form(code: CodeType, docs: bool, reads: Reads) -> object:
    """The normal form of code, docstrings in it if they count; what the code reads is added to `reads`."""
    listing: Any = dis.Bytecode(code)
    at: dict[int, int] = {}
    form: list[tuple[str, object]] = []
    jumps: list[tuple[int, int]] = []
    chain: tuple[str, ...] = ()
    before: list[Any] = [None, None]
    for found in listing:
        at[found.offset] = len(form)
        name, value = found.opname, found.argval
        if name in _SKIPPED:
            continue
        if chain and name not in _ATTRIBUTE_READS:
            reads.globals[chain] = None
            chain = ()
        if name in _GLOBAL_READS:
            chain = (value,)
        elif chain:
            chain = (*chain, value)
        if name == "IMPORT_NAME":
            reads.imports[before[0] or 0, value, tuple(before[1] or ())] = None
        before = [before[1], value]
        if name == "STORE_NAME" and value in _OF_THE_TEXT and not (value == "__doc__" and docs):
            form.pop()
        elif name in _PAIRS:
            form += zip(_PAIRS[name], divmod(found.arg or 0, 16), strict=True)
        elif found.opcode in dis.hasconst:
            form.append((name, constant(value, docs, reads)))
        elif found.opcode in _JUMPS:
            jumps.append((len(form), value))
            form.append((name, None))
        elif found.opcode in dis.hasname:
            form.append((name, found.argrepr))
            if not name.endswith("_NAME") or value not in ("__annotations__", "__doc__"):
                reads.words.add(value)
        else:
            form.append((name, found.arg))
    at[len(code.co_code)] = len(form)
    for number, target in jumps:
        form[number] = form[number][0], at[target]
    handlers: list[tuple[int, ...]] = []
    for entry in listing.exception_entries:
        start, end, *rest = at[entry.start], at[entry.end], at[entry.target], entry.depth, int(entry.lasti)
        if handlers and handlers[-1][1:] == (start, *rest):
            start = handlers.pop()[0]
        if start < end:
            handlers.append((start, end, *rest))
    parameters = (
        code.co_argcount + code.co_kwonlyargcount + sum(bool(code.co_flags & flag) for flag in (4, 8))
    )
    named = docs or not _READS_LOCALS.isdisjoint(code.co_names)
    return (
        (
            code.co_name,
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags & _KINDS,
        ),
        (code.co_varnames if named else code.co_varnames[:parameters], code.co_cellvars, code.co_freevars),
        code.co_consts[0] if docs and code.co_consts and isinstance(code.co_consts[0], str) else "",
        form,
        handlers,
    )
