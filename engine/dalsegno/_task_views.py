"""Recorded tasks in plain JSON terms: what they take and give, their code line by line, and their failed attempts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dalsegno._ledger import Ledger
from dalsegno._module_names import recorded_module_name
from dalsegno.closure import reached_lines
from dalsegno.codec import view
from dalsegno.models import ActionRecord, TaskTemplate
from dalsegno.query import closure_view, error_view, iso
from dalsegno.views import AttemptView, CodeView, SourceView, TaskView, VariableView


def task_view(template: TaskTemplate) -> TaskView:
    """A recorded task."""
    interface: Mapping[str, Any] = template.interface
    return {
        "name": template.name,
        "kind": template.kind,
        "doc": template.doc,
        "module": recorded_module_name(template.module),
        "qualname": template.qualname,
        "settings": {name: _text(view(data)) for name, data in template.settings.items()},
        "inputs": [_variable(each) for each in interface["inputs"]],
        "outputs": [_variable(each) for each in interface["outputs"]],
    }


def code_view(ledger: Ledger, template: TaskTemplate) -> CodeView:
    """The code that a recorded task reaches, file by file in alphabetical order."""
    closure = closure_view(ledger, template)
    bundle = ledger.bundle(template.bundle_digest)
    names: dict[str, set[str]] = {}
    blobs: dict[str, bytes] = {}
    for symbol in closure["symbols"]:
        file = bundle.file_of(symbol["module"])
        if file is not None:
            names.setdefault(file.path, set()).add(symbol["name"])
            blobs[file.path] = file.blob
    files: list[SourceView] = []
    for path in sorted(names):
        text, marked = reached_lines(ledger.blob(blobs[path]), names[path])
        files.append({"path": path, "text": text, "marked": marked})
    return {"closure": closure, "files": files}


def attempt_views(action: ActionRecord) -> list[AttemptView]:
    """The attempts of an action before its last one."""
    return [
        {
            "attempt": number,
            "started_at": iso(each.started_at),
            "ended_at": iso(each.ended_at),
            "error": error_view(each.failure),
        }
        for number, each in enumerate(action.failed_attempts, 1)
    ]


def _variable(recorded: Mapping[str, Any]) -> VariableView:
    return {
        "name": recorded["name"],
        "type": recorded["type"],
        "schema": dict(recorded["schema"]),
        "required": "passing" in recorded and "default" not in recorded,
        "default_text": recorded.get("default_text"),
    }


def _text(shown: Any) -> str:
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
