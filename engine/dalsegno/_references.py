"""What a record or an object refers to: the one place that knows, for whoever follows references or removes what has none.

An encoded value refers to the content of the files in it. To find them the value is walked, never decoded: nothing is
imported, unpickled or run. What is pickled holds the content of its files itself, so pickles are not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgpack

from dalsegno import _records as records
from dalsegno.codec._format import Buffer, Tag
from dalsegno.codec._pieces import members
from dalsegno.codec._tagged import tagged
from dalsegno.errors import DecodeError
from dalsegno.models import ActionRecord, Ref, RunRecord, TaskTemplate, Values
from dalsegno_storage.digest import DIGEST_SIZE

TABLES = frozenset(b"rnzlicdpgomt")
"""The first bytes of the keys that are known here; nothing is removed from a store that has others."""

REFERRING = ("template", "bundle", "value")
"""The kinds of objects that refer to others, those first that no kind after them refers to."""

_RAW = frozenset(
    (
        *(Tag.BIG_INT, Tag.COMPLEX, Tag.BYTEARRAY, Tag.SINGLETON, Tag.ZONEINFO, Tag.DECIMAL, Tag.UUID),
        *(Tag.NDARRAY, Tag.NUMPY_SCALAR, Tag.DTYPE, Tag.ARROW, Tag.POLARS, Tag.CUSTOM, Tag.OPAQUE),
    )
)
"""The tags below which no file can be."""


class Reference(NamedTuple):
    """An object that something refers to, by the kind that it has to have."""

    kind: str
    digest: bytes


def of_run(run: RunRecord) -> Iterator[Reference]:
    """What the record of a run refers to; a digest that is all zero stands for nothing."""
    for kind, digest in (("template", run.template), ("bundle", run.bundle), ("manifest", run.manifest)):
        if any(digest):
            yield Reference(kind, digest)


def of_action(action: ActionRecord) -> Iterator[Reference]:
    """What the record of an action refers to: its template, and its inputs and outputs with the files in them."""
    if any(action.template):
        yield Reference("template", action.template)
    yield from of_values(action.inputs)
    if action.outputs is not None:
        yield from of_values(action.outputs)


def of_values(values: Values) -> Iterator[Reference]:
    """What named values refer to."""
    if isinstance(values, bytes):
        yield from of_value(values)
        return
    for part in values.values():
        if isinstance(part, Ref):
            yield Reference("value", part.digest)
        else:
            yield from of_value(part)


def of_object(kind: str, data: bytes) -> Iterator[Reference]:
    """What an object refers to; DecodeError or BundleLoadError when it cannot be read."""
    if kind == "value":
        yield from of_value(data)
    elif kind == "bundle":
        from dalsegno.bundle import Bundle

        for blob in Bundle.decode(data).blobs():
            yield Reference("blob", blob)
    elif kind == "template":
        try:
            template = records.unpack_template(data)
        except TypeError as error:
            raise DecodeError(f"a template record has other fields: {error}") from error
        yield from of_template(template)


def of_template(template: TaskTemplate) -> Iterator[Reference]:
    """What a task's template refers to."""
    if any(template.bundle_digest):
        yield Reference("bundle", template.bundle_digest)
    if template.pickle is not None:
        yield Reference("blob", template.pickle)
    if template.closure:
        yield Reference("closure", template.closure)


def may_hold_files(data: bytes) -> bool:
    """Whether an encoded value can refer to anything: a quick look, which only says no when it is sure."""
    return Tag.FILE in data or Tag.DIR in data


def of_value(data: Buffer) -> Iterator[Reference]:
    """The files in an encoded value; DecodeError when it is none."""
    waiting: list[tuple[int, Buffer]] = []
    try:
        tagged(data, waiting)
        while waiting:
            tag, payload = waiting.pop()
            if tag == Tag.FILE:
                _, _, digest = members(payload)[1]
                yield _blob(digest)
            elif tag == Tag.DIR:
                _, entries = members(payload)[1]
                for entry in members(entries)[1]:
                    _, _, digest = members(entry)[1]
                    yield _blob(digest)
            elif tag not in _RAW:
                tagged(payload, waiting)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise DecodeError(f"the recorded bytes are not a value: {error or type(error).__name__}") from error


def _blob(digest: object) -> Reference:
    if not isinstance(digest, bytes) or len(digest) != DIGEST_SIZE:
        raise ValueError("a file in it has no digest")
    return Reference("blob", digest)
