"""The cache: a call whose task says so takes over the result of the same call in any earlier run of the store.

The same call is one of the same task on the same inputs with the same code, packages and variables, exactly as for
recovering (`_reuse.py`), so nothing stale is taken over; a task may leave inputs out of that, or name a version of
its own in place of the code. Callers of one call may be made to wait for each other, so that it is executed once; they
do so by a lock that the kernel frees when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import msgpack

from dalsegno._ledger import Ledger
from dalsegno._ownership import unusable
from dalsegno._reuse import Basis
from dalsegno._stubs import Stub
from dalsegno.models import ActionRecord, ClassCode, Part
from dalsegno.task import Cache, Task
from dalsegno_storage.digest import digest

if TYPE_CHECKING:
    from dalsegno._runner import LiveAction

_FIRST_NAP, _LONGEST_NAP = 0.001, 0.02


def call_digest(
    task: Task[Any, Any],
    cache: Cache,
    basis: Basis,
    inputs: Mapping[str, Part],
    classes: ClassCode | None,
    stubs: Iterable[Stub] = (),
) -> bytes:
    """What all calls have in common that may stand for each other; `stubs` are those of the run."""
    version: list[object] = ["version", cache.version_override, *(stub.mark for stub in stubs)]
    if cache.version_override is None:
        code, environ = basis
        version = ["code", code, sorted(environ.items()), None if classes is None else classes.digest]
    kept = [[name, part] for name, part in inputs.items() if name not in cache.ignored_inputs]
    return digest("call", msgpack.packb([task.name, version, kept, cache.salt]))


def cached(ledger: Ledger, cache: Cache | None, call: bytes) -> ActionRecord | None:
    """The newest action that can stand for the call and is not too old."""
    age = None if cache is None else cache.max_age
    if age is None:
        return ledger.cached(call)
    seconds = age.total_seconds() if isinstance(age, timedelta) else age
    return ledger.cached(call, since=time.time_ns() - int(seconds * 1e9))


class Turn:
    """The right to execute one call; whoever else wants it waits, in this process and in others on the same store.

    To be used in a `with` or an `async with` block. `folder` is where processes meet, None for a store of this
    process alone.
    """

    def __init__(self, folder: Path | None, call: bytes) -> None:
        self._file = None if folder is None else folder / call.hex()
        self._call = call
        self._descriptor = -1

    def __enter__(self) -> Self:
        nap = _FIRST_NAP
        while not self._take():
            time.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give()

    async def __aenter__(self) -> Self:
        nap = _FIRST_NAP
        while not self._take():
            await anyio.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give()

    def _take(self) -> bool:
        if self._file is None:
            with _lock:
                taken = self._call not in _taken
                _taken.add(self._call)
                return taken
        try:
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self._file.parent, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may have removed the file after it was opened here.
            if os.fstat(descriptor).st_ino == self._file.stat().st_ino:
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return False

    def _give(self) -> None:
        if self._file is None:
            with _lock:
                _taken.discard(self._call)
            return
        with suppress(FileNotFoundError):
            self._file.unlink()
        os.close(self._descriptor)


def turn(action: LiveAction) -> Turn | nullcontext[None]:
    """The turn that an action has to wait for until it is found out whether it has to be executed; most wait for none."""
    if not (action.serialized and action.cache_key):
        return _NONE
    above = action.parent
    while above is not None:
        if above.cache_key == action.cache_key:  # it would wait for a call that waits for it
            return _NONE
        above = above.parent
    return Turn(action.run.turns, action.cache_key)


_NONE: nullcontext[None] = nullcontext()
_lock = threading.Lock()
_taken: set[bytes] = set()
