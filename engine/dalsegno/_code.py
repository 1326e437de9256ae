"""The code of runs: what a task's template says of it, and how a recorded task is found again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from dalsegno import _records as records
from dalsegno._ledger import Ledger, Put
from dalsegno.bundle import (
    LoadedBundle,
    importable_name,
    is_user_module,
    pickle_function,
    recorded_module_name,
)
from dalsegno.codec import decode, encode
from dalsegno.errors import BundleLoadError
from dalsegno.models import TaskTemplate
from dalsegno.task import ENVIRONMENT_SETTINGS, Task

_logger = logging.getLogger("dalsegno")

REMEMBERED = 1000
"""How many tasks' templates are kept at hand."""


class RunCode:
    """The code of one bundle, as the runs of this process use it.

    `manifest` is the digest of the environment that the code was captured in, and `puts` store bundle and manifest;
    both are for code that is captured, code that is loaded has them in the store.
    """

    def __init__(
        self, ledger: Ledger, bundle: bytes, loaded: LoadedBundle, manifest: bytes, puts: list[Put]
    ) -> None:
        self.bundle = bundle
        self.loaded = loaded
        self.manifest = manifest
        self.puts = puts
        self._ledger = ledger
        self._templates: dict[int, tuple[Task[Any, Any], bytes, list[Put]]] = {}

    def resolve(self, module: str, qualname: str) -> Any:
        """The object of that name: the bundle's if it has the module, the environment's otherwise."""
        return self.loaded.resolve(module, qualname)

    def code_digest(self, task: Task[Any, Any]) -> bytes:
        """The digest of all code that the task can reach: its whole bundle, which is too much but never too little."""
        name = f"{recorded_module_name(task.module)}\0{task.qualname}"
        return hashlib.sha256(b"code\0" + self.bundle + name.encode()).digest()

    def template(self, task: Task[Any, Any]) -> tuple[bytes, list[Put]]:
        """The digest of the task's template, and the puts that store it, none once they are known to be stored."""
        known = self._templates.get(id(task))
        if known is not None:
            return known[1:]
        module = recorded_module_name(task.module)
        pickle: bytes | None = None
        puts: list[Put] = []
        if importable_name(task.function) is None:
            pickle, puts = self._ledger.prepare("blob", pickle_function(task).data)
        elif not self.loaded.bundle.has_module(module) and is_user_module(task.module):
            _logger.warning(
                "task %s is in module %s, which was loaded after the code was recorded and is not part of it, so this "
                "action cannot be run again; import the module at the top or name it in include=",
                task.name,
                module,
            )
        template = TaskTemplate(
            name=task.name,
            short_name=task.short_name,
            module=module,
            qualname=task.qualname,
            is_async=task.is_async,
            doc=(task.__doc__ or "").strip(),
            interface=task.interface.record(_encoded),
            settings={name: _encoded(value) for name, value in sorted(_recorded_settings(task).items())},
            code_digest=self.code_digest(task),
            bundle_digest=self.bundle,
            pickle=pickle,
        )
        digest, more = self._ledger.prepare("template", records.pack_template(template))
        puts += more
        if len(self._templates) >= REMEMBERED:  # tasks made by `override` come and go
            self._templates.clear()
        self._templates[id(task)] = (task, digest, puts)
        return digest, puts

    def stored(self, task: Task[Any, Any]) -> None:
        """The puts of the task's template, and those of the code, have been handed to the ledger."""
        self.puts = []
        known = self._templates.get(id(task))
        if known is not None:
            self._templates[id(task)] = (*known[:2], [])

    def task(self, template: TaskTemplate) -> Task[Any, Any]:
        """The task that a template describes, with the settings recorded there."""
        found: Any
        if template.pickle is not None:
            found = self.loaded.unpickle(self._ledger.blob(template.pickle), template.name)
        else:
            found = self.resolve(template.module, template.qualname)
        if not isinstance(found, Task):
            raise BundleLoadError(template.module, f"{template.qualname} is not a task in the recorded code")
        settings = {name: decode(data, resolve=self.resolve) for name, data in template.settings.items()}
        inherited = _environment_settings(found)
        own = {name: value for name, value in settings.items() if inherited.get(name) != value}
        return found if own == found.settings else found.with_settings(own)


def _encoded(value: object) -> bytes:
    return encode(value, module_name=recorded_module_name).data


def _environment_settings(task: Task[Any, Any]) -> Mapping[str, Any]:
    """The settings of the task's environment that are not at their default."""
    fields = type(task.environment).__dataclass_fields__
    settings = {name: getattr(task.environment, name) for name in ENVIRONMENT_SETTINGS}
    return {name: value for name, value in settings.items() if value != fields[name].default}


def _recorded_settings(task: Task[Any, Any]) -> Mapping[str, Any]:
    return {**_environment_settings(task), **task.settings}
