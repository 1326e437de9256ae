"""Types of the standard library that must be imported: times, numbers, paths, patterns, collections."""

import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._format import Buffer, Payload, Tag

if TYPE_CHECKING:
    from datetime import date, datetime, time, timedelta, timezone
    from decimal import Decimal
    from fractions import Fraction
    from pathlib import PurePath
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from ._decode import Reader
    from ._encode import Writer

__all__ = ["READERS", "find_writer"]

_PATHS = ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")


def _write_datetime(writer: "Writer", value: "datetime") -> tuple[Tag, Payload]:
    return Tag.DATETIME, [
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.fold,
        value.tzinfo,
    ]


def _read_datetime(reader: "Reader", data: Buffer) -> "datetime":
    from datetime import datetime

    *parts, fold, zone = reader.fields(data, 9)
    year, month, day, *clock = parts
    hour, minute, second, micro = clock
    return datetime(year, month, day, hour, minute, second, micro, zone, fold=fold)


def _write_date(writer: "Writer", value: "date") -> tuple[Tag, Payload]:
    return Tag.DATE, [value.year, value.month, value.day]


def _read_date(reader: "Reader", data: Buffer) -> "date":
    from datetime import date

    return date(*reader.fields(data, 3))


def _write_time(writer: "Writer", value: "time") -> tuple[Tag, Payload]:
    return Tag.TIME, [value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo]


def _read_time(reader: "Reader", data: Buffer) -> "time":
    from datetime import time

    *parts, fold, zone = reader.fields(data, 6)
    hour, minute, second, micro = parts
    return time(hour, minute, second, micro, zone, fold=fold)


def _write_timedelta(writer: "Writer", value: "timedelta") -> tuple[Tag, Payload]:
    return Tag.TIMEDELTA, [value.days, value.seconds, value.microseconds]


def _read_timedelta(reader: "Reader", data: Buffer) -> "timedelta":
    from datetime import timedelta

    return timedelta(*reader.fields(data, 3))


def _write_timezone(writer: "Writer", value: "timezone") -> tuple[Tag, Payload]:
    # (offset,) or (offset, name): the name that was given, which `tzname` cannot be told apart from.
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]  # typeshed leaves it out
    return Tag.TIMEZONE, [offset, *name]


def _read_timezone(reader: "Reader", data: Buffer) -> "timezone":
    from datetime import timezone

    return timezone(*reader.fields(data))


def _write_zoneinfo(writer: "Writer", value: "ZoneInfo") -> tuple[Tag, Payload] | None:
    return None if value.key is None else (Tag.ZONEINFO, value.key.encode())


def _read_zoneinfo(reader: "Reader", data: Buffer) -> "ZoneInfo":
    from zoneinfo import ZoneInfo

    return ZoneInfo(str(data, "utf-8"))


def _write_decimal(writer: "Writer", value: "Decimal") -> tuple[Tag, Payload]:
    # The thread's decimal context decides about the case of the exponent.
    return Tag.DECIMAL, str(value).replace("e", "E").encode()


def _read_decimal(reader: "Reader", data: Buffer) -> "Decimal":
    from decimal import Decimal

    return Decimal(str(data, "ascii"))


def _write_fraction(writer: "Writer", value: "Fraction") -> tuple[Tag, Payload]:
    return Tag.FRACTION, [value.numerator, value.denominator]


def _read_fraction(reader: "Reader", data: Buffer) -> "Fraction":
    from fractions import Fraction

    return Fraction(*reader.fields(data, 2))


def _write_uuid(writer: "Writer", value: "UUID") -> tuple[Tag, Payload]:
    return Tag.UUID, value.bytes


def _read_uuid(reader: "Reader", data: Buffer) -> "UUID":
    from uuid import UUID

    return UUID(bytes=bytes(data))


def _write_path(writer: "Writer", value: "PurePath") -> tuple[Tag, Payload]:
    return Tag.PATH, [type(value).__name__, str(value)]


def _read_path(reader: "Reader", data: Buffer) -> "PurePath":
    import pathlib

    name, text = reader.fields(data, 2)
    kinds: dict[str, type[pathlib.PurePath]] = {kind: getattr(pathlib, kind) for kind in _PATHS}
    return kinds[name](text)


def _write_pattern(writer: "Writer", value: "re.Pattern[Any]") -> tuple[Tag, Payload]:
    return Tag.PATTERN, [value.pattern, value.flags & ~int(re.DEBUG)]


def _read_pattern(reader: "Reader", data: Buffer) -> "re.Pattern[Any]":
    pattern, flags = reader.fields(data, 2)
    return re.compile(pattern, flags & ~int(re.DEBUG))


def _write_ordered_dict(writer: "Writer", value: "OrderedDict[Any, Any]") -> tuple[Tag, Payload]:
    return Tag.ORDERED_DICT, [dict(value)]


def _read_ordered_dict(reader: "Reader", data: Buffer) -> "OrderedDict[Any, Any]":
    return OrderedDict(reader.mapping(*reader.fields(data, 1)))


def _write_defaultdict(writer: "Writer", value: "defaultdict[Any, Any]") -> tuple[Tag, Payload]:
    return Tag.DEFAULT_DICT, [value.default_factory, dict(value)]


def _read_defaultdict(reader: "Reader", data: Buffer) -> "defaultdict[Any, Any]":
    factory, items = reader.fields(data, 2)
    return defaultdict(factory, reader.mapping(items))


def _write_counter(writer: "Writer", value: "Counter[Any]") -> tuple[Tag, Payload]:
    return Tag.COUNTER, [dict(value)]


def _read_counter(reader: "Reader", data: Buffer) -> "Counter[Any]":
    return Counter(reader.mapping(*reader.fields(data, 1)))


def _write_deque(writer: "Writer", value: "deque[Any]") -> tuple[Tag, Payload]:
    return Tag.DEQUE, [list(value), value.maxlen]


def _read_deque(reader: "Reader", data: Buffer) -> "deque[Any]":
    members, maxlen = reader.fields(data, 2)
    return deque(members, maxlen)


_WRITERS: dict[str, Callable[["Writer", Any], tuple[Tag, Payload] | None]] = {
    "Counter": _write_counter,
    "Decimal": _write_decimal,
    "Fraction": _write_fraction,
    "OrderedDict": _write_ordered_dict,
    "Pattern": _write_pattern,
    "UUID": _write_uuid,
    "ZoneInfo": _write_zoneinfo,
    "date": _write_date,
    "datetime": _write_datetime,
    "defaultdict": _write_defaultdict,
    "deque": _write_deque,
    "time": _write_time,
    "timedelta": _write_timedelta,
    "timezone": _write_timezone,
    **dict.fromkeys(_PATHS, _write_path),
}


def find_writer(kind: type) -> Callable[["Writer", Any], tuple[Tag, Payload] | None] | None:
    """What writes this class of the standard library; None when nothing does."""
    return _WRITERS.get(kind.__qualname__)


READERS: dict[int, Callable[["Reader", Buffer], Any]] = {
    Tag.DATETIME: _read_datetime,
    Tag.DATE: _read_date,
    Tag.TIME: _read_time,
    Tag.TIMEDELTA: _read_timedelta,
    Tag.TIMEZONE: _read_timezone,
    Tag.ZONEINFO: _read_zoneinfo,
    Tag.DECIMAL: _read_decimal,
    Tag.FRACTION: _read_fraction,
    Tag.UUID: _read_uuid,
    Tag.PATH: _read_path,
    Tag.PATTERN: _read_pattern,
    Tag.ORDERED_DICT: _read_ordered_dict,
    Tag.DEFAULT_DICT: _read_defaultdict,
    Tag.COUNTER: _read_counter,
    Tag.DEQUE: _read_deque,
}
