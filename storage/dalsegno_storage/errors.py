"""The root of the error tree, and what storage can say went wrong.

DalsegnoError
└── StoreError
    ├── StoreNotFoundError (also LookupError)   there is no store at that place
    ├── NotAStoreError                          something else is at that place
    ├── StoreFormatError                        written by a newer release
    ├── StorePermissionError                    this user may not read or write it
    ├── StoreBusyError                          another writer holds the store
    ├── StoreFullError                          no room on the disk or in the map
    ├── StoreClosedError                        used after `close()`, or after the block of a transaction
    ├── StoreForkedError                        used in a forked child
    ├── StoreDamagedError                       the files contradict themselves
    │   ├── DamagedObjectError                  one object does not match its digest
    │   └── DamagedRecordError                  one record does not match its checksum
    ├── ObjectNotFoundError (also LookupError)  no object has that digest
    └── KeyTooLongError (also ValueError)       a key is empty, over the limit, or begins with a zero byte

`path` is the place of the store as a person would type it; `reason` is what was found there. A bare
`StoreError` is an error of the operating system that fits none of the classes, in its own words.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "DalsegnoError",
    "DamagedObjectError",
    "DamagedRecordError",
    "KeyTooLongError",
    "NotAStoreError",
    "ObjectNotFoundError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreDamagedError",
    "StoreError",
    "StoreForkedError",
    "StoreFormatError",
    "StoreFullError",
    "StoreNotFoundError",
    "StorePermissionError",
]


class DalsegnoError(Exception):
    """The root of every error that dalsegno raises on purpose; all can be pickled and copied."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Without __init__, which wants facts where `args` has the message made of them.
        return type(self).__new__, (type(self), *self.args), self.__dict__ or None


class StoreError(DalsegnoError):
    """Something about a store."""


class StoreNotFoundError(StoreError, LookupError):
    """There is no store at that place, or no backend for that scheme; nothing was created."""

    def __init__(self, path: Path | str, *, schemes: Iterable[str] = ()) -> None:
        self.path, self.schemes = str(path), tuple(sorted(schemes))
        if self.schemes:
            super().__init__(
                f"{self.path!r} names a backend that is not installed; known are {', '.join(self.schemes)} "
                f"(write ./{self.path} if a path is meant)"
            )
        else:
            super().__init__(f"there is no store at {self.path}; check the path, or open it with create=True")


class NotAStoreError(StoreError):
    """Something that is not a store is at that place; it was left alone."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{self.path} is not a store: {reason}; name a new or an empty folder")


class StoreFormatError(StoreError):
    """The store was written by a newer release; not a byte of it was touched."""

    def __init__(self, path: Path | str, found: int, known: int) -> None:
        self.path, self.found, self.known = str(path), found, known
        super().__init__(
            f"the store {self.path} has format {found} and this release knows formats up to {known}; "
            "upgrade dalsegno"
        )


class StorePermissionError(StoreError):
    """This user may not read or write the store."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"no permission for the store {self.path}: {reason}")


class StoreBusyError(StoreError):
    """Another writer held the store for longer than `waited` seconds; `pid` is its process, if known."""

    def __init__(self, path: Path | str, *, pid: int | None, waited: float, holder: str = "") -> None:
        self.path, self.pid, self.waited = str(path), pid, waited
        if not holder:
            holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"the store {self.path} is held for writing by {holder} and did not become free in {waited:.3g} s; "
            "wait for that process or end it"
        )


class StoreFullError(StoreError):
    """There is no room left; the transaction was undone and the store can still be read."""

    def __init__(self, path: Path | str, reason: str, cure: str = "free some space and try again") -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"the store {self.path} cannot grow: {reason}; {cure}")


class StoreClosedError(StoreError):
    """A store was used after `close()`, or a transaction after the end of its block."""

    def __init__(self, what: str = "store") -> None:
        self.what = what
        super().__init__(f"this {what} is closed; open a new one")


class StoreForkedError(StoreError):
    """A store was used in a process that was forked after it was opened."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        super().__init__(
            f"the store {self.path} was opened before this process was forked and cannot be used here; "
            "start processes with the 'spawn' or 'forkserver' method and open the store in them"
        )


class StoreDamagedError(StoreError):
    """The files of the store contradict themselves; nothing was changed."""

    def __init__(self, path: Path | str, reason: str, cure: str = "restore it from a copy") -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"the store {self.path} is damaged: {reason}; {cure}")


class DamagedObjectError(StoreDamagedError):
    """One object does not match its digest; the rest of the store is as readable as before."""

    def __init__(self, digest: bytes, kind: str, reason: str) -> None:
        self.digest, self.kind, self.reason = digest, kind, reason
        # The store is not known here, and the message of the base class would claim too much.
        StoreError.__init__(
            self, f"{kind} object {digest.hex()} is damaged: {reason}; restore it from a copy of the store"
        )


class DamagedRecordError(StoreDamagedError):
    """One record does not match its checksum; `what` says which kind of record. The rest is as readable as before."""

    def __init__(self, what: str) -> None:
        self.what = what
        StoreError.__init__(
            self,
            f"a record ({what}) is damaged: its bytes do not match their checksum; `dalsegno check` names the run that "
            "this touches; restore the store from a copy, or remove that run by force",
        )


class ObjectNotFoundError(StoreError, LookupError):
    """No object has that digest."""

    def __init__(self, digest: bytes, kind: str) -> None:
        self.digest, self.kind = digest, kind
        super().__init__(
            f"there is no {kind} object {digest.hex()} in the store; import or restore what refers to it"
        )


class KeyTooLongError(StoreError, ValueError):
    """A key is empty, over the limit, or begins with a zero byte; `length` is in bytes."""

    def __init__(self, length: int, limit: int) -> None:
        self.length, self.limit = length, limit
        super().__init__(
            f"a key of {length} bytes was put, but keys have 1 to {limit} and do not begin with a zero byte; "
            "shorten or hash what it holds"
        )
