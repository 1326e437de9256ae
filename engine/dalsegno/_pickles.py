"""Whether loading an encoded value executes what its bytes say, told without loading it.

The bytes may come from anybody, so nothing is left to how they ought to look: whatever the decoder takes for an array of encoded
values is looked into, and what cannot be read counts as having some.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from functools import cache

import msgpack

from dalsegno.codec._arrays import split_head
from dalsegno.codec._format import Buffer, Tag
from dalsegno.codec._tagged import UNTAGGED, tagged
from dalsegno.models import ActionRecord, TaskTemplate, Values

_EXECUTED = (Tag.CUSTOM, Tag.OPAQUE)
"""What these hold is executed, or is given to code that somebody has registered."""

_FOREIGN = (*_EXECUTED, Tag.ARROW, Tag.POLARS)
"""The same, and what is given to a library that may trust it, as older versions of pyarrow do."""

_BYTES = frozenset(
    (Tag.BIG_INT, Tag.COMPLEX, Tag.BYTEARRAY, Tag.SINGLETON, Tag.ZONEINFO, Tag.DECIMAL, Tag.UUID)
)
"""The tags whose payload the decoder takes for bytes and nothing else."""


def value_has_pickles(data: Buffer) -> bool:
    """Whether an encoded value has some."""
    return _has(data, _EXECUTED)


def is_plain(data: Buffer) -> bool:
    """Whether an encoded value is decoded by code of ours alone."""
    return not _has(data, _FOREIGN)


def values_have_pickles(values: Values | None) -> bool:
    """Whether named values have some, as far as they are in the record itself."""
    if values is None or isinstance(values, bytes):
        return values is not None and value_has_pickles(values)
    return any(isinstance(part, bytes) and value_has_pickles(part) for part in values.values())


def action_has_pickles(action: ActionRecord) -> bool:
    """Whether there are some in the record of an action: inputs, outputs, and what its exceptions kept."""
    failures = [each.failure for each in action.failed_attempts]
    failures += [action.failure] if action.failure is not None else []
    return (
        values_have_pickles(action.inputs)
        or values_have_pickles(action.outputs)
        or any(value_has_pickles(each.state) for each in failures)
    )


def template_has_pickles(template: TaskTemplate) -> bool:
    """Whether there are some in a template: a task that has no source, a setting, a default of an input."""
    return template.pickle is not None or any(
        map(value_has_pickles, _bytes_in([template.settings, template.interface]))
    )


def _bytes_in(record: object) -> Iterator[bytes]:
    """All bytes in a record of msgpack."""
    waiting = [record]
    while waiting:
        found = waiting.pop()
        if isinstance(found, bytes):
            yield found
        elif isinstance(found, Mapping):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, (list, tuple)):
            waiting += found


def _has(data: Buffer, tags: tuple[Tag, ...]) -> bool:
    try:
        return _walk(data, tags, _heads(tags))
    except (ValueError, TypeError, struct.error, msgpack.UnpackException):
        return True


@cache
def _heads(tags: tuple[Tag, ...]) -> re.Pattern[bytes]:
    """What the head of an extension with one of these tags looks like; without any there is nothing to look for."""
    tag = b"[" + b"".join(re.escape(bytes((each,))) for each in tags) + b"]"
    return re.compile(rb"(?:[\xd4-\xd8]|\xc7.|\xc8..|\xc9....)" + tag, re.DOTALL)


def _walk(data: Buffer, tags: tuple[Tag, ...], heads: re.Pattern[bytes]) -> bool:
    waiting: list[tuple[int, Buffer]] = [(UNTAGGED, data)]
    while waiting:
        tag, payload = waiting.pop()
        if tag in tags:
            return True
        if tag == Tag.NDARRAY:
            payload, _ = split_head(payload)
        if tag not in _BYTES and heads.search(payload):
            tagged(payload, waiting)
    return False
