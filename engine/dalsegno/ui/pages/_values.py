"""Recorded values as something to look at: what `dalsegno.codec.view` makes of them, turned into nodes that the page draws.

A node is a leaf (a text with its kind), a row (short and flat, on one line), a group (members below a head that folds),
a table, an image, a figure or a page. Nodes hold texts only; pictures are data in an address that the browser takes for an image
and nothing else, pages go into a frame that may run nothing, and figures into one that is cut off from the page.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from dalsegno.ui.pages._figures import figure_node
from dalsegno.ui.pages._files import file_node, image_node, markdown_page, page_node
from dalsegno.ui.pages._words import counted, size

Node = dict[str, Any]

INLINE = 72
"""What is shorter than this many characters is on one line."""

MEMBERS = 200
"""So many members of a group are shown."""

ROWS = 100
COLUMNS = 40

_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"RIFF": "image/webp",
}
_PAGES = ("<!doctype html", "<html")
_HEADING = re.compile(r"\s*#{1,3} \S[^\n]*\n\s*\S")
"""What begins with a heading, and goes on, is taken for Markdown."""


def node(shown: Any) -> Node:
    """What to draw for a value, as `view` gives it."""
    match shown:
        case None | bool():
            return _leaf("word", {None: "None", True: "True", False: "False"}[shown])
        case int() | float():
            return _leaf("number", repr(shown))
        case str():
            return _text(shown)
        case list():
            return _members("list", "[", "]", [(None, each) for each in shown], len(shown))
        case {"$opaque": kind, "picture": str(picture)}:
            return _figure(str(kind), base64.b64decode(picture)) or _pickled(kind, shown)
        case {"$opaque": kind}:
            return _pickled(kind, shown)
        case {"$type": str(kind), **rest}:
            return _typed(kind, cast(dict[str, Any], rest))
        case dict():
            return _members("dict", "{", "}", [*shown.items()], len(shown))
    return _leaf("kind", str(shown))


def _figure(kind: str, picture: bytes) -> Node | None:
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return image_node("image/png", picture, kind)
    return figure_node(picture, kind)


def _pickled(kind: Any, shown: dict[str, Any]) -> Node:
    return _leaf("kind", f"{kind} · pickled, {size(shown.get('size', 0))} · shown by no one but its code")


def plain(shown: Any) -> str:
    """A value in one short line."""
    return _line(node(shown))[:200]


def cell(shown: Any) -> str:
    """A value in a cell of a table, where a text needs no quotes."""
    return shown[:200] if isinstance(shown, str) else plain(shown)


def _typed(kind: str, rest: dict[str, Any]) -> Node:
    if kind in _SPECIAL:
        return _SPECIAL[kind](kind, rest)
    if kind.startswith(("pandas.", "polars.", "pyarrow.")):
        return _frame(kind, rest)
    if "class" in rest:
        name = str(rest["class"]).rpartition(".")[2]
        if kind == "enum":
            return _leaf("word", f"{name}.{rest.get('value')}")
        content = rest.get("fields", rest.get("value"))
        if isinstance(content, dict) and "$type" not in content:
            return _members(name, f"{name}(", ")", [*content.items()], len(content), sign="=")
        return {"k": "group", "head": name, "open": True, "items": [{"key": "", "v": node(content)}]}
    if "items" in rest:
        members = rest["items"]
        pairs = kind == "dict"
        items = (
            [(plain(key), value) for key, value in members] if pairs else [(None, each) for each in members]
        )
        opening, closing = ("{", "}") if kind in ("dict", "set", "frozenset") else ("(", ")")
        return _members(kind, opening, closing, items, rest.get("$size", len(items)))
    if "value" in rest:
        value = rest["value"]
        if isinstance(value, (str, int, float)):
            extra = "".join(f" {rest[name]}" for name in ("zone",) if name in rest)
            return {**_leaf("text" if kind == "str" else "number", f"{value}{extra}"), "t": kind} | _cut(rest)
        inner = node(value)
        return {"k": "group", "head": kind, "open": True, "items": [{"key": "", "v": inner}]}
    facts = {name: value for name, value in rest.items() if not name.startswith("$")}
    if "$size" in rest:
        facts["size"] = size(rest["$size"])
    return _members(kind, f"{kind}(", ")", [*facts.items()], len(facts), sign="=")


def _text(text: str) -> Node:
    if text[:200].lstrip().lower().startswith(_PAGES):
        return page_node(text, f"HTML, {counted(len(text), 'character')}")
    if _HEADING.match(text):
        return page_node(markdown_page(text), f"Markdown, {counted(len(text), 'character')}")
    if text[:400].lstrip().startswith("<svg") and "</svg>" in text:
        return _image("image/svg+xml", text.encode(), len(text))
    return _leaf("text", text if "\n" in text else json.dumps(text, ensure_ascii=False))


def _bytes(kind: str, rest: dict[str, Any]) -> Node:
    data = base64.b64decode(rest.get("base64", ""))
    whole = rest.get("$size", len(data))
    for magic, form in _IMAGES.items():
        if data.startswith(magic) and (form != "image/webp" or data[8:12] == b"WEBP"):
            if whole > len(data):
                return _leaf("kind", f"{form}, {size(whole)} · too large to show here")
            return _image(form, data, whole)
    head = data[:48].hex(" ")
    return _leaf("kind", f"{kind}, {size(whole)}: {head}{' …' if whole > 48 else ''}")


def _image(form: str, data: bytes, whole: int) -> Node:
    return image_node(form, data, f"{form.partition('/')[2].partition('+')[0].upper()}, {size(whole)}")


def _array(kind: str, rest: dict[str, Any]) -> Node:
    shape = rest.get("shape", [])
    seen = rest.get("preview", [])
    total = 1
    for each in shape:
        total *= each
    words = " × ".join(map(str, shape)) or "scalar"
    values = ", ".join(plain(each) for each in seen) + (", …" if total > len(seen) and seen else "")
    return {
        "k": "row",
        "head": f"array {plain_dtype(rest.get('dtype'))} {words}",
        "s": f"[{values}]" if seen else "",
    }


def plain_dtype(dtype: Any) -> str:
    """The type of an array's elements as people write it: "float64" for "<f8"."""
    if not isinstance(dtype, str) or dtype[1:2] not in "biufcSUOMm" or not dtype[2:].isdigit():
        return "object" if dtype == "|O" else str(dtype)
    names = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
    kind = names.get(dtype[1])
    if kind is None:
        return dtype
    return kind if kind == "bool" else f"{kind}{int(dtype[2:]) * 8}"


def _file(kind: str, rest: dict[str, Any]) -> Node:
    head = f"File {rest.get('name')} · {size(rest.get('size', 0))} · {str(rest.get('digest'))[:12]}"
    return file_node(rest, head) or _leaf("kind", head)


def _dir(kind: str, rest: dict[str, Any]) -> Node:
    files = rest.get("files", [])
    rows = [[each["path"], size(each["size"]), each["digest"][:12]] for each in files[:ROWS]]
    return _table(f"Dir {rest.get('name')}", ["path", "size", "digest"], rows, counted(len(files), "file"))


def _frame(kind: str, rest: dict[str, Any]) -> Node:
    if kind == "pandas.DataFrame" and isinstance(rest.get("data"), list):
        names = _vector(rest.get("columns"))
        columns = [[*_vector(each)] for each in rest["data"]]
        length = max((_length(each) for each in rest["data"]), default=0)
        titles = [*map(str, names)] if len(names) == len(columns) else [str(at) for at in range(len(columns))]
        return _columns("DataFrame", titles, columns, length)
    if kind in ("pandas.Series", "pandas.Index") or kind.endswith("Array"):
        return _columns(kind.partition(".")[2], ["value"], [_vector({"$type": kind, **rest})], 0)
    if isinstance(rest.get("columns"), list) and "rows" in rest:
        rows, columns = rest["rows"], rest["columns"]
        titles = [str(each[0] if isinstance(each, list) and each else each) for each in columns]
        if isinstance(rest.get("data"), list):
            return _columns(kind, titles, rest["data"], rows)
        return _table(
            kind, titles, [], f"{rows:,} rows × {len(titles)} columns, {size(rest.get('$size', 0))}"
        )
    facts = [(name, value) for name, value in rest.items() if name != "$size"]
    return _members(kind, f"{kind}(", ")", facts, len(facts), sign="=")


def _columns(head: str, titles: list[str], columns: Sequence[Sequence[Any]], length: int) -> Node:
    seen = min((len(column) for column in columns), default=0)
    seen = min(seen, ROWS)
    rows = [[cell(column[at]) for column in columns[:COLUMNS]] for at in range(seen)]
    note = f"{length or seen:,} rows × {len(titles)} columns"
    if seen < length:
        note += f", the first {seen}"
    return _table(head, titles[:COLUMNS], rows, note)


def _length(shown: Any) -> int:
    if isinstance(shown, dict) and shown.get("$type") == "ndarray":
        shape = shown.get("shape") or [0]
        return int(shape[-1])
    return len(_vector(shown))


def _vector(shown: Any) -> list[Any]:
    """The elements of what stands for a column or an index, as far as they are there."""
    match shown:
        case list():
            return shown
        case {"$type": "ndarray", "preview": list(seen)}:
            return seen
        case {"$type": str(kind), "parts": list(parts)} if kind == "pandas.RangeIndex":
            start, stop, step = (each if isinstance(each, int) else 1 for each in parts[:3])
            return [*range(start, stop, step or 1)[:ROWS]]
        case {"parts": list(parts)} | {"items": list(parts)}:
            return max((_vector(part) for part in parts), key=len, default=[])
        case {"value": inner}:
            return _vector(inner)
    return []


def _table(head: str, columns: list[str], rows: list[list[str]], note: str) -> Node:
    words = [
        any(not _numeric(row[at]) for row in rows if at < len(row)) for at in range(len(columns))
    ]  # numbers are read from the right
    return {"k": "table", "head": head, "columns": columns, "rows": rows, "words": words, "note": note}


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "None"
    return True


def _members(
    head: str, opening: str, closing: str, items: list[tuple[Any, Any]], total: int, *, sign: str = ": "
) -> Node:
    members = [(key, node(value)) for key, value in items[:MEMBERS]]
    if total <= len(members) and all(
        each["k"] in ("leaf", "inline") and "more" not in each for _, each in members
    ):
        line = opening + ", ".join(_pair(key, each, sign) for key, each in members) + closing
        if len(line) <= INLINE and "\n" not in line:
            return {"k": "inline", "parts": [*_parts(opening, members, sign, closing)]}
    shown = [
        {"key": str(index) if key is None else str(key), "v": each}
        for index, (key, each) in enumerate(members)
    ]
    count = f"{total:,}"
    found: Node = {"k": "group", "head": head, "count": count, "open": len(shown) <= 60, "items": shown}
    if total > len(shown):
        found["more"] = f"and {total - len(shown):,} more"
    return found


def _parts(opening: str, members: list[tuple[Any, Node]], sign: str, closing: str) -> Iterator[list[str]]:
    """The pieces of a line, each with its kind."""
    yield ["kind", opening]
    for index, (key, each) in enumerate(members):
        if index:
            yield ["kind", ", "]
        if key is not None:
            yield ["key", f"{key}"]
            yield ["kind", sign]
        if each["k"] == "leaf":
            yield [each["c"], each["s"]]
        else:
            yield from each["parts"]
    yield ["kind", closing]


def _pair(key: Any, each: Node, sign: str) -> str:
    return _line(each) if key is None else f"{key}{sign}{_line(each)}"


def _line(each: Node) -> str:
    match each["k"]:
        case "leaf":
            return str(each["s"])
        case "inline":
            return "".join(text for _, text in each["parts"])
        case "row":
            return f"{each['head']} {each['s']}".strip()
        case "group":
            return f"{each['head']} ({each.get('count', 1)})"
        case "table":
            return f"{each['head']}, {each['note']}"
    return str(each["head"])


def _leaf(kind: str, text: str) -> Node:
    return {"k": "leaf", "c": kind, "s": text}


def _cut(rest: dict[str, Any]) -> Node:
    return {"more": f"of {rest['$size']:,} characters"} if "$size" in rest else {}


def _numpy(kind: str, rest: dict[str, Any]) -> Node:
    return {**_leaf("number", str(rest.get("value"))), "t": plain_dtype(rest.get("dtype"))}


_SPECIAL: dict[str, Callable[[str, dict[str, Any]], Node]] = {
    "bytes": _bytes,
    "bytearray": _bytes,
    "ndarray": _array,
    "numpy": _numpy,
    "File": _file,
    "Dir": _dir,
}
