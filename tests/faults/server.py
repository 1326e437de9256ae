"""A process that imports everything once, with the shim loaded, and forks for each piece of work.

Starting an interpreter for each of a thousand faults takes minutes, a fork takes milliseconds. The server has one thread
and no open store whenever it forks. It reads one request a line, and answers with one line: how the child ended.
"""

import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.faults import works
from tests.faults.shim import Fault, Shim


def serve() -> None:
    """Do what comes until nothing comes any more."""
    works.warm_up()
    gc.freeze()  # a collection in a child would copy the pages that it shares with this process
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _do(request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _do(request: dict[str, Any]) -> None:
    """One piece of work, in the child."""
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    shim = Shim()

    def say(*what: object) -> None:
        text = json.dumps(what)
        shim.note(text)
        os.write(said, text.encode() + b"\n")

    try:
        shim.watch(Path(request["folder"]))
        if request["log"]:
            shim.log(Path(request["log"]))
        shim.arm(Fault.from_json(request["fault"]))
        getattr(works, request["work"])(request["place"], say, **request["options"])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    serve()
