"""Arrow and polars tables, as the bytes of an Arrow IPC stream.

How a table is cut into chunks, and what lies under a null, are no part of its value, and are made uniform first.
The stream itself is the library's: another version of it may write other bytes for an equal table.
"""

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._format import Buffer, Payload, Tag

if TYPE_CHECKING:
    from ._decode import Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer"]


def find_writer(kind: type) -> Callable[["Writer", Any], tuple[Tag, Payload] | None] | None:
    """What writes this class of pyarrow or polars; None for what must be pickled."""
    pyarrow, polars = sys.modules.get("pyarrow"), sys.modules.get("polars")
    if pyarrow is not None:
        if kind is pyarrow.Table:
            return _write_table
        if kind is pyarrow.RecordBatch:
            return _write_batch
        if kind is pyarrow.ChunkedArray:
            return _write_chunks
        if issubclass(kind, pyarrow.Array):
            return _write_array
    if polars is not None:
        if kind is polars.DataFrame:
            return _write_polars_frame
        if kind is polars.Series:
            return _write_polars_series
    return None


def _write_table(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    return _arrow("Table", value)


def _write_batch(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    import pyarrow as pa

    return _arrow("RecordBatch", pa.Table.from_batches([value]))


def _write_chunks(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    import pyarrow as pa

    return _arrow("ChunkedArray", pa.table([value], names=[""]))


def _write_array(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    import pyarrow as pa

    return _arrow("Array", pa.table([value], names=[""]))


def _arrow(kind: str, table: Any) -> tuple[Tag, Payload]:
    import pyarrow as pa

    table = table.combine_chunks()
    if any(column.null_count or pa.types.is_nested(column.type) for column in table.columns):
        # Copying row by row leaves zeros under the nulls; the few types that cannot be copied so stay as they are.
        with suppress(pa.ArrowNotImplementedError):
            table = table.take(pa.array(range(table.num_rows), pa.int64())).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Tag.ARROW, [kind, table.num_rows, table.column_names, sink.getvalue().to_pybytes()]


def _read_arrow(reader: "Reader", data: Buffer) -> Any:
    import pyarrow as pa

    kind, _, _, content = reader.fields(data, 4)
    with pa.ipc.open_stream(content) as stream:
        table = stream.read_all()
    if kind == "Table":
        return table
    if kind == "RecordBatch":
        batches = table.to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    chunks = table.column(0)
    if kind == "ChunkedArray":
        return chunks
    return chunks.chunk(0) if chunks.num_chunks else pa.array([], type=chunks.type)


def _write_polars_frame(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    return _polars("DataFrame", value)


def _write_polars_series(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    return _polars("Series", value.to_frame())


def _polars(kind: str, frame: Any) -> tuple[Tag, Payload] | None:
    import polars as pl

    if any(_has_objects(dtype) for dtype in frame.dtypes) or (frame.height and not frame.width):
        return None
    if any(column.null_count() or column.dtype.is_nested() for column in frame.iter_columns()):
        # Copying row by row leaves zeros under the nulls.
        frame = frame.select(pl.all().gather(pl.int_range(pl.len())))
    sink = io.BytesIO()
    frame.rechunk().write_ipc_stream(sink, compression="uncompressed", compat_level=pl.CompatLevel.newest())
    return Tag.POLARS, [kind, frame.height, frame.columns, sink.getvalue()]


def _has_objects(dtype: Any) -> bool:
    import polars as pl

    if isinstance(dtype, (pl.List, pl.Array)):
        return _has_objects(dtype.inner)
    if isinstance(dtype, pl.Struct):
        return any(_has_objects(field.dtype) for field in dtype.fields)
    return bool(dtype == pl.Object)


def _read_polars(reader: "Reader", data: Buffer) -> Any:
    import polars as pl

    kind, _, _, content = reader.fields(data, 4)
    frame = pl.read_ipc_stream(content)
    return frame if kind == "DataFrame" else frame.to_series()


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {Tag.ARROW: _read_arrow, Tag.POLARS: _read_polars}
