"""One run of the program by one peer, in a process of its own.

`python -m benchmarks.peers.play PEER TREE STORE` reads `{"inputs": …, "changed": […], "first": …}` and prints, last, a line
of JSON: the result, and the labels of the calls whose bodies were executed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.engine.reuse.play import arguments, imported, watched

from benchmarks.peers.adapters import ADAPTERS, Adapter


def environment_of(adapter: Adapter) -> ModuleType:
    """The module that stands for dalsegno where the program imports its environment from."""
    module = ModuleType("environment_of_the_peer")

    class TaskEnvironment:
        def __init__(self, name: str, **options: Any) -> None:
            self.task = adapter.task

    module.TaskEnvironment = TaskEnvironment  # type: ignore[attr-defined]  # modules take any attribute
    return module


def main(peer: str, tree: Path, store: Path) -> None:
    """Play what standard input asks for."""
    wanted = json.load(sys.stdin)
    adapter = ADAPTERS[peer](store, first=wanted["first"])
    sys.modules["environment_of_the_peer"] = environment_of(adapter)
    with imported(tree) as pipeline:
        inputs = arguments(wanted["inputs"])
        with watched() as calls:
            result = adapter.run(pipeline, inputs, {name: inputs[name] for name in wanted["changed"]})
    print()
    print(json.dumps({"result": result, "calls": [call.label for call in calls]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
