"""What one action prints, gathered into chunks for the store: without secrets, and not more than its share.

Text is recorded line by line: the end of a line, or of a private key of several lines, is waited for, since a secret that
was printed in pieces is only seen whole. The first part of a log is recorded as it comes. When there is no room for
more, only the last lines of each stream are kept in memory, and recorded once a second and at the end, behind a line
that says how much was left out. So a task that prints without end costs the store nothing more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from dalsegno import _records as records
from dalsegno._tickets import Make

CHUNK_CHARS = 16 << 10
"""A chunk that has grown to so many characters takes no more."""

LOG_LIMIT = 1 << 20
"""How many bytes of one action's log are kept, unless the engine is told otherwise."""

LONGEST_LINE = 32 << 10
"""A line that is longer is recorded in pieces, in characters."""

_OVERLAP = 4 << 10  # where a tail begins in the middle of a line, so much may be the end of a secret
_PIECES = 1000
_REFRESH = 1.0

Redact = Callable[[str], str]


class Lazy(Protocol):
    """What records a piece of log when it can."""

    def put_lazily(self, key: bytes, make: Make) -> None: ...


class ActionLog:
    """The log of one action; text may come from any thread, and order within a stream is kept.

    The newest chunk stays open until the writer thread takes it, so that a line printed in pieces is one record.
    `limit` is in bytes, `first` the number of the first piece.
    """

    __slots__ = (
        "_attempt", "_busy", "_closed", "_key", "_lock", "_number", "_open", "_redact", "_rests", "_room", "_tail_size",
        "_tails", "_writer",
    )  # fmt: skip

    def __init__(
        self, writer: Lazy, run_id: int, seq: int, redact: Redact, limit: int = LOG_LIMIT, first: int = 0
    ) -> None:
        self._writer = writer
        self._key = run_id, seq
        self._redact = redact
        self._tail_size = limit // 8
        self._room = limit - 3 * self._tail_size
        self._number = first
        self._attempt = 1
        self._open: _Chunk | None = None
        self._rests: dict[str, str] = {}
        self._tails: dict[str, _Tail] = {}
        self._closed = False
        self._busy = False
        self._lock = threading.RLock()

    def add(self, stream: str, text: str, attempt: int = 1) -> None:
        """Take a piece of text of an attempt; nothing is kept of what the writer does not take."""
        if not isinstance(text, str):
            raise TypeError(f"a log takes text, not {type(text).__name__}")
        with self._lock:
            if (
                self._busy
            ):  # something printed while this thread was at work here, as an object may that is collected
                return
            self._busy = True
            try:
                if attempt != self._attempt:
                    self._finish()
                    self._attempt = attempt
                if self._room > 0:
                    self._add(stream, text)
                else:
                    self._drop(stream, text, 0)
            finally:
                self._busy = False

    def close(self) -> None:
        """The action has ended: record what is still held back."""
        with self._lock:
            if self._busy:
                return
            self._busy = True
            try:
                self._finish()
                self._closed = True
            finally:
                self._busy = False

    def _add(self, stream: str, text: str) -> None:
        chunk = self._open
        if chunk is None or chunk.stream != stream or chunk.size >= CHUNK_CHARS:
            if chunk is not None:
                self._seal(chunk)
            chunk = self._open = self._chunk(stream)
        size = _size(text)
        if size > self._room:
            taken = self._room * len(text) // size
            chunk.add(text[:taken])
            self._room = 0
            self._seal(chunk)
            self._drop(stream, text, taken)
            return
        self._room -= size
        chunk.add(text)

    def _chunk(self, stream: str) -> _Chunk:
        chunk = _Chunk(stream, self._attempt)
        self._writer.put_lazily(self._next_key(), lambda _: self._taken(chunk))
        return chunk

    def _next_key(self) -> bytes:
        self._number += 1
        return records.log_key(*self._key, self._number - 1)

    def _taken(self, chunk: _Chunk) -> bytes | None:
        with self._lock:
            self._seal(chunk, whole=self._closed)
            text = chunk.text
            return records.pack_log(chunk.stream, chunk.at, text, chunk.attempt) if text else None

    def _seal(self, chunk: _Chunk, *, whole: bool = False) -> None:
        """Close a chunk; what may be the beginning of something goes to the next one, unless the `whole` is wanted."""
        if chunk.text is not None:
            return
        if self._open is chunk:
            self._open = None
        text = self._rests.pop(chunk.stream, "") + "".join(chunk.parts)
        chunk.parts.clear()
        end = len(text) if whole else _complete(text)
        if end < len(text):
            self._rests[chunk.stream] = text[end:]
        chunk.text = self._redact(text[:end])

    def _finish(self) -> None:
        """Record everything that an attempt has left."""
        if self._open is not None:
            self._seal(self._open, whole=True)
        for stream, rest in [*self._rests.items()]:
            del self._rests[stream]
            chunk = self._chunk(stream)
            chunk.text = self._redact(rest)
        for tail in self._tails.values():
            self._put(tail)
        self._tails.clear()

    def _drop(self, stream: str, text: str, start: int) -> None:
        """Take the part of a text for which there is no room any more."""
        tail = self._tails.get(stream)
        if tail is None:
            tail = self._tails[stream] = _Tail(stream, self._attempt, self._next_key(), self._tail_size)
            rest = self._rests.pop(stream, "")
            tail.add(rest, 0)
        tail.add(text, start)
        if time.monotonic() >= tail.due:
            self._put(tail)

    def _put(self, tail: _Tail) -> None:
        data = records.pack_log(tail.stream, tail.at, tail.told(self._redact), tail.attempt)
        self._writer.put_lazily(tail.key, lambda _: data)
        tail.due = time.monotonic() + _REFRESH


class _Chunk:
    __slots__ = ("at", "attempt", "parts", "size", "stream", "text")

    def __init__(self, stream: str, attempt: int) -> None:
        self.stream = stream
        self.attempt = attempt
        self.at = time.time_ns()
        self.parts: list[str] = []
        self.size = 0
        self.text: str | None = None

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)


class _Tail:
    """The last lines of a stream that there is no room for, and how much there was of it before them."""

    __slots__ = ("_kept", "_limit", "_lines", "_pieces", "_size", "at", "attempt", "due", "key", "stream")

    def __init__(self, stream: str, attempt: int, key: bytes, limit: int) -> None:
        self.stream = stream
        self.attempt = attempt
        self.key = key
        self.at = time.time_ns()
        self.due = time.monotonic() + _REFRESH
        self._limit = limit
        self._pieces: deque[str] = deque()
        self._kept = 0
        self._lines = 0
        self._size = 0

    def add(self, text: str, start: int) -> None:
        """Take the text from `start` on."""
        room = self._limit + _OVERLAP
        self._lines += text.count("\n", start)
        self._size += _size(text, start)
        piece = text[max(start, len(text) - room) :]
        self._pieces.append(piece)
        self._kept += len(piece)
        while self._kept - len(self._pieces[0]) >= room:
            self._kept -= len(self._pieces.popleft())
        if len(self._pieces) > _PIECES:
            self._pieces = deque(["".join(self._pieces)[-room:]])
            self._kept = len(self._pieces[0])

    def told(self, redact: Redact) -> str:
        """The last lines without secrets, behind a line that says how much is missing before them."""
        text = "".join(self._pieces)
        if _size(text) == self._size:
            text, start = redact(text), 0
            if len(text) <= self._limit:
                return text
        else:
            text, start = redact(text), _OVERLAP
        start = max(start, len(text) - self._limit * len(text) // max(_size(text), 1))
        start = (text.find("\n", start - 1, start + _OVERLAP) + 1) or start
        text = text[start:]
        lines, size = self._lines - text.count("\n"), max(self._size - _size(text), 0)
        return f"… {lines:,} {'line' if lines == 1 else 'lines'} ({_human(size)}) left out …\n{text}"


def _complete(text: str) -> int:
    """How much of a text consists of whole lines and whole keys."""
    end = max(text.rfind("\n"), text.rfind("\r")) + 1
    begun = text.rfind("-----BEGIN ")
    if begun >= 0 and text.find("-----END ", begun) < 0 and "PRIVATE KEY" in text[begun : begun + 60]:
        end = min(end, begun)
    return len(text) if len(text) - end > LONGEST_LINE else end


def _size(text: str, start: int = 0) -> int:
    """The bytes of a text in UTF-8, from a character on."""
    if text.isascii():
        return len(text) - start
    return sum(
        len(text[at : at + CHUNK_CHARS].encode("utf-8", "surrogatepass"))
        for at in range(start, len(text), CHUNK_CHARS)
    )


def _human(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
