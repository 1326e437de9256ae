"""What a function or class reaches: the names that it needs, the names that these need, and so on.

Names are followed through all modules of a bundle (`_program` says how). Whatever happens at import and may change one
of the names reached belongs to them too (`_effects`), and brings more names, until nothing new comes. What cannot be
told from the text is made larger, never left out: to all of a module, or to all of the bundle; this is said in
`widened`.

The digest covers each name with the normal form of what binds it. An import is a name as well; its digest is that of what it
brings, so that the same names bound to other things are other code. Where several statements change one thing, the order
in which they are executed counts: within a module it is the digest of its symbol "<order>", between modules it is the
order in which they would be executed if the root's module were imported first.
"""

from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, cast

import msgpack

from dalsegno.closure._program import Sources, program_of
from dalsegno.errors import DecodeError

__all__ = ["Closure", "Sources", "Symbol", "Widening", "closure"]

LAYOUT: Final = 1
"""The number of the layout of encoded closures."""


class Symbol(NamedTuple):
    """A name in a module, and the digest of what binds it.

    The name is "*" for all of a module, "<…>" for a statement that binds no name, and "<order>" for the order of
    statements that change something.
    """

    module: str
    name: str
    digest: bytes


class Widening(NamedTuple):
    """Something that could not be told: for `name` in `module` all of a module or of the bundle was taken.

    `reason` goes on from there: "it is used as a whole".
    """

    module: str
    name: str
    to: Literal["module", "bundle"] | str
    reason: str


class Closure(NamedTuple):
    """What `qualname` in `module` reaches; all parts are sorted, but `order`.

    `packages` are the names by which packages outside of bundle and standard library are imported, `files` the digests
    of data files by path, `environ` the variables that are read, "*" for any. `order` are the modules with
    statements that change something, in the order in which they are executed, those with a "?" in front when they are only
    imported inside functions, or by nobody.
    """

    module: str
    qualname: str
    symbols: tuple[Symbol, ...] = ()
    packages: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    environ: tuple[str, ...] = ()
    widened: tuple[Widening, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """32 bytes; equal when the code is. The values of variables and the versions of packages are not in it."""
        parts = [LAYOUT, self.module, self.qualname, self.symbols, self.files, self.packages, self.order]
        return sha256(b"closure\0" + _packed(parts)).digest()

    def encode(self) -> bytes:
        """The bytes to be kept: msgpack of the layout number and the fields."""
        return _packed([LAYOUT, *self])

    @classmethod
    def decode(cls, data: bytes) -> "Closure":
        """The inverse of `encode`; DecodeError for anything else."""
        try:
            number, module, qualname, symbols, packages, files, environ, widened, order = msgpack.unpackb(
                data, use_list=False, unicode_errors="surrogatepass"
            )
            if number == LAYOUT:
                return cls(
                    module,
                    qualname,
                    tuple(map(Symbol._make, symbols)),
                    packages,
                    files,
                    environ,
                    tuple(map(Widening._make, widened)),
                    order,
                )
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise DecodeError(f"a code closure cannot be read: {error}") from error
        raise DecodeError(f"a code closure has layout {number}, this release reads {LAYOUT}")


def closure(sources: Sources, module: str, qualname: str) -> Closure:
    """What a function or class reaches in a bundle; "*" as `qualname` is all of the module.

    Never raises for what the modules say. The same `sources` object given again saves work.
    """
    from dalsegno.closure._reach import Reach

    return Reach(program_of(sources), module, qualname).closure()


def _packed(parts: list[Any]) -> bytes:
    return cast("bytes", msgpack.packb(parts, unicode_errors="surrogatepass"))
