"""Paths beside the code that are written out in it: `Path(__file__).parent / "data" / "prices.csv"` and its kin."""

import ast
from collections.abc import Mapping

__all__ = ["literal_path"]

Parts = tuple[str, ...]

_SAME = frozenset(
    {"Path", "PurePath", "str", "abspath", "realpath", "fspath", "files", "normpath", "as_file"}
)
_METHODS = frozenset({"resolve", "absolute", "as_posix", "expanduser"})


def literal_path(node: ast.expr, folders: Mapping[str, Parts]) -> Parts | None:
    """What is joined to a place beside the code; None when the expression is something else or partly computed.

    `folders` are the names that stand for such places, with what was joined there.
    """
    match node:
        case ast.Name(id="__file__"):
            return ()
        case ast.Name(id=name):
            return folders.get(name)
        case ast.Attribute(value=value, attr="parent"):
            return _above(literal_path(value, folders))
        case ast.Subscript(
            value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=int(number))
        ) if number >= 0:
            return _above(literal_path(value, folders), number + 1)
        case ast.Call(func=ast.Name(id="dirname") | ast.Attribute(attr="dirname"), args=[value], keywords=[]):
            return _above(literal_path(value, folders))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined(literal_path(left, folders), [right])
        case ast.Call(func=ast.Attribute(value=value, attr="joinpath"), args=args, keywords=[]):
            return _joined(literal_path(value, folders), args)
        case ast.Call(func=ast.Attribute(value=value, attr=method), args=[], keywords=[]) if (
            method in _METHODS
        ):
            return literal_path(value, folders)
        case ast.Call(
            func=ast.Name(id="join") | ast.Attribute(attr="join"), args=[first, *args], keywords=[]
        ):
            return _joined(literal_path(first, folders), args)
        case ast.Call(
            func=ast.Name(id="files") | ast.Attribute(attr="files"),
            args=[ast.Constant(value=str())],
            keywords=[],
        ):
            return ()
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first], keywords=[]) if (
            name in _SAME
        ):
            return literal_path(first, folders)
    return None


def _above(parts: Parts | None, levels: int = 1) -> Parts | None:
    """The folder of a path; above the written part it is unknown which folder that is, so nothing is left of it."""
    return None if parts is None else parts[: max(0, len(parts) - levels)]


def _joined(parts: Parts | None, more: list[ast.expr] | list[str]) -> Parts | None:
    if parts is None:
        return None
    for part in more:
        text = part.value if isinstance(part, ast.Constant) else part
        if not isinstance(text, str):
            return None
        parts += tuple(each for each in text.split("/") if each not in ("", "."))
    return parts
