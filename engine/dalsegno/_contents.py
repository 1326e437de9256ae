"""Where two arrays or two tables differ, element by element, found in their bytes.

Nothing of the recorded code is needed for that, and nothing is unpickled: elements are read as numbers by numpy if it
is installed, and the streams of tables by the library that wrote them. Where one is missing it is only told that they differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dalsegno.codec import Content

SAFE_ARROW = 15
"""Reading a stream with an older pyarrow may unpickle what is in it."""


class Found(NamedTuple):
    """A difference within an array or a table; `path` goes on from that of the whole."""

    path: str
    kind: str
    old: Any
    new: Any
    differing: int = 1
    size: int = 1
    largest: float | None = None


def content_places(old: Content, new: Content) -> Iterator[Found]:
    """Where two values of one kind differ; nothing for equal ones."""
    if dict(old) != dict(new):
        yield Found("", old.kind, _facts(old), _facts(new))
    elif old.content == new.content:
        return
    elif old.kind == "array":
        yield from _in_arrays(old, new)
    elif old.kind == "table":
        yield from _in_tables(old, new)
    else:
        kind = "opaque" if old.kind == "opaque" else "value"
        yield Found("", kind, dict(old), dict(new))


def _facts(shown: Content) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key not in ("$type", "codec")}


def _in_arrays(old: Content, new: Content) -> Iterator[Found]:
    size = 1
    for length in old["shape"]:
        size *= length
    dtype, facts = old["dtype"], _facts(old)
    numbers = isinstance(dtype, str) and dtype[1:2] in ("b", "i", "u", "f", "c") and _numpy()
    if not numbers:
        width = len(old.content) // size
        count = sum(
            old.content[start : start + width] != new.content[start : start + width]
            for start in range(0, size * width, width)
        )
        yield Found("", "array", facts, facts, count, size)
        return
    np = _numpy()
    sides = [np.frombuffer(side.content, dtype=np.dtype(dtype)) for side in (old, new)]
    count, largest = _numbers(*sides)
    if count:
        yield Found("", "array", facts, facts, count, size, largest)


def _numbers(old: Any, new: Any) -> tuple[int, float | None]:
    """How many numbers differ, and by how much at most; None when one of them is not finite."""
    np = _numpy()
    differs = (old != new) & ~((old != old) & (new != new))
    if not differs.any():  # zeros of another sign
        differs = old.view(np.uint8).reshape(len(old), -1) != new.view(np.uint8).reshape(len(new), -1)
        return int(differs.any(axis=1).sum()), 0.0
    wide = np.complex128 if old.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        largest = float(np.abs(old[differs].astype(wide) - new[differs].astype(wide)).max())
    return int(differs.sum()), largest if np.isfinite(largest) else None


def _in_tables(old: Content, new: Content) -> Iterator[Found]:
    try:
        before, after = (_columns(side) for side in (old, new))
    except Exception:  # the library is missing or another one, so it is only known that they differ
        yield Found("", "table", _facts(old), _facts(new))
        return
    for name, (kind, values) in before.items():
        other, news = after[name]
        path = f"[{name!r}]" if name else ""
        if kind != other:
            yield Found(path, "table", {"type": kind}, {"type": other})
            continue
        pairs = [(a, b) for a, b in zip(values, news, strict=True) if a != b and not (a != a and b != b)]
        if pairs:
            numbers = all(isinstance(each, (int, float)) for pair in pairs for each in pair)
            largest = float(max(abs(a - b) for a, b in pairs)) if numbers else None
            facts = {"type": kind, "rows": len(values)}
            yield Found(path, "table", facts, facts, len(pairs), len(values), largest)


def _columns(table: Content) -> dict[str, tuple[str, list[Any]]]:
    """Types and values of the columns by name."""
    if table["$type"].startswith("polars"):
        import polars as pl

        frame = pl.read_ipc_stream(table.content)
        return {column.name: (str(column.dtype), column.to_list()) for column in frame.iter_columns()}
    import pyarrow as pa

    if int(pa.__version__.partition(".")[0]) < SAFE_ARROW:
        raise ImportError("too old to be safe")
    with pa.ipc.open_stream(table.content) as stream:
        found = stream.read_all()
    if len({*found.column_names}) < found.num_columns:
        raise ValueError("two columns of one name")
    return {
        name: (str(column.type), column.to_pylist())
        for name, column in zip(found.column_names, found.columns, strict=True)
    }


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy
