"""Which data files the texts and paths in code may mean."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

__all__ = ["matching"]


def matching(files: Collection[str], texts: Iterable[str], paths: Iterable[str]) -> set[str]:
    """The files that are named; by a path beside the code, which is exact, or by any text that could be part of one."""
    if not files:
        return set()
    found: set[str] = set()
    for path in paths:
        found |= _below(files, path)
    names = {file: file.rpartition("/")[2] for file in files}
    for text in texts:
        found |= {file for file in files if _may_mean(text, file, names[file])}
    return found


def _below(files: Collection[str], path: str) -> set[str]:
    """The files that a path ends at, or that are below it; nothing is known of what is above `..`."""
    parts = path.split("/")
    while ".." in parts:
        del parts[: parts.index("..") + 1]
    path = "/".join(parts)
    return {file for file in files if not path or f"/{path}/" in f"/{file}/"}


def _may_mean(text: str, file: str, name: str) -> bool:
    if name in text:
        return True
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if "." not in text and "/" not in text:
        return text in file.split("/") or text == name.partition(".")[0]
    if not any(each.isalnum() for each in last):
        return (
            "/" in text
            and any(each.isalnum() for each in text)
            and _below([file], text.strip("*./ ")) != set()
        )
    if any(each in last for each in "*?["):
        return fnmatchcase(name, last) or fnmatchcase(file, f"*{text}")
    return last in file
