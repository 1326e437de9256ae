"""What no codec takes: cloudpickle, with classes found through the same hooks as everywhere else."""

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudpickle import Pickler

from dalsegno.errors import DecodeError

from ._encode import Unencodable
from ._format import LARGEST_PICTURE, Buffer, ModuleName, Payload, Tag, type_name
from ._reference import FUNCTIONS, Resolve, reference

if TYPE_CHECKING:
    from ._decode import Reader

__all__ = ["READERS", "dump"]

_PROTOCOL = 5
_DPI = 100


class _Pickler(Pickler):  # type: ignore[misc]  # cloudpickle's class is untyped
    """Writes classes of renamed modules under their recorded names."""

    def __init__(self, file: io.BytesIO, module_name: ModuleName) -> None:
        super().__init__(file, protocol=_PROTOCOL)
        self._module_name = module_name

    def persistent_id(self, thing: Any) -> tuple[str, str] | None:
        """The recorded name, where pickle by itself would write another one or the class as a whole."""
        if not isinstance(thing, (type, *FUNCTIONS)):
            return None
        module = getattr(thing, "__module__", None)
        if type(module) is not str or self._module_name(module) in (module, None):
            return None
        return reference(thing, self._module_name)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, resolve: Resolve) -> None:
        super().__init__(file)
        self._resolve = resolve

    def find_class(self, module: str, name: str) -> Any:
        return self._resolve(module, name)

    def persistent_load(self, name: Any) -> Any:
        return self._resolve(*name)


def dump(value: Any, module_name: ModuleName) -> Payload:
    """The payload of OPAQUE: the name of the value's class and a picture of it, for those who only look, and the pickle."""
    file = io.BytesIO()
    try:
        _Pickler(file, module_name).dump(value)
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise Unencodable(type(value), f"no codec takes it and cloudpickle failed: {reason}") from error
    picture = _picture(value)
    return [type_name(type(value)), *([] if picture is None else [picture]), file.getvalue()]


def _picture(value: Any) -> bytes | None:
    """What a figure looks like, for those who do not load it; None for all else, and for what cannot be drawn or is too large."""
    classes = ((each.__module__, each.__name__) for each in type(value).__mro__)
    draw = next(filter(None, map(_DRAWN.get, classes)), None)
    if draw is None:
        return None
    with suppress(Exception):  # whatever drawing may raise: the value itself is recorded
        picture = draw(value)
        return picture if 0 < len(picture) <= LARGEST_PICTURE else None
    return None


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=min(figure.dpi, _DPI))
    return file.getvalue()


def _json(figure: Any) -> bytes:
    text: str = figure.to_json()
    return text.encode()


_DRAWN: dict[tuple[str, str], Callable[[Any], bytes]] = {
    ("matplotlib.figure", "Figure"): _png,
    ("plotly.basedatatypes", "BaseFigure"): _json,
}
"""How figures are drawn, by module and name of their class."""


def _read_opaque(reader: "Reader", data: Buffer) -> Any:
    name, *_, pickled = reader.fields(data)
    if not reader.allow_opaque:
        raise DecodeError(f"a pickled {name} is not loaded, because opaque values were not allowed here")
    return _Unpickler(io.BytesIO(pickled), reader.resolve).load()


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {Tag.OPAQUE: _read_opaque}
