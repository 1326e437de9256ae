"""Arrays and tables: lossless, and independent of how they lie in memory."""

import subprocess
import sys
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from dalsegno.codec import decode, encode


def back(value: Any) -> Any:
    encoded = encode(value)
    assert not encoded.opaque
    found = decode(encoded.data)
    assert type(found) is type(value)
    assert encode(found).data == encoded.data
    return found


scalars = hnp.scalar_dtypes()


@given(hnp.arrays(scalars | hnp.array_dtypes(scalars), hnp.array_shapes(min_dims=0, min_side=0)))
def test_arrays(array: Any) -> None:
    found = back(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes() or array.dtype.names or array.dtype.char in "gG"
    assert found.flags.writeable


def test_layout_in_memory_does_not_matter() -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    data = encode(array).data
    assert encode(np.asfortranarray(array)).data == data
    assert encode(np.repeat(array, 2, axis=2)[:, :, ::2]).data == data
    assert encode(array.astype(">f8")).data != data
    assert encode(array.reshape(3, 2, 4)).data != data
    assert encode(array.astype("f4")).data != data


def test_padding_is_no_part_of_the_value() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "f8"), ("c", [("d", "i1"), ("e", "i4")])], align=True)
    zeros, ones = (np.frombuffer(bytearray([fill]) * dtype.itemsize, dtype) for fill in (0, 255))
    for array in (zeros, ones):
        array["a"], array["b"], array["c"]["d"], array["c"]["e"] = 1, 2.0, 3, 4
    assert zeros.tobytes() != ones.tobytes()
    assert encode(zeros).data == encode(ones).data
    assert encode(zeros[0]).data == encode(ones[0]).data
    assert (back(ones) == zeros).all()


def test_extended_precision() -> None:
    array = np.array([1, 2.5, np.pi], np.longdouble)
    other = np.frombuffer(array.tobytes(), np.uint8).copy()
    if np.finfo(np.longdouble).nmant == 63:
        other.reshape(-1, array.itemsize)[:, 10:] = 7
    assert encode(other.view(np.longdouble)).data == encode(array).data
    assert (back(array) == array).all()


def test_arrays_of_objects() -> None:
    array = np.array([[1, "x"], [None, {2}]], object)
    assert (back(array) == array).all()
    holding_a_list = np.empty(1, object)
    holding_a_list[0] = [1, 2]
    assert back(holding_a_list)[0] == [1, 2]


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(1),
        np.float32(1),
        np.int8(1),
        np.longlong(1),
        np.bool_(True),
        np.str_("a\0"),
        np.bytes_(b"a\0"),
        np.str_(""),
        np.datetime64("2026-01-01"),
        np.datetime64("2026-01-01", "ns"),
        np.timedelta64(1, "s"),
        np.complex64(1j),
        np.void(b"abc"),
        np.zeros(1, [("a", "i1"), ("b", "f8")])[0],
        np.dtype("f8"),
        np.dtype([("a", "i4"), ("b", "O")]),
    ],
)
def test_numpy_scalars(scalar: Any) -> None:
    found = back(scalar)
    assert found == scalar
    assert getattr(found, "dtype", None) == getattr(scalar, "dtype", None)


def test_numpy_scalars_are_not_what_they_look_like() -> None:
    values = [
        1,
        1.0,
        np.int64(1),
        np.int32(1),
        np.float64(1),
        np.array(1),
        np.array([1]),
        np.str_("1"),
        "1",
        np.True_,
    ]
    assert len({encode(value).data for value in values}) == len(values)


def test_arrays_that_numpy_cannot_describe_are_opaque() -> None:
    for array in (np.array(["x"], np.dtypes.StringDType()), np.ma.masked_array([1, 2], [True, False])):
        encoded = encode(array)
        assert encoded.opaque
        assert type(decode(encoded.data)) is type(array)


INDEXES = {
    "range": pd.RangeIndex(1, 7, 2, name="r"),
    "int": pd.Index([1, 5, 3]),
    "float": pd.Index([1.5, 2, float("nan")]),
    "bool": pd.Index([True, False, True]),
    "str": pd.Index(["a", "b", None]),
    "object": pd.Index([1, "a", (1, 2)], dtype=object, name=("n", 1)),
    "dates": pd.date_range("2026", periods=3, freq="D"),
    "zoned": pd.date_range("2026-10-25", periods=3, freq="h", tz=ZoneInfo("Europe/Berlin"), name="t"),
    "gaps": pd.DatetimeIndex(["2026-01-01", "2026-03-01", None]),
    "spans": pd.timedelta_range("1D", periods=3),
    "periods": pd.period_range("2026", periods=3, freq="M"),
    "intervals": pd.interval_range(0, 3, closed="left"),
    "categories": pd.CategoricalIndex(["b", "a", "b"], categories=["b", "a", "c"], ordered=True),
    "multi": pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=["x", None]),
    "masked": pd.Index([1, 2, None], dtype="Int64"),
}

COLUMNS = [
    pd.array([1, None, 3], dtype="Int8"),
    pd.array([1.5, None, 3], dtype="Float64"),
    pd.array([True, None, False], dtype="boolean"),
    pd.array(["a", None, "b"], dtype="str"),
    pd.array(["a", None, "b"], dtype="string"),
    pd.array(["a", None, "b"], dtype=pd.StringDtype("python")),
    pd.array(["a", None, "b"], dtype=pd.StringDtype("python", na_value=np.nan)),
    pd.Categorical(["x", None, "y"]),
    np.array([1, 2, 3]),
    np.array([1, "a", None], object),
    pd.array(pd.date_range("2026", periods=3, tz="UTC")),
    pd.array(pd.date_range("2026", periods=3)),
    pd.array(pd.timedelta_range("1D", periods=3)),
    pd.array([1, None, 3], dtype=pd.ArrowDtype(pa.int32())),
    pd.array(["a", None, "b"], dtype=pd.ArrowDtype(pa.string())),
    pd.array(pd.period_range("2026", periods=3, freq="Q")),
    pd.array(pd.interval_range(0, 3)),
]


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_pandas_indexes(index: Any) -> None:
    found = back(index)
    pd.testing.assert_index_equal(found, index, exact=True)
    assert found.names == index.names
    assert getattr(found, "freq", None) == getattr(index, "freq", None)


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_pandas_frames_with_each_index(index: Any) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], 3: [1.0, 2.0, np.nan]}, index=index)
    frame.attrs = {"unit": {"t": (1, 2)}}
    found = back(frame)
    pd.testing.assert_frame_equal(found, frame, check_freq=True, check_flags=True)
    assert found.attrs == frame.attrs


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: repr(column.dtype))
def test_pandas_columns(column: Any) -> None:
    series = pd.Series(column, name=("n", 1))
    series.attrs["k"] = (1, 2)
    found = back(series)
    pd.testing.assert_series_equal(found, series, check_freq=True)
    assert found.attrs == series.attrs
    assert type(found.array) is type(series.array)
    assert type(back(series.array)) is type(series.array)


def test_odd_pandas_frames() -> None:
    frames = [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(columns=["a"]),
        pd.DataFrame([[1, 2.0], [3, 4.0]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    ]
    for frame in frames:
        pd.testing.assert_frame_equal(back(frame), frame, check_flags=True)


def test_what_lies_under_a_mask_is_no_part_of_the_value() -> None:
    mask = np.array([False, True])
    one, other = (pd.arrays.IntegerArray(np.array([1, under]), mask) for under in (1, 99))
    assert encode(one).data == encode(other).data


@pytest.mark.parametrize(
    "scalar",
    [
        pd.Timestamp("2026-01-01 12:00:00.123456789"),
        pd.Timestamp(1792888200, unit="s", tz="Europe/Berlin"),
        pd.Timestamp(1792891800, unit="s", tz="Europe/Berlin"),
        pd.Timedelta("1D"),
        pd.Period("2026-01", "M"),
        pd.Interval(0, 1, "both"),
    ],
)
def test_pandas_scalars(scalar: Any) -> None:
    found = back(scalar)
    assert found == scalar
    assert repr(found) == repr(scalar)
    assert getattr(found, "fold", 0) == getattr(scalar, "fold", 0)


def test_the_missing_values_of_pandas_are_themselves() -> None:
    assert back(pd.NA) is pd.NA
    assert back(pd.NaT) is pd.NaT


def test_pandas_types_that_are_not_known_are_opaque_and_survive() -> None:
    series = pd.Series(pd.arrays.SparseArray([0, 0, 1]))
    encoded = encode(series)
    assert encoded.opaque
    pd.testing.assert_series_equal(decode(encoded.data), series)


def test_arrow() -> None:
    table = pa.table({"a": [1, 2, None], "b": ["x", None, "z"], "c": [[1], None, []]})
    table = table.replace_schema_metadata({"k": "v"})
    batch = table.to_batches()[0]
    assert back(table).equals(table, check_metadata=True)
    assert back(batch).equals(batch)
    assert back(table.slice(0, 0)).equals(table.slice(0, 0))
    assert back(table["b"]).equals(table["b"])
    for array in (pa.array([1, None]), pa.array([], pa.int8()), pa.array(["a", "b"]).dictionary_encode()):
        assert back(array).equals(array)
    assert len({encode(value).data for value in (table, batch, table["a"], table["a"].combine_chunks())}) == 4


def test_chunks_and_what_lies_under_nulls_are_no_part_of_an_arrow_table() -> None:
    table = pa.table({"a": [1, None, 3], "b": ["x", None, "z"]})
    in_chunks = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert encode(in_chunks).data == encode(table).data
    validity, numbers = pa.py_buffer(b"\xfd"), pa.py_buffer(np.array([1, 99, 3]))
    hidden = pa.Array.from_buffers(pa.int64(), 3, [validity, numbers])
    assert encode(hidden).data == encode(table["a"].chunk(0)).data


def test_polars() -> None:
    frame = pl.DataFrame(
        {
            "a": [1, 2, None],
            "b": ["x", None, "z"],
            "c": [[1], [2], None],
            "e": pl.Series(["a", "b", "a"], dtype=pl.Enum(["a", "b"])),
            "g": [{"x": 1}] * 3,
        }
    )
    found = back(frame)
    assert found.equals(frame)
    assert found.schema == frame.schema
    assert back(pl.DataFrame()).equals(pl.DataFrame())
    series = frame["b"]
    assert back(series).equals(series, check_names=True, check_dtypes=True)
    in_chunks = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert encode(in_chunks).data == encode(frame).data


def test_pandas_needs_no_arrow() -> None:
    code = """if True:
        import sys
        sys.modules["pyarrow"] = None
        import pandas as pd
        from dalsegno.codec import decode, encode
        frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index(["u", "v"]))
        encoded = encode(frame)
        assert not encoded.opaque
        pd.testing.assert_frame_equal(decode(encoded.data), frame)
    """
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
