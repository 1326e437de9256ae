"""A process that executes a run, or goes on with one: `program.py run TREE`, `program.py resume [take-over]`.

It says "open" when its engine is open and then waits for a line. What it has seen completed it writes to the file `acked`.
"""

import asyncio
import json
import sys
from pathlib import Path

import trees  # type: ignore[import-not-found]  # lies beside it when it is a script

from dalsegno import Engine, Observer
from dalsegno.errors import DalsegnoError


class Acks(Observer):
    """Writes down the actions whose end their caller is about to see."""

    def action_finished(self, run, action):  # type: ignore[no-untyped-def]  # a script
        """One more."""
        with Path("acked").open("a") as file:
            file.write(f"{action.name}\n")


async def main(what: str, *args: str) -> None:
    """Do it, and print what came of it as JSON."""
    async with Engine("store", observers=[Acks()]) as engine:
        print("open", flush=True)
        sys.stdin.readline()
        try:
            if what == "run":
                run = await engine.with_runcontext(name="r").run(trees.node, json.loads(args[0]))
            else:
                run = await engine.resume("r", take_over="take-over" in args)
            outcome = await run.result.aio()
        except DalsegnoError as error:
            outcome = [type(error).__name__, str(error)]
    print(json.dumps(outcome), flush=True)


asyncio.run(main(*sys.argv[1:]))
