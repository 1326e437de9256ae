"""Recorded values as JSON that can be edited and converted back, for those that have such a form.

A date is its text, a data class the object of its fields, a tuple a list. What would be another value when it is read
again (a frame, bytes, a pickle, a time in a named zone) has no text form: it is kept as it is stored, or replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

LIMIT = 20_000
"""A text or a list longer than this is not for editing in a form."""


class NoTextFormError(Exception):
    """The value cannot be written as JSON and read again."""


def text_form(shown: Any) -> Any:
    """A value as `dalsegno.codec.view` gives it, as JSON; NoTextFormError."""
    match shown:
        case None | bool() | int() | float():
            return shown
        case str():
            if len(shown) > LIMIT:
                raise NoTextFormError
            return shown
        case list():
            return _list(shown)
        case {"$opaque": _} | {"$size": _}:
            raise NoTextFormError
        case {"$type": str(kind), **rest}:
            make = _FORMS.get(kind)
            if make is None:
                raise NoTextFormError
            return make(cast(dict[str, Any], rest))
        case dict():
            return {key: text_form(value) for key, value in shown.items()}
    raise NoTextFormError


def _list(members: Any) -> list[Any]:
    if not isinstance(members, list) or len(members) > LIMIT:
        raise NoTextFormError
    return [text_form(each) for each in members]


def _items(rest: dict[str, Any]) -> Any:
    return _list(rest.get("items"))


def _value(rest: dict[str, Any]) -> Any:
    return text_form(rest.get("value"))


def _moment(rest: dict[str, Any]) -> str:
    zone = rest.get("zone", "")
    if rest.get("fold") or (zone and not (zone[:1] in "+-" and zone[1:3].isdigit())):
        raise NoTextFormError
    return f"{rest['value']}{zone}"


def _fields(rest: dict[str, Any]) -> Any:
    return text_form(rest.get("fields"))


def _dict(rest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in rest.get("items", []):
        name = key if isinstance(key, str) else str(key) if type(key) is int else None
        if name is None or name in found:
            raise NoTextFormError
        found[name] = text_form(value)
    return found


_FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **dict.fromkeys(("tuple", "set", "frozenset"), _items),
    **dict.fromkeys(
        ("date", "decimal", "uuid", "path", "enum", "numpy", "deque", "OrderedDict", "float"), _value
    ),
    **dict.fromkeys(("datetime", "time"), _moment),
    **dict.fromkeys(("dataclass", "model", "namedtuple"), _fields),
    "dict": _dict,
}
