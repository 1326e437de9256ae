"""What is in recorded files, for those that can be looked at: pictures, pages and texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

LARGEST = 4_000_000
"""A file of more bytes is not shown."""

MOST = 20
"""Of so many files in one value the contents are shown."""

LONG = 100_000
"""Of a text so many characters are shown."""

RENDERED = 200_000
"""Markdown of more characters is shown as it is written: what is made to be hard takes 25 µs for each."""

_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
_PAGES = (".html", ".htm")
_MARKDOWN = (".md", ".markdown")
_TEXTS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".log", ".py", ".toml", ".xml", ".yaml", ".yml")
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_ALONE = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'\">"
)
_READABLE = (
    "body{font:14px/1.5 sans-serif;margin:12px}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:2px 8px}"
)


def with_contents(shown: Any, read: Callable[[str], bytes]) -> Any:
    """A value as `dalsegno.codec.view` gives it, with "content" in the files whose content can be shown; `read` takes a digest."""
    left = [MOST]

    def walk(each: Any) -> Any:
        if isinstance(each, list):
            return [walk(item) for item in each]
        if not isinstance(each, dict):
            return each
        if each.get("$type") == "File" and left[0] and _is_shown(each):
            left[0] -= 1
            return {**each, "content": read(each["digest"])}
        return {key: walk(value) for key, value in each.items()}

    return walk(shown)


def _is_shown(file: dict[str, Any]) -> bool:
    known = (*_IMAGES, *_PAGES, *_MARKDOWN, *_TEXTS)
    return file.get("size", LARGEST + 1) <= LARGEST and _suffix(file) in known


def _suffix(file: dict[str, Any]) -> str:
    return PurePosixPath(str(file.get("name", ""))).suffix.lower()


def file_node(file: dict[str, Any], head: str) -> dict[str, Any] | None:
    """The node of a file whose content is there; None for any other."""
    content = file.get("content")
    if not isinstance(content, bytes):
        return None
    suffix = _suffix(file)
    if suffix in _IMAGES:
        return image_node(_IMAGES[suffix], content, head)
    text = content.decode("utf-8", "replace")
    if suffix in _PAGES:
        return page_node(text, head)
    if suffix in _MARKDOWN:
        return page_node(markdown_page(text), head)
    return {"k": "text", "head": head, "s": text[:LONG], "more": max(0, len(text) - LONG)}


def image_node(form: str, data: bytes, head: str) -> dict[str, Any]:
    """A picture; its address is data that a browser takes for a picture and nothing else."""
    return {"k": "image", "head": head, "src": f"data:{form};base64,{base64.b64encode(data).decode()}"}


def page_node(page: str, head: str) -> dict[str, Any]:
    """A page, for a frame that may run nothing; what it would load from elsewhere, it does without."""
    doctype = _DOCTYPE.match(page)
    start = doctype.end() if doctype else 0
    return {"k": "page", "head": head, "doc": page[:start] + _ALONE + page[start:]}


def markdown_page(text: str) -> str:
    """Markdown as a page; HTML in it stays text."""
    body = _markdown().render(text) if len(text) <= RENDERED else f"<pre>{escape(text)}</pre>"
    return f"<!doctype html><meta charset=utf-8><style>{_READABLE}</style>{body}"


@cache
def _markdown() -> MarkdownIt:
    # Not the one that comes with NiceGUI: a minute is not enough for it to read 40 KB of "[a](".
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")
