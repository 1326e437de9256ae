"""Reruns in a process of their own: the fourth way to load recorded code.

The bundle is put into a private folder at the front of the child's `sys.path`, so that the code runs under its real
names, as it once did, with nothing of this process around it. The child opens the same store, makes the rerun there
and executes it; this side learns the run's name and waits. What tasks print in the child goes to its standard error.
The child is this Python with its packages, or one in an environment with the recorded packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import anyio
from anyio.abc import Process

from dalsegno._request import Request
from dalsegno.bundle import write_files
from dalsegno.codec import decode, default_resolve, encode
from dalsegno.errors import UsageError
from dalsegno.failures import failure_of, revive
from dalsegno.models import Failure
from dalsegno.settings import RunSettings

_START = "import sys; sys.path.extend({paths!r}); from dalsegno._isolated import main; main()"


async def spawn(
    place: str,
    own: RunSettings,
    settings: RunSettings,
    wanted: Request,
    changed: bytes,
    about_logs: dict[str, Any],
    environment: Path | None = None,
) -> tuple[Process, tuple[str, str, str]]:
    """Start a rerun in a new process; gives the process and the project, domain and name of the run it recorded.

    `own` are the settings of the engine, `settings` those of the rerun, `changed` the encoded inputs, `about_logs` what
    the engine was told about logs, `environment` the folder of the environment if it is another one. Raises what the
    rerun raised before it was recorded.
    """
    if place.partition(":")[0] == "memory":
        raise UsageError(
            "isolation='process' and 'environment' need a store that another process can open, not one in memory"
        )
    request = {
        "place": place,
        "project": own.project,
        "domain": own.domain,
        "about_logs": about_logs,
        "settings": asdict(
            replace(settings, isolation=None, durability=settings.durability or own.durability)
        ),
        "changed": changed,
        "wanted": {
            "run": wanted.run,
            "action": wanted.action,
            "source": wanted.source if isinstance(wanted.source, str) else dict(wanted.source),
            "recover": wanted.recover,
            "forced": wanted.forced,
        },
    }
    python, paths, variables = sys.executable, [], None
    if environment is None:
        names = ("dalsegno", "dalsegno_storage")
        paths = [str(Path(sys.modules[name].__path__[0]).parent) for name in names]
    else:
        from dalsegno._environments import python_of, variables_of

        python, variables = python_of(environment), variables_of(environment)
    process = await anyio.open_process(
        [python, "-P", "-c", _START.format(paths=paths)],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
    )
    assert process.stdin is not None  # both pipes were asked for
    assert process.stdout is not None
    await process.stdin.send(encode(request).data)
    await process.stdin.aclose()
    reply = b"".join([part async for part in process.stdout])
    if not reply:
        raise UsageError(
            f"the process for the rerun ended with status {await process.wait()} before it began"
        )
    answer = decode(reply)
    if "failure" in answer:
        await process.wait()
        raise revive(Failure(*answer["failure"]), default_resolve)
    return process, answer["run"]


def main() -> None:
    """The child: read the request, make the rerun, say its name, execute it."""
    request = decode(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as answers, tempfile.TemporaryDirectory(prefix="dalsegno-") as folder:
        os.dup2(2, 1)
        anyio.run(_serve, request, answers, folder)


async def _serve(request: dict[str, Any], answers: BinaryIO, folder: str) -> None:
    from dalsegno._rerun import find_source
    from dalsegno.engine import Engine
    from dalsegno.run_context import RunContext

    place = {"project": request["project"], "domain": request["domain"]}
    async with Engine(request["place"], **place, **request["about_logs"]) as engine:
        try:
            settings = RunSettings(**request["settings"])
            changed = decode(request["changed"], read_blob=engine.ledger.blob)
            wanted = Request(**request["wanted"], changed=changed)
            source = engine.ledger.action(find_source(engine, settings, wanted.run), wanted.action)
            bundle = engine.ledger.template(source.template).bundle_digest
            content = engine.ledger.bundle(bundle)
            write_files(content, engine.ledger.blob, folder)
            sys.path.insert(0, folder)
            run = await RunContext(engine, settings).rerun_with(wanted)
        except Exception as error:  # told to the parent, which raises it
            failure = failure_of(error)
            _answer(answers, {"failure": (failure.kind, failure.message, failure.text, failure.state)})
            return
        _answer(answers, {"run": (run.project, run.domain, run.name)})
        await run.wait.aio()


def _answer(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(encode(answer).data)
    answers.close()
