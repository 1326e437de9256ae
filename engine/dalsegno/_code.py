"""The code of runs: what a task's template says of it, and how a recorded task is found again.

What a task's result depends on besides its inputs is worked out here too: the code that it reaches in the bundle, the
versions of what that code imports from elsewhere, and the environment variables that it reads.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import msgpack

from dalsegno import _records as records
from dalsegno._analysis import Analysis
from dalsegno._attributes import Attributes
from dalsegno._by_value import closure_by_value
from dalsegno._context import current
from dalsegno._ledger import Ledger
from dalsegno._puts import Kept, Put
from dalsegno._redaction import Redactor
from dalsegno._reuse import Basis, basis_of
from dalsegno._secrets import digest_of, digest_of_secret, is_shown, recorded, restored
from dalsegno._stubs import Stub, in_place, marked
from dalsegno.bundle import (
    LoadedBundle,
    ReadBlob,
    importable_name,
    is_user_module,
    pickle_function,
    recorded_module_name,
    versions,
)
from dalsegno.closure import Closure, Symbol, Widening
from dalsegno.codec import decode, encode
from dalsegno.errors import BundleLoadError
from dalsegno.models import DURABLE, NO_VARIABLES, NOTHING, ClassCode, TaskTemplate
from dalsegno.task import ENVIRONMENT_SETTINGS, Task

_logger = logging.getLogger("dalsegno")

REMEMBERED = 1000
"""How many tasks' templates are kept at hand."""

_WITH_PYTHON = sys.stdlib_module_names | {"builtins", "dalsegno"}

ANY = "*"
"""Stands for all variables among those that a closure reads."""


class Reached(NamedTuple):
    """The code that a task or class reaches: what it is, the versions of what it takes from elsewhere, and the digest
    of both."""

    closure: Closure
    packages: Mapping[str, str]
    digest: bytes


class Recorded(NamedTuple):
    """A task's template, its digest, what keeps it in the store, and what the task's results depend on."""

    template: TaskTemplate
    digest: bytes
    kept: Kept
    basis: Basis


class RunCode:
    """The code of one bundle, as the runs of this process use it.

    `manifest` is the digest of the environment that the code was captured in, and `kept` keeps bundle and manifest in the
    store; both are for code that is captured, since a run that recorded code is taken from has them. `read` gives the
    files of the bundle.
    `stale` are the modules that this process runs from another text than the bundle has: then no code is equal to this.
    `cut` are modules that may import more than the bundle has: then no code is equal to what may be anything in the bundle.
    """

    def __init__(
        self,
        ledger: Ledger,
        analysis: Analysis,
        bundle: bytes,
        loaded: LoadedBundle,
        read: ReadBlob,
        manifest: bytes = b"",
        kept: tuple[Kept, ...] = (),
        stale: tuple[str, ...] = (),
        cut: tuple[str, ...] = (),
    ) -> None:
        self.bundle = bundle
        self.loaded = loaded
        self.manifest = manifest
        self.kept = kept
        self._by_value: dict[object, tuple[Task[Any, Any], Recorded]] = {}
        self._ledger = ledger
        self._analysis = analysis
        self._read = read
        self._set = Attributes(self.text)
        self._stale = stale
        self._cut = cut
        self._templates: dict[object, tuple[Task[Any, Any], Recorded]] = {}
        self._plain: dict[int, tuple[Task[Any, Any], Recorded]] = {}
        """Those of tasks that have a source and read no variables, which are the same whenever they are called."""
        self._reached: dict[object, Reached] = {}
        self._reached_by_value: dict[object, Reached] = {}
        self._class_codes: dict[tuple[tuple[str, str], ...], ClassCode | None] = {}
        self.stubs: tuple[Stub, ...] = ()
        """What stands in the place of tasks' bodies."""

    def for_run(self) -> RunCode:
        """The same for one run: what tasks without a source capture is looked at anew, since it may have changed."""
        own = copy(self)
        own._by_value = {}
        own._reached_by_value = {}
        own.stubs = in_place()
        if own.stubs:
            own._templates, own._plain, own._reached, own._class_codes = {}, {}, {}, {}
        return own

    def body(self, task: Task[Any, Any]) -> Callable[..., Any]:
        """The function to execute for a task: its own, or the one that was put in its place."""
        return next((stub.body for stub in self.stubs if stub.stands_for(task)), task.function)

    def resolve(self, module: str, qualname: str) -> Any:
        """The object of that name: the bundle's if it has the module, the environment's otherwise."""
        return self.loaded.resolve(module, qualname)

    def reached(self, task: Task[Any, Any]) -> Reached:
        """The code that the task can reach."""
        if importable_name(task.function) is None:
            if task not in self._reached_by_value:
                self._reached_by_value[task] = self._reach("", "", task)
            return self._reached_by_value[task]
        return self._known(
            task.function, lambda: self._reach(recorded_module_name(task.module), task.qualname)
        )

    def class_code(self, names: tuple[tuple[str, str], ...]) -> ClassCode | None:
        """The code of the classes and functions among these that do not come with Python; None when all do."""
        if not names:
            return None
        if names not in self._class_codes:
            if len(self._class_codes) >= REMEMBERED:
                self._class_codes.clear()
            self._class_codes[names] = self._class_code(names)
        code = self._class_codes[names]
        attributes = self._set.encoded(code.names, self.loaded) if code is not None else b""
        if code is None or not attributes:
            return code
        return ClassCode(code.names, hashlib.sha256(b"attributes\0" + code.digest + attributes).digest())

    def _class_code(self, names: tuple[tuple[str, str], ...]) -> ClassCode | None:
        counting = tuple(name for name in names if name[0].partition(".")[0] not in _WITH_PYTHON)
        if not counting:
            return None
        digests = [self._known(name, partial(self._reach, *name)).digest for name in counting]
        return ClassCode(counting, hashlib.sha256(b"classes\0" + b"".join(digests)).digest())

    def template(self, task: Task[Any, Any], variables: Mapping[str, str]) -> Recorded:
        """The task's template; `variables` are those that the action sees above those of the process."""
        known = self._plain.get(id(task)) or self._by_value.get(id(task))
        if known is not None:
            return known[1]
        by_value = importable_name(task.function) is None
        reached = self.reached(task)
        environ = _values_of(reached.closure.environ, variables)
        key = (id(task), *environ.items())
        known = self._templates.get(key)
        if known is not None and not by_value:
            return known[1]
        module = recorded_module_name(task.module)
        pickle: bytes | None = None
        below: list[Put] = []
        if by_value:
            pickle, put = self._ledger.prepare("blob", pickle_function(task).data)
            below.append(put)
        elif not self.loaded.bundle.has_module(module) and is_user_module(task.module):
            _logger.warning(
                "task %s is in module %s, which was loaded after the code was recorded and is not part of it, so this "
                "action cannot be run again; import the module at the top or name it in include=",
                task.name,
                module,
            )
        closure, put = self._ledger.prepare("closure", reached.closure.encode())
        below.append(put)
        template = TaskTemplate(
            name=task.name,
            short_name=task.short_name,
            module=module,
            qualname=task.qualname,
            is_async=task.is_async,
            doc=(task.__doc__ or "").strip(),
            interface=task.interface.record(_encoded),
            settings={name: _encoded(value) for name, value in sorted(_recorded_settings(task).items())},
            code_digest=reached.digest,
            bundle_digest=self.bundle,
            pickle=pickle,
            closure=closure,
            packages=reached.packages,
            environ=environ,
        )
        digest, put = self._ledger.prepare("template", records.pack_template(template), below)
        recorded = Recorded(template, digest, Kept(put), basis_of(template))
        if by_value:
            self._by_value[id(task)] = (task, recorded)
            return recorded
        if len(self._templates) >= REMEMBERED:  # tasks made by `override` come and go
            self._templates.clear()
            self._plain.clear()
        self._templates[key] = (task, recorded)
        if not reached.closure.environ:
            self._plain[id(task)] = self._templates[key]
        return recorded

    def text(self, module: str) -> bytes:
        """The source text of a module of the bundle, b"" for any other."""
        file = self.loaded.bundle.file_of(module)
        return b"" if file is None else self._read(file.blob)

    def _known(self, key: object, make: Callable[[], Reached]) -> Reached:
        known = self._reached.get(key)
        if known is None:
            if len(self._reached) >= REMEMBERED:
                self._reached.clear()
            known = self._reached[key] = make()
        return known

    def _reach(self, module: str, qualname: str, task: Task[Any, Any] | None = None) -> Reached:
        if module == DURABLE:
            # What it gives is one of a place in a recorded run, whatever code and versions are.
            return Reached(Closure(module, qualname), NOTHING, hashlib.sha256(b"durable\0").digest())
        if task is not None:
            closure = closure_by_value(
                task,
                self.loaded.bundle,
                reach=lambda module, name: self._reach(module, name).closure,
                class_code=self.class_code,
            )
        elif self.loaded.bundle.has_module(module):
            closure = self._analysis.closure(self.loaded.bundle, self._read, module, qualname)
        elif is_user_module(module):
            closure = _unknown(module, qualname, "the module was loaded after the code was recorded")
        else:
            closure = Closure(module, qualname, packages=(module.partition(".")[0],))
        if self._stale:
            closure = _unlike_any(closure, f"{', '.join(self._stale)} was not loaded from its text")
        elif self._cut and any(widening.to == "bundle" for widening in closure.widened):
            closure = _unlike_any(closure, f"not all was recorded that {', '.join(self._cut)} may import")
        if self.stubs:
            closure = marked(
                closure, [each for each in self.stubs if task is not None or each.is_reached(closure)]
            )
        packages = versions(closure.packages)
        named = msgpack.packb(sorted(packages.items()))
        return Reached(closure, packages, hashlib.sha256(b"code\0" + closure.digest + named).digest())

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
        if "env_vars" in settings:
            settings["env_vars"] = restored(settings["env_vars"], found.variables)
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
    settings = {**_environment_settings(task), **task.settings}
    if "env_vars" in settings:
        settings["env_vars"] = recorded(Redactor(), settings["env_vars"])
    return settings


def _values_of(names: tuple[str, ...], variables: Mapping[str, str]) -> Mapping[str, bytes]:
    """Digests of the values that these variables have, `variables` above those of the process; b"" for none.

    Where any may be read, those that are named and those above the process's have a digest each, and all others of the
    process one together, but for those that every shell and session sets anew.
    """
    if not names:
        return NO_VARIABLES
    token = current.set(None)  # so that `os.environ` is that of the process
    try:
        process = dict(os.environ)
    finally:
        current.reset(token)
    wanted = sorted({*names, *variables} - {ANY} if ANY in names else names)
    values = {name: variables.get(name, process.get(name)) for name in wanted}
    if ANY in names:
        rest = sorted((name, value) for name, value in process.items() if name not in values and _lasts(name))
        values[ANY] = "\0".join(f"{name}={value}" for name, value in rest)
        shown = all(is_shown(name, value) for name, value in rest)
        values[ANY] = values[ANY] if shown else digest_of_secret(ANY, values[ANY]).hex()
    return {name: b"" if value is None else digest_of(name, value) for name, value in values.items()}


def _lasts(variable: str) -> bool:
    """Whether a variable of the process says more than which shell or session it was started in."""
    return variable not in _OF_THE_SESSION and not variable.startswith(
        ("SSH_", "XDG_SESSION", "PYTEST_", "DALSEGNO_")
    )


_OF_THE_SESSION = frozenset(
    {
        "COLUMNS",
        "LINES",
        "OLDPWD",
        "PS1",
        "PWD",
        "SHLVL",
        "TERM",
        "TERM_SESSION_ID",
        "TMPDIR",
        "WINDOWID",
        "_",
    }
)


def _unlike_any(closure: Closure, reason: str) -> Closure:
    """The closure of code that is not all in the bundle, and so is never equal to other code."""
    symbol = Symbol(closure.module, f"{closure.qualname} as it ran", secrets.token_bytes(16))
    widening = Widening(closure.module, closure.qualname, "value", reason)
    return closure._replace(
        symbols=tuple(sorted((*closure.symbols, symbol))),
        widened=tuple(sorted((*closure.widened, widening))),
    )


def _unknown(module: str, qualname: str, reason: str) -> Closure:
    """Stands for code that cannot be told, and is never equal to other code."""
    return Closure(
        module,
        qualname,
        symbols=(Symbol(module, qualname, secrets.token_bytes(16)),),
        widened=(Widening(module, qualname, "bundle", reason),),
    )
