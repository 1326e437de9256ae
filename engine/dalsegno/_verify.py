"""Verifying that a run reproduces: how often it is executed again and where, and what to make of what is found.

A repetition here shares this process with others: what modules keep from one call to the next is seen by the next. One in a
process of its own begins with new modules, imported from the recorded code, and may have another hash seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from dalsegno._causes import likely
from dalsegno._places import Place
from dalsegno._reproduce import Evidence, Repetition, Wish, reproduce
from dalsegno._suspects import Suspect
from dalsegno.bundle import write_files
from dalsegno.codec import decode, default_resolve, encode
from dalsegno.errors import ConfigError, UsageError
from dalsegno.failures import failure_of, revive
from dalsegno.models import Failure
from dalsegno_storage import open_store

if TYPE_CHECKING:
    from dalsegno.engine import Engine

__all__ = ["Divergence", "Verification", "verify_run"]

SEEDS = 2
"""With so many hash seeds at least it is executed if that is asked for."""

_START = "import sys; sys.path.extend({paths!r}); from dalsegno._verify import main; main()"


class Divergence(NamedTuple):
    """An action that did something else than is recorded, on the same code and inputs.

    `how` says of which execution that is. `outputs` are the places in which the results differ, `error` the two failures as
    text, "" for none; `came` and `gone` are names of calls that only the new, or only the recorded execution made. `cause` is the
    likeliest one: "time", "randomness", "set order", "float order", "environment", "packages", "file", "state" (that stays from
    one call to the next), "opaque value" or "unknown"; `clues` say what speaks for it and for others.
    """

    action: str
    task: str
    how: str
    outputs: tuple[Place, ...]
    error: tuple[str, str] | None
    came: tuple[str, ...]
    gone: tuple[str, ...]
    cause: str
    clues: tuple[str, ...]


class Verification(NamedTuple):
    """What came of executing a run, or an action of it, again so many `times`.

    `executed` is how many actions that were. `divergences` are the first ones to differ, each once, the earliest first: those
    above them may only follow. `kept` are the names of the new runs that were recorded.
    """

    run: str
    action: str
    times: int
    executed: int
    divergences: tuple[Divergence, ...]
    kept: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Every execution did what is recorded."""
        return not self.divergences


async def verify_run(
    engine: Engine,
    run: str,
    action: str,
    *,
    times: int = 1,
    each: bool = False,
    hash_seed: bool = False,
    process: bool = False,
    keep: bool = False,
    env_vars: Mapping[str, str] | None = None,
) -> Verification:
    """Execute it again and compare; raises what keeps it from being executed."""
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise ConfigError(f"times is a number from 1 up, not {times!r}")
    record = engine.get_run(run).record
    found_action = engine.ledger.action(record, action)
    bundle = engine.ledger.template(found_action.template).bundle_digest
    engine.ledger.refuse_untrusted(record.id, bundle)
    wish = Wish(run, action, record.project, record.domain, each, keep, dict(env_vars or {}))
    seeds: list[int | None] = [None] * times
    if hash_seed:
        seeds = [*range(1, max(times, SEEDS) + 1)]
    executed, kept = 0, list[str]()
    divergences: dict[str, Divergence] = {}
    for number, seed in enumerate(seeds, 1):
        if process or seed is not None:
            repetition = await _elsewhere(engine, wish, bundle, seed)
        else:
            # The store, as something to put the new runs on top of; the engine itself stays out of it.
            repetition = await reproduce(engine.ledger._store, wish, _redact(engine))
        executed += repetition.executed
        kept += repetition.kept
        for evidence in repetition.found:
            how = _how(number, len(seeds), process=process, each=each, seed=seed)
            divergences.setdefault(evidence.action, _divergence(evidence, how, seeded=seed is not None))
    return Verification(run, action, len(seeds), executed, tuple(divergences.values()), tuple(kept))


def _divergence(found: Evidence, how: str, *, seeded: bool) -> Divergence:
    cause, clues = likely(found, seeded=seeded)
    return Divergence(
        found.action,
        found.task,
        how,
        found.outputs,
        found.error,
        found.came,
        found.gone,
        cause,
        clues,
    )


def _how(number: int, times: int, *, process: bool, each: bool, seed: int | None) -> str:
    parts = [f"execution {number} of {times}"] if times > 1 else []
    parts += ["alone"] if each else []
    if seed is not None:
        parts.append(f"with hash seed {seed}")
    elif process:
        parts.append("in a process of its own")
    return ", ".join(parts)


def _redact(engine: Engine) -> Any:
    return engine.redactor.setting()


async def _elsewhere(engine: Engine, wish: Wish, bundle: bytes, seed: int | None) -> Repetition:
    """The same in a process of its own."""
    place = engine.url
    if place.partition(":")[0] == "memory":
        raise UsageError(
            "a process of its own needs a store that it can open, not one in memory; leave out process and hash_seed"
        )
    request = {
        "place": place,
        "wish": wish._asdict(),
        "bundle": bundle,
        "redact": _redact(engine),
    }
    paths = [str(Path(sys.modules[name].__path__[0]).parent) for name in ("dalsegno", "dalsegno_storage")]
    environment = dict(os.environ)
    if seed is not None:
        environment["PYTHONHASHSEED"] = str(seed)
    done = await anyio.run_process(
        [sys.executable, "-P", "-c", _START.format(paths=paths)],
        input=encode(request).data,
        stdout=subprocess.PIPE,
        stderr=None,
        env=environment,
        check=False,
    )
    if not done.stdout:
        raise UsageError(f"the process that executed it again ended with status {done.returncode}")
    answer = decode(done.stdout)
    if "failure" in answer:
        raise revive(Failure(*answer["failure"]), default_resolve)
    return _repetition(json.loads(answer["found"]))


def _repetition(told: list[Any]) -> Repetition:
    """What `json` makes of a repetition, as it was."""
    executed, found, kept = told
    return Repetition(executed, tuple(_evidence(*each) for each in found), tuple(kept))


def _evidence(action: str, task: str, started_at: int, *rest: Any) -> Evidence:
    outputs, error, came, gone, began, ended, variables, packages, found, opaque = rest
    return Evidence(
        action,
        task,
        started_at,
        tuple(Place(*each) for each in outputs),
        None if error is None else (error[0], error[1]),
        tuple(came),
        tuple(gone),
        (began[0], began[1]),
        (ended[0], ended[1]),
        tuple(variables),
        tuple(packages),
        tuple(Suspect(*each) for each in found),
        opaque,
    )


def main() -> None:
    """The process: read what is wanted, execute it, say what was found."""
    request = decode(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as answers, tempfile.TemporaryDirectory(prefix="dalsegno-") as folder:
        os.dup2(2, 1)
        answers.write(encode(anyio.run(_serve, request, folder)).data)


async def _serve(request: dict[str, Any], folder: str) -> dict[str, Any]:
    from dalsegno._ledger import Ledger

    try:
        store = open_store(request["place"], create=False)
        try:
            ledger = Ledger(store)
            try:
                write_files(ledger.bundle(request["bundle"]), ledger.blob, folder)
            finally:
                ledger.close()
            sys.path.insert(0, folder)
            found = await reproduce(store, Wish(**request["wish"]), request["redact"])
        finally:
            store.close()
    except Exception as error:  # told to the one who asked, who raises it
        return {"failure": tuple(failure_of(error))}
    return {"found": json.dumps(found)}
