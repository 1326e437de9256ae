"""Where faults are played: a server of children below the shim, and what came of each child."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import IO, Any

from tests.faults.shim import Fault

import dalsegno
import dalsegno_storage

ROOTS = [
    Path(__file__).parents[2],
    *(Path(str(it.__file__)).parents[1] for it in (dalsegno, dalsegno_storage)),
]
NO_FAULT = Fault()
TOGETHER = 25
"""How many stores are examined by one process."""

Said = Sequence[Sequence[Any]]
"""What was said, each with its facts."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status, -9 after SIGKILL, and what it had said by then, in order."""

    status: int
    said: list[list[Any]]

    @property
    def was_killed(self) -> bool:
        """Whether the fault ended it."""
        return self.status == -signal.SIGKILL


class Server:
    """The process of server.py."""

    def __init__(self, library: Path, scratch: Path) -> None:
        self._errors: IO[str] = TemporaryFile("w+")  # noqa: SIM115 - open as long as the process is
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=scratch,
            env={
                **os.environ,
                "LD_PRELOAD": str(library),
                "PYTHONPATH": os.pathsep.join(map(str, ROOTS)),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
        try:
            answer = self._answer()
            assert answer == "ready", answer
        except BaseException:
            self.close()
            raise

    def ask(self, request: dict[str, Any]) -> int:
        """Have a child do that; gives how it ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def told(self) -> str:
        """What was written to stderr last."""
        self._errors.seek(0)
        return self._errors.read()[-8000:]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._errors.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server has ended: {self.told()}"
        return line.strip()


class Stage:
    """Plays works (see works.py), each in a process of its own; `folder` is what the shim watches."""

    def __init__(self, server: Server, folder: Path, scratch: Path) -> None:
        self.folder, self._server, self._scratch = folder, server, scratch
        self._aside: list[tuple[str, Said, object]] = []

    def play(
        self, work: str, place: str, fault: Fault = NO_FAULT, *, log: Path | None = None, **options: Any
    ) -> Ended:
        """Do the work on the store at `place`; an error that leaves it is an error here."""
        said = self._scratch / "said"
        said.unlink(missing_ok=True)
        request = {
            "work": work,
            "place": place,
            "fault": fault.as_json(),
            "folder": str(self.folder),
            "said": str(said),
            "log": None if log is None else str(log),
            "options": options,
        }
        return self._ended(request)

    def put_aside(self, place: str, said: Said, what: object = "") -> None:
        """Take the folder away as it is, to be examined with others; the store at `place` is in it."""
        aside = Path(mkdtemp(dir=self.folder.parent)) / "disk"
        self.folder.rename(aside)
        self._aside.append((place.replace(str(self.folder), str(aside)), said, what))
        if len(self._aside) == TOGETHER:
            self.examine_aside()

    def examine_aside(self) -> None:
        """Examine what was put aside."""
        aside, self._aside = self._aside, []
        if aside:
            problems = self.play("examine", "", stores=[(place, said) for place, said, _ in aside]).said
            whats = {place: what for place, _, what in aside}
            assert not problems, "\n".join(f"{whats[place]}: {problem}" for place, problem in problems)
        for place, _, _ in aside:
            shutil.rmtree(Path(place.partition("://")[2]).parents[1])

    def _ended(self, request: dict[str, Any]) -> Ended:
        status = self._server.ask(request)
        assert status in (0, -signal.SIGKILL), f"{request['work']} ended with {status}: {self._server.told()}"
        return Ended(status, [json.loads(line) for line in Path(request["said"]).read_text().splitlines()])
