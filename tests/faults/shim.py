"""The faults that shim.c can make, as a process asks for them that was started with it."""

import ctypes
import errno
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("shim.c")


class Call(IntEnum):
    """A kind of call that changes a file or a folder; the numbers are those of shim.c."""

    WRITE = 1
    SYNC = 2
    TRUNCATE = 3
    CREATE = 4
    RENAME = 5
    UNLINK = 6
    LINK = 7
    MKDIR = 8
    RMDIR = 9
    NOTE = 10


ALL = tuple(call for call in Call if call is not Call.NOTE)
GROWING = (Call.WRITE, Call.TRUNCATE, Call.CREATE, Call.RENAME, Call.LINK, Call.MKDIR)
"""What a full disk refuses."""

MODES = ("count", "kill before", "kill within", "refuse", "spoil")


@dataclass(frozen=True)
class Fault:
    """What befalls the `target`-th call of these kinds: nothing, SIGKILL before it, or within it (a write is half done
    then, another call is over), or it and all later ones are refused with `error`, or it alone is,
    and a write can be read back nevertheless until the power fails: what a system does whose disk has failed."""

    mode: str = "count"
    target: int = 0
    calls: tuple[int, ...] = ALL
    error: int = errno.EIO

    def as_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Fault":
        """The inverse."""
        return cls(**{**fields, "calls": tuple(fields["calls"])})


class Shim:
    """The shim in this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_count.restype = ctypes.c_long
        self._library.fault_arm.argtypes = (ctypes.c_int, ctypes.c_long, ctypes.c_uint, ctypes.c_int)

    def watch(self, folder: Path) -> None:
        """See what is done to the files below the folder from now on."""
        self._library.fault_root(os.fsencode(folder))

    def arm(self, fault: Fault) -> None:
        """Begin to count, and wait for the call that the fault befalls."""
        kinds = sum(1 << call for call in fault.calls)
        self._library.fault_arm(MODES.index(fault.mode), fault.target, kinds, fault.error)

    @property
    def count(self) -> int:
        """How many calls there were."""
        return int(self._library.fault_count())

    def log(self, path: Path) -> None:
        """Write down every call from now on, for `disk.read_log`."""
        self._library.fault_log(os.fsencode(path))

    def note(self, text: str) -> None:
        """Write a text into the log."""
        self._library.fault_note(text.encode())


def build(folder: Path) -> Path | str:
    """The shared library made of shim.c in that folder, or why there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return "there is no C compiler (cc, gcc or clang); install one, on Debian and Ubuntu: apt-get install gcc libc6-dev"
    library = folder / "shim.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"],
        capture_output=True,
        text=True,
    )
    return library if done.returncode == 0 else f"{compiler} cannot compile shim.c: {done.stderr[:2000]}"
