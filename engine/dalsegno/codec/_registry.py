"""Codecs of other packages, for types that dalsegno does not know."""

import warnings
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from dalsegno.errors import DecodeError

from ._encode import Unencodable
from ._format import Buffer, ModuleName, Payload, Tag

if TYPE_CHECKING:
    from ._decode import Reader

__all__ = ["READERS", "ValueCodec", "register", "write"]

GROUP = "dalsegno.codecs"


class ValueCodec(Protocol):
    """Turns values of some types into bytes and back.

    `name` is written into records and must never change its meaning. `types` are classes as "module.Class", so
    that naming them imports nothing; a value belongs to the codec when its class is exactly one of them and
    nothing in dalsegno takes it. Equal values should give equal bytes.
    """

    @property
    def name(self) -> str:
        """The stable name of this format."""

    @property
    def types(self) -> tuple[str, ...]:
        """The classes, as "module.Class"."""

    def encode(self, value: Any) -> bytes:
        """The bytes of a value of one of `types`."""

    def decode(self, data: bytes) -> Any:
        """The value that `encode` turned into `data`."""


_by_name: dict[str, ValueCodec] = {}
_by_type: dict[str, ValueCodec] = {}
_lock = Lock()
_loaded = False


def register(codec: ValueCodec) -> None:
    """Use `codec` for its types from now on; a later codec of the same name or type replaces an earlier one.

    Installed packages do the same with an entry point in the group "dalsegno.codecs" that names the codec or
    something that makes one when called. They are loaded when a type is first met that nothing else takes.
    """
    _by_name[codec.name] = codec
    for name in codec.types:
        _by_type[name] = codec


def write(value: Any, kind: type, module_name: ModuleName) -> tuple[Tag, Payload] | None:
    """Tag and payload of a value for which there is a codec; None for all others."""
    module = module_name(kind.__module__) or kind.__module__
    name = f"{module}.{kind.__qualname__}"
    if name not in _by_type:
        _load()
    codec = _by_type.get(name)
    if codec is None:
        return None
    try:
        return Tag.CUSTOM, [codec.name, name, bytes(codec.encode(value))]
    except Exception as error:
        raise Unencodable(
            kind, f"its codec {codec.name!r} failed: {error or type(error).__name__}"
        ) from error


def _read_custom(reader: "Reader", data: Buffer) -> Any:
    name, kind, content = reader.fields(data, 3)
    if name not in _by_name:
        _load()
    codec = _by_name.get(name)
    if codec is None:
        raise DecodeError(f"a recorded {kind} needs the codec {name!r}; install the package that has it")
    return codec.decode(content)


def _load() -> None:
    # Slow to import, and hardly ever needed.
    from importlib.metadata import entry_points

    global _loaded
    with _lock:
        if _loaded:
            return
        for point in entry_points(group=GROUP):
            try:
                found = point.load()
                codec = found() if isinstance(found, type) or not hasattr(found, "types") else found
                if codec.name not in _by_name:
                    register(codec)
            except Exception as error:
                warnings.warn(
                    f"the codec {point.value!r} of the entry point {point.name!r} cannot be used: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
        _loaded = True


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {Tag.CUSTOM: _read_custom}
