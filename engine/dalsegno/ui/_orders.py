"""What is asked for as an order for an engine process, and where the code of today is found for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from dalsegno._ledger import Ledger
from dalsegno._module_names import recorded_module_name
from dalsegno.codec._format import MAX_DEPTH
from dalsegno.config import Config
from dalsegno.errors import UsageError
from dalsegno.models import ActionRecord, RunRecord, TaskTemplate
from dalsegno.ui._launch import Do, Order

MOST_FOLDERS = 200
"""So many folders below the current one are looked at for the code of today."""


class Asked(TypedDict, total=False):
    """What a rerun is to be like; what is left out is as it was recorded.

    `inputs` are those that change, as JSON; the others are passed on as they are stored. The new run gets `new_name`, and is put
    into `new_project` and `new_domain`. `forced` are the actions that are
    executed although `recover` would take over their results. `current_code` runs the code that is in the folder of the
    server now.
    """

    inputs: Mapping[str, Any]
    new_name: str | None
    new_project: str | None
    new_domain: str | None
    labels: Mapping[str, str]
    env_vars: Mapping[str, str]
    recover: bool
    forced: Sequence[str]
    current_code: bool


def order(do: Do, ledger: Ledger, place: Config, run: RunRecord, action: ActionRecord, asked: Asked) -> Order:
    """The order to do something with an action; UsageError where its code of today is wanted and not found, or an input is
    nested too deeply to be written."""
    _check_depth(asked.get("inputs", {}))
    template = ledger.template(action.template)
    current = None
    if asked.get("current_code"):
        root = current_root(ledger, template, place.store)
        if root is None:
            raise UsageError(
                f"the code of {template.name} is not found below the folder that the page was started in; start it where the "
                "code is, or rerun the recorded code"
            )
        module = recorded_module_name(template.module)
        current = {"root": str(root), "module": module, "qualname": template.qualname}
    return {
        "store": place.store,
        "project": run.project,
        "domain": run.domain,
        "do": do,
        "run": run.name,
        "action": action.name,
        "task": template.name,
        "inputs": dict(asked.get("inputs", {})),
        "new_name": asked.get("new_name"),
        "new_project": asked.get("new_project"),
        "new_domain": asked.get("new_domain"),
        "labels": dict(asked.get("labels", {})),
        "env_vars": dict(asked.get("env_vars", {})),
        "recover": asked.get("recover", False),
        "forced": [*asked.get("forced", ())],
        "current": current,
    }


def _check_depth(inputs: Mapping[str, Any]) -> None:
    level: list[Any] = [*inputs.values()]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    if level:
        raise UsageError(f"an input is nested deeper than {MAX_DEPTH} levels, which no value may be")


def current_root(ledger: Ledger, template: TaskTemplate, store: str) -> Path | None:
    """The folder from which the task's module can be imported as it is now, None if it is not found.

    Looked for in the current folder and beside the store, then in the folders directly inside of the current one.
    """
    bundle = ledger.bundle(template.bundle_digest)
    file = bundle.file_of(recorded_module_name(template.module))
    if file is None:
        return None
    return next((folder for folder in _folders(store) if (folder / file.path).is_file()), None)


def _folders(store: str) -> Iterator[Path]:
    here = Path.cwd()
    yield here
    if ":" not in store:
        yield Path(store).absolute().parent
    inside = sorted(each for each in here.iterdir() if each.is_dir() and not each.name.startswith((".", "_")))
    yield from inside[:MOST_FOLDERS]
