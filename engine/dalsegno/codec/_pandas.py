"""pandas objects, column by column.

Arrow would lose things that pandas users see: the frequency of an index, labels that are no strings, columns of one name,
attributes with tuples. So an object is written as what it is made of: [name of its class, parts...], each part
a value again. Extension types that are not listed are left to cloudpickle, with all that holds them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._format import Buffer, Payload, Tag

if TYPE_CHECKING:
    from ._decode import Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer"]


class _Unknown(Exception):
    """An array that this module does not know how to take apart."""


def find_writer(kind: type) -> Callable[["Writer", Any], tuple[Tag, Payload] | None] | None:
    """What writes this class of pandas; None for what must be pickled."""
    return _write if kind.__qualname__ in _TAKE_APART else None


def _write(writer: "Writer", value: Any) -> tuple[Tag, Payload] | None:
    name = type(value).__qualname__
    try:
        return Tag.PANDAS, [name, *_TAKE_APART[name](value)]
    except _Unknown:
        return None


def _read(reader: "Reader", data: Buffer) -> Any:
    name, *parts = reader.fields(data)
    return _PUT_TOGETHER[name](*parts)


def _known(array: Any) -> Any:
    """An array of values: numpy's own where there is one."""
    import numpy as np

    if isinstance(array.dtype, np.dtype) or type(array).__qualname__ == "NumpyExtensionArray":
        return np.asarray(array)
    if type(array).__qualname__ not in _TAKE_APART:
        raise _Unknown
    return array


def _pandas() -> Any:
    import pandas

    return pandas


def _frame(frame: Any) -> list[Any]:
    columns = [_known(frame.iloc[:, place].array) for place in range(frame.shape[1])]
    return [frame.index, frame.columns, columns, dict(frame.attrs), frame.flags.allows_duplicate_labels]


def _make_frame(index: Any, columns: Any, arrays: Any, attrs: Any, duplicates: bool) -> Any:
    pd = _pandas()
    series = {
        place: pd.Series(array, index=index, dtype=array.dtype, copy=False)
        for place, array in enumerate(arrays)
    }
    frame = pd.DataFrame(series, index=index)
    frame.columns = columns
    return _finish(frame, attrs, duplicates)


def _series(series: Any) -> list[Any]:
    return [
        series.index,
        series.name,
        _known(series.array),
        dict(series.attrs),
        series.flags.allows_duplicate_labels,
    ]


def _make_series(index: Any, name: Any, array: Any, attrs: Any, duplicates: bool) -> Any:
    series = _pandas().Series(array, index=index, name=name, dtype=array.dtype, copy=False)
    return _finish(series, attrs, duplicates)


def _finish(made: Any, attrs: Any, duplicates: bool) -> Any:
    made.attrs.update(attrs)
    if not duplicates:
        made.flags.allows_duplicate_labels = False
    return made


def _index(index: Any) -> list[Any]:
    return [index.name, _known(index.array), _freq(index)]


def _make_index(name: Any, array: Any, freq: Any) -> Any:
    pd = _pandas()
    index = pd.Index(array, dtype=array.dtype, name=name, copy=False)
    if freq is not None:
        index.freq = freq
    return index


def _freq(index: Any) -> Any:
    if type(index).__qualname__ not in ("DatetimeIndex", "TimedeltaIndex") or index.freq is None:
        return None
    if _pandas().tseries.frequencies.to_offset(index.freqstr) != index.freq:
        raise _Unknown
    return index.freqstr


def _range(index: Any) -> list[Any]:
    return [index.start, index.stop, index.step, index.name]


def _make_range(start: int, stop: int, step: int, name: Any) -> Any:
    return _pandas().RangeIndex(start, stop, step, name=name)


def _multi(index: Any) -> list[Any]:
    import numpy as np

    return [list(index.levels), [np.asarray(codes) for codes in index.codes], list(index.names)]


def _make_multi(levels: Any, codes: Any, names: Any) -> Any:
    return _pandas().MultiIndex(levels=levels, codes=codes, names=names)


def _numpy_array(array: Any) -> list[Any]:
    import numpy as np

    return [np.asarray(array)]


def _make_numpy_array(array: Any) -> Any:
    return _pandas().arrays.NumpyExtensionArray(array)


def _categorical(array: Any) -> list[Any]:
    return [array.codes, array.categories, array.ordered]


def _make_categorical(codes: Any, categories: Any, ordered: bool) -> Any:
    return _pandas().Categorical.from_codes(codes, categories=categories, ordered=ordered)


def _datetimes(array: Any) -> list[Any]:
    import numpy as np

    return [np.asarray(array if array.tz is None else array.tz_convert(None)), array.tz]


def _make_datetimes(points: Any, zone: Any) -> Any:
    index = _pandas().DatetimeIndex(points)
    return index.array if zone is None else index.tz_localize("UTC").tz_convert(zone).array


def _periods(array: Any) -> list[Any]:
    import numpy as np

    return [np.asarray(array.asi8), array.freqstr]


def _make_periods(ordinals: Any, freq: str) -> Any:
    return _pandas().PeriodIndex.from_ordinals(ordinals, freq=freq).array


def _intervals(array: Any) -> list[Any]:
    return [array.left, array.right, array.closed]


def _make_intervals(left: Any, right: Any, closed: str) -> Any:
    return _pandas().arrays.IntervalArray.from_arrays(left, right, closed)


def _masked(array: Any) -> list[Any]:
    import numpy as np

    mask = np.asarray(array.isna())
    # What lies under the mask is no part of the value.
    return [np.where(mask, array.dtype.numpy_dtype.type(0), array._data), mask]


def _texts(array: Any) -> list[Any]:
    pd = _pandas()
    missing = array.isna()
    texts = [None if none else text for text, none in zip(array.to_numpy(object), missing, strict=True)]
    return [array.dtype.storage, array.dtype.na_value is pd.NA, texts]


def _make_texts(storage: str, missing_is_na: bool, texts: Any) -> Any:
    pd = _pandas()
    missing = pd.NA if missing_is_na else float("nan")
    return pd.array(texts, dtype=pd.StringDtype(storage, na_value=missing))


def _arrow(array: Any) -> list[Any]:
    return [array.__arrow_array__()]


def _make_arrow(chunks: Any) -> Any:
    return _pandas().arrays.ArrowExtensionArray(chunks)


def _timestamp(value: Any) -> list[Any]:
    return [value.asm8, value.tz]


def _make_timestamp(point: Any, zone: Any) -> Any:
    stamp = _pandas().Timestamp(point)
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(zone)


def _period(value: Any) -> list[Any]:
    return [value.ordinal, value.freqstr]


def _make_period(ordinal: int, freq: str) -> Any:
    return _pandas().Period(ordinal=ordinal, freq=freq)


def _interval(value: Any) -> list[Any]:
    return [value.left, value.right, value.closed]


_INDEXES = ("Index", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "IntervalIndex", "CategoricalIndex")
_STRINGS = ("StringArray", "ArrowStringArray", "ArrowStringArrayNumpySemantics", "StringArrayNumpySemantics")

_TAKE_APART: dict[str, Callable[[Any], list[Any]]] = {
    "DataFrame": _frame,
    "Series": _series,
    "RangeIndex": _range,
    "MultiIndex": _multi,
    **dict.fromkeys(_INDEXES, _index),
    "ArrowExtensionArray": _arrow,
    "BooleanArray": _masked,
    "Categorical": _categorical,
    "DatetimeArray": _datetimes,
    "TimedeltaArray": _numpy_array,
    "FloatingArray": _masked,
    "IntegerArray": _masked,
    "IntervalArray": _intervals,
    "NumpyExtensionArray": _numpy_array,
    "PeriodArray": _periods,
    **dict.fromkeys(_STRINGS, _texts),
    "Interval": _interval,
    "NAType": lambda value: [],
    "NaTType": lambda value: [],
    "Period": _period,
    "Timedelta": lambda value: [value.asm8],
    "Timestamp": _timestamp,
}

_PUT_TOGETHER: dict[str, Callable[..., Any]] = {
    "DataFrame": _make_frame,
    "Series": _make_series,
    "RangeIndex": _make_range,
    "MultiIndex": _make_multi,
    **dict.fromkeys(_INDEXES, _make_index),
    "ArrowExtensionArray": _make_arrow,
    "BooleanArray": lambda values, mask: _pandas().arrays.BooleanArray(values, mask),
    "Categorical": _make_categorical,
    "DatetimeArray": _make_datetimes,
    "TimedeltaArray": lambda array: _pandas().TimedeltaIndex(array).array,
    "FloatingArray": lambda values, mask: _pandas().arrays.FloatingArray(values, mask),
    "IntegerArray": lambda values, mask: _pandas().arrays.IntegerArray(values, mask),
    "IntervalArray": _make_intervals,
    "NumpyExtensionArray": _make_numpy_array,
    "PeriodArray": _make_periods,
    **dict.fromkeys(_STRINGS, _make_texts),
    "Interval": lambda left, right, closed: _pandas().Interval(left, right, closed),
    "NAType": lambda: _pandas().NA,
    "NaTType": lambda: _pandas().NaT,
    "Period": _make_period,
    "Timedelta": lambda span: _pandas().Timedelta(span),
    "Timestamp": _make_timestamp,
}

READERS: dict[int, Callable[["Reader", Buffer], Any]] = {Tag.PANDAS: _read}
