"""What one action prints, gathered into chunks for the store."""

from __future__ import annotations

import threading
import time

from dalsegno import _records as records
from dalsegno._writer import Writer

CHUNK_CHARS = 16 << 10
"""A chunk that has grown to so many characters takes no more."""


class ActionLog:
    """The log of one action; text may come from any thread, and order within a stream is kept.

    The newest chunk stays open until the writer thread takes it, so that a line printed in pieces is one record.
    """

    __slots__ = ("_lock", "_number", "_open", "_run_id", "_seq", "_writer")

    def __init__(self, writer: Writer, run_id: int, seq: int) -> None:
        self._writer = writer
        self._run_id = run_id
        self._seq = seq
        self._number = 0
        self._open: _Chunk | None = None
        self._lock = threading.Lock()

    def add(self, stream: str, text: str, attempt: int = 1) -> None:
        """Take a piece of text of an attempt; nothing is kept of what the writer does not take."""
        with self._lock:
            chunk = self._open
            same = chunk is not None and (chunk.stream, chunk.attempt) == (stream, attempt)
            if chunk is not None and same and chunk.size < CHUNK_CHARS:
                chunk.add(text)
                return
            chunk = _Chunk(stream, attempt)
            chunk.add(text)
            key = records.log_key(self._run_id, self._seq, self._number)
            self._writer.put_lazily(key, lambda _: self._take(chunk))
            self._open = chunk
            self._number += 1

    def _take(self, chunk: _Chunk) -> bytes:
        with self._lock:
            if self._open is chunk:
                self._open = None
            return records.pack_log(chunk.stream, chunk.at, "".join(chunk.parts), chunk.attempt)


class _Chunk:
    __slots__ = ("at", "attempt", "parts", "size", "stream")

    def __init__(self, stream: str, attempt: int) -> None:
        self.stream = stream
        self.attempt = attempt
        self.at = time.time_ns()
        self.parts: list[str] = []
        self.size = 0

    def add(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a log takes text, not {type(text).__name__}")
        self.parts.append(text)
        self.size += len(text)
