"""The code that is here, captured for new runs, and the code that is recorded, loaded for reruns."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dalsegno import _records as records
from dalsegno._analysis import Analysis
from dalsegno._code import RunCode
from dalsegno._ledger import Ledger
from dalsegno._puts import Kept
from dalsegno.bundle import (
    Bundle,
    Capture,
    capture,
    differences,
    identities,
    importable_name,
    installed,
    load,
    manifest,
    pickle_function,
)
from dalsegno.errors import EnvironmentMismatchError
from dalsegno.settings import RunSettings
from dalsegno.task import Task, TaskEnvironment

_logger = logging.getLogger("dalsegno")


class Codebase:
    """The code of the runs of one store; every bundle is looked at once."""

    def __init__(self, ledger: Ledger, folder: Path | None) -> None:
        self._ledger = ledger
        self._analysis = Analysis(ledger)
        self._folder = folder
        self._live: dict[bytes, RunCode] = {}
        self._recorded: dict[tuple[bytes, str | None], RunCode] = {}
        self._bundles: dict[bytes, Bundle] = {}
        self._compared: set[bytes] = set()
        self._here: dict[bytes, tuple[bytes, tuple[Kept, ...]]] = {}

    def live(self, task: Task[Any, Any], settings: RunSettings) -> RunCode:
        """The code that a task of this process needs, as it is now."""
        importable = importable_name(task.function) is not None
        taken = capture(
            [task.module] if importable else [],
            needed=() if importable else pickle_function(task).modules,
            root_dir=settings.root_dir,
            include=list(_included(task.environment, set())),
            copy_style=settings.copy_style,
            exclude_dirs=identities(self._folder) if self._folder is not None else frozenset(),
        )
        for module in taken.stale:
            _logger.warning(
                "module %s is not loaded from the text of its file, which was edited since or had an outdated bytecode "
                "cache, so results of this run are never reused; start Python again to record what runs",
                module,
            )
        for module in taken.cut:
            _logger.warning(
                "module %s imports what may be any of more modules than are recorded, so results of code that reaches it "
                "are never reused; name what it imports, or move it into a package of its own",
                module,
            )
        if taken.stale:  # a module may be loaded again from yet another text
            return self._new(taken).for_run()
        digest = taken.bundle.digest
        code = self._live.get(digest)
        if code is None:
            code = self._live[digest] = self._new(taken)
        return code.for_run()

    def recorded(self, bundle: bytes, settings: RunSettings | None = None) -> RunCode:
        """The recorded code with that digest; it is loaded when something of it is asked for."""
        isolation: Literal["private"] | None = None
        if settings is not None and settings.isolation == "private":
            isolation = "private"
        content = self._bundles.get(bundle)
        if content is None:
            content = self._bundles[bundle] = self._ledger.bundle(bundle)
        loaded = load(content, self._ledger.blob, isolation=isolation)
        code = self._recorded.get((bundle, isolation))
        if code is None or code.loaded is not loaded:
            code = self._recorded[bundle, isolation] = RunCode(
                self._ledger, self._analysis, bundle, loaded, self._ledger.blob
            )
        return code.for_run()

    def compare_environment(self, recorded: bytes, *, strict: bool) -> None:
        """Warn of packages that differ from the recorded ones, once per manifest; refuse them if `strict`."""
        if recorded in self._compared and not strict:
            return
        self._compared.add(recorded)
        before = self._ledger.manifest(recorded)
        found = differences(before, installed(before))
        if found and strict:
            raise EnvironmentMismatchError("this environment is not the recorded one: " + "; ".join(found))
        for difference in found:
            _logger.warning("this environment is not the recorded one: %s", difference)

    def manifest_here(self, recorded: bytes) -> tuple[bytes, tuple[Kept, ...]]:
        """What is recorded of this process for code that was recorded with that manifest: the versions that it has here."""
        known = self._here.get(recorded)
        if known is None:
            before = self._ledger.manifest(recorded)
            digest, put = self._ledger.prepare("manifest", records.pack_manifest(installed(before)))
            known = self._here[recorded] = (recorded, ()) if digest == recorded else (digest, (Kept(put),))
        return known

    def _new(self, taken: Capture) -> RunCode:
        bundle = taken.bundle
        recorded_manifest = records.pack_manifest(manifest(taken.imports))
        manifest_digest, manifest_put = self._ledger.prepare("manifest", recorded_manifest)
        files = [self._ledger.put("blob", blob, partial(taken.read, blob)) for blob in bundle.blobs()]
        digest, bundle_put = self._ledger.prepare("bundle", bundle.encode(), files)
        return RunCode(
            self._ledger,
            self._analysis,
            digest,
            load(bundle, taken.read),
            taken.read,
            manifest_digest,
            (Kept(manifest_put), Kept(bundle_put)),
            taken.stale,
            taken.cut,
        )


def _included(environment: TaskEnvironment, seen: set[int]) -> Iterator[tuple[Path, str]]:
    """The include patterns of an environment and of those it depends on."""
    if id(environment) in seen:
        return
    seen.add(id(environment))
    for pattern in environment.include:
        yield environment.folder, pattern
    for other in environment.depends_on:
        yield from _included(other, seen)
