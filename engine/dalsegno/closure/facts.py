"""What the text of one module says, without what any other module says.

A module is a sequence of units, its top-level statements, except that an import statement is a unit for each name that it
imports, and that texts, `pass`, and blocks for type checkers are none. A unit has the digest of its normal form and
the names that it uses; nothing in it depends on where in the module it stands, but its lines. This is a function of
the text and the module's name, so it is worked out once for every content and kept.

A text that cannot be parsed, or is nested too deeply, says nothing that can be known; then `problem` says why.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

import msgpack

from dalsegno.closure import _bits as bits
from dalsegno.errors import DecodeError

if TYPE_CHECKING:
    import ast

__all__ = [
    "ANALYSIS",
    "Kind",
    "ModuleFacts",
    "Outline",
    "Unit",
    "module_facts",
    "module_outline",
    "module_words",
]

ANALYSIS: Final = 2
"""The number of this analysis; facts and closures of another number are not comparable with those of this one."""

Kind = Literal["import", "star", "text", "function", "class", "constant", "value", "block", "statement"]
"""What a unit is. A constant is a value that cannot change; a block is a compound statement that binds names to functions,
classes, constants and imports only, and a value any other binding."""

SIZE: Final = 16
"""The length of the digests of units, in bytes."""

_GLOBAL: Final = re.compile(rb"\bglobal\b")
_EFFECT: Final = bits.CALLED | bits.STORED | bits.REBOUND


class Unit(NamedTuple):
    """A part of a module that is reached or not, as a whole.

    `names` are those that it binds, its own first. `digest` is that of the normal form; `noted` and `documented` are those
    with the annotations and the texts that have no meaning at run time, b"" where there are none. `uses` gives for each
    chain of names how it is used, in bits. `targets` are (name, what is imported), with "" for a module that
    is imported without being named. `label` stands for the name of a unit that binds none.
    """

    names: tuple[str, ...]
    kind: Kind
    digest: bytes
    noted: bytes
    documented: bytes
    uses: Mapping[str, int]
    targets: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]
    paths: tuple[str, ...]
    environ: tuple[str, ...]
    flags: int
    first: int
    last: int
    label: str

    @property
    def name(self) -> str:
        """The name it goes by."""
        return self.names[0] if self.names else self.label

    @property
    def may_affect(self) -> bool:
        """Whether executing it may do something besides binding its names."""
        return bool(self.flags & (bits.UNKNOWN_CALL | bits.HOOK | bits.NAMESPACE | bits.CALLER)) or any(
            how & _EFFECT or (how & bits.DEFINER and self.kind == "class") for how in self.uses.values()
        )


class ModuleFacts(NamedTuple):
    """What is known of a module from its text alone; `problem` says why nothing is.

    `exports` are the names that `__all__` lists, None without it; `computed_exports` says that it cannot be read.
    """

    name: str
    digest: bytes
    problem: str = ""
    units: tuple[Unit, ...] = ()
    exports: tuple[str, ...] | None = None
    computed_exports: bool = False

    def encode(self) -> bytes:
        """The bytes to be kept: msgpack of the number of the analysis and the fields."""
        return cast("bytes", msgpack.packb([ANALYSIS, *self], unicode_errors="surrogatepass"))

    @classmethod
    def decode(cls, data: bytes) -> "ModuleFacts":
        """The inverse of `encode`; DecodeError for anything else and for facts of another analysis."""
        try:
            number, name, digest, problem, units, exports, computed = msgpack.unpackb(
                data, use_list=False, unicode_errors="surrogatepass"
            )
            if number == ANALYSIS:
                return cls(name, digest, problem, tuple(map(Unit._make, units)), exports, computed)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise DecodeError(f"the facts of a module cannot be read: {error}") from error
        raise DecodeError(f"the facts of a module are of analysis {number}, this release has {ANALYSIS}")


class Outline(NamedTuple):
    """What is known of a module before anything in it is reached; `problem` as in its facts.

    `is_quiet`: executing it only binds its names, provided that the packages in `assumes` are no part of the bundle;
    then `imports` are the modules that it imports, in order, and names in them that may be modules. `assigned` are words
    that may be names of what its functions change.
    """

    problem: str = ""
    is_quiet: bool = False
    assumes: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The bytes to be kept: msgpack of the number of the analysis and the fields."""
        return cast("bytes", msgpack.packb([ANALYSIS, *self], unicode_errors="surrogatepass"))

    @classmethod
    def decode(cls, data: bytes) -> "Outline":
        """The inverse of `encode`; DecodeError for anything else and for outlines of another analysis."""
        try:
            number, *fields = msgpack.unpackb(data, use_list=False, unicode_errors="surrogatepass")
            if number == ANALYSIS:
                return cls(*fields)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise DecodeError(f"the outline of a module cannot be read: {error}") from error
        raise DecodeError(f"the outline of a module is of analysis {number}, this release has {ANALYSIS}")


def module_words(text: bytes) -> tuple[str, ...]:
    """The words in a module's text that may be names of what its functions change."""
    from dalsegno.closure._assigned import assigned_words

    return tuple(sorted(assigned_words(text)))


def module_outline(
    text: bytes, assigned: tuple[str, ...], *, name: str, is_package: bool
) -> tuple[Outline, ModuleFacts | None]:
    """What the top level of a module says, and its facts if that says that they are needed; never raises.

    `assigned` are its `module_words`.
    """
    from dalsegno.closure._outline import Top
    from dalsegno.closure._reader import parsed

    try:
        tree = parsed(text)
        top = Top(tree, _package(name, is_package))
        if not (b"global" in text and _GLOBAL.search(text)) and top.is_quiet():
            return Outline("", True, tuple(sorted(top.assumes)), tuple(top.imports()), assigned), None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    facts = module_facts(text, name=name, is_package=is_package, tree=tree)
    return Outline(facts.problem, assigned=assigned), facts


def module_facts(
    text: bytes, *, name: str, is_package: bool, tree: "ast.Module | None" = None
) -> ModuleFacts:
    """What the text of a module says; never raises, whatever the text is. `tree` is that of the text, if there is one."""
    from dalsegno.closure._reader import Reader, parsed  # only texts that were not seen before are parsed

    digest = blake2b(text, digest_size=SIZE).digest()
    try:
        reader = Reader(
            _package(name, is_package),
            has_places=b"__file__" in text or b"files" in text,
            has_overload=b"overload" in text,
        )
        units = reader.read(parsed(text) if tree is None else tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return ModuleFacts(name, digest, problem=f"{type(error).__name__}: {error}"[:200])
    return ModuleFacts(name, digest, "", units, reader.exports, reader.computed_exports)


def _package(name: str, is_package: bool) -> str:
    """The package that relative imports in a module start from."""
    return name if is_package else name.rpartition(".")[0]
