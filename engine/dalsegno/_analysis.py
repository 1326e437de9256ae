"""What code a task reaches in its bundle, worked out once and kept in the store.

What one module's text says is kept under the digest of the text, what a task reaches under that of its bundle, so that
unchanged code costs two reads per task. Both can be made again from the objects, and carry the number of the analysis
that made them: a release that analyses otherwise finds nothing and begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

import msgpack

from dalsegno import _records as records
from dalsegno._ledger import Ledger
from dalsegno.closure import (
    ANALYSIS,
    Closure,
    ModuleFacts,
    Outline,
    closure,
    module_facts,
    module_outline,
    module_words,
)
from dalsegno.errors import ObjectNotFoundError
from dalsegno_storage.digest import digest

if TYPE_CHECKING:
    from dalsegno.bundle import Bundle
    from dalsegno.bundle.model import ReadBlob

T = TypeVar("T")

TRIES = 20
"""How often a text is parsed before it counts as one that cannot be."""

UNPARSABLE = "it could not be parsed in this process"

REMEMBERED = 1000
"""How many closures are kept at hand, and five times as many facts."""

FEW = 4
"""How many bundles are kept at hand as they are gone through; the next task is most likely of one of them."""

MANY = 32
"""When so many modules of a bundle have been asked for, all of them are outlined."""


class _Memory:
    """What this process has worked out, by content, whatever store it is for."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.closures: dict[bytes, Closure] = {}
        self.facts: dict[bytes, ModuleFacts] = {}
        self.outlines: dict[bytes, Outline] = {}
        self.bundles: dict[bytes, _Files] = {}

    def tidy(self) -> None:
        """Forget everything when it has become too much."""
        if len(self.closures) >= REMEMBERED or len(self.facts) >= 5 * REMEMBERED:
            self.closures.clear()
            self.facts.clear()
            self.outlines.clear()
        while len(self.bundles) > FEW:
            self.bundles.pop(next(iter(self.bundles)))


_memory = _Memory()


def forget() -> None:
    """Begin anew, as another process would."""
    global _memory
    _memory = _Memory()


class Analysis:
    """The analyses of the bundles of one store."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stored: set[bytes] = set()
        self._made: list[tuple[bytes, Outline | ModuleFacts]] = []

    def closure(self, bundle: Bundle, read: ReadBlob, module: str, qualname: str) -> Closure:
        """What the function or class of that recorded name reaches; `read` gives files that are not stored yet."""
        place = _place("closure", bundle.digest, module, qualname)
        known = _memory.closures.get(place)
        if known is not None and place in self._stored:
            return known
        (kept,) = self._ledger.derived([place])
        with _memory.lock:  # threads that want the same wait for it, instead of doing it all at once
            _memory.tidy()
            found = known or _memory.closures.get(place) or (None if kept is None else Closure.decode(kept))
            if found is None:
                files = _memory.bundles.setdefault(bundle.digest, _Files(bundle))
                with files.read_by(self, self.stored_or(read)):
                    found = closure(files, module, qualname)
                self._keep_made()
            if kept is None:
                self._ledger.keep_derived(place, found.encode())
            self._stored.add(place)
            _memory.closures[place] = found
        return found

    def facts(self, blob: bytes, read: ReadBlob, module: str, *, is_package: bool) -> ModuleFacts:
        """What the text of a module says."""
        place = _place("facts", blob, module, is_package)
        known = _memory.facts.get(place)
        if known is None:
            (kept,) = self._ledger.derived([place])
            if kept is not None:
                known = ModuleFacts.decode(kept)
            else:
                text = read(blob)
                known = _parsing(partial(module_facts, text, name=module, is_package=is_package))
                if known is None:
                    known = ModuleFacts(module, digest("facts", text)[:16], problem=UNPARSABLE)
                self._made.append((place, known))
            _memory.facts[place] = known
        return known

    def outline(self, blob: bytes, read: ReadBlob, module: str, *, is_package: bool) -> Outline:
        """What the top level of a module says."""
        known = _memory.outlines.get(_place("outline", blob, module, is_package))
        return known or self.outlines({module: (blob, is_package)}, read)[0]

    def outlines(self, modules: Mapping[str, tuple[bytes, bool]], read: ReadBlob) -> list[Outline]:
        """The same of many modules, each by its blob and whether it is a package.

        They are read at once, and each step is done for all of them before the next, since parsing drives from the processor's
        caches what the other steps have in common.
        """
        places = [_place("outline", blob, name, is_package) for name, (blob, is_package) in modules.items()]
        new: list[tuple[bytes, str, bytes, bool]] = []
        for place, kept, (name, (blob, is_package)) in zip(
            places, self._ledger.derived(places), modules.items(), strict=True
        ):
            if kept is not None:
                _memory.outlines[place] = Outline.decode(kept)
            elif place not in _memory.outlines:
                new.append((place, name, blob, is_package))
        texts = [read(blob) for _, _, blob, _ in new]
        words = [module_words(text) for text in texts]
        for (place, name, blob, is_package), text, assigned in zip(new, texts, words, strict=True):
            found = _parsing(partial(module_outline, text, assigned, name=name, is_package=is_package))
            known, facts = (Outline(UNPARSABLE), None) if found is None else found
            self._made.append((place, known))
            if facts is not None:
                at = _place("facts", blob, name, is_package)
                self._made.append((at, facts))
                _memory.facts[at] = facts
            _memory.outlines[place] = known
        return [_memory.outlines[place] for place in places]

    def _keep_made(self) -> None:
        """Hand in what was worked out; all at the end, since the thread that writes takes the interpreter from this one."""
        made, self._made = self._made, []
        for place, known in made:
            self._ledger.keep_derived(place, known.encode())

    def stored_or(self, read: ReadBlob) -> ReadBlob:
        """Reads files from the store, and those that are not there yet with `read`."""

        def found(blob: bytes) -> bytes:
            if self._ledger.has(blob):
                with suppress(ObjectNotFoundError):  # it was removed just now
                    return self._ledger.blob(blob)
            return read(blob)

        return found


class _Files:
    """A bundle as the analysis sees it; its files can be read inside `read_by` only."""

    def __init__(self, bundle: Bundle) -> None:
        self._modules: dict[str, tuple[bytes, bool]] = {}
        data: dict[str, bytes] = {}
        for file in bundle.files:
            if file.path.endswith(".py"):
                is_package = file.path.endswith("/__init__.py")
                path = file.path.removesuffix("/__init__.py").removesuffix(".py")
                self._modules[path.replace("/", ".")] = (file.blob, is_package)
            else:
                data[file.path] = file.blob
        self.modules = self._modules.keys()
        self.data: Mapping[str, bytes] = data
        self._reading: tuple[Analysis, ReadBlob] | None = None
        self._asked = 0

    @contextmanager
    def read_by(self, analysis: Analysis, read: ReadBlob) -> Iterator[None]:
        """Let files be read, and what is worked out be kept, by an analysis."""
        self._reading = (analysis, read)
        try:
            yield
        finally:
            self._reading = None

    def facts(self, module: str) -> ModuleFacts | None:
        found = self._modules.get(module)
        if found is None:
            return None
        analysis, read = self._open()
        return analysis.facts(found[0], read, module, is_package=found[1])

    def outline(self, module: str) -> Outline:
        blob, is_package = self._modules[module]
        analysis, read = self._open()
        self._asked += 1
        if self._asked == MANY:  # nearly always, all are asked for in the end
            analysis.outlines(self._modules, read)
        return analysis.outline(blob, read, module, is_package=is_package)

    def is_package(self, module: str) -> bool:
        return self._modules[module][1]

    def text(self, module: str) -> bytes:
        return self._open()[1](self._modules[module][0])

    def _open(self) -> tuple[Analysis, ReadBlob]:
        assert self._reading is not None  # closures are made inside `read_by`
        return self._reading


def _parsing(work: Callable[[], T]) -> T | None:
    """The result of work that parses something; None when it always fails for a reason that has nothing to do with it.

    CPython 3.11 counts the depth of syntax trees in one place for all threads: when another thread, or a finalizer, parses
    something meanwhile, it raises SystemError for a text that there is nothing wrong with.
    """
    for _ in range(TRIES):
        with suppress(SystemError):
            return work()
    return None


def _place(what: str, *parts: bytes | str | bool) -> bytes:
    return records.derived_key(digest(what, msgpack.packb([ANALYSIS, *parts])))
