"""The JSON documents as OpenAPI describes them, made from their classes in `dalsegno.views`.

Pydantic cannot read a TypedDict of `typing` before Python 3.12, so each is made again with the one of `typing_extensions`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import typing_extensions


@cache
def documented(kind: Any) -> Any:
    """The same type, with every TypedDict in it as pydantic can read it; the descriptions are the docstrings."""
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        make: Any = typing_extensions.TypedDict
        made = make(kind.__name__, {name: documented(hint) for name, hint in hints.items()})
        made.__doc__ = kind.__doc__
        return made
    origin = get_origin(kind)
    if origin is None:
        return kind
    inside = tuple(documented(each) for each in get_args(kind))
    if origin is NotRequired:
        return typing_extensions.NotRequired[inside[0]]
    if origin in (list, dict, tuple):
        return origin[inside if len(inside) > 1 else inside[0]]
    union: Any = inside[0]
    for each in inside[1:]:
        union = union | each
    return union
