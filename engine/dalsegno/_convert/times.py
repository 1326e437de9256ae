"""Times as people type them."""

import re
from datetime import date, datetime, timedelta

_ISO = re.compile(
    r"([+-])?P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_CLOCK = re.compile(r"(?:(-?\d+) days?, )?([+-])?(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)")
_AMOUNT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([a-z]+)[\s,]*", re.IGNORECASE)
_WORDS = {
    "weeks": ("w", "week", "weeks"),
    "days": ("d", "day", "days"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "minutes": ("m", "min", "mins", "minute", "minutes"),
    "seconds": ("s", "sec", "secs", "second", "seconds"),
    "milliseconds": ("ms", "millisecond", "milliseconds"),
    "microseconds": ("us", "microsecond", "microseconds"),
}
_UNITS = {word: unit for unit, words in _WORDS.items() for word in words}
_MOMENT = re.compile(r"(now|today)(?:\s*([+-])\s*(.+))?", re.IGNORECASE)


def duration(text: str) -> timedelta:
    """Read "PT1H30M", "1:24" (minutes:seconds), "1:24:00", "10 minutes", "1h 30m", or a number of seconds."""
    text = text.strip()
    if (match := _ISO.fullmatch(text)) and any(match.groups()[1:]):
        sign = match[1]
        weeks, days, hours, minutes, seconds = (float(amount or 0) for amount in match.groups()[1:])
        result = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return -result if sign == "-" else result
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (float(amount or 0) for amount in match.groups()[2:])
        result = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return timedelta(days=int(match[1] or 0)) + (-result if match[2] == "-" else result)
    if _AMOUNT.match(text) and not _AMOUNT.sub("", text):
        parts = [(float(amount), _UNITS.get(word.lower())) for amount, word in _AMOUNT.findall(text)]
        return sum((timedelta(**{unit or "": amount}) for amount, unit in parts), timedelta())
    return timedelta(seconds=float(text))


def moment(text: str) -> datetime:
    """Read ISO-8601, or "now" and "today" in this machine's zone, with an optional "+" or "-" duration."""
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return datetime.fromisoformat(text.strip())
    word, sign, offset = match.groups()
    start = datetime.now().astimezone()
    if word.lower() == "today":
        start = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if sign is None:
        return start
    return start + duration(offset) if sign == "+" else start - duration(offset)


def day(text: str) -> date:
    """Read an ISO-8601 date, or "today" with an optional offset."""
    return moment(text).date() if _MOMENT.fullmatch(text.strip()) else date.fromisoformat(text.strip())
