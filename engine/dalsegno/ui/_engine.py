"""The process that a run is launched in: an engine, one order on its standard input, one line of answer.

Here recorded code is loaded, which the server of the page never does. After the answer nothing reads what is printed any
more; what tasks print is in their logs.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio

from dalsegno import query
from dalsegno._identity import ROOT_NAME
from dalsegno._plan import plan
from dalsegno._request import Request
from dalsegno.engine import Engine
from dalsegno.errors import DalsegnoError, UsageError
from dalsegno.run_context import RunContext
from dalsegno.settings import RunSettings
from dalsegno.task import Task
from dalsegno.ui._refusal import refusal_view, status_of

if TYPE_CHECKING:
    from dalsegno.runs import Run
    from dalsegno.ui._launch import Order
    from dalsegno.views import PlanView


def main() -> None:
    """Read the order, carry it out, answer; a run that was started is waited for."""
    order: Order = json.loads(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what the user's modules print is no answer
        anyio.run(_serve, order, answers)
    # A sync task that was stopped cannot be, and the interpreter would wait for its thread; everything is on disk.
    os._exit(0)


async def _serve(order: Order, answers: BinaryIO) -> None:
    async with AsyncExitStack() as stack:
        try:
            opened = Engine(order["store"], project=order["project"], domain=order["domain"])
            done, run = await _do(await stack.enter_async_context(opened), order)
        except Exception as error:  # told to the server, which raises it
            status = status_of(error) if isinstance(error, DalsegnoError) else 500
            _answer(answers, {"error": refusal_view(error), "status": status})
            return
        _answer(answers, {"done": done})
        if run is not None:
            _be_silent()
            await run.wait.aio()


async def _do(engine: Engine, order: Order) -> tuple[Any, Run[Any] | None]:
    """Carry out an order; gives the answer, and the run to wait for."""
    if order["do"] == "abort":
        found = engine.get_run(order["run"])
        await found.abort.aio("aborted from the web page")
        return query.run_view(found.record), None
    if order["do"] == "resume":
        resumed = await engine.resume(order["run"])
        return query.run_view(resumed.record), resumed
    settings = RunSettings(
        name=order["new_name"],
        project=order["new_project"],
        domain=order["new_domain"],
        labels=order["labels"],
        env_vars=order["env_vars"],
    )
    current = order["current"]
    request = Request(
        order["run"],
        order["action"] or ROOT_NAME,
        order["inputs"],
        None if current is None else _current_task(**current),
        source="json",
        recover=order["recover"],
        forced=tuple(order["forced"]),
    ).checked()
    if order["do"] == "plan":
        return _planned(engine, settings, request), None
    run = await RunContext(engine, settings).rerun_with(request)
    return query.run_view(run.record), run


def _planned(engine: Engine, settings: RunSettings, request: Request) -> PlanView:
    found = plan(engine, settings, request)
    return {
        "run": found.run,
        "execute": found.executed,
        "reuse": found.reused,
        "actions": [query.why_view(each) for each in found.actions],
    }


def _current_task(root: str, module: str, qualname: str) -> Task[Any, Any]:
    """The task as the code below a folder has it now."""
    from dalsegno.bundle import fresh_imports

    sys.path.insert(0, root)
    try:
        with fresh_imports():
            found: Any = import_module(module)
            for name in qualname.split("."):
                found = getattr(found, name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{module}.{qualname} cannot be imported from {root}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Task):
        raise UsageError(f"{module}.{qualname} in {root} is no task any more; rerun the recorded code")
    return found


def _answer(answers: BinaryIO, answer: dict[str, Any]) -> None:
    with suppress(BrokenPipeError), answers:  # the server is gone, and the run goes on
        answers.write(json.dumps(answer).encode() + b"\n")


def _be_silent() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
