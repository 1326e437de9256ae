"""What a task reaches in its bundle: worked out once for many modules, and found again for code that has not changed."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Pairs, Row, Session, Target
from dalsegno._analysis import Analysis, forget
from dalsegno._ledger import Ledger
from dalsegno.bundle import Bundle, BundleFile
from dalsegno_storage import open_store
from dalsegno_storage.digest import digest

CENSUS = Path(__file__).parents[1] / "examples" / "census.py"
MODULES = 2000
MODULE = '''"""Module {number}."""

import os
from dataclasses import dataclass

from pkg.m{following} import helper as other

LIMIT = {number}
NAMES = {{"a": 1, "b": {number}}}


@dataclass
class Config:
    rate: float = 0.5
    size: int = {number}

    def total(self) -> float:
        return self.rate * self.size + LIMIT


def helper(x: int, y: int = 3) -> list[int]:
    """Help."""
    value = x * LIMIT + y
    for name, number in NAMES.items():
        if name == "a":
            value += number
    return [each + value for each in range(3)]


def second(config: Config) -> int:
    found = helper(config.size)
    return other(found[0])[0] if len(found) > 3 else sum(found)


def third(items: list[int]) -> list[int]:
    result = []
    for item in items:
        result.append(second(Config(size=item)))
    return result
'''


def measure(session: Session) -> Iterator[Row]:
    """Of the census with a store that has seen it, and of a package of 2,000 modules that nobody has seen."""
    return iter(asyncio.run(_measure(session)))


async def _measure(session: Session) -> list[Row]:
    texts = {"census.py": CENSUS.read_bytes()}
    names = [("census", name) for name in ("census", "count_package", "count_module")]
    store = open_store(session.folder / "closures.store")
    try:
        ledger = Ledger(store)
        _analysed(ledger, texts, names)
        ledger.close()
        ledger = Ledger(store)
        known = [_analysed(ledger, texts, names) for _ in range(20)]
        ledger.close()
        row = Row("closures of census, unchanged code", Pairs(known), "", Target(5e-3))
        many = modules(MODULES)
        parsed, new = [], []
        for _ in range(session.scale.batches):
            began = time.perf_counter()
            for text in many.values():
                ast.parse(text)
            parsed.append(time.perf_counter() - began)
            new.append(of_new_modules(MODULES))
        return [
            row,
            Row("closure in 2,000 new modules", Pairs(new, parsed), "ast.parse of them", Target(1.0)),
        ]
    finally:
        store.close()


def modules(n: int) -> dict[str, bytes]:
    """The texts of a package of `n` modules, each of which imports the next."""
    texts = {"pkg/__init__.py": b""}
    for number in range(n):
        texts[f"pkg/m{number}.py"] = MODULE.format(number=number, following=(number + 1) % n).encode()
    return texts


def of_new_modules(n: int) -> float:
    """Seconds for the closure of a function of that package, with a store that has seen nothing."""
    with TemporaryDirectory() as folder:
        store = open_store(f"{folder}/store")
        ledger = Ledger(store)
        try:
            return _analysed(ledger, modules(n), [("pkg.m0", "third")])
        finally:
            ledger.close()
            store.close()


def _analysed(ledger: Ledger, texts: dict[str, bytes], names: list[tuple[str, str]]) -> float:
    """Seconds for the closures of these names by a process that remembers nothing."""
    blobs = {digest("blob", text): text for text in texts.values()}
    bundle = Bundle(tuple(BundleFile(path, digest("blob", text), len(text)) for path, text in texts.items()))
    forget()
    began = time.perf_counter()
    analysis = Analysis(ledger)
    for module, name in names:
        analysis.closure(bundle, blobs.__getitem__, module, name)
    return time.perf_counter() - began
