"""From values to bytes."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Optional, Protocol

from msgpack import Packer

from dalsegno.errors import EncodeError

from . import _families
from ._format import (
    MAX_DEPTH,
    Buffer,
    ModuleName,
    Payload,
    Tag,
    array_head,
    bin_head,
    ext_head,
    map_head,
    str_head,
    type_name,
)
from ._reference import identity, reference

__all__ = [
    "BIG",
    "BlobSource",
    "Encoded",
    "PLAIN",
    "Unencodable",
    "Writer",
    "encode",
    "packed_container",
    "written",
]

_SCALARS = frozenset((type(None), bool, int, float, str, bytes))
_CONTAINERS = frozenset((list, dict))
PLAIN = _SCALARS | _CONTAINERS
_NAN = b"\xcb\x7f\xf8" + bytes(6)
_SIZED = frozenset((bytes, str))
BIG = 65536
"""From this size on, bytes and texts are not passed through the packer, which would copy them twice."""

_ATTRIBUTES = {Tag.DATACLASS, Tag.MODEL, Tag.NAMED_TUPLE, Tag.SUBCLASS, Tag.SECRET}


class BlobSource(Protocol):
    """Content that is stored beside a value."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def pieces(self) -> Iterator[bytes]:
        """The content a megabyte at a time; EncodeError, if only after the last one, when it is not what was encoded."""

    def read(self) -> bytes:
        """The content; EncodeError when it is no longer what was encoded."""


class Encoded(NamedTuple):
    """A value as bytes.

    `opaque` says that something in it was pickled, so that equal bytes do not mean an equal value nor other
    bytes another one. `blobs` are (digest, source) of the files in it, which must be stored with the value.
    `classes` are the recorded (module, qualified name) of the classes and functions in it, sorted: what a value does
    depends on their code too.
    """

    data: bytes
    opaque: bool = False
    blobs: tuple[tuple[bytes, BlobSource], ...] = ()
    classes: tuple[tuple[str, str], ...] = ()


class Unencodable(Exception):
    """Found inside a value: something that no codec takes. The path grows while the stack unwinds."""

    def __init__(self, kind: type, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.path = kind, reason, ""


class _TooDeep(Exception):
    pass


def encode(value: Any, *, module_name: ModuleName = identity) -> Encoded:
    """The canonical bytes of `value`.

    `module_name` maps the `__module__` of each class to the name that is recorded. A value that contains itself,
    or is nested deeper than the format allows, is opaque as a whole. EncodeError says where in the value the
    thing is that cannot be recorded.
    """
    packed, writer = written(value, module_name)
    if writer is None:
        return Encoded(packed)
    parts = writer.parts
    data = bytes(parts[0]) if len(parts) == 1 else b"".join(parts)
    return Encoded(data, writer.opaque, tuple(writer.blobs.items()), tuple(sorted(writer.classes)))


def written(value: Any, module_name: ModuleName, name: str | None = None) -> tuple[bytes, Optional["Writer"]]:
    """The encoding, or the writer that has its parts; `name` is that of the value, for errors."""
    try:
        return _packed_or_written(value, module_name, name)
    except ValueError as error:
        if not str(error).endswith("too large"):
            raise
        # msgpack's own words, which name neither the limit nor the cure
        raise EncodeError(
            f"a value cannot be recorded: {error}, since the format ends at 4 GiB; use a File"
        ) from error


def _packed_or_written(
    value: Any, module_name: ModuleName, name: str | None
) -> tuple[bytes, Optional["Writer"]]:
    kind = type(value)
    if kind is list or kind is dict:
        pack = _packed_list if kind is list else packed_container
        plain = pack(Packer(strict_types=True, buf_size=512), value, MAX_DEPTH - 1)
        if plain is not None:
            return plain, None
    elif kind in _SCALARS and not (kind in _SIZED and len(value) >= BIG):
        return _pack(Packer(strict_types=True, buf_size=512), value), None
    writer = Writer(module_name)
    try:
        try:
            writer.write(value)
        except (_TooDeep, RecursionError):
            writer = Writer(module_name)
            writer.whole(value)
    except Unencodable as error:
        path = error.path if name is None else f"[{name!r}]{error.path}"
        where = f"value{path}" if path else "the value"
        raise EncodeError(f"{where} cannot be recorded: {type_name(error.kind)}: {error.reason}") from error
    return b"", writer


def _pack(packer: Packer, value: Any) -> bytes:
    """Pack what holds exact scalars only."""
    if type(value) is float and math.isnan(value):
        return _NAN
    try:
        packed: bytes = packer.pack(value)
    except OverflowError:
        size = (value.bit_length() + 8) // 8
        return ext_head(Tag.BIG_INT, size) + bytes(value.to_bytes(size, "big", signed=True))
    except UnicodeEncodeError:
        packed = Packer(strict_types=True, unicode_errors="surrogatepass").pack(value)
    return packed


class Writer:
    """One encoding under way."""

    __slots__ = ("_depth", "_packer", "blobs", "classes", "module_name", "opaque", "parts")

    def __init__(self, module_name: ModuleName) -> None:
        self.module_name = module_name
        self.parts: list[Buffer] = []
        self.blobs: dict[bytes, BlobSource] = {}
        self.classes: set[tuple[str, str]] = set()
        self.opaque = False
        self._packer = Packer(strict_types=True, buf_size=4096)
        self._depth = 0

    def write(self, value: Any) -> None:
        """Append the encoding of `value`."""
        kind = type(value)
        if kind in _SCALARS:
            if kind in _SIZED and len(value) >= BIG:
                data = value if kind is bytes else value.encode("utf-8", "surrogatepass")
                self.parts += (bin_head(len(data)) if kind is bytes else str_head(len(data)), data)
            else:
                self.parts.append(_pack(self._packer, value))
            return
        if self._depth >= MAX_DEPTH:
            raise _TooDeep
        self._depth += 1
        if kind is list:
            self._write_list(value)
        elif kind is dict:
            self._write_dict(value)
        else:
            self._write_tagged(value, kind)
        self._depth -= 1

    def encoded(self, value: Any) -> bytes:
        """The encoding of a part, for those who must look at it before it is written."""
        outer, self.parts = self.parts, []
        self.write(value)
        inner, self.parts = self.parts, outer
        return b"".join(inner)

    def members(self, values: Iterable[Any]) -> tuple[Buffer, ...]:
        """The members of a set as the payload of a tag, ordered by their bytes."""
        members = []
        for value in values:
            try:
                members.append(self.encoded(value))
            except Unencodable as error:
                error.path = "{...}" + error.path
                raise
        return (array_head(len(members)), *sorted(members))

    def reference(self, thing: Any) -> tuple[str, str] | None:
        """The recorded name of a class or function; None when it cannot be found again under it."""
        found = reference(thing, self.module_name)
        if found is not None:
            self.classes.add(found)
        return found

    def whole(self, value: Any) -> None:
        """Write a value that is too deep for the format as one opaque thing."""
        try:
            self._put(*self._pickled(value))
        except Unencodable as error:
            error.reason = f"nested deeper than {MAX_DEPTH} levels or inside itself, and {error.reason}"
            raise

    def _write_list(self, value: list[Any]) -> None:
        packed = _packed_list(self._packer, value, MAX_DEPTH - self._depth)
        if packed is not None:
            self.parts.append(packed)
            return
        self.parts.append(array_head(len(value)))
        for index, member in enumerate(value):
            try:
                self.write(member)
            except Unencodable as error:
                error.path = f"[{index}]{error.path}"
                raise

    def _write_dict(self, value: dict[Any, Any]) -> None:
        packed = packed_container(self._packer, value, MAX_DEPTH - self._depth)
        if packed is not None:
            self.parts.append(packed)
            return
        self.parts.append(map_head(len(value)))
        for key, member in value.items():
            try:
                self.write(key)
                self.write(member)
            except Unencodable as error:
                error.path = f"[{key!r:.80}]{error.path}"
                raise

    def _write_tagged(self, value: Any, kind: type) -> None:
        write = _families.writer_of(kind)
        found = write(self, value) if write is not None else None
        if found is None:
            self.reference(kind)
            found = _families.custom(value, kind, self.module_name) or self._pickled(value)
        self._put(*found)

    def _pickled(self, value: Any) -> tuple[Tag, Payload]:
        from ._opaque import dump

        self.opaque = True
        return Tag.OPAQUE, dump(value, self.module_name)

    def _put(self, tag: Tag, payload: Payload) -> None:
        if type(payload) is bytes:
            self.parts += (ext_head(tag, len(payload)), payload)
            return
        if type(payload) is tuple:
            self.parts.append(ext_head(tag, sum(map(len, payload))))
            self.parts += payload
            return
        outer, self.parts = self.parts, []
        try:
            self._write_list(payload)  # type: ignore[arg-type]  # mypy does not narrow by `type(x) is`
        except Unencodable as error:
            if tag in _ATTRIBUTES:
                error.path = _as_attribute(error.path)
            elif tag is not Tag.TUPLE:
                error.path = error.path.partition("]")[2]
            raise
        inner, self.parts = self.parts, outer
        self.parts.append(ext_head(tag, sum(map(len, inner))))
        self.parts += inner


def _as_attribute(path: str) -> str:
    """`[2]['lr'][0]`, a place in a payload, as the `.lr[0]` of the value that it stands for."""
    path = path.partition("]")[2]
    name, _, rest = path.removeprefix("['").partition("']")
    return f".{name}{rest}" if path.startswith("['") else path


def packed_container(packer: Packer, value: list[Any] | dict[Any, Any], levels: int) -> bytes | None:
    """The container packed in one go, when C can be trusted with it: exact scalars in exact lists and dicts."""
    kinds: set[type] = set()
    if not _survey(value, kinds, levels):
        return None
    try:
        packed: bytes = packer.pack(value)
    except (OverflowError, UnicodeEncodeError):
        return None
    if float in kinds and (b"\xcb\x7f" in packed or b"\xcb\xff" in packed):
        # There could be a NaN; member by member it is looked at closely.
        return None
    return packed


def _survey(value: list[Any] | dict[Any, Any], kinds: set[type], levels: int) -> bool:
    """Collect the types of all members, however deep; False as soon as C cannot be trusted."""
    found = set(map(type, value))
    members: Iterable[Any] = value
    if isinstance(value, dict):
        members = value.values()
        found.update(map(type, members))
    if not found <= PLAIN:
        return False
    kinds |= found
    if not found.isdisjoint(_SIZED) and any(
        type(member) in _SIZED and len(member) >= BIG for member in members
    ):
        return False
    if list in found or dict in found:
        if not levels:
            return False
        return all(_survey(member, kinds, levels - 1) for member in members if type(member) in _CONTAINERS)
    return True


def _packed_list(packer: Packer, value: list[Any], levels: int) -> bytes | None:
    """The same for a list, with a shorter way for one of floats."""
    if value and type(value[0]) is float:
        packed = _packed_floats(packer, value)
        if packed is not None:
            return packed
    return packed_container(packer, value, levels)


def _packed_floats(packer: Packer, value: list[Any]) -> bytes | None:
    """A list of floats takes nine bytes a member, each starting with the same byte; nothing else does."""
    try:
        packed: bytes = packer.pack(value)
    except (TypeError, ValueError, OverflowError):
        return None
    count = len(value)
    start = len(array_head(count))
    if len(packed) != start + 9 * count or packed[start::9] != b"\xcb" * count:
        return None
    high = packed[start + 1 :: 9]
    # Where there could be a NaN, the slower way looks closer.
    return None if b"\x7f" in high or b"\xff" in high else packed
