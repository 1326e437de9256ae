"""Starting runs in processes of their own, which go on when the page's server ends.

What is asked for goes to the process by its standard input, since a command line can be read by everybody on the machine and
inputs and variables may be secrets. It answers with one line, and nothing that it says is unpickled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, Literal, TypedDict

from dalsegno.ui._refusal import RefusedError, refused

PATIENCE = 300.0
"""How long an answer is waited for, in seconds; building an environment may take minutes."""

_START = "import sys; sys.path.extend({paths!r}); from dalsegno.ui._engine import main; main()"
_SAID = 4000


Do = Literal["rerun", "plan", "abort", "resume"]


class Order(TypedDict):
    """What a process is to do, with which action of which run; `task` is that of the action."""

    store: str
    project: str
    domain: str
    do: Do
    run: str
    action: str
    task: str
    inputs: dict[str, Any]
    new_name: str | None
    new_project: str | None
    new_domain: str | None
    labels: dict[str, str]
    env_vars: dict[str, str]
    recover: bool
    forced: list[str]
    current: dict[str, str] | None


def ask(order: Order) -> Any:
    """Have something done in a new process, and give what it answers; blocks until then.

    Raises what it refuses: InputError as it is, anything else as RefusedError. The process of a run goes on after its
    answer, in a session of its own, so that neither the end of this process nor Ctrl-C ends it.
    """
    names = ("dalsegno", "dalsegno_storage")
    paths = [str(Path(sys.modules[name].__path__[0]).parent) for name in names]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START.format(paths=paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        deadline = threading.Timer(PATIENCE, process.kill)
        deadline.daemon = True
        deadline.start()
        try:
            reply = _exchange(process, json.dumps(order).encode())
        finally:
            deadline.cancel()
        threading.Thread(target=process.wait, name="dalsegno-ui-child", daemon=True).start()
        answer = json.loads(reply) if reply else None
        if answer is None:
            raise RefusedError("EngineError", _ended(process.wait(), said), 500)
    if "error" in answer:
        raise refused(order["task"], answer["error"], answer["status"])
    return answer["done"]


def _exchange(process: subprocess.Popen[bytes], order: bytes) -> bytes:
    assert process.stdin is not None  # both pipes were asked for
    assert process.stdout is not None
    try:
        process.stdin.write(order)
        process.stdin.close()
    except BrokenPipeError:  # it ended before it read; what it said tells why
        pass
    with process.stdout:
        return process.stdout.readline()


def _ended(status: int, said: IO[bytes]) -> str:
    size = said.seek(0, 2)
    said.seek(max(0, size - _SAID))
    words = said.read().decode("utf-8", "replace").strip()
    return f"the process for it ended with status {status} before it answered{': ' + words if words else ''}"
